"""Figures of a classifier, out of its scores and the true classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """One class; every share is 0 to 1, and 0 where it would divide by nothing.

    Attributes:
        num: pictures of this class.
        recall: share of them that were recognized.
        precision: share of right ones among the pictures that were given this label.
        f1: harmonic mean of the two.
    """

    num: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """A classifier's figures over a set of pictures.

    Attributes:
        top1: share of pictures whose best class is the true one, 0 to 1.
        top3: share whose true class is among the best three.
        num: pictures that were judged.
        macro_f1: mean of the F1 of all classes that have pictures: rare ones count as much as others.
        per_class: figures by label, in label order.
        confusion: counts; row = true class, column = predicted class, in label order.
    """

    top1: float
    top3: float
    num: int
    macro_f1: float
    per_class: dict[str, ClassMetrics]
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers."""
        return asdict(self)


def evaluate_scores(scores: NDArray[np.float32], label_indices: NDArray[np.int64], labels: Sequence[str]) -> Metrics:
    """Compare scores with the truth.

    Equal scores rank in the order of the classes, as everywhere in edgecnn: an int8 file that
    gives two classes the same code gets no credit for the luckier one. Two classes of one name
    (ImageNet has "crane" twice, the bird and the machine) count as the first of them.

    Args:
        scores: float32, shape (N, C), larger is more likely.
        label_indices: int64, shape (N,), the true classes.
        labels: C names.

    Raises:
        ValueError: there are no pictures, or the shapes do not fit together.
    """
    num, num_classes = scores.shape
    if num == 0 or label_indices.shape != (num,) or num_classes != len(labels):
        raise ValueError(f"{scores.shape} scores do not fit {label_indices.shape} truths and {len(labels)} labels")
    canonical = canonical_classes(labels)
    truths = canonical[label_indices]
    ranking = canonical[np.argsort(-scores, axis=1, kind="stable")[:, :3]]
    hits = ranking == truths[:, None]
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (truths, ranking[:, 0]), 1)
    return Metrics(
        top1=float(hits[:, 0].mean()),
        top3=float(hits.any(axis=1).mean()),
        num=num,
        macro_f1=macro_f1(truths, ranking[:, 0]),
        per_class={
            label: _class_metrics(confusion, int(index)) for label, index in zip(labels, canonical, strict=True)
        },
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def canonical_classes(labels: Sequence[str]) -> NDArray[np.int64]:
    """Return for each class the first one of the same name: int64, shape (C,)."""
    first_of = {label: index for index, label in reversed(list(enumerate(labels)))}
    return np.array([first_of[label] for label in labels], np.int64)


def macro_f1(truths: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Return the mean F1 of the classes that have pictures, 0 to 1.

    Args:
        truths: int64, shape (N,), the true classes.
        answers: int64, shape (N,), the classes that were given.
    """
    size = int(max(truths.max(), answers.max())) + 1
    num, given = np.bincount(truths, minlength=size), np.bincount(answers, minlength=size)
    right = np.bincount(truths[truths == answers], minlength=size)
    there = num > 0
    return float((2 * right[there] / (num[there] + given[there])).mean())


def agreement(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the share of pictures to which two classifiers give the same best class.

    Args:
        first: float32, shape (N, C).
        second: float32, shape (N, C), of the same pictures.
    """
    return float(np.mean(np.argmax(first, axis=1) == np.argmax(second, axis=1)))


def _class_metrics(confusion: NDArray[np.int64], index: int) -> ClassMetrics:
    right = int(confusion[index, index])
    num, given = int(confusion[index].sum()), int(confusion[:, index].sum())
    return ClassMetrics(
        num=num,
        recall=right / num if num else 0.0,
        precision=right / given if given else 0.0,
        f1=2 * right / (num + given) if num + given else 0.0,
    )
