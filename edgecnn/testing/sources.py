"""A source that follows a script."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, EncodedFrame, Frame
from edgecnn.runtime.streams import Source
from edgecnn.testing.clock import ManualClock


class ScriptedSource(Source):
    """Gives the pictures of a script, and fails where the script says so.

    A live one behaves like a camera that takes a picture every ``interval_ms``: when it is
    asked, it gives the newest picture taken by then, counts those before it as dropped, and
    lets time pass until the next picture when there is none yet.

    Args:
        script: pixels, uint8, shape (H, W, 3), BGR; or whole frames; or exceptions to raise.
        live: whether it is like a camera rather than like a file.
        clock: stamps the frames; give the same one to ``run``, and let the classifier advance
            it. None takes the real time.
        interval_ms: time from one picture of a live source to the next.

    Attributes:
        opened: whether the run has opened it.
        closed: whether the run has closed it.
    """

    def __init__(
        self,
        script: Sequence[NDArray[np.uint8] | AnyFrame | Exception],
        *,
        live: bool = False,
        clock: ManualClock | None = None,
        interval_ms: float = 0.0,
    ) -> None:
        self._script = list(script)
        self._clock = clock
        self._interval_ns = round(interval_ms * 1e6)
        self.live = live
        self.opened = self.closed = False

    def open(self) -> None:
        """Remember that it was opened."""
        self.opened = True

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the pictures in order; of a live source the newest ones."""
        start_ns, index = self._now_ns(), 0
        while index < len(self._script):
            captured_ns = self._now_ns()
            if self.live:
                newest = self._newest(index, start_ns)
                self.dropped += newest - index
                index, captured_ns = newest, start_ns + newest * self._interval_ns
                self._wait_until(captured_ns)
            yield self._frame(index, captured_ns)
            index += 1

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _newest(self, index: int, start_ns: int) -> int:
        """Return the position of the newest picture taken by now; an exception is neither replaced nor replaces."""
        while index + 1 < len(self._script) and start_ns + (index + 1) * self._interval_ns <= self._now_ns():
            if any(isinstance(step, Exception) for step in self._script[index : index + 2]):
                break
            index += 1
        return index

    def _now_ns(self) -> int:
        return self._clock() if self._clock else time.monotonic_ns()

    def _wait_until(self, time_ns: int) -> None:
        missing_ms = (time_ns - self._now_ns()) / 1e6
        if missing_ms > 0 and self._clock:
            self._clock.advance(missing_ms)
        elif missing_ms > 0:
            time.sleep(missing_ms / 1e3)

    def _frame(self, index: int, captured_ns: int) -> AnyFrame:
        step = self._script[index]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Frame | EncodedFrame):
            return replace(step, captured_ns=captured_ns, index=index, camera=step.camera or "scripted")
        return Frame(pixels=step, color_order="bgr", captured_ns=captured_ns, index=index, camera="scripted")
