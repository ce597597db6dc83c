"""What a method of training is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data import PixelSet
from edgecnn.train.architectures import Architecture
from edgecnn.train.config import TrainConfig
from edgecnn.train.run_folder import HistoryRow, StageRecord
from edgecnn.train.teacher import Teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything a method of training needs besides the network.

    Attributes:
        train: pictures to learn from.
        val: pictures that choose; the test pictures are not even decoded yet.
        class_weights: float64, shape (C,), how much each class counts; None: all the same.
        config: the options.
        work_folder: a folder for large temporary files, removed afterwards.
        progress: told how far it is.
        teacher: whose scores it learns from, besides the labels; None: nobody's.
        prepared: the architecture where it had to be prepared; None: as the options say.
    """

    train: PixelSet
    val: PixelSet
    class_weights: NDArray[np.float64] | None
    config: TrainConfig
    work_folder: Path
    progress: Progress
    teacher: Teacher | None = None
    prepared: Architecture | None = None

    @property
    def row(self) -> Architecture:
        """The architecture that is trained."""
        return self.prepared or self.config.row

    @property
    def contract(self) -> InputContract:
        """What the trained model will want to see."""
        return self.row.contract(self.config.schedule.size_px, self.config.aspect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How training went; the network has the weights that validation chose.

    Attributes:
        rows: every epoch of every stage.
        stages: in order.
        interrupted: whether the user ended it early.
        features: what the first stage learned from, before anything was fine-tuned: float32, shape (N, F), the
            training pictures, then the validation pictures; None where there is no such stage.
    """

    rows: tuple[HistoryRow, ...]
    stages: tuple[StageRecord, ...]
    interrupted: bool
    features: NDArray[np.float32] | None = field(default=None, repr=False)
