"""Sizes and positions: the resizer, the contract's crop, the view of a camera.

The resizer halves a picture with 2 x 2 averages until less than a factor of two is left and
takes the rest bilinearly: no pixel is passed over, so nothing aliases, at a fourth of the time
of area interpolation from 1080p. Both steps use OpenCV's bit-exact bilinear mode, whose bytes
do not depend on the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import Frame
from edgecnn.core.view import Region, View
from edgecnn.imaging.opencv import cv2

FIT_FILL = 128


def to_input(frame: Frame, contract: InputContract) -> NDArray[np.uint8]:
    """Bring what a frame's view shows to the size and colour order of a model's input.

    Returns:
        uint8, shape (contract.height, contract.width, 3), RGB, values 0 to 255, contiguous.
    """
    pixels = _center_crop(_in_region(_turn(frame.pixels, frame.view), frame.view), contract)
    small = _fit(pixels, contract.size_wh) if contract.aspect == "fit" else resize(pixels, contract.size_wh)
    if frame.color_order == "bgr":
        small = as_uint8(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    return np.ascontiguousarray(small)


def upright(frame: Frame) -> NDArray[np.uint8]:
    """Return the whole picture as its view turns and flips it: BGR, uint8 (H, W, 3), not to be written into."""
    pixels = _turn(frame.pixels, frame.view)
    return pixels if frame.color_order == "bgr" else as_uint8(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


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


def shrink(pixels: NDArray[np.uint8], longest_side: int) -> NDArray[np.uint8]:
    """Resize a picture, uint8 (H, W, C), until no side is longer than so many pixels; smaller ones stay as they are."""
    rows, columns = pixels.shape[:2]
    factor = min(1.0, longest_side / max(rows, columns))
    return resize(pixels, (max(1, round(columns * factor)), max(1, round(rows * factor))))


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
    return as_uint8(cv2.warpAffine(pixels, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def as_uint8(pixels: Any) -> NDArray[np.uint8]:
    """Give OpenCV's loosely typed result the type that it has."""
    typed: NDArray[np.uint8] = pixels
    return typed


def _halve(side: int, wanted: int) -> int:
    return (side + 1) // 2 if side >= 2 * wanted else side


def _linear(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    return as_uint8(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_LINEAR_EXACT))


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


def _turn(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    if view.rotate:
        pixels = np.rot90(pixels, -view.rotate // 90)
    if view.flip:
        pixels = pixels[:, ::-1] if view.flip == "h" else pixels[::-1]
    return pixels


def _in_region(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    if view.region is None:
        return pixels
    left, top, right, bottom = region_px(view.region, (pixels.shape[1], pixels.shape[0]))
    return pixels[top:bottom, left:right]


def region_px(region: Region, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a region in a picture of that size, at least one pixel each way."""
    columns, rows = size_wh
    left, top = min(round(region.x * columns), columns - 1), min(round(region.y * rows), rows - 1)
    right = max(left + 1, min(round((region.x + region.width) * columns), columns))
    bottom = max(top + 1, min(round((region.y + region.height) * rows), rows))
    return left, top, right, bottom
