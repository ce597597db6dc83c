"""The only code that touches pixels.

Training, calibration, evaluation and the device call the same functions, so that a picture
becomes the same bytes everywhere.
"""

from edgecnn.imaging.decoding import (
    decode,
    decode_picture,
    encode_jpeg,
    encode_png,
    is_picture_name,
    load_input,
    read_bytes,
)
from edgecnn.imaging.geometry import FIT_FILL, region_px, resize, to_input, upright, warp

__all__ = [
    "FIT_FILL",
    "decode",
    "decode_picture",
    "encode_jpeg",
    "encode_png",
    "is_picture_name",
    "load_input",
    "read_bytes",
    "region_px",
    "resize",
    "to_input",
    "upright",
    "warp",
]
