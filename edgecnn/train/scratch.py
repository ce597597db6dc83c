"""Training from random weights: every picture goes through all of the network, changed anew each time."""

from __future__ import annotations

import time
from typing import Any

from edgecnn.train.augment import Augmentation
from edgecnn.train.fitting import FitPlan, Lesson, fit
from edgecnn.train.material import Material, Outcome
from edgecnn.train.run_folder import StageRecord

STAGE = "scratch"


def train_from_scratch(model: Any, material: Material) -> Outcome:
    """Fit all weights of a ``keras.Model`` that takes raw pixels.

    Raises:
        KeyboardInterrupt: the user ended training before an epoch was finished.
        RunError: the loss is not finite any more.
    """
    started = time.monotonic()
    config, schedule = material.config, material.config.schedule
    augmentation = Augmentation(parts=config.augment)
    lesson = Lesson(
        inputs=lambda rows, epoch: augmentation.apply_batch(material.train.pixels, rows, config.seed, epoch),
        label_indices=material.train.label_indices,
        class_weights=material.class_weights,
        val_inputs=material.val.pixels,
        val_label_indices=material.val.label_indices,
    )
    plan = FitPlan(
        stage=STAGE,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        patience=schedule.patience,
        seed=config.seed,
    )
    result = fit(model, lesson, plan, material.progress)
    stage = StageRecord(
        name=STAGE,
        seconds=round(time.monotonic() - started, 1),
        epochs=len(result.rows),
        best_epoch=result.best.epoch,
        kept=True,
    )
    return Outcome(rows=result.rows, stages=(stage,), interrupted=result.interrupted)
