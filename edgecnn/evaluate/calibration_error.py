"""How far scores can be taken at their word."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def expected_calibration_error(scores: NDArray[Any], truths: NDArray[np.int64], bins: int = 15) -> float:
    """Return by how much the best score differs, on average, from the share of right answers.

    The pictures are sorted into bins of equal width by their best score; in each bin the mean of those
    scores is held against the share of right answers, and bins count by the pictures in them.

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
    if not len(scores) or truths.shape != (len(scores),) or bins < 1:
        raise ValueError(f"scores of shape {scores.shape} and truths of {truths.shape} give no error in {bins} bins")
    best = scores.max(axis=1).astype(np.float64)
    right = scores.argmax(axis=1) == truths
    # A score on the border of two bins belongs to the lower one, as in the paper.
    places = np.clip(np.ceil(best * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=right - best, minlength=bins)
    return float(np.abs(gaps).sum() / len(best))
