"""``video:FILE``: every frame of a clip, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from edgecnn.core.frame import Frame
from edgecnn.errors import SourceError
from edgecnn.runtime.handover import STOP_TIMEOUT_S
from edgecnn.runtime.sources.capture import Capture, frame_rate, open_clip, shoot
from edgecnn.runtime.streams import Source


class VideoSource(Source):
    """The frames of a video file; a clip that breaks off ends where it breaks.

    Args:
        place: the file.
    """

    def __init__(self, place: str) -> None:
        self._path = place
        self._capture: Capture | None = None
        self._first: Frame | None = None
        # Releasing a capture in the middle of a grab in another thread would crash the process.
        self._in_use = threading.Lock()

    def open(self) -> None:
        """Open the clip and decode its first frame, which alone shows that it is one.

        Raises:
            SourceError: there is no such file, or it is not a video.
        """
        path = Path(self._path)
        if not path.is_file():
            what = "is a folder, not a clip" if path.is_dir() else "does not exist"
            raise SourceError(f"{self._path} {what}; give a video file")
        try:
            path.open("rb").close()
        except OSError as exc:
            raise SourceError(f"cannot read {self._path}: {exc.strerror}") from exc
        self._capture = open_clip(self._path)
        self._first = self._next_frame(0)
        if self._first is None:
            self.close()
            raise SourceError(
                f"{self._path} is not a video that OpenCV can read: not one frame can be decoded; "
                "try to play it, or convert it to MP4"
            )
        self.frame_rate = frame_rate(self._capture)

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames from the beginning of the clip to its end, or to where it breaks off."""
        frame, self._first = self._first, None
        while frame:
            yield frame
            frame = self._next_frame(frame.index + 1)

    def close(self) -> None:
        """Close the clip."""
        if self._in_use.acquire(timeout=STOP_TIMEOUT_S):
            try:
                if self._capture is not None:
                    self._capture.release()
                self._capture = None
            finally:
                self._in_use.release()

    def _next_frame(self, index: int) -> Frame | None:
        with self._in_use:
            shot = None if self._capture is None else shoot(self._capture)
        if shot is None or shot.pixels is None:
            return None
        return Frame(
            pixels=shot.pixels,
            color_order="bgr",
            captured_ns=shot.captured_ns,
            index=index,
            camera=f"video:{self._path}",
            read_ms=shot.read_ms,
            decode_ms=shot.decode_ms,
        )
