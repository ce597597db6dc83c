"""Several cameras, or several files, as one source."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import SourceError
from edgecnn.runtime.live import POLL_S, LiveSource
from edgecnn.runtime.streams import Source

MAX_CAMERAS = 16
_FORWARDED = frozenset({"contract", "request", "on_event", "is_over", "say", "lost_timeout_s"})


class SeveralSources(Source):
    """The frames of several sources in turn; whose a frame is, its ``camera`` says.

    Of live sources each in its turn gives its newest frame, if it has a new one: a camera that
    is slow or lost holds up nobody. Files give one frame after the other, until all have ended.

    Args:
        sources: two or more, all of them live or none, with different addresses.

    Attributes:
        sources: those given.

    Raises:
        SourceError: they are too many, or of both kinds.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        if len(sources) > MAX_CAMERAS:
            raise SourceError(
                f"{len(sources)} cameras are more than one process takes, which is {MAX_CAMERAS}; run several of them"
            )
        if len({source.live for source in sources}) > 1:
            raise SourceError("cameras and files cannot be judged in one run: a file waits, a camera does not")
        strange = next((source for source in sources if source.live and not isinstance(source, LiveSource)), None)
        if strange is not None:
            raise SourceError(
                f"{strange.address or type(strange).__name__} can only be judged alone: it is no LiveSource"
            )
        self.sources: Sequence[Source] = list(sources)
        self.live = sources[0].live
        self.num_cameras = len(sources)
        self.address = " ".join(source.address for source in sources)
        self._changed = threading.Condition()
        for source in sources:
            if isinstance(source, LiveSource):
                source.changed = self._changed

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _FORWARDED:
            for source in self.sources:
                setattr(source, name, value)

    def open(self) -> None:
        """Open all of them, live ones at the same time.

        Raises:
            SourceError: one of them cannot be opened; none is left open then.
        """
        with ExitStack() as stack:
            for source in self.sources:
                if isinstance(source, LiveSource):
                    source.start()
                else:
                    source.open()
                stack.callback(source.close)
            for source in self.sources:
                if isinstance(source, LiveSource):
                    source.wait_for_first()
            stack.pop_all()
        rates = {source.frame_rate for source in self.sources}
        self.frame_rate = rates.pop() if len(rates) == 1 else 0.0

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the frames.

        Raises:
            SourceLostError: one of the cameras stayed lost for ``lost_timeout_s``.
        """
        live = [source for source in self.sources if isinstance(source, LiveSource)]
        for frame in self._iterate_live(live) if live else self._iterate_files():
            yield frame
            self.dropped = sum(source.dropped for source in self.sources)
            self.unreadable = sum(source.unreadable for source in self.sources)

    def close(self) -> None:
        """Close all of them."""
        with ExitStack() as stack:
            for source in self.sources:
                stack.callback(source.close)

    def _iterate_live(self, sources: Sequence[LiveSource]) -> Iterator[AnyFrame]:
        while not all(source.at_end for source in sources):
            with self._changed:
                self._changed.wait_for(
                    lambda: any(source.has_news() for source in sources if not source.at_end), POLL_S
                )
            for source in sources:
                frame = None if source.at_end else source.poll()
                if frame is not None:
                    yield frame

    def _iterate_files(self) -> Iterator[AnyFrame]:
        turns = [iter(source) for source in self.sources]
        while turns:
            for turn in list(turns):
                frame = next(turn, None)
                if frame is None:
                    turns.remove(turn)
                else:
                    yield frame
