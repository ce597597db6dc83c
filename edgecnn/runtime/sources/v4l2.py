"""What a V4L2 driver itself says about a device, which OpenCV does not pass on.

Reference: linux/videodev2.h and the "Video for Linux API" of the kernel's documentation.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

_CAPTURE, _CAPTURE_IN_PLANES = 1, 9
_CAN_CAPTURE, _CAN_CAPTURE_IN_PLANES = 0x00000001, 0x00001000
_HAS_DEVICE_CAPS = 0x80000000
# The format's union is aligned like a pointer.
_UNION_AT = struct.calcsize("P")
_FORMAT_SIZE = _UNION_AT + 200
_CAPABILITY_SIZE = 104
_QUERY_CAPABILITY = 0x80005600 | _CAPABILITY_SIZE << 16
_GET_FORMAT = 0xC0005604 | _FORMAT_SIZE << 16
# Of the first plane.
_BYTES_PER_PIXEL = {"YUYV": 2, "UYVY": 2, "NV12": 1, "YU12": 1, "GREY": 1, "BGR3": 3, "RGB3": 3}
_COMPRESSED = frozenset({"MJPG", "JPEG", "H264", "HEVC", "MPG4", "VP80"})


class PixelFormat(NamedTuple):
    """How the pictures of a device lie in memory now.

    Attributes:
        fourcc: the pixel format.
        size_wh: width and height in pixels.
        bytes_per_row: from one row to the next one below it, padding included; of the first
            plane where there are several.
    """

    fourcc: str
    size_wh: tuple[int, int]
    bytes_per_row: int


def can_capture(path: str) -> bool | None:
    """Tell whether a device takes pictures; None when it does not say or may not be asked.

    A camera often has a second device for its metadata, and a board some for its codecs.
    """
    answer = _ask(path, _QUERY_CAPABILITY, bytes(_CAPABILITY_SIZE))
    if answer is None:
        return None
    whole, own = struct.unpack_from("=II", answer, 84)
    return bool((own if whole & _HAS_DEVICE_CAPS else whole) & (_CAN_CAPTURE | _CAN_CAPTURE_IN_PLANES))


def delivers_planes(path: str) -> bool:
    """Tell whether a device uses the multi-planar interface."""
    answer = _ask(path, _QUERY_CAPABILITY, bytes(_CAPABILITY_SIZE))
    return answer is not None and bool(struct.unpack_from("=I", answer, 84)[0] & _CAN_CAPTURE_IN_PLANES)


def read_format(path: str) -> PixelFormat | None:
    """Return the format that a device is set to; None when it does not say or may not be asked."""
    for kind, bytes_per_row_at in ((_CAPTURE, 16), (_CAPTURE_IN_PLANES, 24)):
        answer = _ask(path, _GET_FORMAT, struct.pack("=I", kind).ljust(_FORMAT_SIZE, b"\0"))
        if answer is not None:
            width, height, fourcc = struct.unpack_from("=II4s", answer, _UNION_AT)
            (bytes_per_row,) = struct.unpack_from("=I", answer, _UNION_AT + bytes_per_row_at)
            return PixelFormat(fourcc.decode("ascii", "replace").rstrip("\0 "), (width, height), bytes_per_row)
    return None


def is_padded(form: PixelFormat) -> bool:
    """Tell whether there are bytes between one row and the next; False for a compressed format."""
    columns = form.size_wh[0]
    if form.fourcc in _COMPRESSED:  # without rows, whatever the driver says about them
        return False
    if form.fourcc in _BYTES_PER_PIXEL:
        return form.bytes_per_row > columns * _BYTES_PER_PIXEL[form.fourcc]
    return bool(columns and form.bytes_per_row % columns)


def _ask(path: str, request: int, argument: bytes) -> bytes | None:
    try:
        import fcntl  # not on Windows

        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except (ImportError, OSError):
        return None
    try:
        answer = fcntl.ioctl(descriptor, request, argument)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return answer
