"""Videos opened by OpenCV's FFmpeg, each with options of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from edgecnn.imaging.opencv import cv2

Capture = cv2.VideoCapture

_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# FFmpeg writes to stderr by itself. OpenCV reads this when it opens its first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# OpenCV reads the options from the environment, which is one for the whole process: what makes a
# stream fast costs a clip its first frame. So only one video is opened at a time.
_opening = threading.Lock()


def open_video(place: str, *, options: str = "", settings: Sequence[int] = ()) -> Capture:
    """Open a file or stream; ask the result whether that worked.

    Args:
        place: path or URL.
        options: FFmpeg's, as in ``rtsp_transport;tcp|fflags;nobuffer``; those that the user has put
            into ``OPENCV_FFMPEG_CAPTURE_OPTIONS`` go first, for files as well.
        settings: OpenCV's own, property and value in turn; they bind it to FFmpeg.
    """
    with _opening:
        is_free = bool(options) and _VARIABLE not in os.environ
        if is_free:
            os.environ[_VARIABLE] = options
        try:
            return cv2.VideoCapture(place, cv2.CAP_FFMPEG, list(settings)) if settings else cv2.VideoCapture(place)
        finally:
            if is_free:
                del os.environ[_VARIABLE]
