"""Live sources: a thread that grabs, one place for the newest frame, and a watch that reopens what went away.

What a camera, a stream or a command needs of its own is a ``Grabber``: open, grab, close. All
else is the same for every live source and stands here: how old a picture may be, when a source
counts as lost, and how it is opened again.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.handover import STOP_TIMEOUT_S, NewestFrame
from edgecnn.runtime.streams import CameraEvent, Source

FIRST_FRAME_TIMEOUT_S = 5.0
LOST_AFTER_S = 2.0
POLL_S = 0.1
_MAX_PATIENCE_S = 60.0
# Patience that mistakes have taught is forgotten little by little: some cameras are slow only now and then.
_PATIENCE_KEPT = 0.98
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
# A camera that lasted so long is tried again at once when it is lost; one that flickers is not.
_STEADY_S = 5.0
# A thread that hangs in a driver still holds its camera: each one postpones the next attempt by so much.
_HANGING_S = 2.0
# A camera of which so many pictures in a row differ has a sensor, which never gives the same one twice.
_SURELY_ALIVE = 300
# Rows of decoded pictures that are compared first: those of a sensor differ in one of them already.
_EVERY_SIXTEENTH = slice(None, None, 16)


class Grabber:
    """One connection to a camera; only one thread uses it.

    Attributes:
        frame_rate: nominal frames per second once it is open, 0 if unknown.
    """

    frame_rate: float = 0.0

    def open(self) -> None:
        """Connect.

        Raises:
            SourceError: it cannot be done; nothing is left open then. ``CameraMissingError`` if
                there is no such camera.
        """

    @abstractmethod
    def grab(self) -> AnyFrame | None:
        """Wait for the next picture, a second or so at most; None when none came in that time.

        ``captured_ns`` and ``read_ms`` of the frame are set; index and camera are set by the source.

        Raises:
            EndOfStreamError: the source came to its own, regular end.
            SourceError: no picture will come any more.
        """

    def close(self) -> None:
        """Disconnect; called once after ``open`` returned."""


class EndOfStreamError(Exception):
    """A source that has an end came to it."""


class LiveSource(Source):
    """Gives the newest frame of something that goes on while nobody looks.

    When no picture comes for two seconds, or the same one comes again and again for so long, or
    the connection breaks, the camera is lost: ``on_event`` is told, everything is closed and
    opened again, at growing intervals, until it is back. A source that is merely slow is given
    more time after each such mistake.

    A subclass says what it is in ``make_grabber``.

    Args:
        address: the full address as it may be shown, such as ``camera:0``; no password in it.
        clock: the monotonic clock in ns.

    Attributes:
        lost_timeout_s: the iteration ends with an error when the camera stays lost so long;
            None waits for ever.
        changed: notified whenever there is news; several sources may share one.
        frozen_after_s: how long the very same picture may come again and again; longer after
            each time that it was the scene which stood still.
    """

    live = True
    first_frame_timeout_s = FIRST_FRAME_TIMEOUT_S
    # Whether a picture that does not change is nothing special, as on a screen.
    may_stand_still = False

    def __init__(self, address: str, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.address = address
        self.changed = threading.Condition()
        self._clock = clock
        self._numbers = count()
        self._session: _Session | None = None
        self._left_behind: list[threading.Thread] = []
        self._closed = self._ended = False
        self._dropped_before = 0
        self._last_frame: AnyFrame | None = None
        self._least_patience_s = self._patience_s = LOST_AFTER_S
        self.frozen_after_s = LOST_AFTER_S
        self._lost_since_ns: int | None = None
        self._reason = ""
        self._num_attempts = 0
        self._next_attempt_ns = 0

    @abstractmethod
    def make_grabber(self) -> Grabber:
        """Return a new connection, not open yet, with ``self.request`` in mind."""

    @property
    def patience_s(self) -> float:
        """How many seconds may pass without a picture, as things are now."""
        is_new = self._session is None or not self._session.took_first
        return max(self.first_frame_timeout_s, self._patience_s) if is_new else self._patience_s

    def open(self) -> None:
        """Start the camera and wait for its first frame.

        Raises:
            CameraMissingError: there is no such camera, or it gives no frame.
            SourceError: it cannot be opened for another reason.
        """
        self.start()
        self.wait_for_first()

    def start(self) -> None:
        """Begin to open the camera, without waiting for it."""
        if self.request.frame_rate:
            self._least_patience_s = max(LOST_AFTER_S, 3.0 / self.request.frame_rate)
        self._patience_s = self._least_patience_s
        self._start_session(before=None)

    def wait_for_first(self) -> None:
        """Wait for the first frame after ``start``; it raises what ``open`` raises."""
        assert self._session is not None, "start() comes before wait_for_first()"
        try:
            if not self._session.newest.wait(self.patience_s):
                raise CameraMissingError(
                    f"{self.address} gave no picture within {self.patience_s:.0f} s; is it the right one, and is its "
                    "cable all right? If it is slower than that, say so with --fps"
                )
            self.frame_rate = self._session.frame_rate
        except EndOfStreamError:
            self.close()
            raise SourceError(f"{self.address} ended without a picture") from None
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the newest frame whenever one is asked for, until it is told to end.

        Raises:
            SourceLostError: the camera stayed lost for ``lost_timeout_s``.
        """
        while not self.at_end:
            with self.changed:
                self.changed.wait_for(self.has_news, POLL_S)
            frame = self.poll()
            if frame is not None:
                yield frame

    @property
    def at_end(self) -> bool:
        """Whether no frame will come any more, or none is wanted."""
        return self._closed or self._ended or self.is_over()

    def has_news(self) -> bool:
        """Tell whether ``poll`` has something to do at once; ``changed`` is held meanwhile."""
        return self._closed or self._ended or (self._session is not None and self._session.newest.has_news())

    def poll(self) -> AnyFrame | None:
        """Return the newest frame, None if there is no new one; notice losses and returns on the way.

        Raises:
            SourceLostError: the camera stayed lost for ``lost_timeout_s``.
        """
        now_ns = self._clock()
        if self._session is None:
            self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
            if now_ns >= self._next_attempt_ns + round(1e9 * _HANGING_S) * len(self._left_behind):
                self._start_session(before=self._last_frame)
        else:
            frame = self._take(self._session, now_ns)
            if frame is not None:
                return frame
        self._give_up_if_due(now_ns)
        return None

    def close(self) -> None:
        """Stop the thread, which closes the camera; one that hangs in a driver is left behind."""
        self._closed = True
        threads = list(self._left_behind)
        if self._session is not None:
            self._session.newest.close()
            threads.append(self._session.thread)
        until_s = time.monotonic() + STOP_TIMEOUT_S
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _start_session(self, before: AnyFrame | None) -> None:
        self._session = _Session(self, self._numbers, before, self._clock)
        self._session.thread.start()

    def _take(self, session: _Session, now_ns: int) -> AnyFrame | None:
        try:
            frame = session.newest.take(0.0)
        except EndOfStreamError:
            self._ended = True
            return None
        except Exception as exc:  # whatever it is: the thread is gone, and the camera with it
            self._lose(now_ns, str(exc) or type(exc).__name__)
            return None
        self.dropped = self._dropped_before + session.newest.dropped
        if frame is None:
            patience_s = self.patience_s
            if now_ns - session.last_arrival_ns > patience_s * 1e9:
                self._set_patience(2.0 * patience_s)
                self._lose(now_ns, f"{self.address} gave no picture for {patience_s:.0f} s")
            return None
        self._set_patience(max(3.0 * session.interval_s, _PATIENCE_KEPT * self._patience_s))
        session.took_first, self._last_frame = True, frame
        self._note_return(now_ns)
        return frame

    def _set_patience(self, patience_s: float) -> None:
        self._patience_s = max(self._least_patience_s, min(patience_s, _MAX_PATIENCE_S))

    def _note_return(self, now_ns: int) -> None:
        if self._lost_since_ns is None:
            return
        gone_s = (now_ns - self._lost_since_ns) / 1e9
        self._lost_since_ns = None
        self.on_event(CameraEvent("camera_back", self.address, now_ns, f"{self.address} is back after {gone_s:.1f} s"))

    def _lose(self, now_ns: int, reason: str) -> None:
        """Let go of the camera; it is tried again after a pause that grows from attempt to attempt."""
        assert self._session is not None
        self._session.newest.close()
        self._dropped_before += self._session.newest.dropped
        self._left_behind.append(self._session.thread)
        if self._session.took_first and now_ns - self._session.start_ns >= _STEADY_S * 1e9:
            self._num_attempts = 0
        self._session = None
        self._next_attempt_ns = now_ns + round(1e9 * _BACKOFF_S[min(self._num_attempts, len(_BACKOFF_S) - 1)])
        self._num_attempts += 1
        self._reason = reason
        if self._lost_since_ns is None:
            self._lost_since_ns = now_ns
            self.on_event(CameraEvent("camera_lost", self.address, now_ns, reason))

    def _give_up_if_due(self, now_ns: int) -> None:
        if self._lost_since_ns is None or self.lost_timeout_s is None:
            return
        if now_ns - self._lost_since_ns >= self.lost_timeout_s * 1e9:
            raise SourceLostError(f"{self.address} stayed lost for {self.lost_timeout_s:g} s: {self._reason}")


