"""From which score on an answer is believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.modelfile.manifest import ConfidencePart

KEPT_SHARE = 0.95


def fit_rejection(scores: NDArray[np.float32]) -> ConfidencePart:
    """Return the threshold that 95% of the validation pictures reach with their best score.

    All of them show things that the model knows; what the threshold does to things that it
    does not know, nobody has measured here.

    Args:
        scores: float32, shape (N, C), of the exported file on the validation split, N from 1.

    Reference:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution
        Examples in Neural Networks", arXiv:1610.02136: the maximum softmax score.
    """
    best = np.sort(scores.max(axis=1))
    threshold = float(np.clip(best[int((1.0 - KEPT_SHARE) * len(best))], 0.0, 1.0))
    # Rounded down: six digits are what a result shows, and the picture at the threshold stays in.
    unknown_below = np.floor(threshold * 1e6) / 1e6
    return ConfidencePart(
        method="max_score",
        unknown_below=float(unknown_below),
        kept=float(np.mean(best >= unknown_below)),
        split="val",
        num=len(best),
    )
