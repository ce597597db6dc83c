"""Timing pieces of work against each other, in turns, so that noise hits all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from edgecnn.core.progress import Progress
from edgecnn.runtime.latency import LatencyHistogram
from edgecnn.runtime.stats import Percentiles

Work = Callable[[], object]

MAX_ROUNDS = 10
MIN_ROUNDS = 5
# Below that, caches and the still spinning threads of what ran before show in the first time of a turn.
_SLOW_S = 0.02


class Timings:
    """Times of one piece of work.

    Attributes:
        num: how many.
        total_ms: their sum.
        min_ms: the smallest one, infinite as long as there is none.
    """

    def __init__(self) -> None:
        self.num, self.total_ms, self.min_ms = 0, 0.0, math.inf
        self._histogram = LatencyHistogram()

    def record(self, time_ms: float) -> None:
        """Count one time in milliseconds."""
        self.num += 1
        self.total_ms += time_ms
        self.min_ms = min(self.min_ms, time_ms)
        self._histogram.record(time_ms)

    def percentiles(self) -> Percentiles:
        """Return the median and the 95th and 99th percentile in milliseconds, exact to 1%."""
        return self._histogram.percentiles()


def interleave(
    works: Sequence[Work], seconds: float, progress: Progress, title: str, *, min_rounds: int = MIN_ROUNDS
) -> list[Timings]:
    """Time several pieces of work in rounds in which each of them has its turn.

    Each is done once before, uncounted, and once more at the start of each turn if it is quick.
    In every round another one comes first.

    Args:
        works: called again and again, one after the other.
        seconds: counted time of each; a slow one is counted ``min_rounds`` times all the same.
        progress: sees one task with as many units as there are rounds.
        title: of that task.
        min_rounds: rounds at least; there are ten at most.
    """
    once_s = [_seconds_of(work) for work in works]
    num_rounds = max(min_rounds, min(MAX_ROUNDS, round(seconds / max(once_s))))
    timings = [Timings() for _ in works]
    with progress.task(title, num_rounds) as task:
        for turn in range(num_rounds):
            for index in range(len(works)):
                chosen = (index + turn) % len(works)
                if once_s[chosen] < _SLOW_S:
                    works[chosen]()
                _time_for(works[chosen], seconds / num_rounds, timings[chosen])
            task.advance(note=f"round {turn + 1}")
    return timings


def _time_for(work: Work, seconds: float, timings: Timings) -> None:
    until_ms = timings.total_ms + seconds * 1e3
    while True:
        timings.record(_seconds_of(work) * 1e3)
        if timings.total_ms >= until_ms:
            return


def _seconds_of(work: Work) -> float:
    began_s = time.perf_counter()
    work()
    return max(time.perf_counter() - began_s, 1e-9)
