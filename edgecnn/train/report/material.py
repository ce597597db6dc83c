"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import PixelSet
from edgecnn.train.run_folder import HistoryRow, RunConfig

# As in edgecnn.train.scratch, which needs TensorFlow.
_SCRATCH_STAGE = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The network's scores of pictures that it did not learn from.

    Attributes:
        pictures: N of them, decoded.
        scores: float32, shape (N, C), 0 to 1.
    """

    pictures: PixelSet
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The training and the validation pictures as a network describes them that never learned from any of them.

    Features of the trained network would not do: it has seen the answers, and a head on them recognizes nearly
    all of its training pictures, with right labels and with wrong ones.

    Attributes:
        features: float32, shape (N, F), the training pictures first.
        num_train: how many of the rows these are.
        rows: the pictures in the same order, as (split, index in that split's pictures).
        label_indices: int64, shape (N,), the classes that they lie in.
        num_left_out: pictures that there are besides; above 0 where there were too many to look at all.
        own_features: float32, shape (N, G), of a network that was trained from scratch: it changed its training
            pictures at random and holds few weights, so that it hardly learns single labels by heart. None for others.
    """

    features: NDArray[np.float32]
    num_train: int
    rows: tuple[tuple[str, int], ...]
    label_indices: NDArray[np.int64]
    num_left_out: int = 0
    own_features: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMaterial:
    """A finished training.

    Attributes:
        name: of the run.
        labels: in the order of the scores.
        config: how it was made.
        history: every epoch.
        confusion: as it was recorded, by split: ``val``, and ``test`` where there are such pictures; int64, shape
            (C, C), rows are the true classes, columns the answers.
        pictures: decoded, by split; what is missing is in no split.
        judged: scores by split, of pictures that can still be read.
        known: what label errors and learning curves are found from; None where that cannot be had.
        train_accuracy: share of the training pictures, unchanged, that the network recognizes; None where unknown.
        missing: sentences on what could not be had, pictures that vanished for instance.
        progress: told of every step.
    """

    name: str
    labels: tuple[str, ...]
    config: RunConfig
    history: tuple[HistoryRow, ...]
    confusion: Mapping[str, NDArray[np.int64]]
    pictures: Mapping[str, PixelSet]
    judged: Mapping[str, Judged]
    known: Known | None
    train_accuracy: float | None = None
    missing: tuple[str, ...] = ()
    progress: Progress = field(default_factory=SilentProgress)

    @property
    def final_split(self) -> str:
        """The split whose figures count: ``test``, else ``val``."""
        return "test" if "test" in self.confusion else "val"

    @property
    def is_from_scratch(self) -> bool:
        """Whether all of the network learned from these pictures alone."""
        return is_from_scratch(self.config)

    @property
    def val_accuracy(self) -> float:
        """Share of the validation pictures that the network recognizes, 0 to 1."""
        counts = self.confusion["val"]
        return float(np.trace(counts) / counts.sum())


def is_from_scratch(config: RunConfig) -> bool:
    """Tell whether a run's network began with random weights."""
    return any(stage.name == _SCRATCH_STAGE for stage in config.stages)
