"""One or several classifiers on the same labelled pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data import ImageFolder, Picture, Splits
from edgecnn.errors import DatasetError
from edgecnn.evaluate.certainty import Certainty, measure_certainty
from edgecnn.evaluate.evaluator import Evaluation, ScoreBatch, evaluate
from edgecnn.evaluate.metrics import agreement
from edgecnn.evaluate.robustness import Robustness, measure_robustness
from edgecnn.evaluate.significance import McNemar, mcnemar


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A classifier to be judged.

    Attributes:
        name: what to call it.
        labels: class names in output order.
        contract: what its input wants to see.
        score_batch: takes uint8 (n, height, width, 3) RGB, returns float32 (n, C).
        num_bytes: size of its file.
        is_float: whether nothing in it was quantized, so that the others are held against it.
    """

    name: str
    labels: tuple[str, ...]
    contract: InputContract
    score_batch: ScoreBatch
    num_bytes: int | None = None
    is_float: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pictures on which candidates are judged.

    Attributes:
        root: the folder that the paths are relative to.
        labels: names that the pictures' label indices stand for.
        split: ``train``, ``val``, ``test``, or ``all`` where the folder has no splits.
        pictures: what is judged.
    """

    root: Path
    labels: tuple[str, ...]
    split: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A candidate's result.

    Attributes:
        name: what it is called.
        evaluation: its scores and figures.
        pictures: what it was judged on.
        reference: name of the candidate that ``agreement`` and ``drop_points`` are measured against: the
            first float one, else the first; None for that one itself, and where their labels differ.
        agreement: share of pictures to which both give the same best class, 0 to 1.
        mcnemar: whether this one or the reference is right more often than by chance.
        drop_points: percentage points of recall that each class lost against the reference, by label.
        num_bytes: size of its file.
        ms_per_picture: what scoring one picture took here, in ms, without reading and resizing: the
            median of batches of up to 32.
        robustness: accuracy on the same pictures spoiled; None where that was not asked for.
    """

    name: str
    evaluation: Evaluation
    pictures: Pictures
    reference: str | None = None
    agreement: float | None = None
    mcnemar: McNemar | None = None
    drop_points: dict[str, float] | None = None
    num_bytes: int | None = None
    ms_per_picture: float | None = None
    robustness: tuple[Robustness, ...] | None = None

    @cached_property
    def certainty(self) -> Certainty:
        """How far the figures are to be believed."""
        return measure_certainty(self.evaluation)

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers, the figures at the top level."""
        return {
            "model": self.name,
            "data": str(self.pictures.root),
            "split": self.pictures.split,
            **self.evaluation.metrics.to_json(),
            **self.certainty.to_json(),
            "reference": self.reference,
            "agreement": self.agreement,
            "mcnemar": asdict(self.mcnemar) if self.mcnemar else None,
            "drop_points": self.drop_points,
            "num_bytes": self.num_bytes,
            "ms_per_picture": self.ms_per_picture,
            **({"robustness": [asdict(one) for one in self.robustness]} if self.robustness is not None else {}),
            "unreadable": list(self.evaluation.unreadable),
        }


def choose_pictures(folder: ImageFolder, split: str | None) -> Pictures:
    """Return one split of a folder: the given one, else ``test``, else ``val``, else everything.

    Raises:
        DatasetError: the folder has no such split.
    """
    if not folder.has_splits:
        if split is not None:
            raise DatasetError(
                f"{folder.root} has no split {split!r}: it has no train, val and test folders; leave out --split to "
                "judge all of it, or give the run that split it"
            )
        return Pictures(root=folder.root, labels=folder.labels, split="all", pictures=folder.pictures)
    parts = {name: folder.select(name) for name in ("test", "val", "train")}
    return _choose(folder.root, folder.labels, parts, split)


def choose_from_splits(root: Path, labels: tuple[str, ...], splits: Splits, split: str | None) -> Pictures:
    """Return one split out of those that a run recorded, by the same rule."""
    return _choose(root, labels, {name: splits.select(name) for name in ("test", "val", "train")}, split)


def judge(
    candidates: Sequence[Candidate], pictures: Pictures, progress: Progress | None = None, *, robust: bool = False
) -> list[Judgement]:
    """Judge every candidate on the same pictures.

    Args:
        candidates: whom.
        pictures: on what.
        progress: told of every picture.
        robust: whether to judge them on spoiled pictures, too, which takes some 17 times as long.

    Raises:
        DatasetError: a picture's class is not among a candidate's labels, or no picture can be read.
    """
    # Before any of them is judged: labels that do not fit need no waiting.
    relabelled = [relabel(pictures, candidate.labels, candidate.name) for candidate in candidates]
    judgements = [
        _judge_one(candidate, pictures, own, progress, robust)
        for candidate, own in zip(candidates, relabelled, strict=True)
    ]
    reference = next((index for index, candidate in enumerate(candidates) if candidate.is_float), 0)
    return [
        _compare(judgement, judgements[reference])
        if index != reference and candidates[index].labels == candidates[reference].labels
        else judgement
        for index, judgement in enumerate(judgements)
    ]


def relabel(pictures: Pictures, labels: tuple[str, ...], name: str) -> tuple[Picture, ...]:
    """Return the pictures with the class numbers of the classifier ``name``, whose classes ``labels`` are.

    Raises:
        DatasetError: it does not have one of their classes.
    """
    strangers = sorted(set(pictures.labels) - set(labels))
    if strangers:
        raise DatasetError(
            f"{pictures.root} has classes that {name} does not know: {', '.join(strangers[:10])}; "
            f"it knows {len(labels)}: {', '.join(labels[:10])}"
        )
    index_of = {label: index for index, label in reversed(list(enumerate(labels)))}
    return tuple(
        replace(picture, label_index=index_of[pictures.labels[picture.label_index]]) for picture in pictures.pictures
    )


def _judge_one(
    candidate: Candidate, pictures: Pictures, own: Sequence[Picture], progress: Progress | None, robust: bool
) -> Judgement:
    ms_per_picture: list[float] = []

    def timed(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        started = time.perf_counter()
        scores = candidate.score_batch(pixels)
        ms_per_picture.append((time.perf_counter() - started) * 1e3 / len(pixels))
        return scores

    evaluation = evaluate(
        timed,
        pictures.root,
        own,
        contract=candidate.contract,
        labels=candidate.labels,
        progress=progress,
        title=f"judging {candidate.name}",
    )
    return Judgement(
        name=candidate.name,
        evaluation=evaluation,
        pictures=pictures,
        num_bytes=candidate.num_bytes,
        ms_per_picture=statistics.median(ms_per_picture),
        robustness=_judge_spoiled(candidate, pictures.root, own, progress) if robust else None,
    )


def _judge_spoiled(
    candidate: Candidate, root: Path, own: Sequence[Picture], progress: Progress | None
) -> tuple[Robustness, ...]:
    return measure_robustness(
        candidate.score_batch, root, own, contract=candidate.contract, labels=candidate.labels, progress=progress
    )


def _compare(judgement: Judgement, reference: Judgement) -> Judgement:
    mine, its = judgement.evaluation.metrics.per_class, reference.evaluation.metrics.per_class
    return replace(
        judgement,
        reference=reference.name,
        agreement=agreement(reference.evaluation.scores, judgement.evaluation.scores),
        mcnemar=mcnemar(reference.evaluation.right, judgement.evaluation.right),
        drop_points={label: 100 * (its[label].recall - mine[label].recall) for label in mine if mine[label].num},
    )


def _choose(root: Path, labels: tuple[str, ...], parts: dict[str, tuple[Picture, ...]], split: str | None) -> Pictures:
    name = split or next((name for name, members in parts.items() if members), "test")
    if not parts.get(name):
        there = ", ".join(part for part, members in parts.items() if members)
        raise DatasetError(f"{root} has no pictures in the split {name!r}; it has: {there}")
    return Pictures(root=root, labels=labels, split=name, pictures=parts[name])
