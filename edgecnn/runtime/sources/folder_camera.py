"""Pictures of a folder, given as a camera would give them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, EncodedFrame
from edgecnn.errors import DatasetError, SourceError
from edgecnn.imaging import decode_picture, read_bytes, resize
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.live import Grabber
from edgecnn.runtime.sources.pacing import Pace

_JPEG_START = b"\xff\xd8\xff"
_JPEG_QUALITY = 90
_MAX_KEPT_BYTES = 256 << 20


class FolderGrabber(Grabber):
    """Gives JPEG files one after the other, and again from the beginning.

    A picture that is not a JPEG file, or not of the wanted size, is made one the first time it
    is shown; up to 256 MiB of files are kept in memory.

    Args:
        root: the folder; the names of frames are paths below it.
        paths: the pictures.
        size_wh: what they are scaled and cropped to; None leaves each as it is.
        frame_rate: pictures per second.
        pass_over: is told about a picture that cannot be read.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[Path],
        size_wh: tuple[int, int] | None,
        frame_rate: float,
        pass_over: Callable[[str], None],
    ) -> None:
        self._root, self._paths, self._size_wh = root, list(paths), size_wh
        self._pass_over = pass_over
        self.frame_rate = frame_rate
        self._pace = Pace(frame_rate)
        self._position = 0
        self._kept: dict[Path, bytes] = {}
        self._num_kept_bytes = 0

    def grab(self) -> AnyFrame | None:
        """Return the next picture that can be read.

        Raises:
            SourceError: none of them can.
        """
        if not self._pace.wait():
            return None
        start_ns = time.monotonic_ns()
        path = self._paths[self._position]
        try:
            data = self._kept.get(path) or self._load(path)
        except DatasetError as exc:
            self._pass_over(str(exc))
            self._drop(path)
            return None
        self._position = (self._position + 1) % len(self._paths)
        now_ns = time.monotonic_ns()
        return EncodedFrame(
            data=data,
            encoding="jpeg",
            name=path.relative_to(self._root).as_posix(),
            captured_ns=now_ns,
            read_ms=(now_ns - start_ns) / 1e6,
        )

    def _load(self, path: Path) -> bytes:
        data = read_bytes(path)
        if self._size_wh or not data.startswith(_JPEG_START):
            pixels = decode_picture(data, str(path)).pixels
            if self._size_wh:
                pixels = _cover(pixels, self._size_wh)
            data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
        if self._num_kept_bytes + len(data) <= _MAX_KEPT_BYTES:
            self._kept[path] = data
            self._num_kept_bytes += len(data)
        return data

    def _drop(self, path: Path) -> None:
        self._paths.remove(path)
        if not self._paths:
            raise SourceError(f"none of the pictures under {self._root} can be read")
        self._position %= len(self._paths)


def _cover(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the middle of a picture, scaled so that it just fills ``size_wh``."""
    rows, columns = pixels.shape[:2]
    scale = max(size_wh[0] / columns, size_wh[1] / rows)
    kept_wh = min(columns, round(size_wh[0] / scale)), min(rows, round(size_wh[1] / scale))
    x, y = (columns - kept_wh[0]) // 2, (rows - kept_wh[1]) // 2
    return resize(pixels[y : y + kept_wh[1], x : x + kept_wh[0]], size_wh)
