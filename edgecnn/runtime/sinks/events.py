"""``events:FILE`` or ``events:-``: a JSON object whenever something changes, and only then."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple

import msgspec

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import UNDECIDED, Prediction
from edgecnn.runtime.sinks.output import Output, as_text
from edgecnn.runtime.stats import RunStats
from edgecnn.runtime.streams import CameraEvent, Sink, Source


class _State(NamedTuple):
    """What a camera shows; ``class_index`` tells ``unknown`` from a class of that name."""

    class_index: int | None
    label: str | None
    score: float | None
    since_ns: int


class EventsSink(Sink):
    """One line when a camera shows something else, is lost or is back, and one at the end.

    What a camera shows is the decision, in a run without rules the best category, and there
    ``null`` when none reaches the threshold. The first label of a camera is an event.

    Args:
        place: the file, which is replaced, or ``-`` for standard output.
        clock: the monotonic clock in ns that frames are stamped with.
        wall_clock: nanoseconds since 1970, UTC.
    """

    def __init__(
        self,
        place: str,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._output = Output("events", place)
        self._clock, self._wall_clock = clock, wall_clock
        self._states: dict[str, _State] = {}

    def open(self, source: Source) -> None:
        """Open the file.

        Raises:
            SinkError: it cannot be written.
        """
        self._output.open()

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Write a line if the camera shows something else than before."""
        if prediction.decision is UNDECIDED:
            return
        shown = prediction.top if prediction.decision is None else prediction.decision
        now_ns, camera = prediction.captured_ns, prediction.camera
        state = _State(shown.index, shown.label, shown.score, now_ns) if shown else _State(None, None, None, now_ns)
        before = self._states.get(camera)
        # Not by ``decision.changed``: a sink that was too slow for a while has not seen every decision.
        if before[:2] == state[:2] if before else shown is None:
            return
        self._states[camera] = state
        self._put(_label_object(prediction, before, state, self._time(now_ns)))

    def tell(self, event: CameraEvent) -> None:
        """Write that a camera went away or came back."""
        self._put(
            {
                "event": event.kind,
                "camera": as_text(event.camera),
                "at_ns": event.at_ns,
                "time": self._time(event.at_ns),
                "reason": as_text(event.reason),
            }
        )

    def finish(self, stats: RunStats) -> None:
        """Write the last line."""
        self._put(
            {
                "event": "end",
                "time": self._time(self._clock()),
                **stats.counts(),
                "wall_s": round(stats.wall_s, 3),
            }
        )

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._output.close()

    def _time(self, monotonic_ns: int) -> str:
        """Return the time of day of a moment; by the clocks as they stand now, which may have been set since."""
        wall_ns = self._wall_clock() - (self._clock() - monotonic_ns)
        moment = datetime.fromtimestamp(wall_ns // 1_000_000 / 1e3, timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _put(self, value: dict[str, Any]) -> None:
        self._output.write(msgspec.json.encode(value) + b"\n")


def _label_object(prediction: Prediction, before: _State | None, state: _State, time_utc: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "event": "label",
        "camera": as_text(prediction.camera),
        "captured_ns": prediction.captured_ns,
        "time": time_utc,
        "label": state.label,
        "score": None if state.score is None else round(state.score, 6),
        "previous": before.label if before else None,
        "held_s": round((state.since_ns - before.since_ns) / 1e9, 3) if before else None,
    }
    if prediction.name:
        value["name"] = as_text(prediction.name)
    return value
