"""From the bytes of a picture file, or of a camera, to upright opaque pixels."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.core.view import WHOLE, View
from edgecnn.errors import DatasetError
from edgecnn.imaging.geometry import as_uint8, to_input
from edgecnn.imaging.opencv import cv2
from edgecnn.imaging.raw import decode_raw

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".jp2"})
MAX_PICTURE_PIXELS = 1 << 28
_REDUCED_FLAGS = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_STARTS = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WebP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
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


def decode(frame: AnyFrame, contract: InputContract | None = None) -> Frame:
    """Return the pixels of a frame, decoded if they are not yet, in BGR order then.

    Args:
        frame: a frame of any kind.
        contract: the model's input, when the picture is for a model: a picture that is much
            larger is decoded at a fraction of its size, large enough for the part in its view.

    Raises:
        DatasetError: the data are no whole picture.
    """
    if isinstance(frame, Frame):
        return frame
    name = f"frame {frame.index} of {frame.camera}"
    if frame.encoding == "jpeg":
        pixels = decode_picture(frame.data, name, contract, frame.view).pixels
    else:
        pixels = decode_raw(frame, name, contract)
    return Frame(
        pixels=pixels,
        color_order="bgr",
        captured_ns=frame.captured_ns,
        index=frame.index,
        camera=frame.camera,
        name=frame.name,
        read_ms=frame.read_ms,
        view=frame.view,
    )


def decode_picture(data: bytes, name: str, contract: InputContract | None = None, view: View = WHOLE) -> Frame:
    """Turn the bytes of a picture file into a BGR frame, upright and opaque.

    EXIF rotation is applied; grey, palette, CMYK and 16-bit pictures become 8-bit colour;
    transparency is laid over white. A JPEG that is much larger than ``contract`` needs is
    decoded at a half, a fourth or an eighth of its size, which is several times faster.

    Args:
        data: content of a JPEG, PNG, BMP, WebP, GIF (first picture), TIFF, AVIF or JPEG 2000 file.
        name: what to call the picture in an error.
        contract: the model's input, when the picture is for a model.
        view: the part of it that the model will see.

    Raises:
        DatasetError: the data are not a picture, are cut short, or are absurdly large.
    """
    return Frame(pixels=_decode(data, name, contract, view), color_order="bgr", name=name, view=view)


def decode_brightness(data: bytes, name: str, contract: InputContract | None = None) -> NDArray[np.uint8]:
    """Turn the bytes of a picture file into its brightness alone: uint8, shape (H, W), upright.

    Arguments, errors and scale are those of ``decode_picture``; a JPEG takes a third less time.
    """
    pixels = _decode(data, name, contract, WHOLE, colors=False)
    return pixels if pixels.ndim == 2 else as_uint8(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))


def _decode(
    data: bytes, name: str, contract: InputContract | None, view: View, *, colors: bool = True
) -> NDArray[np.uint8]:
    buffer = np.frombuffer(data, np.uint8)
    if not data:
        raise DatasetError(f"{name} is empty; delete it or replace it by a picture")
    try:
        if data[:2] == b"\xff\xd8":
            pixels = _decode_jpeg(data, buffer, contract, view, colors=colors)
        else:
            pixels = _decode_other(data, buffer)
    except cv2.error as exc:
        raise DatasetError(f"{name} cannot be decoded: {exc.err}") from exc
    if pixels is None:
        raise DatasetError(f"{name} is {_describe_damage(data)}; delete it or replace it by a whole picture")
    return pixels


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8, RGB (H, W, 3) or grey (H, W), as a lossless PNG file."""
    _, encoded = cv2.imencode(".png", _to_bgr(pixels))
    return bytes(encoded.tobytes())


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 85) -> bytes:
    """Return a picture, uint8, RGB (H, W, 3) or grey (H, W), as a JPEG file for people; quality is 1 to 100."""
    _, encoded = cv2.imencode(".jpg", _to_bgr(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded.tobytes())


def _to_bgr(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels if pixels.ndim == 2 else as_uint8(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


def _decode_jpeg(
    data: bytes, buffer: NDArray[np.uint8], contract: InputContract | None, view: View, *, colors: bool
) -> NDArray[np.uint8] | None:
    header = _jpeg_header(data)
    # Older OpenCV fills a JPEG that is cut short with grey and says nothing: look for its end.
    if header is None or data.rfind(b"\xff\xd9", header.scan_start) < 0:
        return None
    if header.width * header.height > MAX_PICTURE_PIXELS:
        return None
    flag = _reduced_flag(header.width, header.height, contract, view) if contract else cv2.IMREAD_COLOR
    decoded = cv2.imdecode(buffer, flag if colors else flag & ~cv2.IMREAD_COLOR)
    return None if decoded is None else as_uint8(decoded)


def _reduced_flag(columns: int, rows: int, contract: InputContract, view: View) -> int:
    """Return the flag of the smallest decoding in which the view is still at least as large as the input."""
    # EXIF may turn the picture by 90 degrees, so both sides must suffice for the longer one.
    wanted = math.ceil(max(contract.size_wh) / contract.crop_fraction)
    column_share, row_share = view.shares
    for divisor, flag in _REDUCED_FLAGS:
        if min(columns * column_share, rows * row_share) >= wanted * divisor:
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
        pixels = as_uint8(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
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
    return None if pixels is None else as_uint8(pixels)


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay a BGRA picture over white: uint8 (H, W, 4) to (H, W, 3)."""
    alpha = pixels[..., 3:].astype(np.uint32)
    blended = (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)


def name_format(data: bytes) -> str:
    """Return which kind of picture file the first bytes announce; empty for none that is known."""
    return next((kind for start, kind in _STARTS if data.startswith(start)), "")


def _describe_damage(data: bytes) -> str:
    kind = name_format(data)
    return f"a {kind} file that is cut short or damaged" if kind else "not a picture, whatever its name says"
