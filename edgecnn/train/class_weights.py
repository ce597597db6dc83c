"""How much one picture of each class counts, where some classes have few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.train.config import ClassWeightRule

MAX_IMBALANCE = 1.5


def balance_classes(
    label_indices: NDArray[np.int64], num_classes: int, rule: ClassWeightRule
) -> NDArray[np.float64] | None:
    """Return the weight of each class, or None where all pictures count the same.

    The weight is n / (k * n_c) for n pictures, k classes and n_c pictures of the class, so that every
    class has the same total and the mean over all pictures is 1.

    Args:
        label_indices: int64, shape (N,), the classes of the training pictures; each occurs.
        num_classes: k.
        rule: ``auto`` weighs when the largest class has more than 1.5 times the smallest.

    Returns:
        float64, shape (k,), above 0; or None.
    """
    counts = np.bincount(label_indices, minlength=num_classes)
    if rule == "off" or (rule == "auto" and counts.max() <= MAX_IMBALANCE * counts.min()):
        return None
    weights: NDArray[np.float64] = len(label_indices) / (num_classes * counts.astype(np.float64))
    return weights
