"""What a model file knows of pictures on its way to the scores, for telling the strange from the familiar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.familiarity import FamiliarityMethod, energy
from edgecnn.core.feature_map import FeatureMap
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.head import find_head
from edgecnn.runtime.classifier import to_values
from edgecnn.runtime.engine import EngineOptions, open_engine
from edgecnn.runtime.familiarity import reader_of


class Sightings(NamedTuple):
    """A file's own values for N pictures.

    Attributes:
        scores: float32, shape (N, C).
        logits: float32, shape (N, C); None where the file does not let them be seen.
        features: float32, shape (N, D), what the last dense layer sees; None likewise.
    """

    scores: NDArray[np.float32]
    logits: NDArray[np.float32] | None
    features: NDArray[np.float32] | None

    def measure(self, method: FamiliarityMethod, feature_map: FeatureMap | None = None) -> NDArray[np.float64] | None:
        """Return a measure of every picture, larger for what is familiar: shape (N,); None where it cannot be had."""
        if method == "max_score":
            return np.asarray(self.scores.max(axis=1), np.float64)
        if method == "energy":
            return None if self.logits is None else np.array([energy(row) for row in self.logits])
        if feature_map is None or self.features is None:
            return None
        return np.array([-feature_map.distance(row) for row in self.features])


class Watcher:
    """Scores pictures like a ``Classifier`` and remembers what it saw inside the network.

    It is a ``ScoreBatch`` for ``evaluate``; afterwards ``seen`` has the same pictures in the same order.
    """

    def __init__(self, file: ModelFile, *, backend: str = "auto", num_threads: int | None = None) -> None:
        """Load the file once more, with its logits and features as further outputs.

        Raises:
            BackendUnavailableError: the runtime here cannot run it.
        """
        self._file = file
        self._head = find_head(file.graph)
        self._engine = open_engine(file, backend, EngineOptions(num_threads=num_threads, also=tuple(self._head or ())))
        self._read_scores = reader_of(file, file.graph.outputs[0])
        self._readers = [reader_of(file, tensor) for tensor in self._head or ()]
        self._rows: list[tuple[NDArray[np.float32], ...]] = []

    def __call__(self, pixels: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the scores of pictures: float32, shape (n, C).

        Args:
            pixels: uint8, shape (height, width, 3) each, RGB, values 0 to 255.
        """
        before = len(self._rows)
        for picture in pixels:
            scores = self._read_scores(self._engine.invoke(to_values(picture, self._file)))
            extras = self._engine.extras or ()
            self._rows.append((scores, *(read(values) for read, values in zip(self._readers, extras, strict=False))))
        return np.stack([row[0] for row in self._rows[before:]])

    def seen(self) -> Sightings:
        """Return what was seen since the last call, and forget it."""
        rows, self._rows = self._rows, []
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        if len(columns) < 3:
            return Sightings(columns[0] if columns else np.empty((0, len(self._file.labels)), np.float32), None, None)
        return Sightings(*columns)
