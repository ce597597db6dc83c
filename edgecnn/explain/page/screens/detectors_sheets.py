"""Many small pictures on one sheet, and arrays of whole numbers in few bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.page.contents import Image

_TYPES = ("uint8", "int8", "uint16", "int16")


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in the smallest element type of a page's arrays that holds them."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for name in _TYPES:
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return values.astype(name)
    return values.astype(np.int32)


def make_sheet(name: str, tiles: Sequence[NDArray[np.uint8]], quality: int | None = None) -> dict[str, Any]:
    """Put pictures of one size beside and below each other: a picture of its own costs more than its pixels.

    Args:
        name: what the sheet shows.
        tiles: uint8, shape (h, w, 3) or (h, w) each; one at least.
        quality: of the JPEG; None keeps every value.

    Returns:
        ``sheet``, the picture; ``tile``, rows and columns of one; ``columns``, tiles beside each other.
    """
    pixels, columns = lay_out(tiles)
    image = Image(name=name, pixels=pixels, quality=quality)
    return {"sheet": image, "tile": list(tiles[0].shape[:2]), "columns": columns}


def lay_out(tiles: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], int]:
    """Return pictures of one size beside and below each other, nearly in a square, and how many are in a row."""
    height, width = tiles[0].shape[:2]
    columns = max(1, round(math.sqrt(len(tiles) * height / width)))
    rows = -(-len(tiles) // columns)
    pixels = np.zeros((rows * columns, *tiles[0].shape), np.uint8)
    pixels[: len(tiles)] = tiles
    in_rows = pixels.reshape(rows, columns, *tiles[0].shape).swapaxes(1, 2)
    return np.ascontiguousarray(in_rows).reshape(rows * height, columns * width, *tiles[0].shape[2:]), columns
