"""What the network answered: figures by split, the confusion matrix with its pictures, the worst mistakes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.calibration_error import expected_calibration_error
from edgecnn.evaluate.intervals import share_interval
from edgecnn.train.report.album import Album, Key
from edgecnn.train.report.contents import ClassFigures, Confusion, SplitFigures
from edgecnn.train.report.material import Judged, ReportMaterial

MAX_MISTAKES = 24
MAX_PER_CELL = 24
_MAX_RIGHT_PER_CELL = 4


def list_mistakes(judged: Mapping[str, Judged]) -> list[Key]:
    """Return all pictures that got a wrong answer, the most certain answer first."""
    found: list[tuple[float, Key]] = []
    for split, part in judged.items():
        best = part.scores.argmax(axis=1)
        for index in np.flatnonzero(best != part.pictures.label_indices).tolist():
            found.append((-float(part.scores[index, best[index]]), (split, index)))
    return [key for _, key in sorted(found)]


def judge_split(material: ReportMaterial, split: str, album: Album) -> SplitFigures:
    """Return the figures of a split, and add the pictures behind its confusion matrix to the album."""
    counts, judged = material.confusion[split], material.judged.get(split)
    behind = _sort_into_cells(judged) if judged else {}
    cells = [(int(row), int(column), int(counts[row, column])) for row, column in np.argwhere(counts)]
    # Mistakes first: they are what the room is for.
    cells.sort(key=lambda cell: (cell[0] == cell[1], -cell[2]))
    confusions = tuple(
        Confusion(
            truth=row,
            answer=column,
            num=num,
            pictures=tuple(album.add((split, index)) for index in behind.get((row, column), ())),
        )
        for row, column, num in cells
    )
    return SplitFigures(
        split=split,
        num=int(counts.sum()),
        top1=share_interval(int(np.trace(counts)), int(counts.sum())),
        ece=expected_calibration_error(judged.scores, judged.pictures.label_indices) if judged else None,
        classes=_judge_classes(material, counts),
        confusions=confusions,
    )


def _sort_into_cells(judged: Judged) -> dict[tuple[int, int], list[int]]:
    """Return some pictures by true class and answer: the most certain mistakes, the least certain right ones."""
    best = judged.scores.argmax(axis=1)
    certainty = judged.scores.max(axis=1)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index in np.argsort(-certainty, kind="stable").tolist():
        cells[int(judged.pictures.label_indices[index]), int(best[index])].append(index)
    return {
        (truth, answer): members[::-1][:_MAX_RIGHT_PER_CELL] if truth == answer else members[:MAX_PER_CELL]
        for (truth, answer), members in cells.items()
    }


def _judge_classes(material: ReportMaterial, counts: NDArray[np.int64]) -> tuple[ClassFigures, ...]:
    train, num_classes = material.pictures.get("train"), len(material.labels)
    num_train = np.bincount(train.label_indices, minlength=num_classes) if train else np.zeros(num_classes, np.int64)
    return tuple(
        ClassFigures(
            label=label,
            num=int(counts[index].sum()),
            num_train=int(num_train[index]),
            recall=share_interval(int(counts[index, index]), int(counts[index].sum())) if counts[index].any() else None,
            precision=float(counts[index, index] / counts[:, index].sum()) if counts[:, index].any() else None,
        )
        for index, label in enumerate(material.labels)
    )
