"""The only code that touches pixels.

Training, calibration, evaluation and the device call the same functions, so that a picture
becomes the same bytes everywhere. The resizer halves a picture with 2 x 2 averages until
less than a factor of two is left and takes the rest bilinearly: no pixel is passed over, so
nothing aliases, at a fourth of the time of area interpolation from 1080p. Both steps use
OpenCV's bit-exact bilinear mode, whose bytes do not depend on the processor.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

# OpenCV writes its own complaints to stderr, beside the one sentence that edgecnn raises.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

try:
    import cv2
except ImportError as exc:
    from edgecnn.errors import MissingExtraError

    raise MissingExtraError(
        f"OpenCV is needed to read pictures and cannot be imported ({exc}); run: pip install 'edgecnn[device]'"
    ) from exc

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import Frame
from edgecnn.errors import DatasetError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".jp2"})
MAX_PICTURE_PIXELS = 1 << 28
FIT_FILL = 128
_REDUCED_FLAGS = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
# A chunk of PNG, or of WebP with its length and perhaps the head that JPEG puts in front.
_EXIF_BLOCK = re.compile(rb"(?:eXIf|EXIF.{4}(?:Exif\0\0)?)(II\*\0|MM\0\*)", re.DOTALL)


def is_picture_name(path: Path) -> bool:
    """Tell whether a file's name says that it is a picture; hidden files are not."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def load_input(path: Path, contract: InputContract) -> NDArray[np.uint8]:
    """Read a picture file as a model's input: uint8, shape (height, width, 3), RGB.

    Raises:
        DatasetError: the file cannot be read or is not a whole picture.
    """
    return to_input(decode_picture(read_bytes(path), str(path), contract), contract)


def read_bytes(path: Path) -> bytes:
    """Return a file's content, raising DatasetError with the reason when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DatasetError(f"cannot read {path}: {exc.strerror}") from exc


def decode_picture(data: bytes, name: str, contract: InputContract | None = None) -> Frame:
    """Turn the bytes of a picture file into a BGR frame, upright and opaque.

    EXIF rotation is applied; grey, palette, CMYK and 16-bit pictures become 8-bit colour;
    transparency is laid over white. A JPEG that is much larger than ``contract`` needs is
    decoded at a half, a fourth or an eighth of its size, which is several times faster.

    Args:
        data: content of a JPEG, PNG, BMP, WebP, GIF (first picture), TIFF, AVIF or JPEG 2000 file.
        name: what to call the picture in an error.
        contract: the model's input, when the picture is for a model.

    Raises:
        DatasetError: the data are not a picture, are cut short, or are absurdly large.
    """
    buffer = np.frombuffer(data, np.uint8)
    if not data:
        raise DatasetError(f"{name} is empty; delete it or replace it by a picture")
    try:
        pixels = _decode_jpeg(data, buffer, contract) if data[:2] == b"\xff\xd8" else _decode_other(data, buffer)
    except cv2.error as exc:
        raise DatasetError(f"{name} cannot be decoded: {exc.err}") from exc
    if pixels is None:
        raise DatasetError(f"{name} is {_describe_damage(data)}; delete it or replace it by a whole picture")
    return Frame(pixels=pixels, color_order="bgr", name=name)


def to_input(frame: Frame, contract: InputContract) -> NDArray[np.uint8]:
    """Bring a frame to the size and colour order of a model's input.

    Returns:
        uint8, shape (contract.height, contract.width, 3), RGB, values 0 to 255, contiguous.
    """
    pixels = _center_crop(frame.pixels, contract)
    small = _fit(pixels, contract.size_wh) if contract.aspect == "fit" else resize(pixels, contract.size_wh)
    if frame.color_order == "bgr":
        small = _uint8(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    return np.ascontiguousarray(small)


def resize(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize without aliasing and with the same bytes on every processor.

    Args:
        pixels: uint8, shape (H, W, C).
        size_wh: wanted width and height in pixels.

    Returns:
        uint8, shape (height, width, C); the input itself when it has that size already.
    """
    width, height = size_wh
    while True:
        rows, columns = pixels.shape[:2]
        half_wh = _halve(columns, width), _halve(rows, height)
        if half_wh == (columns, rows):
            break
        pixels = _linear(pixels, half_wh)
    return pixels if (columns, rows) == size_wh else _linear(pixels, size_wh)


