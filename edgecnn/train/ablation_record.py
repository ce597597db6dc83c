"""What augmentation and pooling were worth in one training: the record, readable without TensorFlow."""

from __future__ import annotations

import msgspec

from edgecnn.train.run_folder import HistoryRow, RunFolder

ABLATION_FILE = "ablation.json"


class MeasuredFigures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finished network over pictures as they are: not augmented, not weighted, labels not smoothed.

    Attributes:
        accuracy: share of them that it recognizes, 0 to 1.
        loss: mean cross-entropy in nats.
    """

    accuracy: float
    loss: float


class VariantRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network of the comparison.

    Attributes:
        name: ``model``, ``no-augmentation``, ``no-pooling`` or ``neither``.
        change: one sentence: what was done otherwise than for the model.
        augmented: whether its training pictures were changed at random.
        pooled: whether it has the pooling of its architecture.
        num_weights: all of them, those that training left alone included.
        num_multiplications: of one picture through all convolutions and dense layers.
        rows: every epoch.
        train: over the training pictures, by the weights that validation chose.
        val: over the validation pictures, by the same weights.
        only_model: validation pictures that the model recognizes and this one does not.
        only_variant: validation pictures that this one recognizes and the model does not.
        seconds: duration of its training.
    """

    name: str
    change: str
    augmented: bool
    pooled: bool
    num_weights: int
    num_multiplications: int
    rows: tuple[HistoryRow, ...]
    train: MeasuredFigures
    val: MeasuredFigures
    only_model: int
    only_variant: int
    seconds: float


class FailedVariant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network that could not be trained to the end, and why."""

    name: str
    reason: str


class AblationRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model of a run and its variants, trained on the same pictures with the same seed and schedule.

    The test pictures had no part in it.

    Attributes:
        num_train: pictures that all of them learned from.
        num_val: pictures that chose each one's epoch and that ``val`` was measured on.
        variants: the model first; those that were finished.
        failed: those that were not; what the user interrupted is in neither.
    """

    num_train: int
    num_val: int
    variants: tuple[VariantRecord, ...]
    failed: tuple[FailedVariant, ...] = ()


def read_ablation(run: RunFolder) -> AblationRecord | None:
    """Return what a run recorded; None where nobody asked for it.

    Raises:
        RunError: the record is damaged.
    """
    return run.read_record(ABLATION_FILE, AblationRecord) if (run.path / ABLATION_FILE).exists() else None
