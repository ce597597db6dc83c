"""Whether a score of 0.8 means eight right answers in ten."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.calibration_error import calibration_curve, expected_calibration_error
from edgecnn.export.report.contents import Reliability
from edgecnn.export.report.material import ReportMaterial


def measure_reliability(material: ReportMaterial) -> tuple[Reliability, ...]:
    """Return the reliability of the file's scores, and before it that of the float network without the temperature.

    The temperature is taken out of the float scores: in the file's, the small ones that it would bring
    back were rounded to nothing.
    """
    confidence = material.manifest.confidence
    temperature = confidence.temperature if confidence else 1.0
    after = reliability("the file", material.scores, material.truths)
    if temperature == 1.0:
        return (after,)
    raw = _undo_temperature(material.float_scores, temperature)
    return reliability("float, without temperature", raw, material.truths), after


def reliability(title: str, scores: NDArray[np.float32], truths: NDArray[np.int64]) -> Reliability:
    """Sort pictures by their best score into bins of equal width and compare it with the share that was right.

    Args:
        title: what the scores are of.
        scores: float32, shape (N, C), 0 to 1, N from 1.
        truths: int64, shape (N,).

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, equation 3.
    """
    return Reliability(
        title=title, bins=calibration_curve(scores, truths), ece=expected_calibration_error(scores, truths)
    )


def _undo_temperature(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Softmax of ``z / T``, raised to the power of T and scaled to a sum of 1, is softmax of ``z``."""
    logs = temperature * np.log(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny))
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    undone: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return undone
