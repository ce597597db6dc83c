"""Running a classifier over labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data.folder import Picture
from edgecnn.data.pixels import iter_pixels
from edgecnn.errors import DatasetError
from edgecnn.evaluate.metrics import Metrics, canonical_classes, evaluate_scores
from edgecnn.runtime.classifier import Classifier

BATCH = 32
ScoreBatch = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A classifier's scores and figures over pictures.

    Attributes:
        metrics: the figures.
        scores: float32, shape (N, C).
        truths: int64, shape (N,), the true classes; of several of one name the first, as ``answers``.
        answers: int64, shape (N,), the classes with the best scores.
        pictures: the N pictures that were judged.
        unreadable: one sentence for each picture that could not be.
    """

    metrics: Metrics
    scores: NDArray[np.float32]
    truths: NDArray[np.int64]
    answers: NDArray[np.int64]
    pictures: tuple[Picture, ...]
    unreadable: tuple[str, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each picture was recognized: bool, shape (N,)."""
        return np.asarray(self.truths == self.answers)


def evaluate(
    score_batch: ScoreBatch,
    root: Path,
    pictures: Sequence[Picture],
    *,
    contract: InputContract,
    labels: Sequence[str],
    progress: Progress | None = None,
    title: str = "evaluating",
) -> Evaluation:
    """Judge pictures, holding no more than a few dozen of them in memory.

    Args:
        score_batch: takes uint8 (n, height, width, 3) RGB, returns float32 (n, C).
        root: the folder that the pictures' paths are relative to.
        pictures: what to judge.
        contract: the model's input.
        labels: C names.
        progress: told of every picture.
        title: what the work is called.

    Raises:
        DatasetError: there are no pictures, or none of them can be read.
    """
    scores: list[NDArray[np.float32]] = []
    kept: list[Picture] = []
    unreadable: list[str] = []
    batch: list[NDArray[np.uint8]] = []
    with (progress or SilentProgress()).task(title, len(pictures)) as task:
        for picture, loaded in iter_pixels(root, pictures, contract):
            if isinstance(loaded, DatasetError):
                unreadable.append(str(loaded))
            else:
                kept.append(picture)
                batch.append(loaded)
            if len(batch) == BATCH:
                scores.append(score_batch(np.stack(batch)))
                batch.clear()
            task.advance()
        if batch:
            scores.append(score_batch(np.stack(batch)))
    if not kept:
        raise DatasetError(unreadable[0] if unreadable else f"there are no pictures to judge under {root}")
    all_scores = np.concatenate(scores)
    truths = np.array([picture.label_index for picture in kept], np.int64)
    classes = canonical_classes(labels)
    return Evaluation(
        metrics=evaluate_scores(all_scores, truths, labels),
        scores=all_scores,
        truths=classes[truths],
        answers=classes[all_scores.argmax(axis=1)],
        pictures=tuple(kept),
        unreadable=tuple(unreadable),
    )


def scorer(classifier: Classifier) -> ScoreBatch:
    """Return a function that scores batches with a deployed model, one picture at a time."""

    def score_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.stack([classifier.scores(picture) for picture in pixels])

    return score_batch
