"""Scores that mean what they say: one number by which the logits are divided."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST, LARGEST = 0.2, 10.0
# How far ln T may stray from 0 before pictures have to speak for it: decides only where they are few or say nothing.
_PRIOR_SPREAD = 0.5
_PRECISION = 1e-4
_GOLDEN = (5.0**0.5 - 1.0) / 2.0


def fit_temperature(logits: NDArray[Any], truths: NDArray[np.int64]) -> float:
    """Return the temperature T at which softmax(logits / T) fits the truths best.

    It minimizes the cross entropy, plus (ln T)² / (2 · 0.5²) as if that were one picture's: where no
    finite T is best, because every picture is recognized, or where pictures are few, T stays
    near 1. The best class of a picture never changes.

    Args:
        logits: floats, shape (N, C), finite, of a float model on pictures that it was not fitted to.
        truths: int64, shape (N,), the true classes.

    Returns:
        0.2 to 10; above 1 for a model that is surer than it should be. 1 where there are no pictures.

    Raises:
        ValueError: the shapes do not fit together, or a logit is no number.

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2.
    """
    if logits.ndim != 2 or truths.shape != (len(logits),):
        raise ValueError(f"logits of shape {logits.shape} do not fit truths of shape {truths.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("the logits must be finite numbers")
    if not len(logits):
        return 1.0
    # From here on the largest logit of each picture is 0, so that no exponential overflows.
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True).astype(np.float64)
    true_logits = shifted[np.arange(len(shifted)), truths]

    def loss(log_temperature: float) -> float:
        beta = np.exp(-log_temperature)
        entropy = np.log(np.exp(beta * shifted).sum(axis=1)) - beta * true_logits
        return float(entropy.sum() + log_temperature**2 / (2.0 * _PRIOR_SPREAD**2))

    return float(np.clip(np.exp(_minimize(loss, np.log(SMALLEST), np.log(LARGEST))), SMALLEST, LARGEST))


def _minimize(function: Any, low: float, high: float) -> float:
    """Golden-section search; the loss has a single valley along the temperature."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return 0.5 * (low + high)
