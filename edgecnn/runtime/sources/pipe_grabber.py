"""Pictures from the standard output of a program that runs meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import SourceError, SourceLostError
from edgecnn.runtime.live import EndOfStreamError, Grabber
from edgecnn.runtime.sources.child import ChildProcess
from edgecnn.runtime.sources.picture_stream import PictureStream

# Short, so that the program is told to end soon after the run has ended.
_GRAB_TIMEOUT_S = 0.2


class PipeGrabber(Grabber):
    """One run of a program.

    Args:
        address: what messages call it.
        arguments: the program and its arguments.
        pictures: what its output is.
        frame_rate: pictures per second, if known; else 0.
        reason_in: picks from the program's last words, never empty, what says why it ended.
    """

    def __init__(
        self,
        address: str,
        arguments: Sequence[str],
        pictures: PictureStream,
        frame_rate: float = 0.0,
        reason_in: Callable[[list[str]], str] = lambda lines: lines[-1],
    ) -> None:
        self._address, self._arguments, self._stream = address, arguments, pictures
        self._reason_in = reason_in
        self.frame_rate = frame_rate
        self._child: ChildProcess | None = None
        self._frames: deque[AnyFrame] = deque()
        self._began_ns = 0
        self._room = 0
        self._num_pictures = 0

    def open(self) -> None:
        """Start the program.

        Raises:
            SourceError: it cannot be started.
        """
        self._child = ChildProcess(self._arguments)

    def grab(self) -> AnyFrame | None:
        """Return its next picture, which was taken when its first bytes came."""
        assert self._child is not None, "open() comes before grab()"
        until_s = time.monotonic() + _GRAB_TIMEOUT_S
        while not self._frames:
            self._make_room(self._child)
            data = self._child.read(self._stream.wanted, until_s - time.monotonic())
            if data is None:
                return None
            if not data:
                raise self._ended(self._child)
            self._take(data)
        self._num_pictures += 1
        return self._frames.popleft()

    def close(self) -> None:
        """Stop the program and whatever it started."""
        if self._child is not None:
            self._child.stop()

    def _make_room(self, child: ChildProcess) -> None:
        if self._room != self._stream.room:
            self._room = self._stream.room
            child.make_room(self._room)

    def _take(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if not self._stream.is_inside:
            self._began_ns = now_ns
        for frame in self._stream.feed(data):
            read_ms = (time.monotonic_ns() - self._began_ns) / 1e6
            self._frames.append(replace(frame, captured_ns=self._began_ns, read_ms=read_ms))
            self._began_ns = now_ns
        self.frame_rate = self._stream.frame_rate or self.frame_rate

    def _ended(self, child: ChildProcess) -> Exception:
        code = child.end()
        if code == 0 and self._num_pictures and not self._stream.is_inside:
            return EndOfStreamError()
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
        lines = child.error_lines
        said = f": {self._reason_in(lines)}" if lines else " and said nothing"
        if not self._num_pictures:
            partly = ", after less than one picture" if self._stream.is_inside else " without a picture"
            return SourceError(f"{self._address}: {self._arguments[0]} {how}{partly}{said}")
        where = " in the middle of a picture" if self._stream.is_inside else ""
        return SourceLostError(f"{self._address}: {self._arguments[0]} {how}{where}{said}")
