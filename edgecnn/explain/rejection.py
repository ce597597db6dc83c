"""Whether a picture is something that the file knows, by the file's own threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgecnn.explain.network import Look, Network
from edgecnn.runtime.familiarity import meter_of


class Familiar(NamedTuple):
    """What was held against the threshold.

    Attributes:
        is_unknown: whether it lies below.
        value: the familiarity or the best score, 0 to 1.
        threshold: the file's.
        is_score: whether it was the best score.
    """

    is_unknown: bool
    value: float
    threshold: float
    is_score: bool


class Rejection:
    """Tells ``unknown`` from known pictures, as ``Classifier`` does, for a network that is looked into."""

    def __init__(self, network: Network) -> None:
        """Find out what the file says about that."""
        confidence = network.file.manifest.confidence if network.file.manifest else None
        self._meter = meter_of(network.file)
        tensor = self._meter.tensors[0] if self._meter else None
        self._layer = next((layer for layer in network.layers if layer.output == tensor), None)
        sees_inside = self._meter is not None and self._layer is not None
        by_score = confidence is None or confidence.method == "max_score" or sees_inside
        self._threshold = network.file.unknown_below if by_score or confidence is None else confidence.score_below

    def judge(self, look: Look) -> Familiar | None:
        """Return how familiar a picture is; None for a file without a threshold."""
        if self._threshold is None:
            return None
        if self._meter is not None and self._layer is not None:
            value, is_score = self._meter.familiarity([look.codes(self._layer)]), False
        else:
            value, is_score = float(look.scores.max()), True
        # Compared as float32, like the scores, so that a score of 0.7 reaches 0.7.
        return Familiar(bool(np.float32(value) < np.float32(self._threshold)), value, self._threshold, is_score)
