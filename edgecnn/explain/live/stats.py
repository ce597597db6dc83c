"""What a live view did, as values."""

from __future__ import annotations

import time
from typing import NamedTuple

from edgecnn.runtime.latency import LatencyHistogram
from edgecnn.runtime.stats import Percentiles


class LiveStats(NamedTuple):
    """What a live view did.

    Attributes:
        pictures: how often a picture was looked at.
        answers: messages that browsers got; several can share a picture.
        most_viewers: browsers at a time.
        unreadable: pictures that could not be decoded.
        wall_s: seconds from the start to the end.
        look_ms: running the network.
        busy_ms: all that was done for a picture: decoding, running, putting the messages together.
        age_ms: age of a new picture when its messages were ready.
    """

    pictures: int
    answers: int
    most_viewers: int
    unreadable: int
    wall_s: float
    look_ms: Percentiles
    busy_ms: Percentiles
    age_ms: Percentiles

    def __str__(self) -> str:
        browsers = "1 browser" if self.most_viewers == 1 else f"{self.most_viewers} browsers at a time"
        words = f"{self.answers} pictures shown to {browsers} in {self.wall_s:.1f} s"
        if self.unreadable:
            words += f", {self.unreadable} unreadable"
        if not self.pictures:
            return words
        times = {"network": self.look_ms, "all work": self.busy_ms, "age when sent": self.age_ms}
        return f"{words}; p50 and p95: " + ", ".join(
            f"{name} {time_ms.p50:.1f} and {time_ms.p95:.1f} ms" for name, time_ms in times.items()
        )


class LiveMeter:
    """Collects that while it happens.

    Attributes:
        unreadable: pictures that could not be decoded so far.
    """

    def __init__(self) -> None:
        self.unreadable = 0
        self._pictures = 0
        self._start_s = time.monotonic()
        self._look, self._busy, self._age = LatencyHistogram(), LatencyHistogram(), LatencyHistogram()

    def record(self, *, look_ms: float, busy_ms: float, age_ms: float | None) -> None:
        """Count one picture; without an age it was one that stood still."""
        self._pictures += 1
        self._look.record(look_ms)
        self._busy.record(busy_ms)
        if age_ms is not None:
            self._age.record(age_ms)

    def stats(self, *, answers: int, most_viewers: int) -> LiveStats:
        """Return the statistics so far."""
        return LiveStats(
            pictures=self._pictures,
            answers=answers,
            most_viewers=most_viewers,
            unreadable=self.unreadable,
            wall_s=time.monotonic() - self._start_s,
            look_ms=self._look.percentiles(),
            busy_ms=self._busy.percentiles(),
            age_ms=self._age.percentiles(),
        )
