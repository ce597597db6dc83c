"""What a method of training is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.data import PixelSet
from edgecnn.train.config import TrainConfig
from edgecnn.train.run_folder import HistoryRow, StageRecord


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
    """

    train: PixelSet
    val: PixelSet
    class_weights: NDArray[np.float64] | None
    config: TrainConfig
    work_folder: Path
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How training went; the network has the weights that validation chose.

    Attributes:
        rows: every epoch of every stage.
        stages: in order.
        interrupted: whether the user ended it early.
    """

    rows: tuple[HistoryRow, ...]
    stages: tuple[StageRecord, ...]
    interrupted: bool
