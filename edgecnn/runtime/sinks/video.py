"""``video:FILE``: the frames with their labels written on them, as a clip."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edgecnn.imaging  # noqa: F401  (first: it silences OpenCV's own log and explains a missing OpenCV)

# isort: split
import cv2

from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.runtime.sinks.overlay import draw_label, fit_canvas
from edgecnn.runtime.streams import Sink, Source

_FOURCC = {".avi": "MJPG", ".mp4": "mp4v"}
_PICTURES_PER_S = 2.0
_CAMERA_FPS = 30.0
_MAX_FPS = 240.0


class VideoSink(Sink):
    """A clip in which every frame carries its best category and score.

    It gets its name when it is complete; until then it is a hidden file beside it. All frames
    get the size of the first one. The frames of a camera are repeated or left out so that the
    clip runs as fast as what it shows; pictures out of a folder stand for half a second each.

    Args:
        place: a file that ends in ``.avi`` (Motion JPEG) or ``.mp4`` (MPEG-4 part 2).
    """

    def __init__(self, place: str) -> None:
        self._path = Path(place)
        self._fourcc = _FOURCC.get(self._path.suffix.lower(), "")
        if not self._fourcc or not self._path.stem:
            raise SinkError(
                f"the sink video writes {' or '.join(_FOURCC)}, got {place!r}; give for instance video:out.mp4"
            )
        # The suffix stays at the end: OpenCV chooses the container by it.
        self._partial = self._path.with_name(f".{self._path.stem}-{os.getpid()}{self._path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)
        self._pace = _Pace(_PICTURES_PER_S, live=False)

    def open(self, source: Source) -> None:
        """Take the source's frame rate, and try whether the folder can be written to.

        Raises:
            SinkError: it cannot.
        """
        rate = source.frame_rate or (_CAMERA_FPS if source.live else _PICTURES_PER_S)
        self._pace = _Pace(min(rate, _MAX_FPS), live=source.live)
        if self._path.is_dir():
            raise SinkError(f"cannot write {self._path}: it is a folder; give a file")
        try:
            self._partial.open("xb").close()
            self._partial.unlink()
        except OSError as exc:
            raise SinkError(f"cannot write {self._path}: {exc.strerror}") from exc

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Write the frame with its best category."""
        rows, columns = frame.pixels.shape[:2]
        if self._writer is None:
            self._size_wh = (columns, rows)
            self._writer = self._open_writer()
        repeats = self._pace.repeats(frame.captured_ns)
        if repeats == 0:
            return
        canvas = fit_canvas(frame, self._size_wh)
        draw_label(canvas, prediction.top)
        self._write_times(self._writer, canvas, repeats)

    def close(self) -> None:
        """Complete the clip and give it its name; without a frame there is none.

        Raises:
            SinkError: it did not come out whole.
        """
        if self._writer is None:
            return
        self._writer.release()
        num_found = _count_frames(self._partial)
        if num_found != self._pace.num_written:
            raise SinkError(
                f"{self._partial} holds {num_found} of the {self._pace.num_written} frames written; is the disk full?"
            )
        try:
            self._partial.replace(self._path)
        except OSError as exc:
            raise SinkError(f"cannot rename {self._partial} to {self._path}: {exc.strerror}") from exc

    def _open_writer(self) -> cv2.VideoWriter:
        fourcc = cv2.VideoWriter.fourcc(*self._fourcc)
        writer = cv2.VideoWriter(str(self._partial), fourcc, self._pace.frame_rate, self._size_wh)
        if not writer.isOpened():
            width, height = self._size_wh
            raise SinkError(
                f"OpenCV cannot write {self._path}: {self._fourcc}, {width} x {height} pixels, "
                f"{self._pace.frame_rate:g} frames per second; try the other format, .avi or .mp4"
            )
        return writer

    def _write_times(self, writer: cv2.VideoWriter, canvas: NDArray[np.uint8], repeats: int) -> None:
        for _ in range(repeats):
            writer.write(canvas)
            self._pace.num_written += 1


class _Pace:
    """How often a frame must be written for the clip to keep the time of its source."""

    def __init__(self, frame_rate: float, *, live: bool) -> None:
        self.frame_rate = frame_rate
        self.num_written = 0
        self._live = live
        self._first_ns: int | None = None

    def repeats(self, captured_ns: int) -> int:
        """Return 1 for a file; for a camera the frames that are due at this time and not yet written."""
        if not self._live:
            return 1
        if self._first_ns is None:
            self._first_ns = captured_ns
        num_due = int((captured_ns - self._first_ns) * self.frame_rate / 1e9) + 1
        return max(0, num_due - self.num_written)


def _count_frames(path: Path) -> int:
    clip = cv2.VideoCapture(str(path))
    try:
        return int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) if clip.isOpened() else 0
    finally:
        clip.release()
