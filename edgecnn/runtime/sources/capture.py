"""OpenCV's video input, kept quiet, and each frame with its times."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, ColorOrder, EncodedFrame, Encoding, Frame
from edgecnn.errors import SourceError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.ffmpeg import Capture, open_video
from edgecnn.runtime.sources.v4l2 import delivers_planes
from edgecnn.runtime.streams import CaptureRequest

# Read by OpenCV when it opens its first camera: one that hangs would hold grab() for ten seconds.
GRAB_TIMEOUT_S = 1
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(GRAB_TIMEOUT_S))
# A picture that is older than that when it comes was stamped by some other clock.
MAX_WAIT_NS = 5_000_000_000

# What a driver's pixel format is called here; any other one is left to OpenCV to decode.
SAMPLES_OF_FOURCC: dict[str, Encoding | ColorOrder] = {
    "MJPG": "jpeg",
    "JPEG": "jpeg",
    "YUYV": "yuyv",
    "UYVY": "uyvy",
    "NV12": "nv12",
    "YU12": "i420",
    "GREY": "gray",
    "BGR3": "bgr",
    "RGB3": "rgb",
}
# Names that other systems have for the same.
_V4L2_NAMES = {"YUY2": "YUYV", "I420": "YU12", "Y800": "GREY"}


class Shot(NamedTuple):
    """One frame as it came: what OpenCV gave for it, or None where it could not be decoded."""

    content: NDArray[np.uint8] | None
    captured_ns: int
    read_ms: float
    decode_ms: float


def open_clip(path: str) -> tuple[Capture, Encoding | None]:
    """Open a video file; ask the result whether that worked.

    Returns:
        The capture, and ``jpeg`` if it hands out the compressed pictures of a Motion JPEG clip.
    """
    capture = open_video(path)
    if fourcc_of(capture) == "MJPG" and capture.set(cv2.CAP_PROP_FORMAT, -1):
        return capture, "jpeg"
    return capture, None


def open_camera(device: str | int, request: CaptureRequest) -> tuple[Capture, Encoding | ColorOrder | None]:
    """Open a V4L2 device by its path, or on other systems a camera by its number.

    Asks for what is requested, and for Motion JPEG if nothing is said about the format: a USB
    camera gives large pictures at full rate only so, and they need not be decoded in full.

    Returns:
        The capture, and what it hands out; None for BGR pixels that OpenCV has decoded. Ask the
        capture whether it is open.

    Raises:
        SourceError: neither edgecnn nor OpenCV can read the pictures of that format.
    """
    if not isinstance(device, str):
        capture = cv2.VideoCapture(device)
        _ask_for(capture, request)
        return capture, None
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        return capture, None
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*(v4l2_name(request.fourcc) or "MJPG")))
    _ask_for(capture, request)
    # The driver's own word: set() says yes to formats that it does not give.
    fourcc = fourcc_of(capture)
    samples = SAMPLES_OF_FOURCC.get(fourcc)
    # Raw samples of a multi-planar device make OpenCV 5.0 write beyond its memory.
    if samples is not None and not delivers_planes(device) and capture.set(cv2.CAP_PROP_CONVERT_RGB, 0):
        return capture, samples
    if capture.isOpened() and not capture.set(cv2.CAP_PROP_CONVERT_RGB, 1):
        capture.release()
        raise SourceError(f"pictures of the format {fourcc} cannot be read; leave out --fourcc, or give YUYV")
    return capture, None


def v4l2_name(fourcc: str) -> str:
    """Return how V4L2 calls a pixel format."""
    return _V4L2_NAMES.get(fourcc, fourcc)


def _ask_for(capture: Capture, request: CaptureRequest) -> None:
    if request.size_wh is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, request.size_wh[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, request.size_wh[1])
    if request.frame_rate:
        capture.set(cv2.CAP_PROP_FPS, request.frame_rate)


def shoot(capture: Capture) -> Shot | None:
    """Grab and retrieve one frame, None when none comes any more."""
    start_ns = time.monotonic_ns()
    if not capture.grab():
        return None
    captured_ns = time.monotonic_ns()
    try:
        decoded, content = capture.retrieve()
    except cv2.error:  # fewer bytes than the format needs
        return Shot(None, captured_ns, (captured_ns - start_ns) / 1e6, 0.0)
    decode_ms = (time.monotonic_ns() - captured_ns) / 1e6
    whole: Any = content if decoded else None  # OpenCV's own type is looser than what comes
    return Shot(whole, captured_ns, (captured_ns - start_ns) / 1e6, decode_ms)


def frame_of(shot: Shot, samples: Encoding | ColorOrder | None, size_wh: tuple[int, int]) -> AnyFrame | None:
    """Return the frame of a shot, None where it could not be decoded.

    Args:
        shot: what ``shoot`` gave.
        samples: what the capture hands out, None for BGR pixels that OpenCV has decoded.
        size_wh: width and height of the capture's pictures, for raw ones.
    """
    content = shot.content
    if content is None or not content.size:
        return None
    if samples is None:
        return _frame_of_pixels(shot, content, "bgr")
    if samples == "bgr" or samples == "rgb":
        if content.size != size_wh[0] * size_wh[1] * 3:
            return None
        return _frame_of_pixels(shot, content.reshape(size_wh[1], size_wh[0], 3), samples)
    return EncodedFrame(
        data=content.tobytes(),
        encoding=samples,
        size_wh=size_wh,
        captured_ns=shot.captured_ns,
        read_ms=shot.read_ms,
    )


def _frame_of_pixels(shot: Shot, pixels: NDArray[np.uint8], order: ColorOrder) -> Frame:
    if pixels.ndim == 2:  # a grey camera
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)  # type: ignore[assignment]  # OpenCV's own type is looser
    return Frame(
        pixels=pixels,
        color_order=order,
        captured_ns=shot.captured_ns,
        read_ms=shot.read_ms,
        decode_ms=shot.decode_ms,
    )


def stamp_ms(capture: Capture) -> float:
    """Return the time that the driver has written on the last picture of a V4L2 capture, in milliseconds."""
    return float(capture.get(cv2.CAP_PROP_POS_MSEC))


def driver_time_ns(stamp_ms: float, grabbed_ns: int) -> int:
    """Return when the driver got a picture, on the monotonic clock, which is nearly always the driver's, too.

    Pictures wait in the driver when the reader is late. A driver with another clock is not
    believed, and the picture counts from when it was grabbed.
    """
    stamp_ns = round(stamp_ms * 1e6)
    return stamp_ns if 0 <= grabbed_ns - stamp_ns <= MAX_WAIT_NS else grabbed_ns


def size_of(capture: Capture) -> tuple[int, int]:
    """Return width and height of the capture's pictures in pixels."""
    return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))


def fourcc_of(capture: Capture) -> str:
    """Return the four characters of the capture's pixel format or codec."""
    return (
        int(capture.get(cv2.CAP_PROP_FOURCC))
        .to_bytes(4, "little", signed=True)
        .decode("ascii", "replace")
        .rstrip("\0 ")
    )


def frame_rate(capture: Capture) -> float:
    """Return the nominal frames per second, 0 where the container or driver gives none."""
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 0.0 < rate <= 1000.0 else 0.0
