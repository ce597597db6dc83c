"""``--arch auto``: trains the architectures that make sense here and keeps the one that validation finds best.

Each is trained as it would be if the user had named it, so that none of them would have given a better run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecnn.core.progress import Progress
from edgecnn.data import PixelSet
from edgecnn.errors import RunError
from edgecnn.train.backend import tf
from edgecnn.train.candidates import CandidateRecord, CandidatesRecord, LeftOut
from edgecnn.train.config import TrainConfig
from edgecnn.train.keras_model import KerasScorer
from edgecnn.train.learning import learn
from edgecnn.train.material import Material, Outcome

_FAILURES = (RunError, MemoryError, OSError, tf.errors.OpError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The network that was kept.

    Attributes:
        model: a ``keras.Model`` from raw pixels to scores.
        outcome: how it came about; interrupted also where the user ended the training of a later candidate.
        material: what it learned from, with its options.
        record: what all candidates reached.
    """

    model: Any
    outcome: Outcome
    material: Material
    record: CandidatesRecord


def choose(
    configs: Sequence[TrainConfig],
    prepare: Callable[[TrainConfig], Material],
    num_classes: int,
    left_out: Sequence[LeftOut],
    progress: Progress,
) -> Choice:
    """Train one network after the other and return the one that recognizes most validation pictures.

    Among equals the one with the smaller loss counts, then the smaller one. Ctrl-C ends all of it and keeps the best so
    far; a candidate that fails is left out.

    Args:
        configs: the candidates, one at least.
        prepare: reads the pictures as a candidate wants to see them.
        num_classes: scores that a network gives.
        left_out: architectures that are not even tried.
        progress: told about every candidate.

    Raises:
        KeyboardInterrupt: the user ended training before there was anything to keep.
        RunError: every candidate failed; the error of the last one.
    """
    search = _Search(num_classes, left_out, progress)
    for one in left_out:
        progress.say(f"{one.name} is not tried: {one.reason}")
    for number, config in enumerate(configs, start=1):
        try:
            progress.say(f"candidate {number} of {len(configs)}: {config.architecture}, {config.row.summary}")
            search.train(config, prepare)
        except KeyboardInterrupt:
            if search.best is None:
                raise
            search.interrupt()
        except _FAILURES as exc:
            if search.best is None and config is configs[-1]:
                raise
            search.leave_out(config.architecture, str(exc) or type(exc).__name__)
        if search.interrupted:
            break
    return search.finish()


class _Search:
    """The candidates that are finished so far."""

    def __init__(self, num_classes: int, left_out: Sequence[LeftOut], progress: Progress) -> None:
        self._num_classes, self._left_out, self._progress = num_classes, list(left_out), progress
        self._trained: list[CandidateRecord] = []
        self.best: tuple[CandidateRecord, Any, Outcome, Material] | None = None
        self.interrupted = False

    def train(self, config: TrainConfig, prepare: Callable[[TrainConfig], Material]) -> None:
        """Train a candidate and keep it if it is the best so far."""
        started = time.monotonic()
        material = prepare(config)
        model, outcome = learn(material, self._num_classes)
        self.interrupted = outcome.interrupted
        accuracy, loss = _measure(model, material.val)
        record = CandidateRecord(
            name=config.architecture,
            size_px=material.val.pixels.shape[1],
            val_accuracy=accuracy,
            val_loss=loss,
            num_weights=model.count_params(),
            seconds=round(time.monotonic() - started, 1),
            interrupted=outcome.interrupted,
        )
        self._trained.append(record)
        self._progress.say(f"{record.name}: {accuracy:.1%} of the validation pictures after {record.seconds:.0f} s")
        if self.best is None or record.rank > self.best[0].rank:
            self.best = record, model, outcome, material

    def interrupt(self) -> None:
        """Note that the user wants no more of them."""
        self.interrupted = True

    def leave_out(self, name: str, reason: str) -> None:
        """Go on without a candidate."""
        self._progress.say(f"{name} failed and is left out: {reason}")
        self._left_out.append(LeftOut(name=name, reason=reason))

    def finish(self) -> Choice:
        """Return the best one."""
        assert self.best is not None
        chosen, model, outcome, material = self.best
        self._progress.say(f"{chosen.name} is kept: validation finds it the best of {len(self._trained)}")
        record = CandidatesRecord(
            num_val=len(material.val),
            chosen=chosen.name,
            trained=tuple(self._trained),
            left_out=tuple(self._left_out),
        )
        outcome = replace(outcome, interrupted=self.interrupted)
        return Choice(model=model, outcome=outcome, material=material, record=record)


def _measure(model: Any, pictures: PixelSet) -> tuple[float, float]:
    """Return a network's accuracy and its mean cross-entropy in nats over pictures as they are."""
    scores, truths = KerasScorer(model).scores(pictures.pixels), pictures.label_indices
    loss = -np.log(np.maximum(scores[np.arange(len(truths)), truths], 1e-7)).mean()
    return float((scores.argmax(axis=1) == truths).mean()), float(loss)
