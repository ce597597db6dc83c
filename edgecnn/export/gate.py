"""The comparison that decides whether an exported file may exist."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import PixelSet
from edgecnn.errors import AccuracyGateError
from edgecnn.evaluate.metrics import agreement, evaluate_scores
from edgecnn.evaluate.sightings import Sightings, Watcher
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.manifest import AccuracyPart

_USUAL_AGREEMENT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a file did with N pictures.

    Attributes:
        seen: its scores, and the logits and features on the way to them.
        ms_per_picture: median time of one picture here, in ms.
    """

    seen: Sightings
    ms_per_picture: float

    @property
    def scores(self) -> NDArray[np.float32]:
        """Float32, shape (N, C)."""
        return self.seen.scores


def measure(
    file: ModelFile, pictures: PixelSet, progress: Progress | None = None, title: str = "measuring"
) -> Measured:
    """Run a file over N pictures, from 1, one after the other, as a device would."""
    watcher = Watcher(file, backend="cpu")
    times = np.empty(len(pictures))
    with (progress or SilentProgress()).task(title, len(pictures)) as task:
        for index, pixels in enumerate(pictures.pixels):
            started = time.perf_counter()
            watcher([pixels])
            times[index] = time.perf_counter() - started
            task.advance()
    return Measured(seen=watcher.seen(), ms_per_picture=float(np.median(times)) * 1e3)


class Gate:
    """The float network on the validation pictures, which every variant is held against."""

    def __init__(
        self, pictures: PixelSet, float_scores: NDArray[np.float32], labels: Sequence[str], max_drop_points: float
    ) -> None:
        """Hold on to what the float network said.

        Args:
            pictures: N pictures of the validation split.
            float_scores: float32, shape (N, C), of the float network.
            labels: C names.
            max_drop_points: the drop that is allowed, in percentage points.
        """
        self._truths, self._float_scores, self._labels = pictures.label_indices, float_scores, tuple(labels)
        self._max_drop_points = max_drop_points
        self._float_top1 = evaluate_scores(float_scores, self._truths, self._labels).top1

    def judge(self, scores: NDArray[np.float32]) -> AccuracyPart:
        """Return how scores on the same pictures do beside those of the float network."""
        top1 = evaluate_scores(scores, self._truths, self._labels).top1
        return AccuracyPart(
            split="val",
            num=len(scores),
            float_top1=self._float_top1,
            top1=top1,
            drop_points=round(100 * (self._float_top1 - top1), 6),
            max_drop_points=self._max_drop_points,
            agreement=agreement(self._float_scores, scores),
        )


def describe(accuracy: AccuracyPart, kind: str) -> str:
    """Return the comparison in one sentence for people."""
    change = accuracy.drop_points
    word = f"{change:.2f} points lost" if change > 0 else f"{-change:.2f} points gained" if change else "nothing lost"
    return (
        f"validation accuracy on {accuracy.num} pictures: Keras {accuracy.float_top1:.1%}, "
        f"{kind} file {accuracy.top1:.1%}: {word}; the two agree on {accuracy.agreement:.1%}"
    )


def doubt(accuracy: AccuracyPart) -> str | None:
    """Return a warning about a file that loses nothing and yet answers otherwise, None where there is no reason."""
    if accuracy.agreement >= _USUAL_AGREEMENT:
        return None
    return (
        f"warning: the file gives another answer to {1 - accuracy.agreement:.0%} of the pictures, though it is right "
        "as often: so unsure a model should be trained better, or on more pictures, before it is exported"
    )


def check_gate(accuracy: AccuracyPart, kind: str) -> None:
    """Raise AccuracyGateError when the file lost more than is allowed."""
    if accuracy.drop_points <= accuracy.max_drop_points:
        return
    one_picture = 100 / accuracy.num
    coarse = f" One picture of {accuracy.num} is {one_picture:.1f} points." if one_picture > 0.5 else ""
    raise AccuracyGateError(
        f"the {kind} file loses {accuracy.drop_points:.2f} points of accuracy, more than the "
        f"{accuracy.max_drop_points:g} allowed, so it was not written.{coarse} Try other calibration "
        "pictures (--calib, --calib-count, --seed) or allow more (--max-drop)"
    )
