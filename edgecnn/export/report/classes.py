"""What quantization did to the answers: overall, by class, and picture by picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.intervals import drop_interval, share_interval
from edgecnn.evaluate.metrics import evaluate_scores
from edgecnn.export.report.contents import ChangedPicture, ClassChange, Verdict
from edgecnn.export.report.material import ReportMaterial

MAX_CHANGED = 36


def judge_answers(material: ReportMaterial) -> Verdict:
    """Return how the file does beside the Keras model."""
    before, after = (_best_labels(material, scores) for scores in (material.float_scores, material.scores))
    truths = np.array(material.file.labels, object)[material.truths]
    float_right, right, same = before == truths, after == truths, before == after
    num = len(truths)
    lost, won = int((float_right & ~right).sum()), int((right & ~float_right).sum())
    return Verdict(
        num=num,
        float_top1=share_interval(int(float_right.sum()), num),
        top1=share_interval(int(right.sum()), num),
        drop_points=drop_interval(lost, won, num),
        agreement=share_interval(int(same.sum()), num),
        lost=lost,
        won=won,
        both_wrong=int((~same & ~float_right & ~right).sum()),
        num_bytes=material.file.num_bytes,
        float_num_bytes=material.float_num_bytes or len(material.float_model),
    )


def compare_classes(material: ReportMaterial) -> tuple[ClassChange, ...]:
    """Return every class that has pictures, the most damaged one first."""
    labels = material.file.labels
    before, after = (
        evaluate_scores(scores, material.truths, labels).per_class
        for scores in (material.float_scores, material.scores)
    )
    changes = [
        ClassChange(
            label=label,
            num=figures.num,
            float_recall=before[label].recall,
            recall=figures.recall,
            drop_points=100 * (before[label].recall - figures.recall),
        )
        for label, figures in after.items()
        if figures.num
    ]
    return tuple(sorted(changes, key=lambda change: (-change.drop_points, change.recall)))


def changed_pictures(material: ReportMaterial) -> tuple[tuple[ChangedPicture, ...], tuple[int, ...]]:
    """Return all pictures with another label, the most certain float answer first, and their indices."""
    before, after = (_best_labels(material, scores) for scores in (material.float_scores, material.scores))
    certainty = material.float_scores.max(axis=1)
    indices = tuple(sorted(np.flatnonzero(before != after).tolist(), key=lambda index: -certainty[index]))
    changed = tuple(
        ChangedPicture(
            path=printable(material.pictures[index].path),
            truth=material.file.labels[material.pictures[index].label_index],
            float_label=before[index],
            float_score=float(certainty[index]),
            label=after[index],
            score=float(material.scores[index].max()),
        )
        for index in indices
    )
    return changed, indices


def printable(path: str) -> str:
    """Return a file's name as text: on Linux it may hold bytes that are none."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _best_labels(material: ReportMaterial, scores: NDArray[np.float32]) -> NDArray[np.object_]:
    """Return the answers' names: two classes of one name are one answer."""
    best: NDArray[np.object_] = np.array(material.file.labels, object)[scores.argmax(axis=1)]
    return best
