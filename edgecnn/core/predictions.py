"""What a classifier says about a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decisions import UNKNOWN, Decision


@dataclass(frozen=True, slots=True)
class Category:
    """One class and how strongly the model believes in it.

    Attributes:
        index: position in the model's output.
        label: name of the class.
        score: the output value; 0 to 1 for a model that ends in softmax.
    """

    index: int
    label: str
    score: float


# The decision of a run with rules as long as nothing is confirmed.
UNDECIDED = Decision(index=None, label="", score=0.0, changed=False, frames=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """Milliseconds that one frame spent in each stage."""

    read: float = 0.0
    decode: float = 0.0
    resize: float = 0.0
    invoke: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The result for one frame.

    Attributes:
        categories: best first; empty when none reaches the score threshold.
        frame_index: ``index`` of the frame that was judged.
        camera: address of the frame's source.
        name: file name of the picture, else empty.
        captured_ns: monotonic clock at capture.
        age_ms: age of the picture when this result was put out.
        stages_ms: where the time went.
        familiarity: 0 to 1, how much the picture is like those that the model was made with; None where
            the model goes by the best score alone.
        rejected_at: the familiarity, or where there is none the best score, of a picture that was judged
            alone and lies below the model's threshold for unknown things; None where it does not.
        decision: what stands after smoothing and confirmation; ``UNDECIDED`` before anything is
            confirmed, None in a run without rules for that.
        dropped: frames that the source threw away so far, because newer ones had come.
    """

    categories: tuple[Category, ...]
    frame_index: int = 0
    camera: str = ""
    name: str = ""
    captured_ns: int = 0
    age_ms: float = 0.0
    stages_ms: StageTimes = field(default_factory=StageTimes)
    familiarity: float | None = None
    rejected_at: float | None = None
    decision: Decision | None = None
    dropped: int = 0

    @property
    def top(self) -> Category | None:
        """The best category, or None when none reached the threshold."""
        return self.categories[0] if self.categories else None

    @property
    def is_unknown(self) -> bool:
        """Whether this is nothing that the model knows: by the decision, in a run without rules by the picture."""
        if self.decision is None:
            return self.rejected_at is not None
        return self.decision.index is None and self.decision is not UNDECIDED

    @property
    def headline(self) -> tuple[str, float] | None:
        """Label and score to show: of the decision if the run makes decisions, else of the best category.

        The label of a picture that is unknown is ``unknown``, its score what was below the threshold.
        """
        if self.decision is None and self.rejected_at is not None:
            return UNKNOWN, self.rejected_at
        shown = self.top if self.decision is None else self.decision
        return (shown.label, shown.score) if shown and shown is not UNDECIDED else None


def top_categories(
    scores: NDArray[np.float32], labels: Sequence[str], *, max_results: int = 5, score_threshold: float = 0.0
) -> tuple[Category, ...]:
    """Return the best categories, best first; equal scores keep the order of the classes.

    Args:
        scores: float32, shape (C,).
        labels: C names.
        max_results: how many at most, from 1.
        score_threshold: leave out categories below it.
    """
    if max_results < 1:
        raise ValueError(f"max_results must be at least 1, got {max_results}")
    order = np.argsort(-scores, kind="stable")[:max_results]
    return tuple(Category(int(i), labels[i], float(scores[i])) for i in order if scores[i] >= score_threshold)
