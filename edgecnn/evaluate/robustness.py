"""Accuracy on pictures that were spoiled by known amounts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data.folder import Picture
from edgecnn.evaluate.changes import CHANGES, JPEG, Change
from edgecnn.evaluate.evaluator import ScoreBatch, evaluate
from edgecnn.evaluate.intervals import Interval, share_interval
from edgecnn.evaluate.metrics import canonical_classes

# Mild to heavy; each amount costs as much as a whole evaluation.
SPOILERS: dict[str, tuple[float, ...]] = {
    "shift": (5, 10, 20),
    "brightness": (-80, -40, 40, 80),
    "blur": (0.5, 1, 2),
    "noise": (10, 20, 40),
    "jpeg": (50, 20, 10),
}
_ALL_CHANGES: dict[str, Change] = {**CHANGES, "jpeg": JPEG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """Accuracy under one kind of change.

    Attributes:
        change: its name, out of ``SPOILERS``.
        unit: of the amounts.
        amounts: A of them.
        top1: A shares, 0 to 1, with their intervals.
    """

    change: str
    unit: str
    amounts: tuple[float, ...]
    top1: tuple[Interval, ...]


def measure_robustness(
    score_batch: ScoreBatch,
    root: Path,
    pictures: Sequence[Picture],
    *,
    contract: InputContract,
    labels: Sequence[str],
    progress: Progress | None = None,
) -> tuple[Robustness, ...]:
    """Judge the same pictures again and again, spoiled in another way each time.

    The changes are made to the picture at the network's input size; of blur and shift the amounts are
    shares of its width. The arguments are those of ``evaluate``.

    Raises:
        DatasetError: there are no pictures, or none of them can be read.
    """
    ways = [(name, amount) for name, amounts in SPOILERS.items() for amount in amounts]
    classes = canonical_classes(labels)
    answers: list[list[NDArray[np.int64]]] = [[] for _ in ways]
    seeds = itertools.count()

    def judge(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        own_seeds = list(itertools.islice(seeds, len(pixels)))
        for (name, amount), given in zip(ways, answers, strict=True):
            change = _ALL_CHANGES[name]
            spoiled = [change.apply(one, amount, seed) for one, seed in zip(pixels, own_seeds, strict=True)]
            given.append(classes[score_batch(np.stack(spoiled)).argmax(axis=1)])
        return score_batch(pixels)

    judged = evaluate(
        judge, root, pictures, contract=contract, labels=labels, progress=progress, title="judging spoiled pictures"
    )
    truths = classes[[picture.label_index for picture in judged.pictures]]
    hits = [int((np.concatenate(given) == truths).sum()) for given in answers]
    top1 = {way: share_interval(hit, len(truths)) for way, hit in zip(ways, hits, strict=True)}
    return tuple(
        Robustness(
            change=name,
            unit=_ALL_CHANGES[name].unit,
            amounts=amounts,
            top1=tuple(top1[name, amount] for amount in amounts),
        )
        for name, amounts in SPOILERS.items()
    )