def warp(pixels: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Move a picture under an affine map, repeating its edge where nothing else is known.

    Args:
        pixels: uint8, shape (H, W, 3).
        matrix: float64, shape (2, 3); maps output coordinates (x, y, 1) to input coordinates.

    Returns:
        uint8, same shape.
    """
    height, width = pixels.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return _uint8(cv2.warpAffine(pixels, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an RGB picture, uint8 (H, W, 3), as a lossless PNG file."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return bytes(encoded.tobytes())


def _halve(side: int, wanted: int) -> int:
    return (side + 1) // 2 if side >= 2 * wanted else side


def _linear(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    return _uint8(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_LINEAR_EXACT))


def _uint8(pixels: Any) -> NDArray[np.uint8]:
    """Give OpenCV's loosely typed result the type that it has."""
    typed: NDArray[np.uint8] = pixels
    return typed


def _center_crop(pixels: NDArray[np.uint8], contract: InputContract) -> NDArray[np.uint8]:
    """Keep the centre: ``crop_fraction`` of it, and for ``crop`` only the contract's shape."""
    rows, columns = pixels.shape[:2]
    keep_rows, keep_columns = rows * contract.crop_fraction, columns * contract.crop_fraction
    if contract.aspect == "crop":
        scale = min(keep_columns / contract.width, keep_rows / contract.height)
        keep_rows, keep_columns = contract.height * scale, contract.width * scale
    keep_rows, keep_columns = max(1, round(keep_rows)), max(1, round(keep_columns))
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    return pixels[top : top + keep_rows, left : left + keep_columns]


def _fit(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size_wh
    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    inner_wh = max(1, round(columns * scale)), max(1, round(rows * scale))
    inner = resize(pixels, inner_wh)
    left, top = (width - inner_wh[0]) // 2, (height - inner_wh[1]) // 2
    filled = np.full((height, width, 3), FIT_FILL, np.uint8)
    filled[top : top + inner_wh[1], left : left + inner_wh[0]] = inner
    return filled


def _decode_jpeg(data: bytes, buffer: NDArray[np.uint8], contract: InputContract | None) -> NDArray[np.uint8] | None:
    header = _jpeg_header(data)
    # Older OpenCV fills a JPEG that is cut short with grey and says nothing: look for its end.
    if header is None or data.find(b"\xff\xd9", header.scan_start) < 0:
        return None
    if header.width * header.height > MAX_PICTURE_PIXELS:
        return None
    flag = _reduced_flag(header.width, header.height, contract) if contract else cv2.IMREAD_COLOR
    decoded = cv2.imdecode(buffer, flag)
    return None if decoded is None else _uint8(decoded)


def _reduced_flag(columns: int, rows: int, contract: InputContract) -> int:
    """Return the flag of the smallest decoding that is still at least as large as the input."""
    # EXIF may turn the picture by 90 degrees, so both sides must suffice for the longer one.
    wanted = math.ceil(max(contract.size_wh) / contract.crop_fraction)
    for divisor, flag in _REDUCED_FLAGS:
        if min(columns, rows) >= wanted * divisor:
            return flag
    return cv2.IMREAD_COLOR


class _JpegHeader(NamedTuple):
    """Size of a JPEG in pixels, and the byte where its first scan begins."""

    width: int
    height: int
    scan_start: int


def _jpeg_header(data: bytes) -> _JpegHeader | None:
    """Walk the marker segments up to the first scan; None when they do not lead there.

    Reference: ITU-T T.81, annex B.
    """
    width = height = 0
    position = 2
    while position + 4 <= len(data):
        marker, kind, length = struct.unpack_from(">BBH", data, position)
        if marker != 0xFF:
            return None
        if kind == 0xFF or 0xD0 <= kind <= 0xD7 or kind == 0x01:  # fill bytes and markers without a segment
            position += 1 if kind == 0xFF else 2
            continue
        if kind == 0xDA:
            return _JpegHeader(width, height, position) if width else None
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC) and position + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, position + 5)
        position += 2 + length
    return None


def _decode_other(data: bytes, buffer: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    # libpng writes to stderr by itself, so a PNG without its end never gets there.
    if data[:4] == b"\x89PNG" and b"IEND" not in data:
        return None
    pixels: NDArray[Any] | None = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        return _optional(cv2.imdecode(buffer, cv2.IMREAD_COLOR))
    # libtiff has multiplied 8-bit colours by their opacity already.
    premultiplied = data[:4] in (b"II*\x00", b"MM\x00*") and pixels.dtype == np.uint8
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = _uint8(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    elif pixels.shape[2] == 4:
        pixels = pixels[..., :3] + (255 - pixels[..., 3:]) if premultiplied else _over_white(pixels)
    # IMREAD_COLOR would have done this, but drops the transparency.
    return _turn_upright(pixels, _exif_orientation(data))


def _exif_orientation(data: bytes) -> int:
    """Return how the EXIF block of a PNG or WebP file says that the picture lies: 1 (upright) to 8.

    Reference: CIPA DC-008, tag 0x0112; the block is a small TIFF file.
    """
    block = _EXIF_BLOCK.search(data)
    if block is None:
        return 1
    start = block.start(1)
    order = "<" if data[start] == ord("I") else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", data, start + 4)
        (num_entries,) = struct.unpack_from(order + "H", data, start + directory)
        for entry in range(start + directory + 2, start + directory + 2 + 12 * num_entries, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", data, entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # a damaged block says nothing
    return 1


def _turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation, 1 to 8, of a picture (H, W, C)."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)


def _optional(pixels: Any) -> NDArray[np.uint8] | None:
    return None if pixels is None else _uint8(pixels)


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay a BGRA picture over white: uint8 (H, W, 4) to (H, W, 3)."""
    alpha = pixels[..., 3:].astype(np.uint32)
    blended = (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)


def _describe_damage(data: bytes) -> str:
    starts: Sequence[tuple[bytes, str]] = (
        (b"\xff\xd8", "JPEG"),
        (b"\x89PNG", "PNG"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"RIFF", "WebP"),
        (b"II*\x00", "TIFF"),
        (b"MM\x00*", "TIFF"),
    )
    for start, kind in starts:
        if data.startswith(start):
            return f"a {kind} file that is cut short or damaged"
    return "not a picture, whatever its name says"
