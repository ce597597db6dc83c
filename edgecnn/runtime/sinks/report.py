"""The first and the last words of a run, for people."""

from __future__ import annotations

from collections.abc import Callable

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.runtime.stats import Percentiles, RunSetup, RunStats
from edgecnn.runtime.streams import CameraEvent, Sink, Source


class ReportSink(Sink):
    """Tells what runs before the first frame, and what it did after the last.

    Args:
        setup: what runs.
        say: receives each text; the last one has several lines.
    """

    instant = True

    def __init__(self, setup: RunSetup, say: Callable[[str], None]) -> None:
        self._setup = setup
        self._say = say

    def open(self, source: Source) -> None:
        """Tell what runs."""
        setup = self._setup
        self._say(
            f"{setup.name} ({setup.num_classes} classes, {setup.model}) on {setup.backend}; source {setup.source}"
        )

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Say nothing about single results."""

    def tell(self, event: CameraEvent) -> None:
        """Tell that a camera went away or came back."""
        lost = event.kind == "camera_lost"
        self._say(f"camera lost: {event.reason}; trying to open it again" if lost else event.reason)

    def finish(self, stats: RunStats) -> None:
        """Tell the statistics."""
        self._say(format_stats(stats))


def format_stats(stats: RunStats) -> str:
    """Return the statistics of a run as a small table."""
    lines = [f"{stats.frames} frames in {stats.wall_s:.2f} s: {stats.fps:.1f} per second, {stats.dropped} dropped"]
    for name in ("unreadable", "stale", "still", "undelivered"):
        number = getattr(stats, name)
        lines[0] += f", {number} {name}" if number else ""
    if stats.frames:
        lines.append(f"{'':<8}{'p50':>9}{'p95':>9}{'p99':>9}  ms")
        lines += [
            _row("read", stats.read_ms),
            _row("decode", stats.decode_ms),
            _row("resize", stats.resize_ms),
            _row("invoke", stats.invoke_ms),
            _row("age", stats.age_ms),
        ]
    return "\n".join(lines)


def _row(title: str, times: Percentiles) -> str:
    return f"{title:<8}{times.p50:>9.2f}{times.p95:>9.2f}{times.p99:>9.2f}"
