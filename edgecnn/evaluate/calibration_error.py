"""How far scores can be taken at their word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15  # as in the paper


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Pictures whose best score lies between ``low`` and ``high``: their mean score and the share that was right."""

    low: float
    high: float
    num: int
    score: float
    right: float


def calibration_curve(
    scores: NDArray[Any], truths: NDArray[np.int64], bins: int = NUM_BINS
) -> tuple[CalibrationBin, ...]:
    """Sort pictures by their best score into bins of equal width; return those that hold any.

    Args:
        scores: floats, shape (N, C), 0 to 1, N from 1.
        truths: int64, shape (N,), the true classes.
        bins: how many, from 1.

    Raises:
        ValueError: there are no pictures, or the shapes do not fit together.

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 2.
    """
    if not len(scores) or truths.shape != (len(scores),) or bins < 1:
        raise ValueError(f"scores of shape {scores.shape} and truths of {truths.shape} give no curve in {bins} bins")
    best = scores.max(axis=1).astype(np.float64)
    right = scores.argmax(axis=1) == truths
    # A score on the border of two bins belongs to the lower one, as in the paper.
    places = np.clip(np.ceil(best * bins).astype(np.int64) - 1, 0, bins - 1)
    return tuple(
        CalibrationBin(
            low=index / bins,
            high=(index + 1) / bins,
            num=int(members.sum()),
            score=float(best[members].mean()),
            right=float(right[members].mean()),
        )
        for index in range(bins)
        if (members := places == index).any()
    )


def expected_calibration_error(scores: NDArray[Any], truths: NDArray[np.int64], bins: int = NUM_BINS) -> float:
    """Return by how much the best score differs, on average, from the share of right answers.

    In each bin of ``calibration_curve`` the mean score is held against the share of right answers, and
    bins count by the pictures in them.

    Args:
        scores: floats, shape (N, C), 0 to 1, N from 1.
        truths: int64, shape (N,), the true classes.
        bins: how many, from 1.

    Returns:
        0 (among pictures with a score of 0.8, 80% are right, and so on) to 1.

    Raises:
        ValueError: there are no pictures, or the shapes do not fit together.

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, equation 3.
    """
    curve = calibration_curve(scores, truths, bins)
    return sum(part.num * abs(part.right - part.score) for part in curve) / len(scores)
