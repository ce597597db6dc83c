"""The loop that fits a network: epochs, learning rate, validation, the best weights."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress, Task
from edgecnn.errors import RunError
from edgecnn.train.averaging import WeightAverage
from edgecnn.train.backend import keras
from edgecnn.train.keras_model import compile_forward, predict
from edgecnn.train.learning_rate import learning_rate_at
from edgecnn.train.lesson import FitPlan, Lesson
from edgecnn.train.mixing import Batch, mix
from edgecnn.train.run_folder import HistoryRow

# Keeps the mixing of a batch apart from every other draw of the same epoch.
_MIX_STREAM = 2


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


class _Trainer:
    """One stage on its way."""

    def __init__(self, network: Any, lesson: Lesson, plan: FitPlan) -> None:
        self._network, self._lesson, self._plan = network, lesson, plan
        self._steps_per_epoch = math.ceil(len(lesson.label_indices) / plan.batch_size)
        self._one_hot = np.eye(network.output_shape[-1], dtype=np.float32)
        self._forward = compile_forward(network)
        self._rows: list[HistoryRow] = []
        self.best: tuple[HistoryRow, list[NDArray[np.float32]]] | None = None
        self._average = WeightAverage(network, plan.recipe.ema) if plan.recipe.ema else None
        optimizer = keras.optimizers.AdamW(plan.learning_rate, weight_decay=plan.recipe.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        loss: Any = keras.losses.CategoricalCrossentropy(label_smoothing=plan.recipe.label_smoothing)
        accuracy: Any = "accuracy"
        if lesson.teaching:
            loss, accuracy = lesson.teaching.measures(network.output_shape[-1], plan.recipe.label_smoothing)
        # XLA runs these networks at a half to a third of the speed that oneDNN has on a CPU.
        network.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)

    def run(self, progress: Progress) -> None:
        """Go through the epochs, keeping the best weights."""
        silent = SilentProgress()
        outer, inner = (progress, silent) if self._plan.shown == "stage" else (silent, progress)
        with outer.task(self._plan.stage, self._plan.epochs) as stage_task:
            for epoch in range(1, self._plan.epochs + 1):
                with inner.task(f"{self._plan.stage} {epoch}/{self._plan.epochs}", self._steps_per_epoch) as epoch_task:
                    # Kept before it is announced: an epoch that was seen to end is not lost to Ctrl-C.
                    row, best = self._run_epoch(epoch, epoch_task)
                    epoch_task.advance(0, _describe(row))
                stage_task.advance(1, _describe(best))
                if row.epoch - best.epoch >= self._plan.patience:
                    break

    def finish(self, interrupted: bool) -> FitResult:
        """Give the network its best weights."""
        assert self.best is not None
        self._network.set_weights(self.best[1])
        return FitResult(rows=tuple(self._rows), best=self.best[0], interrupted=interrupted)

    def _run_epoch(self, epoch: int, task: Task) -> tuple[HistoryRow, HistoryRow]:
        """Return the epoch, and the best one so far."""
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
        with self._average.in_place() if self._average else nullcontext():
            val_loss, val_accuracy = self._validate()
            row = HistoryRow(
                stage=self._plan.stage,
                epoch=epoch,
                loss=loss,
                accuracy=accuracy,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                learning_rate=self._learning_rate(epoch, self._steps_per_epoch - 1),
                seconds=round(time.monotonic() - started, 3),
            )
            return row, self._keep(row)

    def _step(self, rows: NDArray[np.int64], epoch: int, number: int) -> NDArray[np.float64]:
        """Take one step and return the batch's loss and accuracy before it."""
        rng = np.random.default_rng((self._plan.seed, epoch, number, _MIX_STREAM))
        batch = mix(self._collect(rows, epoch), self._plan.recipe, rng)
        self._network.optimizer.learning_rate = self._learning_rate(epoch, number)
        self._network.reset_metrics()  # older Keras goes on counting from batch to batch
        loss, accuracy = self._network.train_on_batch(batch.inputs, batch.targets, sample_weight=batch.weights)
        if self._average:
            self._average.update()
        return np.array([loss, accuracy], np.float64)

    def _collect(self, rows: NDArray[np.int64], epoch: int) -> Batch:
        labels, weights, teaching = self._lesson.label_indices[rows], self._lesson.class_weights, self._lesson.teaching
        targets = self._one_hot[labels]
        return Batch(
            inputs=self._lesson.inputs(rows, epoch).astype(np.float32),
            targets=np.concatenate([targets, teaching.soft_labels(rows, epoch)], axis=1) if teaching else targets,
            weights=None if weights is None else weights[labels].astype(np.float32),
        )

    def _learning_rate(self, epoch: int, number: int) -> float:
        step = (epoch - 1) * self._steps_per_epoch + number
        num_steps = self._plan.epochs * self._steps_per_epoch
        return learning_rate_at(step, num_steps, self._plan.learning_rate, self._plan.recipe.lr_schedule)

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
