"""``video:FILE``: every frame of a clip, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame, Encoding
from edgecnn.errors import DatasetError, SourceError
from edgecnn.imaging import decode
from edgecnn.runtime.ffmpeg import Capture
from edgecnn.runtime.handover import STOP_TIMEOUT_S
from edgecnn.runtime.sources.capture import frame_of, frame_rate, open_clip, shoot
from edgecnn.runtime.streams import Source

_MAX_BAD_FRAMES = 30
_SMALLEST = InputContract(width=1, height=1)


class VideoSource(Source):
    """The frames of a video file; a clip that breaks off ends where it breaks.

    Args:
        place: the file.
    """

    def __init__(self, place: str) -> None:
        self._path = place
        self._capture: Capture | None = None
        self._encoding: Encoding | None = None
        self._first: list[AnyFrame] = []
        # Releasing a capture in the middle of a grab in another thread would crash the process.
        self._in_use = threading.Lock()

    def open(self) -> None:
        """Open the clip and decode its first good frame, which alone shows that it is one.

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
        self._capture, self._encoding = open_clip(self._path)
        self.frame_rate = frame_rate(self._capture)
        while len(self._first) < _MAX_BAD_FRAMES:
            frame = self._next_frame(len(self._first))
            if frame is None:
                break
            self._first.append(frame)
            if _is_picture(frame):
                return
        self.close()
        raise SourceError(
            f"{self._path} is not a video that OpenCV can read: not one frame can be decoded; "
            "try to play it, or convert it to MP4"
        )

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the frames from the beginning of the clip to its end, or to where it breaks off."""
        first, self._first = self._first, []
        yield from first
        index = len(first)
        while frame := self._next_frame(index):
            yield frame
            index += 1

    def close(self) -> None:
        """Close the clip."""
        if self._in_use.acquire(timeout=STOP_TIMEOUT_S):
            try:
                if self._capture is not None:
                    self._capture.release()
                self._capture = None
            finally:
                self._in_use.release()

    def _next_frame(self, index: int) -> AnyFrame | None:
        with self._in_use:
            shot = None if self._capture is None else shoot(self._capture)
        frame = None if shot is None else frame_of(shot, self._encoding, (0, 0))
        return None if frame is None else replace(frame, index=index, camera=f"video:{self._path}")


def _is_picture(frame: AnyFrame) -> bool:
    try:
        decode(frame, _SMALLEST)  # as small as can be: this is done again for the model
    except DatasetError:
        return False
    return True
