"""The architectures that ``auto`` chooses from, and the record of what they reached; readable without TensorFlow."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from edgecnn.train.architectures import AUTO, AUTO_CANDIDATES, mobilenetv2_name
from edgecnn.train.config import TrainConfig
from edgecnn.train.imagenet_files import mobilenetv2_file
from edgecnn.train.run_folder import RunFolder

CANDIDATES_FILE = "candidates.json"
_WITH_WEIGHTS = mobilenetv2_name(1.0)


class CandidateRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trained architecture.

    Attributes:
        name: of the architecture.
        size_px: width and height of its input, in pixels.
        val_accuracy: share of the validation pictures that it recognizes, 0 to 1.
        val_loss: its mean cross-entropy over them, in nats.
        num_weights: all of them.
        seconds: duration of its training, reading the pictures at its size included.
        interrupted: whether the user ended it early.
    """

    name: str
    size_px: int
    val_accuracy: float
    val_loss: float
    num_weights: int
    seconds: float
    interrupted: bool

    @property
    def rank(self) -> tuple[float, float, int]:
        """What decides, best last: accuracy, then the smaller loss, then the smaller network."""
        return self.val_accuracy, -self.val_loss, -self.num_weights


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An architecture that was not trained to the end, and why."""

    name: str
    reason: str


class CandidatesRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The architectures that were trained, and the one that was kept; the test pictures had no part in it.

    Attributes:
        num_val: validation pictures, which decided.
        chosen: name of the one that the run holds.
        trained: in the order of their training.
        left_out: the others.
    """

    num_val: int
    chosen: str
    trained: tuple[CandidateRecord, ...]
    left_out: tuple[LeftOut, ...]


def list_candidates(config: TrainConfig) -> tuple[tuple[TrainConfig, ...], tuple[LeftOut, ...]]:
    """Return what is trained, and what ``auto`` would train as well if it could.

    Args:
        config: one that names its architecture is its own only candidate.
    """
    if config.architecture != AUTO:
        return (config,), ()
    configs, left_out = [], []
    for name in (*AUTO_CANDIDATES, _WITH_WEIGHTS):
        weights = config.weights if name == _WITH_WEIGHTS else None
        try:
            one = replace(config, architecture=name, weights=weights)
            if name == _WITH_WEIGHTS and weights is None and not _has_weights(one):
                raise ValueError("its ImageNet weights are not on this machine; add --weights FILE")
            configs.append(one)
        except ValueError as exc:
            left_out.append(LeftOut(name=name, reason=str(exc)))
    return tuple(configs), tuple(left_out)


def read_candidates(run: RunFolder) -> CandidatesRecord | None:
    """Return what a run recorded of them; None where the user named the architecture.

    Raises:
        RunError: the record is damaged.
    """
    return run.read_record(CANDIDATES_FILE, CandidatesRecord) if (run.path / CANDIDATES_FILE).exists() else None


def _has_weights(config: TrainConfig) -> bool:
    return mobilenetv2_file(config.schedule.size_px, 1.0).is_file()
