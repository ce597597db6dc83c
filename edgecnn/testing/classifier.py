"""A classifier without a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgecnn.core.frame import Frame
from edgecnn.core.labels import check_labels


class FakeClassifier:
    """Scores a picture by a function, at the picture's own size.

    Args:
        labels: names of the C classes.
        function: takes pixels, uint8, shape (H, W, 3), RGB, and returns C scores.
        familiar: takes such pixels and returns their familiarity, 0 to 1; None for a model without.
    """

    def __init__(
        self,
        labels: Sequence[str],
        function: Callable[[NDArray[np.uint8]], ArrayLike],
        *,
        familiar: Callable[[NDArray[np.uint8]], float] | None = None,
    ) -> None:
        self._labels = check_labels(labels)
        self._function, self._familiar = function, familiar
        # Of each thread its own: ``twin`` returns this very object.
        self._newest = threading.local()

    contract = None

    def twin(self) -> FakeClassifier:
        """Return this one: the function must not mind being called in several threads."""
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self._labels

    def prepare(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the frame's pixels in RGB order: uint8, shape (H, W, 3)."""
        return frame.pixels if frame.color_order == "rgb" else frame.pixels[..., ::-1]

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the function's scores: float32, shape (C,)."""
        scores = np.asarray(self._function(pixels), np.float32)
        if scores.shape != (len(self._labels),):
            raise ValueError(f"the function must return {len(self._labels)} scores, got shape {scores.shape}")
        self._newest.familiarity = self._familiar(pixels) if self._familiar else None
        return scores

    def familiarity(self) -> float | None:
        """Return what the function ``familiar`` says about the newest pixels of this thread."""
        familiarity: float | None = self._newest.familiarity
        return familiarity