class _Session:
    """One connection from its opening to its end, in a thread of its own.

    Args:
        source: asked for the grabber, in the thread.
        numbers: gives each picture its index; goes on over all sessions of a source.
        before: what the camera showed when it was last lost: to go on showing that after it was
            opened anew is no fault, the scene itself stands still.
        clock: the monotonic clock in ns.

    Attributes:
        newest: where its frames go.
        frame_rate: nominal frames per second, once it is open.
        start_ns: when it began.
        last_arrival_ns: when its last frame came, or when it began.
        interval_s: time between its last two frames.
        took_first: whether the reader has had a frame of it.
    """

    def __init__(
        self, source: LiveSource, numbers: Iterator[int], before: AnyFrame | None, clock: Callable[[], int]
    ) -> None:
        self.newest = NewestFrame(source.changed)
        self.frame_rate = 0.0
        self.start_ns = self.last_arrival_ns = clock()
        self.interval_s = 0.0
        self._clock = clock
        self._has_frame = False
        self.took_first = False
        self._source = source
        self._numbers = numbers
        self._before = before
        self._shown: AnyFrame | None = None
        self._num_changes = 0
        self._is_still_scene = self._was_mistaken = False
        self.thread = threading.Thread(target=self._run, name=f"edgecnn-{source.address}", daemon=True)

    def _run(self) -> None:
        try:
            grabber = self._source.make_grabber()
            grabber.open()
            try:
                self.frame_rate = grabber.frame_rate
                self._fill(grabber)
            finally:
                # At once: while it is held, a camera that is plugged in again gets another number.
                grabber.close()
        except Exception as exc:  # whatever it is, it belongs to the reader
            self.newest.fail(exc)

    def _fill(self, grabber: Grabber) -> None:
        while not self.newest.closed:
            frame = grabber.grab()
            if frame is None:
                continue
            if not self._source.may_stand_still:
                self._check_frozen(frame)
            self._note_arrival()
            self.frame_rate = grabber.frame_rate  # some streams say it with their first picture
            self.newest.put(replace(frame, index=next(self._numbers), camera=self._source.address))

    def _note_arrival(self) -> None:
        now_ns = self._clock()
        if self._has_frame:
            self.interval_s = (now_ns - self.last_arrival_ns) / 1e9
        self.last_arrival_ns, self._has_frame = now_ns, True

    def _check_frozen(self, frame: AnyFrame) -> None:
        if self._shown is None or not _is_same(frame, self._shown):
            self._note_change(frame)
            return
        self._num_changes = 0
        limit_s = self._source.frozen_after_s
        if not self._is_still_scene and frame.captured_ns - self._shown.captured_ns >= limit_s * 1e9:
            raise SourceLostError(
                f"{self._source.address} has given the very same picture for {limit_s:.0f} s: it is frozen"
            )

    def _note_change(self, frame: AnyFrame) -> None:
        self._shown = frame
        self._num_changes += 1
        if self._num_changes == _SURELY_ALIVE:
            self._source.frozen_after_s = LOST_AFTER_S
        self._is_still_scene = self._before is not None and _is_same(frame, self._before)
        if self._is_still_scene and not self._was_mistaken:
            self._was_mistaken = True
            self._source.frozen_after_s = min(2.0 * self._source.frozen_after_s, _MAX_PATIENCE_S)


def _is_same(frame: AnyFrame, other: AnyFrame) -> bool:
    if isinstance(frame, Frame) and isinstance(other, Frame):
        pixels, others = frame.pixels, other.pixels
        return np.array_equal(pixels[_EVERY_SIXTEENTH], others[_EVERY_SIXTEENTH]) and np.array_equal(pixels, others)
    return not isinstance(frame, Frame) and not isinstance(other, Frame) and frame.data == other.data
