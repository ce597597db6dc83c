"""The clock of a source that makes its own pictures."""

from __future__ import annotations

import time

_MAX_WAIT_S = 0.2


class Pace:
    """Says when the next picture is due, so many times a second.

    Args:
        frame_rate: pictures per second, above 0.
    """

    def __init__(self, frame_rate: float) -> None:
        self._interval_s = 1.0 / frame_rate
        self._due_s = 0.0

    def wait(self) -> bool:
        """Wait until a picture is due, but only a fifth of a second; tell whether one is."""
        missing_s = self._due_s - time.monotonic()
        if missing_s > 0:
            time.sleep(min(missing_s, _MAX_WAIT_S))
            if missing_s > _MAX_WAIT_S:
                return False
        now_s = time.monotonic()
        next_s = self._due_s + self._interval_s
        # One that is late is not caught up with: it was missed, as by a camera.
        self._due_s = next_s if next_s > now_s else now_s + self._interval_s
        return True
