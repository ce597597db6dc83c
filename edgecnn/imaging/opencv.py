"""OpenCV, kept quiet and explained where it is missing: ``from edgecnn.imaging.opencv import cv2``."""

from __future__ import annotations

import os

# OpenCV writes its own complaints to stderr, beside the one sentence that edgecnn raises.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

try:
    import cv2
except ImportError as exc:
    from edgecnn.errors import MissingExtraError

    raise MissingExtraError(
        f"OpenCV is needed to read pictures and cannot be imported ({exc}); run: pip install 'edgecnn[device]'"
    ) from exc

__all__ = ["cv2"]
