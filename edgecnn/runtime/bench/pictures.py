"""Pictures to measure with: as a camera would deliver them, and never noise.

Noise is the one picture that no camera takes: a JPEG of it takes ten times as long to decode.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, EncodedFrame, Frame
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import DatasetError, SourceError
from edgecnn.imaging import decode, resize
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.streams import Source

SYNTHETIC = "synthetic"
SIZE_WH = (1920, 1080)
NUM_PICTURES = 8
_NUM_TAKEN = 4
_MAX_WAIT_S = 5.0
# Golden pictures of a sixth of the size, made larger: at this quality a JPEG of them has 340 kB and
# takes as long to decode as one of a photograph (1080p, quality 90: 180 to 390 kB).
_ENLARGED = 6
_JPEG_QUALITY = 90


class SyntheticClip(Source):
    """Golden pictures as 1080p JPEGs, over and over, each as soon as it is asked for."""

    address = SYNTHETIC

    def __init__(self) -> None:
        self._pictures = [jpeg_of(large_picture(seed)) for seed in range(NUM_PICTURES)]

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the pictures in turn, without end."""
        for index in count():
            data = self._pictures[index % len(self._pictures)]
            yield EncodedFrame(
                data=data, encoding="jpeg", index=index, camera=SYNTHETIC, captured_ns=time.monotonic_ns()
            )


def large_picture(seed: int) -> NDArray[np.uint8]:
    """Return golden picture number ``seed`` in 1080p: uint8, shape (1080, 1920, 3), BGR."""
    columns, rows = SIZE_WH
    small = synthetic_picture(seed, columns // _ENLARGED, rows // _ENLARGED)
    return resize(small[..., ::-1], SIZE_WH)


def jpeg_of(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 (H, W, 3) in BGR, as a JPEG file."""
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(encoded.tobytes())


def camera_frames(seed: int) -> dict[str, AnyFrame]:
    """Return a golden picture in 1080p in the encodings of cameras, by name."""
    pixels = large_picture(seed)
    columns, rows = SIZE_WH
    planar: NDArray[np.uint8] = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420), np.uint8).reshape(-1)
    luma = planar[: rows * columns].reshape(rows, columns)
    chroma = np.moveaxis(planar[rows * columns :].reshape(2, rows // 2, columns // 2), 0, -1)
    packed = np.stack((luma, chroma.repeat(2, axis=0).reshape(rows, columns)), axis=-1)
    return {
        "jpeg": EncodedFrame(data=jpeg_of(pixels), encoding="jpeg", size_wh=SIZE_WH),
        "bgr": Frame(pixels=pixels, color_order="bgr"),
        "yuyv": EncodedFrame(data=packed.tobytes(), encoding="yuyv", size_wh=SIZE_WH),
        "nv12": EncodedFrame(data=luma.tobytes() + chroma.tobytes(), encoding="nv12", size_wh=SIZE_WH),
    }


def take_frames(source: Source) -> list[AnyFrame]:
    """Open a source, take a few of its frames that can be decoded, and close it.

    Raises:
        SourceError: it cannot be opened, or gives no such frame. ``CameraMissingError``,
            ``SourceLostError``: as ever.
    """
    frames: list[AnyFrame] = []
    until_s = time.monotonic() + _MAX_WAIT_S
    source.lost_timeout_s = _MAX_WAIT_S
    source.is_over = lambda: bool(frames) and time.monotonic() > until_s
    with source:
        for frame in islice(source, 4 * _NUM_TAKEN):
            if _can_be_decoded(frame):
                frames.append(frame)
            if len(frames) == _NUM_TAKEN:
                break
    if not frames:
        raise SourceError(f"{source.address} gives no picture that can be decoded")
    return frames


def _can_be_decoded(frame: AnyFrame) -> bool:
    try:
        decode(frame)
    except DatasetError:
        return False
    return True
