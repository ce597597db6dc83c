"""How much a picture is like those that a model was made with, 0 to 1, whatever measures it.

A classifier must give one of its classes to everything. Three measures tell what it knows from
what it does not; all are larger for what is familiar:

- ``max_score``: the best softmax score. It needs nothing but the output.
- ``energy``: the energy of the logits, which softmax throws away.
- ``feature_distance``: how near the features before the last layer come to those of training pictures.

References:
    Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples
    in Neural Networks", arXiv:1610.02136.
    Liu et al., "Energy-based Out-of-distribution Detection", arXiv:2010.03759.
    Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", arXiv:2204.06507.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

FamiliarityMethod = Literal["max_score", "energy", "feature_distance"]
FAMILIARITY_METHODS: tuple[FamiliarityMethod, ...] = get_args(FamiliarityMethod)
AT_THRESHOLD = 0.5


class Ramp(NamedTuple):
    """Turns a measure into a familiarity: a straight line from 0 over 0.5 at ``threshold`` to 1 at ``typical``.

    Attributes:
        threshold: the value below which a picture counts as unknown.
        typical: the value from which on a picture is as familiar as can be; above ``threshold``.
    """

    threshold: float
    typical: float

    def familiarity(self, measure: float) -> float:
        """Return 0 to 1; 0 for a measure that is no number."""
        if not math.isfinite(measure):
            return 1.0 if measure == math.inf else 0.0
        share = (measure - self.threshold) / (self.typical - self.threshold)
        return min(1.0, max(0.0, AT_THRESHOLD + AT_THRESHOLD * share))


def energy(logits: NDArray[Any]) -> float:
    """Return the logarithm of the sum of the exponentials of the logits, the negative energy at temperature 1.

    Args:
        logits: floats, shape (C,).
    """
    largest = float(logits.max())
    if not math.isfinite(largest):
        return largest
    return largest + math.log(float(np.exp(logits - largest).sum()))
