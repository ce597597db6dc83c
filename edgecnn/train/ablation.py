"""The same network without augmentation, without pooling, and without both: what are they worth here?

Each variant learns from the same pictures with the same seed and schedule as the model, and is judged by
the same validation pictures. The accuracy that training shows on its way is one of changed pictures, so each
finished network is also measured on the training pictures as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from edgecnn.data import PixelSet
from edgecnn.errors import RunError
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.train.ablation_record import (
    ABLATION_FILE,
    AblationRecord,
    FailedVariant,
    MeasuredFigures,
    VariantRecord,
)
from edgecnn.train.backend import keras, tf
from edgecnn.train.config import TrainConfig
from edgecnn.train.keras_model import KerasScorer
from edgecnn.train.learning import learn
from edgecnn.train.material import Material, Outcome
from edgecnn.train.run_folder import RunFolder, encode_json

_FAILURES = (RunError, MemoryError, OSError, tf.errors.OpError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A network of the comparison: as in ``VariantRecord``, and a ``title`` that follows "the same network"."""

    name: str
    title: str
    augmented: bool
    pooled: bool


MODEL = Variant(name="model", title="the model", augmented=True, pooled=True)
VARIANTS = (
    Variant(name="no-augmentation", title="without augmentation", augmented=False, pooled=True),
    Variant(name="no-pooling", title="without pooling", augmented=True, pooled=False),
    Variant(name="neither", title="without augmentation and without pooling", augmented=False, pooled=False),
)


def choose_variants(config: TrainConfig) -> tuple[Variant, ...]:
    """Return the variants that differ from the model and from each other, of those that its architecture has."""
    return tuple(
        variant
        for variant in VARIANTS
        if (config.augments or variant.augmented) and (config.row.without_pooling or variant.pooled)
    )


def train_variants(model: Any, outcome: Outcome, material: Material, run: RunFolder) -> AblationRecord | None:
    """Train the variants of a finished model and record each in ``ablation.json`` of its run as soon as it is finished.

    Ctrl-C keeps those that are finished, and one that fails is recorded with the reason.

    Args:
        model: the ``keras.Model`` of the run, with the weights that validation chose.
        outcome: how it came about.
        material: what it learned from.
        run: the run on disk.

    Returns:
        The record that was written; None when training was interrupted before there was one.
    """
    if outcome.interrupted:
        material.progress.say("no variants are trained: half of a training cannot be compared with a whole one")
        return None
    comparison = _Comparison(material, run)
    try:
        comparison.add(MODEL, model, outcome)
        variants = choose_variants(material.config)
        for number, variant in enumerate(variants, start=1):
            material.progress.say(f"variant {number} of {len(variants)}: the same network {variant.title}")
            comparison.train(variant)
    except KeyboardInterrupt:
        material.progress.say(f"interrupted: the model is kept; finished variants: {comparison.num_finished}")
    return comparison.record if (run.path / ABLATION_FILE).exists() else None


class _Comparison:
    """The networks that are finished so far."""

    def __init__(self, material: Material, run: RunFolder) -> None:
        self._material, self._run = material, run
        self._known: NDArray[np.bool_] | None = None
        self.record = AblationRecord(num_train=len(material.train), num_val=len(material.val), variants=())

    @property
    def num_finished(self) -> int:
        return max(0, len(self.record.variants) - 1)

    def train(self, variant: Variant) -> None:
        """Train a variant and write the record; raises KeyboardInterrupt where the user ended it early."""
        config = self._material.config
        material = replace(
            self._material,
            config=config if variant.augmented else replace(config, augment=(), teacher_views=None),
            work_folder=self._run.path / "work",
        )
        try:
            model, outcome = learn(material, len(self._run.labels), pooled=variant.pooled)
            if outcome.interrupted:
                raise KeyboardInterrupt
            self.add(variant, model, outcome)
        except _FAILURES as exc:
            reason = str(exc) or type(exc).__name__
            self._material.progress.say(f"the variant {variant.title} failed and is left out: {reason}")
            failed = FailedVariant(name=variant.name, reason=reason)
            self.record = structs.replace(self.record, failed=(*self.record.failed, failed))
        write_atomically(self._run.path / ABLATION_FILE, encode_json(self.record))

    def add(self, variant: Variant, model: Any, outcome: Outcome) -> None:
        """Measure a finished network and put it on record."""
        (train, _), (val, known) = (self._measure(model, pictures) for pictures in self._pictures)
        if self._known is None:
            self._known = known
        row = VariantRecord(
            name=variant.name,
            change=self._describe(variant),
            augmented=variant.augmented and self._material.config.augments,
            pooled=variant.pooled,
            num_weights=model.count_params(),
            num_multiplications=count_multiplications(model),
            rows=outcome.rows,
            train=train,
            val=val,
            only_model=int((self._known & ~known).sum()),
            only_variant=int((known & ~self._known).sum()),
            seconds=round(sum(stage.seconds for stage in outcome.stages), 1),
        )
        self._material.progress.say(
            f"{variant.title}: {val.accuracy:.1%} of the validation pictures, "
            f"{train.accuracy:.1%} of the training pictures as they are"
        )
        self.record = structs.replace(self.record, variants=(*self.record.variants, row))

    @property
    def _pictures(self) -> tuple[PixelSet, PixelSet]:
        return self._material.train, self._material.val

    def _measure(self, model: Any, pictures: PixelSet) -> tuple[MeasuredFigures, NDArray[np.bool_]]:
        """Return a network's figures over pictures as they are, and which of them it recognizes."""
        truths = pictures.label_indices
        scores = KerasScorer(model).scores(pictures.pixels)
        known = scores.argmax(axis=1) == truths
        loss = -np.log(np.maximum(scores[np.arange(len(truths)), truths], 1e-7)).mean()
        return MeasuredFigures(accuracy=float(known.mean()), loss=float(loss)), known

    def _describe(self, variant: Variant) -> str:
        changes = []
        if not variant.augmented:
            changes.append("training pictures stay as they are in every epoch")
        if not variant.pooled:
            changes.append(self._material.config.row.without_pooling)
        return "; ".join(changes) or "nothing is left out"


def count_multiplications(model: Any) -> int:
    """Return the multiplications of one picture in all convolutions and dense layers of a ``keras.Model``.

    Every weight of a filter is used once for each place of its layer's output, (h, w), and every one of a dense
    layer once.
    """
    kernels = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model.layers
        if isinstance(layer, kernels)
    )
