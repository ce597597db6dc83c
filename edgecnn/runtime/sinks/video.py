"""``video:FILE``: the frames with their labels written on them, as a clip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.ffmpeg import open_video
from edgecnn.runtime.sinks.names import CameraNames
from edgecnn.runtime.sinks.overlay import draw_label, fit_canvas
from edgecnn.runtime.streams import Sink, Source

_FOURCC = {".avi": "MJPG", ".mp4": "mp4v"}
_PICTURES_PER_S = 2.0
_MAX_FPS = 240.0
# So many frames of a camera are kept back until their times tell the frame rate of the clip.
_NUM_TIMED_FRAMES = 8


class VideoSink(Sink):
    """A clip in which every frame carries its label and score.

    It gets its name when it is complete; until then it is a hidden file beside it. All frames
    get the size of the first one. A clip of a clip keeps its frame rate, a clip of a camera gets
    the rate at which the first results come, and pictures out of a folder stand for half a
    second each. Of several cameras each gets a clip of its own, with the camera in its name;
    several clips keep their frame rate if it is the same for all, else they count as pictures.

    Args:
        place: a file that ends in ``.avi`` (Motion JPEG) or ``.mp4`` (MPEG-4 part 2).
    """

    def __init__(self, place: str) -> None:
        self._path = Path(place)
        if self._path.suffix.lower() not in _FOURCC or not self._path.stem:
            raise SinkError(
                f"the sink video writes {' or '.join(_FOURCC)}, got {place!r}; give for instance video:out.mp4"
            )
        self._frame_rate = 0.0
        self._per_camera = False
        self._cameras = CameraNames()
        self._clips: dict[str, _Clip] = {}

    def open(self, source: Source) -> None:
        """Take the source's frame rate, and try whether the folder can be written to.

        Raises:
            SinkError: it cannot.
        """
        # A camera's own rate says little: the model may be slower, and its frames are dropped then.
        self._frame_rate = 0.0 if source.live else min(source.frame_rate or _PICTURES_PER_S, _MAX_FPS)
        self._per_camera = source.num_cameras > 1
        if self._path.is_dir() and not self._per_camera:
            raise SinkError(f"cannot write {self._path}: it is a folder; give a file")
        trial = _partial_of(self._path)
        try:
            trial.open("xb").close()
            trial.unlink()
        except OSError as exc:
            raise SinkError(f"cannot write {self._path}: {exc.strerror}") from exc

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Write the frame with its label."""
        camera = frame.camera if self._per_camera else ""
        if camera not in self._clips:
            path = self._path
            if self._per_camera:
                path = path.with_name(f"{path.stem}-{self._cameras.name_of(camera)}{path.suffix}")
            self._clips[camera] = _Clip(path, self._frame_rate)
        self._clips[camera].write(frame, prediction)

    def close(self) -> None:
        """Complete each clip and give it its name; without a frame there is none.

        Raises:
            SinkError: one did not come out whole; the others are completed all the same.
        """
        with ExitStack() as stack:
            for clip in self._clips.values():
                stack.callback(clip.close)


class _Clip:
    """One file.

    Args:
        path: its name when it is complete.
        frame_rate: frames per second; 0 takes the rate at which the first frames come.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        self._path, self._partial = path, _partial_of(path)
        self._frame_rate = frame_rate
        self._writer: cv2.VideoWriter | None = None
        self._size_wh: tuple[int, int] | None = None
        self._num_written = 0
        self._waiting: list[NDArray[np.uint8]] = []
        self._captured_ns: list[int] = []

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        canvas = fit_canvas(frame, self._size_wh)
        self._size_wh = self._size_wh or (canvas.shape[1], canvas.shape[0])
        draw_label(canvas, prediction.headline)
        self._waiting.append(canvas)
        if self._frame_rate == 0.0:
            self._captured_ns.append(frame.captured_ns)
            if len(self._captured_ns) == _NUM_TIMED_FRAMES:
                self._frame_rate = _rate_of(self._captured_ns)
        if self._frame_rate:
            self._write_waiting()

    def close(self) -> None:
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
        assert self._size_wh is not None, "there is a frame to write"
        codec = _FOURCC[self._path.suffix.lower()]
        writer = cv2.VideoWriter(str(self._partial), cv2.VideoWriter.fourcc(*codec), self._frame_rate, self._size_wh)
        if not writer.isOpened():
            width, height = self._size_wh
            raise SinkError(
                f"OpenCV cannot write {self._path}: {codec}, {width} x {height} pixels, "
                f"{self._frame_rate:g} frames per second; try the other format, .avi or .mp4"
            )
        return writer


def _partial_of(path: Path) -> Path:
    # The suffix stays at the end: OpenCV chooses the container by it.
    return path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")


def _rate_of(captured_ns: Sequence[int]) -> float:
    """Return the frames per second that capture times show; the median gap, so that one stall does not count."""
    gaps_ns = sorted(later - earlier for earlier, later in pairwise(captured_ns))
    median_ns = gaps_ns[len(gaps_ns) // 2] if gaps_ns else 0
    return min(max(1e9 / median_ns, 1.0), _MAX_FPS) if median_ns > 0 else _PICTURES_PER_S


def _count_frames(path: Path) -> int:
    clip = open_video(str(path))
    try:
        return int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) if clip.isOpened() else 0
    finally:
        clip.release()
