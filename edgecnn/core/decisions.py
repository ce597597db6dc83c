"""One steady decision out of the scores of many frames.

The best category of a single frame flickers: two classes near a tie swap places with the noise
of the sensor. A ``Decider`` smooths the scores over time, asks a new label to lead for several
frames before it counts, and gives up a label that it holds only when another is clearly better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

SmoothingKind = Literal["ema", "mean"]
SMOOTHING_KINDS: tuple[str, ...] = get_args(SmoothingKind)
MAX_MEAN_FRAMES = 1000
UNKNOWN = "unknown"

_UNKNOWN_INDEX = -1


class Smoothing(NamedTuple):
    """How scores are averaged over frames; its text is what ``parse_smoothing`` reads.

    Attributes:
        kind: ``ema`` is an exponential moving average, ``mean`` the plain mean of the newest frames.
        amount: for ``ema`` the weight of the newest frame, above 0 to 1 (1 smooths nothing);
            for ``mean`` the number of frames, 1 (smooths nothing) to 1000.
    """

    kind: SmoothingKind
    amount: float

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount}"


def parse_smoothing(text: str) -> Smoothing:
    """Read ``ema:WEIGHT`` or ``mean:FRAMES``, such as ``ema:0.4`` or ``mean:5``.

    Raises:
        ValueError: the text is neither, or its number is out of range.
    """
    kind, _, amount = text.partition(":")
    try:
        smoothing = Smoothing(cast(SmoothingKind, kind), int(amount) if kind == "mean" else float(amount))
    except ValueError:
        raise _bad_smoothing(text) from None
    if not _is_smoothing(smoothing):
        raise _bad_smoothing(text)
    return smoothing


def _is_smoothing(smoothing: Smoothing) -> bool:
    kind, amount = smoothing
    if kind == "mean":
        return 1 <= amount <= MAX_MEAN_FRAMES and amount == int(amount)
    return kind == "ema" and 0.0 < amount <= 1.0


def _bad_smoothing(given: object) -> ValueError:
    return ValueError(
        f"smoothing must be ema:WEIGHT with a weight above 0 to 1, such as ema:0.4, "
        f"or mean:FRAMES with 1 to {MAX_MEAN_FRAMES} frames, such as mean:5; got {str(given)!r}"
    )


class _Rules(NamedTuple):
    smooth: Smoothing | None
    confirm: int
    hysteresis: float
    unknown_below: float | None


class DecisionRules(_Rules):
    """When a label counts and when it is given up; a value that never changes.

    It is made by keywords, all of which may be left out. The thresholds are meant for scores of
    0 to 1, as a model that ends in softmax or sigmoid puts out.

    Attributes:
        smooth: average over frames that the other rules look at; None takes each frame as it is.
        confirm: frames in a row, from 1, in which a new label must lead before it counts.
        hysteresis: 0 to 1. A label that is held is given up only for one whose smoothed score is
            at least that much higher, and for ``unknown`` only below ``unknown_below - hysteresis``.
        unknown_below: None, or 0 to 1. No label is taken up whose smoothed score is below it.
            When none reaches it, the decision is ``unknown``. Where frames come with a familiarity,
            the threshold is one for that, whatever the scores: see ``Decider``.
    """

    # A tuple rather than a dataclass, which takes half a millisecond of every start to make.
    __slots__ = ()

    def __new__(
        cls,
        *,
        smooth: Smoothing | None = None,
        confirm: int = 1,
        hysteresis: float = 0.0,
        unknown_below: float | None = None,
    ) -> DecisionRules:
        """Check the rules, raising ValueError for the first that is out of range."""
        if smooth is not None and not _is_smoothing(smooth):
            raise _bad_smoothing(smooth)
        if not (math.isfinite(confirm) and confirm >= 1 and confirm == int(confirm)):
            raise ValueError(f"confirm must be a whole number of frames from 1, got {confirm}")
        if not 0.0 <= hysteresis <= 1.0:
            raise ValueError(f"hysteresis must be 0 to 1, got {hysteresis}")
        if unknown_below is not None and not 0.0 <= unknown_below <= 1.0:
            raise ValueError(f"unknown_below must be None or 0 to 1, got {unknown_below}")
        if unknown_below is not None and 0.0 < hysteresis >= unknown_below:
            raise ValueError(
                f"hysteresis must be below unknown_below ({unknown_below}), or a label would never "
                f"give way to {UNKNOWN}; got {hysteresis}"
            )
        return super().__new__(cls, smooth, confirm, hysteresis, unknown_below)

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> DecisionRules:  # type: ignore[override]  # nobody inherits
        # What _replace calls; without this it would pass by the checks.
        return cls(**dict(zip(cls._fields, iterable, strict=True)))

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        return (), self._asdict()  # so that a copy is made by keywords, too


class Decision(NamedTuple):
    """What one camera is held to show after a frame.

    Attributes:
        index: position of the label in the model's output; None for ``unknown``. It tells ``unknown``
            from a class of the model that has the same name.
        label: name of the class, or ``unknown``.
        score: smoothed score of that class in this frame; for ``unknown`` what was held against
            ``unknown_below``, the best smoothed score or the smoothed familiarity.
        changed: whether this frame changed the decision; so it is for the first one.
        frames: how many frames it has held, this one included; 1 where ``changed``.
    """

    index: int | None  # type: ignore[assignment]  # hides the search method of tuples, which nobody needs here
    label: str
    score: float
    changed: bool
    frames: int


class Decider:
    """Turns the scores of one camera, frame by frame, into a steady decision.

    In each frame one label leads:

    - Before the first decision, and while the decision is ``unknown``: the label with the best
      smoothed score, if that reaches ``unknown_below``, else ``unknown``.
    - While a label is held whose own smoothed score is below ``unknown_below - hysteresis``: the same.
    - Otherwise the held label, or the best one if that is at least ``hysteresis`` above it (and
      so reaches ``unknown_below``).

    A model may tell itself how familiar a frame is. Then the smoothed familiarity, instead of the best
    or the held label's own score, is held against both thresholds for ``unknown``.

    Of equal scores the lowest index is best. A leader other than the decision becomes the decision
    when it has led ``confirm`` frames in a row. With the default rules the decision is the best
    category of every frame. Thresholds are compared as float32, like the scores, so that a score
    of 0.7 reaches 0.7.

    Memory and time per frame do not grow with the number of frames. Nothing but the scores since
    it was made, and the calls of ``reset`` between them, decides what comes out.
    """

    def __init__(self, labels: Sequence[str], rules: DecisionRules) -> None:
        """Start without a decision.

        Args:
            labels: the C names of the model's outputs, C from 1.
            rules: when a label counts.
        """
        self._labels = tuple(labels)
        if not self._labels:
            raise ValueError("there must be at least 1 label, got 0")
        self._smoother = _smoother(rules.smooth, len(self._labels))
        self._familiarity_smoother = _smoother(rules.smooth, 1)
        self._confirm = rules.confirm
        self._hysteresis = rules.hysteresis
        self._enter = self._leave = -math.inf
        if rules.unknown_below is not None:
            self._enter = float(np.float32(rules.unknown_below))
            self._leave = float(np.float32(rules.unknown_below - rules.hysteresis))
        self._held: int | None = None
        self._held_frames = 0
        self._candidate: int | None = None
        self._candidate_frames = 0

    def update(self, scores: NDArray[np.float32], familiarity: float | None = None) -> Decision | None:
        """Take in one frame.

        Args:
            scores: float32, shape (C,), finite; not kept and not written to.
            familiarity: 0 to 1, how much the frame is like what the model was made with; None where
                that is not known, and then for every frame.

        Returns:
            The decision after this frame. None until a first one was confirmed: with ``confirm``
            1 never, else at least for the first ``confirm - 1`` frames.

        Raises:
            ValueError: another shape, a score that is NaN or infinite, or a familiarity out of range.
                Such a frame leaves no trace: the next one is judged as if it had not been.
        """
        scores = np.asarray(scores, np.float32)
        if scores.shape != (len(self._labels),):
            raise ValueError(f"scores must have shape ({len(self._labels)},), one for each label, got {scores.shape}")
        finite = np.isfinite(scores)
        if not finite.all():
            index = int(finite.argmin())
            raise ValueError(f"scores must be finite, got {scores[index]} for output {index}, {self._labels[index]!r}")
        if familiarity is not None and not 0.0 <= familiarity <= 1.0:
            raise ValueError(f"familiarity must be None or 0 to 1, got {familiarity}")
        smoothed = self._smoother.add(scores)
        familiar = None if familiarity is None else self._smooth_familiarity(familiarity)
        best = int(smoothed.argmax())
        changed = self._settle(self._leader(smoothed, best, familiar))
        if self._held is None:
            return None
        if self._held == _UNKNOWN_INDEX:
            score = float(smoothed[best]) if familiar is None else familiar
            return Decision(None, UNKNOWN, score, changed, self._held_frames)
        label, score = self._labels[self._held], float(smoothed[self._held])
        return Decision(self._held, label, score, changed, self._held_frames)

    def reset(self) -> None:
        """Forget past scores and a label that was not yet confirmed, but keep the decision.

        For a camera that came back after a gap: old scores say nothing about the new picture, yet
        a decision that differs from the one before the gap is a change.
        """
        self._smoother.clear()
        self._familiarity_smoother.clear()
        self._candidate, self._candidate_frames = None, 0

    def _smooth_familiarity(self, familiarity: float) -> float:
        return float(self._familiarity_smoother.add(np.array([familiarity], np.float32))[0])

    def _leader(self, smoothed: NDArray[np.float32], best: int, familiar: float | None) -> int:
        best_score = float(smoothed[best])
        held = self._held
        if held is not None and held != _UNKNOWN_INDEX:
            own_score = float(smoothed[held])
            if (own_score if familiar is None else familiar) >= self._leave:
                if best_score < own_score + self._hysteresis:
                    return held
                if familiar is not None:  # of a frame that is familiar enough the clearly better label counts
                    return best
        return best if (best_score if familiar is None else familiar) >= self._enter else _UNKNOWN_INDEX

    def _settle(self, leader: int) -> bool:
        """Count the leader of this frame; return whether it became the decision just now."""
        self._held_frames += 1
        if leader == self._held:
            self._candidate, self._candidate_frames = None, 0
            return False
        if leader != self._candidate:
            self._candidate, self._candidate_frames = leader, 0
        self._candidate_frames += 1
        if self._candidate_frames < self._confirm:
            return False
        self._held, self._held_frames = leader, 1
        return True


class _Latest:
    """Smooths nothing."""

    def add(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores

    def clear(self) -> None:
        pass


class _Ema:
    """Exponential moving average; the first frame starts it."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._average: NDArray[np.float64] | None = None

    def add(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._average is None:
            self._average = scores.astype(np.float64)
        else:
            # In this form an average that equals the scores stays exactly where it is.
            step = scores - self._average
            step *= self._weight
            self._average += step
        # What rounding in float64 could put beyond the scores comes back to them in float32.
        return self._average.astype(np.float32)

    def clear(self) -> None:
        self._average = None


class _Mean:
    """Mean of the newest frames, of fewer as long as there are fewer.

    No score is ever subtracted again, so no rounding error outlives the window. The ring is
    filled from its start; when it is full, each row but the first, whose turn to go it is, becomes
    the sum of itself and of all later ones, in place. Then the sum of the window is that of the new
    rows, which is kept as they come, plus the one row that holds the sum of all older frames that
    are still in the window.
    """

    def __init__(self, window: int, num_classes: int) -> None:
        self._rows = np.zeros((window, num_classes))
        self._sum_of_new = np.zeros(num_classes)
        self._num_new = 0
        self._is_full = False

    def add(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        window = len(self._rows)
        if self._num_new == window:
            for row in range(window - 2, 0, -1):
                self._rows[row] += self._rows[row + 1]
            self._sum_of_new.fill(0.0)
            self._num_new, self._is_full = 0, True
        self._rows[self._num_new] = scores
        self._sum_of_new += scores
        self._num_new += 1
        if self._is_full and self._num_new < window:
            mean = (self._sum_of_new + self._rows[self._num_new]) / window
        else:
            mean = self._sum_of_new / self._num_new
        smoothed: NDArray[np.float32] = mean.astype(np.float32)
        return smoothed

    def clear(self) -> None:
        self._sum_of_new.fill(0.0)
        self._num_new, self._is_full = 0, False


def _smoother(smoothing: Smoothing | None, num_classes: int) -> _Latest | _Ema | _Mean:
    if smoothing is None or smoothing.amount == 1:
        return _Latest()
    if smoothing.kind == "ema":
        return _Ema(smoothing.amount)
    return _Mean(int(smoothing.amount), num_classes)
