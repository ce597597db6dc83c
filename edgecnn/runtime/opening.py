"""A source that opens while something else, such as a model, is being loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from edgecnn.core.frame import AnyFrame
from edgecnn.runtime.handover import STOP_TIMEOUT_S
from edgecnn.runtime.streams import Source

_POLL_S = 0.1


class EarlySource(Source):
    """Another source, opened from the moment this one is made, in a thread.

    Opening a clip decodes its first frame and opening a camera waits for its first picture,
    both outside the interpreter lock: time in which a model loads. ``open`` waits for the end
    of that and raises what went wrong.

    Args:
        source: not open yet; all but what its opening needs may be set here until the first
            frame is asked for.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.live, self.contract, self.say = source.live, source.contract, source.say
        self.address, self.num_cameras = source.address, source.num_cameras
        self.lost_timeout_s = source.lost_timeout_s
        self._error: BaseException | None = None
        self._to_close = True
        self._thread = threading.Thread(target=self._open, name="edgecnn-opening", daemon=True)
        self._thread.start()

    def open(self) -> None:
        """Wait until the source is open, or the run is to end.

        Raises:
            SourceError: it cannot be opened.
        """
        while self._thread.is_alive() and not self.is_over():
            self._thread.join(_POLL_S)
        if self._error is not None:
            raise self._error
        self.frame_rate = self._source.frame_rate

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the frames of the source."""
        self._source.contract, self._source.say = self.contract, self.say
        self._source.is_over, self._source.on_event = self.is_over, self.on_event
        try:
            for frame in self._source:
                self.dropped = self._source.dropped
                yield frame
        finally:
            self.dropped, self.unreadable = self._source.dropped, self._source.unreadable

    def close(self) -> None:
        """Close the source, if it was opened and is not closed yet; one that is stuck in opening is left behind."""
        self._thread.join(STOP_TIMEOUT_S)
        if self._to_close and self._error is None and not self._thread.is_alive():
            self._to_close = False
            self._source.close()

    def _open(self) -> None:
        try:
            self._source.open()
        except BaseException as exc:  # whatever it is, it belongs to open()
            self._error = exc
