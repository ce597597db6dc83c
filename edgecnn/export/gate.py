"""The comparison that decides whether an exported file may exist."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import AccuracyGateError
from edgecnn.evaluate.evaluator import Evaluation
from edgecnn.evaluate.metrics import agreement, evaluate_scores
from edgecnn.modelfile.manifest import AccuracyPart


def compare_with_float(
    float_scores: NDArray[np.float32], exported: Evaluation, labels: tuple[str, ...], max_drop_points: float
) -> AccuracyPart:
    """Return how the exported file does beside the Keras model on the same validation pictures.

    Args:
        float_scores: float32, shape (N, C), of the Keras model.
        exported: the file's scores and figures on the same N pictures.
        labels: C names.
        max_drop_points: the drop that is allowed, in percentage points.
    """
    truths = np.array([picture.label_index for picture in exported.pictures], np.int64)
    float_top1 = evaluate_scores(float_scores, truths, labels).top1
    return AccuracyPart(
        split="val",
        num=exported.metrics.num,
        float_top1=float_top1,
        top1=exported.metrics.top1,
        drop_points=round(100 * (float_top1 - exported.metrics.top1), 6),
        max_drop_points=max_drop_points,
        agreement=agreement(float_scores, exported.scores),
    )


def describe(accuracy: AccuracyPart) -> str:
    """Return the comparison in one sentence for people."""
    change = accuracy.drop_points
    word = f"{change:.2f} points lost" if change > 0 else f"{-change:.2f} points gained" if change else "nothing lost"
    return (
        f"validation accuracy on {accuracy.num} pictures: Keras {accuracy.float_top1:.1%}, "
        f"int8 file {accuracy.top1:.1%}: {word}; the two agree on {accuracy.agreement:.1%}"
    )


def check_gate(accuracy: AccuracyPart) -> None:
    """Raise AccuracyGateError when the file lost more than is allowed."""
    if accuracy.drop_points <= accuracy.max_drop_points:
        return
    one_picture = 100 / accuracy.num
    coarse = f" One picture of {accuracy.num} is {one_picture:.1f} points." if one_picture > 0.5 else ""
    raise AccuracyGateError(
        f"the int8 file loses {accuracy.drop_points:.2f} points of accuracy, more than the "
        f"{accuracy.max_drop_points:g} allowed, so it was not written.{coarse} Try other calibration "
        "pictures (--calibration-count, --seed) or allow more (--max-drop)"
    )
