"""A live source in the hands of a test."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.runtime.live import Grabber, LiveSource
from edgecnn.runtime.streams import CaptureRequest

Step = NDArray[np.uint8] | AnyFrame | Exception
_GRAB_TIMEOUT_S = 0.02
_SETTLE_TIMEOUT_S = 10.0


class ScriptedLiveSource(LiveSource):
    """A camera that shows what it is told to, when it is told to.

    It has the thread, the place for the newest frame and the watch that every live source has.
    With a ``ManualClock`` a test decides how much time passes:

        camera = ScriptedLiveSource([dark], clock=clock)
        with camera:
            camera.poll()              # the dark frame
            camera.show(bright)
            camera.settle()            # the thread has grabbed it
            clock.advance(3000)        # nothing more comes
            camera.poll()              # the bright frame; at the next one the camera is lost

    Args:
        script: what ``show`` is given first.
        address: what the camera is called.
        clock: of the source, which stamps the frames, too.

    Attributes:
        opening_errors: raised one by one by the next attempts to open the camera.
        num_opened: how often it was opened.
        num_closed: how often it was closed again.
        seen_request: what it was asked for when it was last opened.
    """

    takes_request = True

    def __init__(
        self,
        script: list[Step] | None = None,
        *,
        address: str = "scripted",
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(address, clock=clock)
        self.opening_errors: list[Exception] = []
        self.num_opened = self.num_closed = 0
        self.seen_request: CaptureRequest | None = None
        self._now_ns = clock
        self._moved = threading.Condition()
        self._script: deque[Step] = deque(script or [])
        self._hangs = False
        self._num_hanging = 0
        self._current: Grabber | None = None
        self._is_idle = False

    def show(self, *steps: Step) -> None:
        """Add to the script.

        Args:
            steps: pixels, uint8, shape (H, W, 3), BGR; or frames; or what grabbing is to raise:
                ``EndOfStreamError`` for a regular end, any other exception for a fault.
        """
        with self._moved:
            self._script.extend(steps)
            self._is_idle = False
            self._moved.notify_all()

    def hang(self) -> None:
        """Let grabbing take for ever from now on, as a driver may; returns when it does.

        Raises:
            TimeoutError: nobody grabs.
        """
        with self._moved:
            self._hangs = True
            self._moved.notify_all()
        self._wait_while(lambda: self._num_hanging == 0)

    def go_on(self) -> None:
        """End the hanging."""
        with self._moved:
            self._hangs = False
            self._moved.notify_all()

    def settle(self) -> None:
        """Wait until all of the script was grabbed and handed over, or the connection has ended.

        Raises:
            TimeoutError: grabbing hangs.
        """
        self._wait_while(self._is_busy)

    def make_grabber(self) -> Grabber:
        """Return a connection that follows the script from where the last one left it."""
        return _ScriptedGrabber(self)

    def _is_busy(self) -> bool:
        if self._session is None:
            return any(thread.is_alive() for thread in self._left_behind)
        return self._session.thread.is_alive() and not self._is_idle

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        until_s = time.monotonic() + _SETTLE_TIMEOUT_S
        with self._moved:
            while condition():
                if time.monotonic() > until_s:
                    raise TimeoutError("nobody follows the script of the camera: it hangs, or was never opened")
                self._moved.wait(_GRAB_TIMEOUT_S)

    def _open(self, grabber: Grabber) -> None:
        with self._moved:
            if self.opening_errors:
                raise self.opening_errors.pop(0)
            self.seen_request = self.request
            self.num_opened += 1
            self._current, self._is_idle = grabber, False

    def _grab(self, grabber: Grabber) -> AnyFrame | None:
        with self._moved:
            if self._hangs:
                self._num_hanging += 1
                self._moved.notify_all()
                self._moved.wait_for(lambda: not self._hangs)
                self._num_hanging -= 1
            if grabber is not self._current:  # it was given up while it hung
                return None
            if not self._script:
                self._is_idle = True
                self._moved.notify_all()
                self._moved.wait_for(lambda: self._script or self._hangs, _GRAB_TIMEOUT_S)
                return None
            step = self._script.popleft()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, np.ndarray):
            return Frame(pixels=step, color_order="bgr", captured_ns=self._now_ns())
        return replace(step, captured_ns=self._now_ns())

    def _close(self) -> None:
        with self._moved:
            self.num_closed += 1
            self._is_idle = False
            self._moved.notify_all()


class _ScriptedGrabber(Grabber):
    def __init__(self, source: ScriptedLiveSource) -> None:
        self._source = source

    def open(self) -> None:
        self._source._open(self)

    def grab(self) -> AnyFrame | None:
        return self._source._grab(self)

    def close(self) -> None:
        self._source._close()
