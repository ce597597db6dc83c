"""Training on top of what a network knows from ImageNet, in two stages.

First a new head learns from features that are computed once. Then the last third of the network is
fine-tuned with it, from activations that are computed once as well: of every picture as it is and of
up to five changed copies. The statistics of batch normalization stay those of ImageNet.

Reference:
    Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
    arXiv:2202.10054: why the head comes first.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import RunError
from edgecnn.train.activations import Store, count_copies, new_store, store_copies, store_plain
from edgecnn.train.augment import Augmentation
from edgecnn.train.backend import keras
from edgecnn.train.fitting import FitResult, fit, is_better
from edgecnn.train.keras_model import compile_forward, predict
from edgecnn.train.lesson import FitPlan, Lesson
from edgecnn.train.material import Material, Outcome
from edgecnn.train.networks import POOLING_LAYER
from edgecnn.train.run_folder import StageRecord
from edgecnn.train.teaching import TeacherScores

HEAD_STAGE = "head"
TUNING_STAGE = "fine-tuning"
# Keeps the choice of copies apart from the order of the rows, which fit() draws for the same epochs.
_DRAW_STREAM = 1
HEAD_PLAN = FitPlan(stage=HEAD_STAGE, epochs=60, learning_rate=3e-3, batch_size=32, patience=15, seed=0, shown="stage")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A network in pieces that share their layers with it.

    Attributes:
        trunk: pixels to the activations behind the cut layer.
        features: pixels to pooled feature maps.
        both: pixels to activations and pooled feature maps.
        head: pooled feature maps to scores.
        tail: activations to scores.
        shape: of one picture's activations.
    """

    trunk: Any
    features: Any
    both: Any
    head: Any
    tail: Any
    shape: tuple[int, ...]

    @classmethod
    def at(cls, model: Any, layer: str) -> _Cut:
        middle, pooled = model.get_layer(layer).output, model.get_layer(POOLING_LAYER).output
        return cls(
            trunk=keras.Model(model.input, middle),
            features=keras.Model(model.input, pooled),
            both=keras.Model(model.input, [middle, pooled]),
            head=keras.Model(pooled, model.output),
            tail=keras.Model(middle, model.output),
            shape=tuple(middle.shape[1:]),
        )


