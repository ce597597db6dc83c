"""The loop that fits a network: epochs, learning rate, validation, the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress, Task
from edgecnn.errors import RunError
from edgecnn.train.backend import keras
from edgecnn.train.keras_model import compile_forward, predict
from edgecnn.train.run_folder import HistoryRow

LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 1e-4
_WARMUP_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a network learns from and what it is judged by.

    Attributes:
        inputs: takes row numbers, int64 (B,), and the epoch; gives the network's input, (B, …).
        label_indices: int64, shape (N,), the class of each row.
        class_weights: float64, shape (C,), how much each class counts; None: all the same.
        val_inputs: shape (M, …), as the network takes it.
        val_label_indices: int64, shape (M,).
    """

    inputs: Callable[[NDArray[np.int64], int], NDArray[Any]]
    label_indices: NDArray[np.int64]
    class_weights: NDArray[np.float64] | None
    val_inputs: NDArray[Any]
    val_label_indices: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPlan:
    """How one stage goes through its lesson.

    Attributes:
        stage: its name in the history.
        epochs: at most.
        learning_rate: reached after a tenth of the steps, then falling along a cosine.
        batch_size: rows per step.
        patience: epochs without a better validation before the stage ends.
        seed: of the order of the rows.
        shown: one progress bar for each of the ``epochs``, or one for the ``stage`` when its epochs are short.
    """

    stage: str
    epochs: int
    learning_rate: float
    batch_size: int
    patience: int
    seed: int
    shown: Literal["epochs", "stage"] = "epochs"


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What a stage came to; the network has the weights of the ``best`` epoch."""

    rows: tuple[HistoryRow, ...]
    best: HistoryRow
    interrupted: bool


def fit(network: Any, lesson: Lesson, plan: FitPlan, progress: Progress) -> FitResult:
    """Train a network until its epochs, its patience or the user's is at an end.

    The best epoch is the one with the highest validation accuracy, and among equals the one with the
    lowest validation loss. Ctrl-C ends the stage as well, once an epoch is finished.

    Args:
        network: a ``keras.Model`` that ends in softmax; only its trainable weights change.
        lesson: what to learn from.
        plan: how.
        progress: told about every epoch.

    Raises:
        KeyboardInterrupt: the user ended training before there was anything to keep.
        RunError: the loss is not finite any more.
    """
    trainer = _Trainer(network, lesson, plan)
    interrupted = False
    try:
        trainer.run(progress)
    except KeyboardInterrupt:
        if trainer.best is None:
            raise
        interrupted = True
    return trainer.finish(interrupted)


def is_better(row: HistoryRow, other: HistoryRow) -> bool:
    """Tell whether an epoch's validation beats another's: accuracy, then loss."""
    return (row.val_accuracy, -row.val_loss) > (other.val_accuracy, -other.val_loss)


def learning_rate_at(step: int, num_steps: int, highest: float) -> float:
    """Return the learning rate of a step (from 0): linear warm-up over a tenth, then half a cosine to 0.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
        arXiv:1608.03983, equation 5.
    """
    num_warmup = max(1, round(_WARMUP_SHARE * num_steps))
    if step < num_warmup:
        return highest * (step + 1) / num_warmup
    share = (step - num_warmup) / max(1, num_steps - num_warmup)
    return highest * 0.5 * (1.0 + math.cos(math.pi * share))


class _Trainer:
    """One stage on its way."""

    def __init__(self, network: Any, lesson: Lesson, plan: FitPlan) -> None:
        self._network, self._lesson, self._plan = network, lesson, plan
        self._steps_per_epoch = math.ceil(len(lesson.label_indices) / plan.batch_size)
        self._one_hot = np.eye(network.output_shape[-1], dtype=np.float32)
        self._forward = compile_forward(network)
        self._rows: list[HistoryRow] = []
        self.best: tuple[HistoryRow, list[NDArray[np.float32]]] | None = None
        optimizer = keras.optimizers.AdamW(plan.learning_rate, weight_decay=WEIGHT_DECAY)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
        # XLA runs these networks at a half to a third of the speed that oneDNN has on a CPU.
        network.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)

    def run(self, progress: Progress) -> None:
        """Go through the epochs, keeping the best weights."""
        silent = SilentProgress()
        outer, inner = (progress, silent) if self._plan.shown == "stage" else (silent, progress)
        with outer.task(self._plan.stage, self._plan.epochs) as stage_task:
            for epoch in range(1, self._plan.epochs + 1):
                with inner.task(f"{self._plan.stage} {epoch}/{self._plan.epochs}", self._steps_per_epoch) as epoch_task:
                    row = self._run_epoch(epoch, epoch_task)
                    # Kept before it is announced: an epoch that was seen to end is not lost to Ctrl-C.
                    best = self._keep(row)
                    epoch_task.advance(0, _describe(row))
                stage_task.advance(1, _describe(best))
                if row.epoch - best.epoch >= self._plan.patience:
                    break

    def finish(self, interrupted: bool) -> FitResult:
        """Give the network its best weights."""
        assert self.best is not None
        self._network.set_weights(self.best[1])
        return FitResult(rows=tuple(self._rows), best=self.best[0], interrupted=interrupted)

    def _run_epoch(self, epoch: int, task: Task) -> HistoryRow:
        started = time.monotonic()
        num_rows, batch_size = len(self._lesson.label_indices), self._plan.batch_size
        order = np.random.default_rng((self._plan.seed, epoch)).permutation(num_rows)
        totals = np.zeros(2)
        for number in range(self._steps_per_epoch):
            rows = order[number * batch_size : (number + 1) * batch_size]
            totals += len(rows) * self._step(rows, epoch, number)
            task.advance(1, f"loss {totals[0] / min((number + 1) * batch_size, num_rows):.3f}")
        loss, accuracy = (totals / num_rows).tolist()
        if not math.isfinite(loss):
            raise RunError(
                f"the loss is not finite after epoch {epoch} of the stage {self._plan.stage!r}; "
                f"train again with a --learning-rate below {self._plan.learning_rate:g}"
            )
        val_loss, val_accuracy = self._validate()
        return HistoryRow(
            stage=self._plan.stage,
            epoch=epoch,
            loss=loss,
            accuracy=accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=self._learning_rate(epoch, self._steps_per_epoch - 1),
            seconds=round(time.monotonic() - started, 3),
        )

    def _step(self, rows: NDArray[np.int64], epoch: int, number: int) -> NDArray[np.float64]:
        """Take one step and return the batch's loss and accuracy before it."""
        labels = self._lesson.label_indices[rows]
        weights = self._lesson.class_weights
        self._network.optimizer.learning_rate = self._learning_rate(epoch, number)
        self._network.reset_metrics()  # older Keras goes on counting from batch to batch
        loss, accuracy = self._network.train_on_batch(
            self._lesson.inputs(rows, epoch).astype(np.float32),
            self._one_hot[labels],
            sample_weight=None if weights is None else weights[labels].astype(np.float32),
        )
        return np.array([loss, accuracy], np.float64)

    def _learning_rate(self, epoch: int, number: int) -> float:
        step = (epoch - 1) * self._steps_per_epoch + number
        return learning_rate_at(step, self._plan.epochs * self._steps_per_epoch, self._plan.learning_rate)

    def _validate(self) -> tuple[float, float]:
        """Return the mean cross-entropy in nats and the accuracy over the validation pictures."""
        truth = self._lesson.val_label_indices
        scores = predict(self._forward, self._lesson.val_inputs)
        loss = -np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-7)).mean()
        return float(loss), float((scores.argmax(axis=1) == truth).mean())

    def _keep(self, row: HistoryRow) -> HistoryRow:
        """Record an epoch, and its weights when it is the best so far; return the best one."""
        self._rows.append(row)
        if self.best is None or is_better(row, self.best[0]):
            self.best = row, self._network.get_weights()
        return self.best[0]


def _describe(row: HistoryRow) -> str:
    return f"loss {row.loss:.3f}, accuracy {row.accuracy:.1%}, validation {row.val_accuracy:.1%}"
