"""OpenCV's video input, kept quiet, and each frame with its times."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import edgecnn.imaging  # noqa: F401  (first: it silences OpenCV's own log and explains a missing OpenCV)

# isort: split
import cv2

# Read by OpenCV when it opens its first video. FFmpeg writes to stderr by itself, and a camera
# that hangs would hold grab() for ten seconds.
GRAB_TIMEOUT_S = 1
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(GRAB_TIMEOUT_S))

Capture = cv2.VideoCapture


class Shot(NamedTuple):
    """One frame as it came: BGR pixels, uint8 (H, W, 3), or None where they cannot be decoded."""

    pixels: NDArray[np.uint8] | None
    captured_ns: int
    read_ms: float
    decode_ms: float


def open_clip(path: str) -> Capture:
    """Open a video file; ask the result whether that worked."""
    return cv2.VideoCapture(path)


def open_camera(device: str | int) -> Capture:
    """Open a V4L2 device by its path, or on other systems a camera by its number."""
    return cv2.VideoCapture(device, cv2.CAP_V4L2) if isinstance(device, str) else cv2.VideoCapture(device)


def shoot(capture: Capture) -> Shot | None:
    """Grab and decode one frame, None when none comes any more."""
    start_ns = time.monotonic_ns()
    if not capture.grab():
        return None
    captured_ns = time.monotonic_ns()
    decoded, pixels = capture.retrieve()
    decode_ms = (time.monotonic_ns() - captured_ns) / 1e6
    whole: Any = pixels if decoded else None  # OpenCV's own type is looser than what comes
    return Shot(whole, captured_ns, (captured_ns - start_ns) / 1e6, decode_ms)


def frame_rate(capture: Capture) -> float:
    """Return the nominal frames per second, 0 where the container or driver gives none."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 0.0 < rate <= 1000.0 else 0.0
