"""What a stage of training is given: from what a network learns, and how it goes through that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.train.distillation import Teaching
from edgecnn.train.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a network learns from and what it is judged by.

    Attributes:
        inputs: takes row numbers, int64 (B,), and the epoch; gives the network's input, (B, …).
        label_indices: int64, shape (N,), the class of each row.
        class_weights: float64, shape (C,), how much each class counts; None: all the same.
        val_inputs: shape (M, …), as the network takes it.
        val_label_indices: int64, shape (M,).
        teaching: another network's part in it; None: the labels are all there is.
    """

    inputs: Callable[[NDArray[np.int64], int], NDArray[Any]]
    label_indices: NDArray[np.int64]
    class_weights: NDArray[np.float64] | None
    val_inputs: NDArray[Any]
    val_label_indices: NDArray[np.int64]
    teaching: Teaching | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPlan:
    """How one stage goes through its lesson.

    Attributes:
        stage: its name in the history.
        epochs: at most.
        learning_rate: the highest one, reached after a tenth of the steps.
        batch_size: rows per step.
        patience: epochs without a better validation before the stage ends.
        seed: of the order of the rows.
        recipe: how a batch is learnt, and how the learning rate goes on.
        shown: one progress bar for each of the ``epochs``, or one for the ``stage`` when its epochs are short.
    """

    stage: str
    epochs: int
    learning_rate: float
    batch_size: int
    patience: int
    seed: int
    recipe: Recipe = field(default_factory=Recipe)
    shown: Literal["epochs", "stage"] = "epochs"
