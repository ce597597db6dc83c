"""One look at one file: what it is, whether it can be trained on, and what it shows, in some 300 bytes."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data.similarity import hash_pixels
from edgecnn.errors import DatasetError
from edgecnn.imaging import (
    MAX_PICTURE_PIXELS,
    decode_brightness,
    ends_in_fill,
    measure_blur,
    measure_levels,
    name_format,
    one_thread,
    resize,
)

MAX_FILE_BYTES = 1 << 29
BLACK_BELOW = 20
BLANK_BELOW = 2.0
# Of 6,670 good pictures of three sets at 64 pixels the most blurred has 0.70; a Gaussian blur of a fortieth of the
# shorter side, which is six pixels at 224, gives 96% of the photographs more.
BLURRED_FROM = 0.72
HASH_SIZE_WH = (64, 64)
_MAX_PADDING = 18  # bytes behind the end of a JPEG
# Enough to tell copies and useless pictures, and a JPEG is decoded at a fraction of its size.
_SCALE = InputContract(width=64, height=64)
# A pipe that was put in a file's place would else be waited for.
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # a JPEG with further pictures behind it, as telephones write them
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2",),
}
_ORIENTATION = 0x0112  # CIPA DC-008
_BITS_PER_SAMPLE = 258  # TIFF 6.0


class Fact(IntFlag):
    """What is odd about a picture that can be read."""

    MISNAMED = 1
    ANIMATED = 2
    ROTATED = 4
    ALPHA = 8
    CMYK = 16
    DEEP = 32
    TRAILING = 64
    TORN = 128
    BLANK = 256
    BLACK = 512
    BLURRED = 1024


class Look(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of a file.

    Attributes:
        problem: kind of the finding because of which nothing can be trained on it; empty where it can be read.
        detail: the system's own words about it.
        format: as Pillow calls it; empty where the header says nothing.
        facts: of ``Fact``.
        width: in pixels, as they are stored.
        height: in pixels.
        num_bytes: size of the file.
        digest: SHA-256 of its bytes.
        hash: its 256 bits of ``hash_pixels``; empty where there is nothing to be seen.
    """

    problem: str = ""
    detail: str = ""
    format: str = ""
    facts: int = 0
    width: int = 0
    height: int = 0
    num_bytes: int = 0
    digest: bytes = b""
    hash: bytes = b""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the name of such a file may end, the usual one first."""
        return _SUFFIXES.get(self.format, ())


class _Header(NamedTuple):
    format: str
    facts: int
    width: int
    height: int


@contextmanager
def many_looks() -> Iterator[None]:
    """Make many looks cheap and silent: Pillow does not warn of each odd header, OpenCV stays in one thread.

    Pillow refuses a header that declares twice its limit, which is less than the pictures that edgecnn reads.
    """
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PICTURE_PIXELS // 2
    try:
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def look_at(path: Path) -> Look:
    """Read and decode a file once; whatever is wrong with it stands in the answer."""
    try:
        with open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, _READ_ONLY)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return Look(problem="vanished")
            if status.st_size > MAX_FILE_BYTES:
                return Look(problem="huge", num_bytes=status.st_size)
            data = file.readall()
    except (FileNotFoundError, IsADirectoryError):
        return Look(problem="vanished")
    except OSError as exc:
        return Look(problem="unreadable", detail=exc.strerror or "")
    return _look_at_bytes(data, path) if data else Look(problem="empty")


def _look_at_bytes(data: bytes, path: Path) -> Look:
    header = _read_header(data)
    if header is None:
        return Look(problem="huge", num_bytes=len(data))
    digest = hashlib.sha256(data).digest()
    try:
        luma = decode_brightness(data, str(path), _SCALE)
    except (DatasetError, MemoryError):
        problem = "truncated" if header.format or name_format(data) else "no-picture"
        return Look(problem=problem, format=header.format, num_bytes=len(data), digest=digest)
    facts = header.facts
    if header.format and path.suffix.lower() not in _SUFFIXES.get(header.format, (path.suffix.lower(),)):
        facts |= Fact.MISNAMED
    if header.format == "JPEG":
        if len(data) - data.rfind(b"\xff\xd9") > _MAX_PADDING:
            facts |= Fact.TRAILING
        if ends_in_fill(luma):
            facts |= Fact.TORN
    height, width = luma.shape
    luma = _resize(luma, (min(width, HASH_SIZE_WH[0]), min(height, HASH_SIZE_WH[1])))  # larger would be blurred
    bright, spread = measure_levels(luma)
    # Even areas differ in nothing but noise: their hashes would say nothing.
    is_blank = spread < BLANK_BELOW
    if is_blank:
        facts |= Fact.BLANK
    elif bright < BLACK_BELOW:
        facts |= Fact.BLACK
    elif measure_blur(luma) >= BLURRED_FROM:
        facts |= Fact.BLURRED
    return Look(
        format=header.format,
        facts=int(facts),
        width=header.width or width,
        height=header.height or height,
        num_bytes=len(data),
        digest=digest,
        hash=b"" if is_blank else np.packbits(hash_pixels(_resize(luma, HASH_SIZE_WH)[np.newaxis])).tobytes(),
    )


def _resize(luma: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    resized = resize(luma[..., np.newaxis], size_wh)
    return resized.reshape(resized.shape[:2])


def _read_header(data: bytes) -> _Header | None:
    """Return what Pillow reads without decoding; None if the declared size is absurd."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data))
        return _Header(str(image.format), _read_facts(image, data), *image.size)
    except Image.DecompressionBombError:
        return None
    except Exception:  # a damaged header can raise anything; whether the file can be read, its decoding tells
        return _Header("", 0, 0, 0)


def _read_facts(image: Any, data: bytes) -> int:
    facts = 0
    if image.format != "MPO" and getattr(image, "is_animated", False):
        facts |= Fact.ANIMATED
    if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
        facts |= Fact.ROTATED
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        facts |= Fact.ALPHA
    if image.mode == "CMYK":
        facts |= Fact.CMYK
    if image.mode.startswith(("I", "F")) or _num_bits(image, data) > 8:
        facts |= Fact.DEEP
    return facts


def _num_bits(image: Any, data: bytes) -> int:
    """Return the bits of a channel of a PNG or TIFF file; Pillow's modes do not tell 48-bit from 24-bit colour."""
    if image.format == "PNG":
        return int(struct.unpack_from(">B", data, 24)[0])
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, 8)
        return int(max(bits) if isinstance(bits, tuple) else bits)
    return 8
