"""What training recorded of itself, as far as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One pass over the training pictures; shares are 0 to 1, losses in nats.

    Attributes:
        stage: part of the training that it belongs to.
        accuracy: of the training pictures as they were seen: changed, and by a network that was still learning.
        loss: over the same; it counts smoothed labels, so that it does not fall to 0.
        val_accuracy: of the validation pictures, at the end of the epoch.
        val_loss: over the same.
    """

    stage: str
    accuracy: float
    loss: float
    val_accuracy: float
    val_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One finished network of a comparison.

    Attributes:
        name: ``model``, ``no-augmentation``, ``no-pooling`` or ``neither``.
        change: what was done otherwise than for the model.
        num_weights: all of them.
        num_multiplications: of one picture through all convolutions and dense layers.
        epochs: in order.
        train_accuracy: of the training pictures as they are, by the weights that validation chose.
        train_loss: over the same.
        val_accuracy: of the validation pictures, by the same weights.
        val_loss: over the same.
        only_model: validation pictures that the model recognizes and this one does not.
        only_this: validation pictures that this one recognizes and the model does not.
        seconds: duration of its training.
    """

    name: str
    change: str
    num_weights: int
    num_multiplications: int
    epochs: tuple[Epoch, ...]
    train_accuracy: float
    train_loss: float
    val_accuracy: float
    val_loss: float
    only_model: int
    only_this: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """A finished training.

    Attributes:
        run: name of the folder that it left.
        num_train: pictures that the network learned from.
        num_val: pictures that chose among its epochs.
        seed: of every random choice.
        changes: what its augmentation did at random, in words; empty where training changed no picture.
        from_scratch: whether all of the network learned; otherwise it knew ImageNet, and its last layers did.
        max_epochs: that the longest stage was allowed.
        interrupted: whether the user ended it early.
        epochs: in order.
        kept: stage and number in it, from 1, of the epoch whose weights the model has.
        sheet: pictures and what augmentation made of them, uint8 (h, w, 3) RGB: a picture a row, itself at the left.
        sheet_labels: the class of each row.
        no_sheet: one sentence on why there is no sheet; empty where there is one.
        trained: the model and its variants; empty where none were trained.
        failed: names of variants that failed, and why.
    """

    run: str
    num_train: int
    num_val: int
    seed: int
    changes: tuple[str, ...]
    from_scratch: bool
    max_epochs: int
    interrupted: bool
    epochs: tuple[Epoch, ...]
    kept: tuple[str, int]
    sheet: NDArray[np.uint8] | None = field(repr=False)
    sheet_labels: tuple[str, ...]
    no_sheet: str
    trained: tuple[Trained, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
