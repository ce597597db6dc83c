"""Frames from one thread to another: every one in order, or only the newest.

Whichever side fails or leaves, the other one ends; and nothing waits for ever for a thread
that may be stuck in a driver.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from edgecnn.core.frame import Frame

T = TypeVar("T")

STOP_TIMEOUT_S = 1.0
_POLL_S = 0.1


class NewestFrame:
    """A place for one frame: a new one replaces the one that nobody took.

    Attributes:
        dropped: frames that were replaced unread.
        closed: whether the reader has gone away; the writer should end then.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.closed = False
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: Exception | None = None

    def put(self, frame: Frame) -> None:
        """Offer a frame, instead of an older one if that is still there."""
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Say that no frame will come any more, and why."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Tell whether there is a frame, after waiting for one; it stays in its place.

        Raises:
            Exception: what the writer failed with, once its last frame is taken.
        """
        with self._changed:
            self._changed.wait_for(self._has_news, timeout_s)
            if self._frame is None and self._error is not None:
                raise self._error
            return self._frame is not None

    def take(self, timeout_s: float) -> Frame | None:
        """Return the newest frame after waiting for one; None when none came or all is closed."""
        with self._changed:
            frame = self._frame if self.wait(timeout_s) else None
            self._frame = None
            return frame

    def close(self) -> None:
        """Tell the writer to end; a reader that waits returns at once."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _has_news(self) -> bool:
        return self.closed or self._frame is not None or self._error is not None


class ReadAhead(Generic[T]):
    """Runs an iterable in a thread of its own, a few items ahead of the reader.

    Use it in a ``with`` statement. Every item arrives, in order; what the iterable raises is
    raised to the reader after the items before it.

    Args:
        items: iterated in the thread only.
        capacity: items that may wait, from 1.
        stop: ends the reader's iteration when it is set, even while it waits.
    """

    def __init__(self, items: Iterable[T], capacity: int, stop: threading.Event) -> None:
        self._items = items
        self._capacity = capacity
        self._stop = stop
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._fill, name="edgecnn-read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(STOP_TIMEOUT_S)

    def __iter__(self) -> Iterator[T]:
        while not self._stop.is_set():
            with self._changed:
                # A signal handler may set `stop` in this very thread, so nobody could notify us.
                if not self._changed.wait_for(lambda: self._waiting or self._ended, _POLL_S):
                    continue
                if not self._waiting:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._waiting.popleft()
                self._changed.notify_all()
            yield item

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._offer(item):
                    return
        except BaseException as exc:  # whatever it is, it belongs to the reader
            self._error = exc
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _offer(self, item: T) -> bool:
        """Put an item in line; False when the reader has gone away."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._capacity)
            if not self._closed:
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._closed