def train_transfer(model: Any, material: Material) -> Outcome:
    """Fit the head of a ``keras.Model`` that takes raw pixels, then the layers behind its cut layer.

    Fine-tuning is kept when validation finds it at least as good as the head alone: by accuracy,
    then by loss. Ctrl-C during fine-tuning keeps the better of the two as well.

    Raises:
        KeyboardInterrupt: the user ended training before an epoch of the head was finished.
        RunError: the loss is not finite any more.
    """
    cut = _Cut.at(model, material.config.row.cut_layer)
    stores = _open_stores(cut, material)
    started = time.monotonic()
    num_copies = 0 if stores is None else len(stores.train) // len(material.train) - 1
    teacher = TeacherScores(material, num_copies) if material.teacher else None
    head, features = _train_head(cut, material, stores, teacher)
    stage = _record(HEAD_STAGE, head, started, kept=True)
    if stores is None or head.interrupted:
        return Outcome(rows=head.rows, stages=(stage,), interrupted=head.interrupted, features=features)
    plain_weights = cut.tail.get_weights()
    started = time.monotonic()
    try:
        # Said in here, so that the promise holds from its first letter on.
        material.progress.say(
            f"the head alone recognizes {head.best.val_accuracy:.1%} of the validation pictures; "
            "Ctrl-C from here on ends training and keeps the best"
        )
        tuned = _fine_tune(cut, material, stores, teacher)
    except KeyboardInterrupt:
        cut.tail.set_weights(plain_weights)
        return Outcome(rows=head.rows, stages=(stage,), interrupted=True, features=features)
    except RunError as exc:  # the loss is not finite any more: no reason to lose the head
        cut.tail.set_weights(plain_weights)
        material.progress.say(f"{exc}; the head alone is kept")
        return Outcome(rows=head.rows, stages=(stage,), interrupted=False, features=features)
    kept = not is_better(head.best, tuned.best)
    if not kept:
        cut.tail.set_weights(plain_weights)
        material.progress.say("fine-tuning did not beat the head alone on the validation pictures; the head is kept")
    tuned_stage = _record(TUNING_STAGE, tuned, started, kept=kept)
    return Outcome(
        rows=head.rows + tuned.rows,
        stages=(stage, tuned_stage),
        interrupted=tuned.interrupted,
        features=features,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stores:
    """Activations on disk; of training: every picture as it is, then all of them changed, and so on."""

    train: Store
    val: Store


def _open_stores(cut: _Cut, material: Material) -> _Stores | None:
    """Make room for fine-tuning; None when the user wants none, or when there is no room."""
    if material.config.schedule.epochs == 0:
        return None
    num_train, num_val, folder = len(material.train), len(material.val), material.work_folder
    copies = count_copies(num_train, num_val, 2 * math.prod(cut.shape), folder)
    if copies < 0:
        material.progress.say(f"{num_train} pictures are too many for fine-tuning with the room there is: head only")
        return None
    if not material.config.augment:
        copies = 0
    return _Stores(
        train=new_store(folder / "train.f16", num_train * (1 + copies), cut.shape),
        val=new_store(folder / "val.f16", num_val, cut.shape),
    )


def _train_head(
    cut: _Cut, material: Material, stores: _Stores | None, teacher: TeacherScores | None
) -> tuple[FitResult, NDArray[np.float32]]:
    """Fit the head; also return the features of the training pictures, then those of the validation pictures."""
    train, val = material.train, material.val
    with material.progress.task("computing features", len(train) + len(val)) as task:
        if stores is None:
            forward = compile_forward(cut.features)
            features, val_features = predict(forward, train.pixels, task), predict(forward, val.pixels, task)
        else:
            forward = compile_forward(cut.both)
            features = store_plain(forward, train.pixels, stores.train, task)
            val_features = store_plain(forward, val.pixels, stores.val, task)
    lesson = Lesson(
        inputs=lambda rows, epoch: features[rows],
        label_indices=train.label_indices,
        class_weights=material.class_weights,
        val_inputs=val_features,
        val_label_indices=val.label_indices,
        teaching=teacher.teach(lambda rows, epoch: np.zeros_like(rows)) if teacher else None,
    )
    plan = replace(HEAD_PLAN, seed=material.config.seed, recipe=material.config.recipe)
    result = fit(cut.head, lesson, plan, material.progress)
    return result, np.concatenate([features, val_features])


def _fine_tune(cut: _Cut, material: Material, stores: _Stores, teacher: TeacherScores | None) -> FitResult:
    train, config, schedule = material.train, material.config, material.config.schedule
    num_copies = len(stores.train) // len(train)
    with material.progress.task("computing changed copies", len(train) * (num_copies - 1)) as task:
        augmentation = Augmentation(parts=config.augment)
        store_copies(compile_forward(cut.trunk), train.pixels, stores.train, augmentation, config.seed, task)
    for layer in cut.tail.layers:
        # A few hundred pictures say less about means and variances than ImageNet did.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False

    def draw(rows: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return which of its copies each picture shows, another one in another epoch."""
        copies = np.random.default_rng((config.seed, epoch, _DRAW_STREAM)).integers(num_copies, size=len(train))
        drawn: NDArray[np.int64] = copies[rows]
        return drawn

    lesson = Lesson(
        inputs=lambda rows, epoch: stores.train[draw(rows, epoch) * len(train) + rows],
        label_indices=train.label_indices,
        class_weights=material.class_weights,
        val_inputs=stores.val,
        val_label_indices=material.val.label_indices,
        teaching=teacher.teach(draw) if teacher else None,
    )
    plan = FitPlan(
        stage=TUNING_STAGE,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        patience=schedule.patience,
        seed=config.seed,
        recipe=config.recipe,
    )
    return fit(cut.tail, lesson, plan, material.progress)


def _record(name: str, result: FitResult, started: float, *, kept: bool) -> StageRecord:
    seconds = round(time.monotonic() - started, 1)
    return StageRecord(name=name, seconds=seconds, epochs=len(result.rows), best_epoch=result.best.epoch, kept=kept)
