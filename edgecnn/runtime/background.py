"""Sinks in threads of their own, so that a slow or failing one never holds up a live run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.runtime.stats import RunStats
from edgecnn.runtime.streams import CameraEvent, Sink, Source

MAX_WAITING = 8
# Events are rare and small, and one of them may be what a sink is there for.
MAX_WAITING_WITH_EVENTS = 64
STUCK_AFTER_S = 5.0
OPEN_TIMEOUT_S = 30.0


class _Call(NamedTuple):
    """Something for the sink to do; ``is_news`` for results and events, which a failed sink gets no more."""

    do: Callable[[], None]
    is_news: bool = False


class BackgroundSink(Sink):
    """Another sink, called in a thread of its own.

    Results wait in a queue of eight; when it is full, the newest one is thrown away and
    counted. A sink that fails is told about once and gets nothing any more.

    Args:
        sink: gets all its calls in that thread.
        say: receives the one sentence about its failure, and the one about its slowness.
        stuck_after_s: at the end of a run a sink that does not move for so long is left behind.
        open_timeout_s: how long it may take to open.

    Attributes:
        undelivered: results and events that it did not get.
        error: what it failed with.
    """

    def __init__(
        self,
        sink: Sink,
        say: Callable[[str], None],
        *,
        stuck_after_s: float = STUCK_AFTER_S,
        open_timeout_s: float = OPEN_TIMEOUT_S,
    ) -> None:
        self.undelivered = 0
        self.error: Exception | None = None
        self._sink, self._say = sink, say
        self._stuck_after_s, self._open_timeout_s = stuck_after_s, open_timeout_s
        self._name = type(sink).__name__.removesuffix("Sink").lower()
        self._waiting: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._num_done = 0
        self._stuck_at = -1  # num_done when it was last found not to move
        self._is_open = self._told_slow = self._is_ending = self._ended = False
        self._thread = threading.Thread(target=self._work, name=f"edgecnn-sink-{self._name}", daemon=True)

    def open(self, source: Source) -> None:
        """Open the sink in its thread and wait for that.

        Raises:
            SinkError: it cannot be opened, or not in time.
        """
        self._thread.start()
        self._put(_Call(lambda: self._open(source)))
        try:
            in_time = self._wait_until_idle(self._open_timeout_s)
            if self.error is not None:
                raise self.error
            if not in_time:
                raise SinkError(
                    f"the sink {self._name} did not open within {self._open_timeout_s:g} s; is its place there?"
                )
        except BaseException:
            self._end()
            raise

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Put a result in line, unless the line is full or the sink has failed."""
        self._deliver(lambda: self._sink.write(frame, prediction), MAX_WAITING)

    def tell(self, event: CameraEvent) -> None:
        """Put an event in line in the same way, in a longer line."""
        self._deliver(lambda: self._sink.tell(event), MAX_WAITING_WITH_EVENTS)

    def drain(self) -> bool:
        """Wait until everything in line is written; False if the sink does not move, and loses what waits."""
        if self._wait_until_idle(self._stuck_after_s):
            return True
        with self._changed:
            self.undelivered += sum(call.is_news for call in self._waiting)
            while len(self._waiting) > 1:  # the first one is being done
                self._waiting.pop()
        return False

    def finish(self, stats: RunStats) -> None:
        """Wait until everything in line is written, then finish the sink."""
        in_time, self._is_ending = self.drain(), True
        if in_time and self.error is None:
            self._put(_Call(lambda: self._sink.finish(stats)))
            self._wait_until_idle(self._stuck_after_s)

    def close(self) -> None:
        """Close the sink; one that does not move is left behind, with a sentence about that.

        What goes wrong stands in ``error`` and is told about: it must not hide why the run ended.
        """
        self._end()
        if not self._wait_until_idle(self._stuck_after_s):
            self._say(f"the sink {self._name} does not move any more; what it has not written is lost")

    def _open(self, source: Source) -> None:
        self._sink.open(source)
        with self._changed:
            self._is_open = True
            if self._ended:  # nobody waits for it any more
                self._waiting.append(_Call(self._sink.close))

    def _end(self) -> None:
        """Let the thread end when it has done what waits and, if it is open, closed the sink."""
        with self._changed:
            if self._is_open and not self._ended:
                self._waiting.append(_Call(self._sink.close))
            self._is_ending = self._ended = True
            self._changed.notify_all()

    def _deliver(self, do: Callable[[], None], max_waiting: int) -> None:
        with self._changed:
            if self.error is None and len(self._waiting) < max_waiting:
                self._waiting.append(_Call(do, is_news=True))
                self._changed.notify_all()
                return
            self.undelivered += 1
            to_tell, self._told_slow = self.error is None and not self._told_slow, True
        if to_tell:
            self._say(f"the sink {self._name} is too slow for the run: results are left out of it and counted")

    def _put(self, call: _Call) -> None:
        with self._changed:
            self._waiting.append(call)
            self._changed.notify_all()

    def _wait_until_idle(self, stuck_after_s: float) -> bool:
        """Wait until every call is done; False when none is done for so long."""
        with self._changed:
            while self._waiting:
                done = self._num_done
                if done == self._stuck_at:
                    return False
                if not self._changed.wait_for(lambda: self._num_done > done, stuck_after_s):  # noqa: B023  (called at once)
                    self._stuck_at = done
                    return False
            return True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended, self._sink.idle_interval_s or None)
                if self._ended and not self._waiting:
                    return
                call = self._waiting[0] if self._waiting else None
            if call is None:
                if self._is_open and self.error is None:
                    self._do(_Call(self._sink.idle))
                continue
            if not call.is_news or self.error is None:
                self._do(call)
            with self._changed:
                self.undelivered += call.is_news and self.error is not None
                # Taken out only now: until then it counts as not done.
                self._waiting.popleft()
                self._num_done += 1
                self._changed.notify_all()

    def _do(self, call: _Call) -> None:
        try:
            call.do()
        except BaseException as exc:  # whatever it is, even an exit: a run does not end because of one sink
            if self.error is None:
                self.error = exc if isinstance(exc, Exception) else SinkError(f"it ended with {exc!r}")
                if self._is_open and not isinstance(exc, BrokenPipeError):
                    what = "could not be completed" if self._is_ending else "failed, the run goes on without it"
                    self._say(f"the sink {self._name} {what}: {self.error}")
