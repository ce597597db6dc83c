"""``video:FILE``: the frames with their labels written on them, as a clip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
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
_MAX_FPS = 240.0
# So many frames of a camera are kept back until their times tell the frame rate of the clip.
_NUM_TIMED_FRAMES = 8


class VideoSink(Sink):
    """A clip in which every frame carries its best category and score.

    It gets its name when it is complete; until then it is a hidden file beside it. All frames
    get the size of the first one. A clip of a clip keeps its frame rate, a clip of a camera gets
    the rate at which the first results come, and pictures out of a folder stand for half a
    second each.

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
        self._frame_rate = 0.0
        self._num_written = 0
        self._waiting: list[NDArray[np.uint8]] = []
        self._captured_ns: list[int] = []

    def open(self, source: Source) -> None:
        """Take the source's frame rate, and try whether the folder can be written to.

        Raises:
            SinkError: it cannot.
        """
        # A camera's own rate says little: the model may be slower, and its frames are dropped then.
        self._frame_rate = 0.0 if source.live else min(source.frame_rate or _PICTURES_PER_S, _MAX_FPS)
        if self._path.is_dir():
            raise SinkError(f"cannot write {self._path}: it is a folder; give a file")
        try:
            self._partial.open("xb").close()
            self._partial.unlink()
        except OSError as exc:
            raise SinkError(f"cannot write {self._path}: {exc.strerror}") from exc

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Write the frame with its best category."""
        if self._size_wh == (0, 0):
            rows, columns = frame.pixels.shape[:2]
            self._size_wh = (columns, rows)
        canvas = fit_canvas(frame, self._size_wh)
        draw_label(canvas, prediction.top)
        self._waiting.append(canvas)
        if self._frame_rate == 0.0:
            self._captured_ns.append(frame.captured_ns)
            if len(self._captured_ns) == _NUM_TIMED_FRAMES:
                self._frame_rate = _rate_of(self._captured_ns)
        if self._frame_rate:
            self._write_waiting()

    def close(self) -> None:
        """Complete the clip and give it its name; without a frame there is none.

        Raises:
            SinkError: it did not come out whole.
        """
        if self._waiting:
            self._frame_rate = self._frame_rate or _rate_of(self._captured_ns)
            self._write_waiting()
        if self._writer is None:
            return
        self._writer.release()
        num_found = _count_frames(self._partial)
        if num_found != self._num_written:
            raise SinkError(
                f"{self._partial} holds {num_found} of the {self._num_written} frames written; is the disk full?"
            )
        try:
            self._partial.replace(self._path)
        except OSError as exc:
            raise SinkError(f"cannot rename {self._partial} to {self._path}: {exc.strerror}") from exc

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._writer = self._writer or self._open_writer()
        for canvas in waiting:
            self._writer.write(canvas)
            self._num_written += 1

    def _open_writer(self) -> cv2.VideoWriter:
        fourcc = cv2.VideoWriter.fourcc(*self._fourcc)
        writer = cv2.VideoWriter(str(self._partial), fourcc, self._frame_rate, self._size_wh)
        if not writer.isOpened():
            width, height = self._size_wh
            raise SinkError(
                f"OpenCV cannot write {self._path}: {self._fourcc}, {width} x {height} pixels, "
                f"{self._frame_rate:g} frames per second; try the other format, .avi or .mp4"
            )
        return writer


def _rate_of(captured_ns: Sequence[int]) -> float:
    """Return the frames per second that capture times show; the median gap, so that one stall does not count."""
    gaps_ns = sorted(later - earlier for earlier, later in pairwise(captured_ns))
    median_ns = gaps_ns[len(gaps_ns) // 2] if gaps_ns else 0
    return min(max(1e9 / median_ns, 1.0), _MAX_FPS) if median_ns > 0 else _PICTURES_PER_S


def _count_frames(path: Path) -> int:
    clip = cv2.VideoCapture(str(path))
    try:
        return int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) if clip.isOpened() else 0
    finally:
        clip.release()
