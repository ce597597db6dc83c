"""One or several classifiers on the same labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data import ImageFolder, Picture, Splits
from edgecnn.errors import DatasetError
from edgecnn.evaluate.evaluator import Evaluation, ScoreBatch, evaluate
from edgecnn.evaluate.metrics import agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A classifier to be judged.

    Attributes:
        name: what to call it.
        labels: class names in output order.
        contract: what its input wants to see.
        score_batch: takes uint8 (n, height, width, 3) RGB, returns float32 (n, C).
    """

    name: str
    labels: tuple[str, ...]
    contract: InputContract
    score_batch: ScoreBatch


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A candidate's result; ``agreement`` is with the first candidate, None for the first itself."""

    name: str
    evaluation: Evaluation
    pictures: Pictures
    agreement: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers, the figures at the top level."""
        return {
            "model": self.name,
            "data": str(self.pictures.root),
            "split": self.pictures.split,
            **self.evaluation.metrics.to_json(),
            "agreement": self.agreement,
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


def judge(candidates: Sequence[Candidate], pictures: Pictures, progress: Progress | None = None) -> list[Judgement]:
    """Judge every candidate on the same pictures.

    Raises:
        DatasetError: a picture's class is not among a candidate's labels, or no picture can be read.
    """
    judgements: list[Judgement] = []
    for candidate in candidates:
        evaluation = evaluate(
            candidate.score_batch,
            pictures.root,
            _relabel(pictures, candidate),
            contract=candidate.contract,
            labels=candidate.labels,
            progress=progress,
            title=f"judging {candidate.name}",
        )
        judgements.append(
            Judgement(
                name=candidate.name,
                evaluation=evaluation,
                pictures=pictures,
                agreement=_agreement_with_first(judgements, candidates, evaluation),
            )
        )
    return judgements


def _choose(root: Path, labels: tuple[str, ...], parts: dict[str, tuple[Picture, ...]], split: str | None) -> Pictures:
    name = split or next((name for name, members in parts.items() if members), "test")
    if not parts.get(name):
        there = ", ".join(part for part, members in parts.items() if members)
        raise DatasetError(f"{root} has no pictures in the split {name!r}; it has: {there}")
    return Pictures(root=root, labels=labels, split=name, pictures=parts[name])


def _relabel(pictures: Pictures, candidate: Candidate) -> tuple[Picture, ...]:
    """Return the pictures with the candidate's own class numbers."""
    strangers = sorted(set(pictures.labels) - set(candidate.labels))
    if strangers:
        raise DatasetError(
            f"{pictures.root} has classes that {candidate.name} does not know: {', '.join(strangers[:10])}; "
            f"it knows {len(candidate.labels)}: {', '.join(candidate.labels[:10])}"
        )
    index_of = {label: index for index, label in reversed(list(enumerate(candidate.labels)))}
    return tuple(
        replace(picture, label_index=index_of[pictures.labels[picture.label_index]]) for picture in pictures.pictures
    )


def _agreement_with_first(
    judgements: Sequence[Judgement], candidates: Sequence[Candidate], evaluation: Evaluation
) -> float | None:
    if not judgements or candidates[0].labels != candidates[len(judgements)].labels:
        return None
    return agreement(judgements[0].evaluation.scores, evaluation.scores)
