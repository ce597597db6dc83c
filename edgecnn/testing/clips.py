"""Small clips for tests of whatever reads or writes video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.imaging.opencv import cv2


def write_clip(path: Path, num_frames: int, *, size_wh: tuple[int, int] = (64, 48), frame_rate: float = 30.0) -> Path:
    """Write a Motion JPEG clip whose frame ``i`` is plain grey of level ``grey_of(i)``, and return its path.

    Args:
        path: a file that ends in ``.avi``.
        num_frames: how many.
        size_wh: width and height in pixels, both even.
        frame_rate: nominal frames per second.
    """
    width, height = size_wh
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), frame_rate, size_wh)
    for index in range(num_frames):
        writer.write(np.full((height, width, 3), grey_of(index), np.uint8))
    writer.release()
    return path


def grey_of(index: int) -> int:
    """Return the level of a frame of such a clip: 10 to 240, eleven more than the one before, modulo 231."""
    return 10 + index * 11 % 231
