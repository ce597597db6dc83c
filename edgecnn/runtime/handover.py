"""Frames from one thread to another: every one in order, or only the newest.

Whichever side fails or leaves, the other one ends; and nothing waits for ever for a thread
that may be stuck in a driver.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

from edgecnn.core.frame import AnyFrame

T = TypeVar("T")
R = TypeVar("R")

STOP_TIMEOUT_S = 1.0
_POLL_S = 0.1


class NewestFrame:
    """A place for one frame: a new one replaces the one that nobody took.

    Args:
        changed: notified whenever there is news; several places may share one.

    Attributes:
        dropped: frames that were replaced unread.
        closed: whether the reader has gone away; the writer should end then.
    """

    def __init__(self, changed: threading.Condition | None = None) -> None:
        self.dropped = 0
        self.closed = False
        self._changed = changed or threading.Condition()
        self._frame: AnyFrame | None = None
        self._error: Exception | None = None

    def put(self, frame: AnyFrame) -> None:
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
            self._changed.wait_for(self.has_news, timeout_s)
            if self._frame is None and self._error is not None:
                raise self._error
            return self._frame is not None

    def take(self, timeout_s: float) -> AnyFrame | None:
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

    def has_news(self) -> bool:
        """Tell whether ``take`` would return at once; ``changed`` is held meanwhile."""
        return self.closed or self._frame is not None or self._error is not None


class Lanes(Generic[T, R]):
    """Works on items in several threads at once and gives the results in the order of the items.

    Use it in a ``with`` statement. What the items or the work on one of them raises is raised
    to the reader after the results before it.

    Args:
        items: iterated in the threads, one of them at a time.
        workers: one for each thread, called there once to get what works on items.
        stop: ends the reader's iteration when it is set, even while it waits.
    """

    def __init__(
        self, items: Iterable[T], workers: Sequence[Callable[[], Callable[[T], R]]], stop: threading.Event
    ) -> None:
        self._items = iter(items)
        self._stop = stop
        # A thread may start on the next item before the reader has taken its last result.
        self._capacity = 2 * len(workers)
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._results: dict[int, R | _Failure] = {}
        self._num_begun = self._num_given = 0
        self._ended = self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"edgecnn-lane-{number}", daemon=True)
            for number, worker in enumerate(workers)
        ]

    def __enter__(self) -> Lanes[T, R]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        until_s = time.monotonic() + STOP_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def __iter__(self) -> Iterator[R]:
        while not self._stop.is_set():
            with self._changed:
                # A signal handler may set `stop` in this very thread, so nobody could notify us.
                if not self._changed.wait_for(self._has_next, _POLL_S):
                    continue
                if self._num_given not in self._results:
                    return
                result = self._results.pop(self._num_given)
                self._num_given += 1
                self._changed.notify_all()
            if isinstance(result, _Failure):
                raise result.error
            yield result

    def _has_next(self) -> bool:
        return self._num_given in self._results or (self._ended and self._num_given == self._num_begun)

    def _work(self, worker: Callable[[], Callable[[T], R]]) -> None:
        number = -1
        try:
            work = worker()
            while True:
                with self._reading:
                    number = -1
                    if not self._wait_for_room():
                        return
                    item = next(self._items)
                    number = self._begin()
                self._put(number, work(item))
        except StopIteration:
            self._end()
        except BaseException as exc:  # whatever it is, it belongs to the reader
            self._put(self._begin() if number < 0 else number, _Failure(exc))
            self._end()

    def _wait_for_room(self) -> bool:
        """Wait until another item may be begun; False when none is wanted any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._ended or self._num_begun - self._num_given < self._capacity
            )
            return not (self._closed or self._ended)

    def _begin(self) -> int:
        with self._changed:
            self._num_begun += 1
            return self._num_begun - 1

    def _put(self, number: int, result: R | _Failure) -> None:
        with self._changed:
            self._results[number] = result
            self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class _Failure(NamedTuple):
    error: BaseException
