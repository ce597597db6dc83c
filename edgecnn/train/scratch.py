"""Training from random weights: every picture goes through all of the network, changed anew in each epoch.

With a teacher there are fewer changed copies, which come again and again: the teacher has to look at each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgecnn.train.augment import Augmentation
from edgecnn.train.distillation import Teaching
from edgecnn.train.fitting import fit
from edgecnn.train.lesson import FitPlan, Lesson
from edgecnn.train.material import Material, Outcome
from edgecnn.train.run_folder import StageRecord
from edgecnn.train.teaching import TeacherScores

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
    num_copies = config.distillation.views if material.teacher else schedule.epochs

    def copy_of(epoch: int) -> int:
        """Return which changed copy of every picture an epoch shows, from 1; after the last comes the first again."""
        return 1 + (epoch - 1) % num_copies

    lesson = Lesson(
        inputs=lambda rows, epoch: augmentation.apply_batch(material.train.pixels, rows, config.seed, copy_of(epoch)),
        label_indices=material.train.label_indices,
        class_weights=material.class_weights,
        val_inputs=material.val.pixels,
        val_label_indices=material.val.label_indices,
        teaching=_learn_from_teacher(material, copy_of, num_copies) if material.teacher else None,
    )
    plan = FitPlan(
        stage=STAGE,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        patience=schedule.patience,
        seed=config.seed,
        recipe=config.recipe,
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


def _learn_from_teacher(material: Material, copy_of: Callable[[int], int], num_copies: int) -> Teaching:
    if not material.config.augment:
        return TeacherScores(material, 0).teach(lambda rows, epoch: np.zeros_like(rows))
    return TeacherScores(material, num_copies).teach(lambda rows, epoch: np.full_like(rows, copy_of(epoch)))
