"""OpenCV, kept quiet and explained where it is missing: ``from edgecnn.imaging.opencv import cv2``."""

from __future__ import annotations

import os

# OpenCV writes its own complaints to stderr, beside the one sentence that edgecnn raises.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# A PNG of 100 kB may declare 900 million pixels, which take 4 GB and twelve seconds.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))

try:
    import cv2
except ImportError as exc:
    from edgecnn.errors import MissingExtraError

    raise MissingExtraError(
        f"OpenCV is needed to read pictures and cannot be imported ({exc}); run: pip install 'edgecnn[device]'"
    ) from exc

__all__ = ["cv2"]
