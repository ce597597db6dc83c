"""The only code that touches pixels.

Training, calibration, evaluation and the device call the same functions, so that a picture
becomes the same bytes everywhere.
"""

from edgecnn.imaging.decoding import (
    MAX_PICTURE_PIXELS,
    decode,
    decode_brightness,
    decode_picture,
    encode_jpeg,
    encode_png,
    is_picture_name,
    load_input,
    name_format,
    read_bytes,
)
from edgecnn.imaging.geometry import FIT_FILL, region_px, resize, shrink, to_input, upright, warp
from edgecnn.imaging.quality import ends_in_fill, measure_blur, measure_levels, one_thread

__all__ = [
    "FIT_FILL",
    "MAX_PICTURE_PIXELS",
    "decode",
    "decode_brightness",
    "decode_picture",
    "encode_jpeg",
    "encode_png",
    "ends_in_fill",
    "is_picture_name",
    "load_input",
    "measure_blur",
    "measure_levels",
    "name_format",
    "one_thread",
    "read_bytes",
    "region_px",
    "resize",
    "shrink",
    "to_input",
    "upright",
    "warp",
]
