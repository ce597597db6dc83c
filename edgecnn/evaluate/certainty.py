"""How far an evaluation's figures are to be believed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgecnn.evaluate.calibration_error import CalibrationBin, calibration_curve, expected_calibration_error
from edgecnn.evaluate.evaluator import Evaluation
from edgecnn.evaluate.intervals import Interval, share_interval
from edgecnn.evaluate.metrics import macro_f1
from edgecnn.evaluate.significance import bootstrap_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """95% intervals of an evaluation's figures, and what its scores are worth.

    Attributes:
        top1: share of recognized pictures.
        macro_f1: mean F1 of the classes.
        recall: by label, of the classes that have pictures.
        calibration: right answers by score; empty where the scores are no shares of 1.
        ece: expected calibration error, 0 to 1; None where the scores are no shares of 1.
    """

    top1: Interval
    macro_f1: Interval
    recall: dict[str, Interval]
    calibration: tuple[CalibrationBin, ...]
    ece: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers."""
        intervals = {
            "top1": _ends(self.top1),
            "macro_f1": _ends(self.macro_f1),
            "recall": {label: _ends(interval) for label, interval in self.recall.items()},
        }
        return {
            "intervals": intervals,
            "ece": self.ece,
            "calibration": [asdict(part) for part in self.calibration],
        }


def measure_certainty(evaluation: Evaluation) -> Certainty:
    """Return how far the figures of an evaluation are to be believed.

    Shares have Wilson's interval, which is right even at 0% and 100%; the mean F1, which is no share,
    has the bootstrap's.
    """
    metrics, truths, answers = evaluation.metrics, evaluation.truths, evaluation.answers
    scores = evaluation.scores
    are_shares = bool((scores >= 0).all() and (scores <= 1).all())
    return Certainty(
        top1=share_interval(int(evaluation.right.sum()), metrics.num),
        macro_f1=bootstrap_interval(lambda rows: macro_f1(truths[rows], answers[rows]), metrics.num),
        recall={
            label: share_interval(round(figures.recall * figures.num), figures.num)
            for label, figures in metrics.per_class.items()
            if figures.num
        },
        calibration=calibration_curve(scores, truths) if are_shares else (),
        ece=expected_calibration_error(scores, truths) if are_shares else None,
    )


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
