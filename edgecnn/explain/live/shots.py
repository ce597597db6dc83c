"""A frame of the camera, ready to be looked at by a network and by people."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.imaging import decode, encode_jpeg, resize, to_input, upright

LONGEST_SIDE_PX = 480
# A camera's JPEG is decoded at a fraction of its size for the network; people want to see a little more.
_FOR_PEOPLE = InputContract(width=240, height=240)
_JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture.

    Attributes:
        number: of the picture, from 0, in the order in which they came.
        captured_ns: monotonic clock when it was taken.
        camera: address of the source.
        name: file name of a picture out of a folder, else empty.
        pixels: the network's input: uint8, shape (height, width, 3), RGB.
        jpeg: the whole picture for people, as a JPEG file.
        size_wh: its width and height in pixels.
        region: left, top, width and height of what the network sees, in shares of the picture's sides;
            beyond 0 and 1 where the input is filled up around the picture.
    """

    number: int
    captured_ns: int
    camera: str
    name: str
    pixels: NDArray[np.uint8] = field(repr=False)
    jpeg: bytes = field(repr=False)
    size_wh: tuple[int, int]
    region: tuple[float, float, float, float]


def make_shot(frame: AnyFrame, number: int, contract: InputContract) -> Shot:
    """Decode a frame, bring it to the network's input, and make a small JPEG of it.

    Raises:
        DatasetError: it cannot be decoded.
    """
    decoded = decode(frame, contract)
    shown = decoded
    if not isinstance(frame, Frame) and min(decoded.pixels.shape[:2]) < min(_FOR_PEOPLE.size_wh):
        shown = decode(frame, _FOR_PEOPLE)
    picture = upright(shown)
    rows, columns = picture.shape[:2]
    factor = min(1.0, LONGEST_SIDE_PX / max(rows, columns))
    small = resize(picture, (max(1, round(columns * factor)), max(1, round(rows * factor))))
    return Shot(
        number=number,
        captured_ns=frame.captured_ns,
        camera=frame.camera,
        name=frame.name,
        pixels=to_input(decoded, contract),
        jpeg=encode_jpeg(np.ascontiguousarray(small[:, :, ::-1]), _JPEG_QUALITY),
        size_wh=(small.shape[1], small.shape[0]),
        region=seen_region(contract, (columns, rows)),
    )


def seen_region(contract: InputContract, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return which part of a picture lies under a network's input.

    Args:
        contract: how the input is made of the picture.
        size_wh: width and height of the picture.

    Returns:
        Left, top, width and height in shares of the picture's sides.
    """
    kept = size_wh[0] * contract.crop_fraction, size_wh[1] * contract.crop_fraction
    if contract.aspect == "squash":
        seen = kept
    else:
        scales = kept[0] / contract.width, kept[1] / contract.height
        scale = min(scales) if contract.aspect == "crop" else max(scales)
        seen = contract.width * scale, contract.height * scale
    width, height = seen[0] / size_wh[0], seen[1] / size_wh[1]
    return (1 - width) / 2, (1 - height) / 2, width, height
