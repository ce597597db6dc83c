"""Stacks of maps as pictures that a browser can read numbers from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain import Layer, Look
from edgecnn.explain.page.contents import Image

# Bytes of all atlases together, before PNG takes a fourth off and base64 puts it on again.
_BUDGET_BYTES = 2_000_000
_MOST_MAPS = 48
_WANTED_MAPS = 10
_BYTE = 255
_TWO_BYTES = 65_535
# A signed byte: 128 stands for 0, and 127 steps lie on either side.
_MIDDLE, _SIDE = 128, 127
_CODES = ("int8", "uint8", "int16")


class Stack(NamedTuple):
    """What a layer's maps would need.

    Attributes:
        rows: of a map.
        columns: of a map.
        channels: maps.
        planes: bytes for each cell.
    """

    rows: int
    columns: int
    channels: int
    planes: int


class Share(NamedTuple):
    """What of a layer's maps goes into the page.

    Attributes:
        factor: rows and columns of cells that become one.
        num_maps: that go in.
    """

    factor: int
    num_maps: int


def share_out(stacks: Sequence[Stack], budget: int = _BUDGET_BYTES) -> list[Share]:
    """Return how many maps of each layer fit, and how much smaller they have to be made.

    What a small layer leaves of its share goes to the larger ones. Maps are reduced until 10 of them fit.

    Args:
        stacks: of all layers.
        budget: bytes of all layers together.
    """
    wishes = [min(stack.channels, _MOST_MAPS) * stack.rows * stack.columns * stack.planes for stack in stacks]
    shares = [Share(1, 0)] * len(stacks)
    left = budget
    for place, index in enumerate(sorted(range(len(stacks)), key=wishes.__getitem__)):
        stack = stacks[index]
        shares[index] = _fit(stack, left // (len(stacks) - place) // stack.planes)
        left -= shares[index].num_maps * math.prod(_reduced(stack, shares[index].factor)) * stack.planes
    return shares


def _fit(stack: Stack, cells: int) -> Share:
    for factor in range(1, max(stack.rows, stack.columns) + 1):
        count = cells // math.prod(_reduced(stack, factor))
        if count >= min(stack.channels, _WANTED_MAPS):
            return Share(factor, min(count, stack.channels, _MOST_MAPS))
    return Share(max(stack.rows, stack.columns), 1)


def _reduced(stack: Stack, factor: int) -> tuple[int, int]:
    return -(-stack.rows // factor), -(-stack.columns // factor)


def reduce(maps: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the means of blocks of cells; those at the right and the bottom may be smaller.

    Args:
        maps: shape (rows, columns, maps).
        factor: side of a block; 1 gives the maps themselves.
    """
    if factor == 1:
        return maps
    rows, columns = (np.arange(0, side, factor) for side in maps.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(maps, rows, axis=0, dtype=np.float64), columns, axis=1)
    heights, widths = (np.diff([*starts, side]) for starts, side in zip((rows, columns), maps.shape, strict=False))
    return np.asarray(sums / np.multiply.outer(heights, widths)[:, :, np.newaxis], np.float64)


def tile(maps: NDArray[np.uint8], gap: int = 0) -> NDArray[np.uint8]:
    """Lay maps beside and below one another.

    Args:
        maps: uint8, shape (rows, columns, maps).
        gap: cells between two of them.

    Returns:
        uint8, shape (h, w): the maps row by row, ``ceil(sqrt(maps))`` in each row.
    """
    rows, columns, count = maps.shape
    across = math.ceil(math.sqrt(count))
    down = -(-count // across)
    sheet = np.zeros((down * across, rows + gap, columns + gap), np.uint8)
    sheet[:count, :rows, :columns] = maps.transpose(2, 0, 1)
    return sheet.reshape(down, across, rows + gap, columns + gap).swapaxes(1, 2).reshape(down * (rows + gap), -1)


def number_atlas(look: Look, layer: Layer, channels: NDArray[np.int64], factor: int) -> dict[str, Any]:
    """Return what a layer gave as whole numbers: its codes, or for floats 65,536 steps over their range.

    A value is ``start + step * number``, and its code ``first_code + number``.

    Args:
        look: the picture in the network.
        layer: one that gives maps.
        channels: which of them, in this order.
        factor: cells that become one, see ``reduce``.

    Returns:
        ``bytes``: one atlas, or two, the higher byte first; ``start``, ``step``; ``first_code``: None for floats.
    """
    tensor = look.network.file.graph.tensors[layer.output]
    codes = look.codes(layer)
    codes = codes.reshape((1,) * (3 - codes.ndim) + codes.shape)[:, :, channels]
    if tensor.dtype in _CODES and len(tensor.scales) == 1:
        first = int(np.iinfo(tensor.dtype).min)
        step, zero = tensor.scales[0], (tensor.zero_points or (0,))[0]
        start, first_code = step * (first - zero), first
        numbers = np.rint(reduce(codes, factor)).astype(np.int64) - first
        most = int(np.iinfo(tensor.dtype).max) - first
    else:
        values = reduce(np.nan_to_num(codes.astype(np.float64)), factor)
        start, step, most = float(values.min()), float(np.ptp(values)) / _TWO_BYTES or 1.0, _TWO_BYTES
        first_code, numbers = None, np.rint((values - start) / step).astype(np.int64)
    parts = [("high byte", numbers >> 8), ("low byte", numbers & _BYTE)] if most > _BYTE else [("numbers", numbers)]
    return {
        "bytes": [_atlas(layer, what, part.astype(np.uint8)) for what, part in parts],
        "start": start,
        "step": step,
        "first_code": first_code,
    }


def signed_atlas(layer: Layer, what: str, values: NDArray[np.floating]) -> dict[str, Any]:
    """Return values around zero as an atlas of bytes: a value is ``step * (byte - 128)``.

    Args:
        layer: whose they are.
        what: they are.
        values: shape (rows, columns, maps).
    """
    values = np.nan_to_num(values)
    step = float(np.abs(values).max()) / _SIDE or 1.0
    return {"bytes": [_atlas(layer, what, (np.rint(values / step) + _MIDDLE).astype(np.uint8))], "step": step}


def complete_sheet(layer: Layer, maps: NDArray[np.float32]) -> Image:
    """Return all maps of a layer at full size, black for the smallest value and white for the largest."""
    maps = np.nan_to_num(maps)
    low, span = float(maps.min()), float(np.ptp(maps)) or 1.0
    grey = np.rint((maps - low) * np.float32(_BYTE / span)).astype(np.uint8)
    return Image(name=f"{layer.index:03} all maps {layer.name}", pixels=tile(grey, gap=1), only_file=True)


def _atlas(layer: Layer, what: str, maps: NDArray[np.uint8]) -> dict[str, Any]:
    """The sum lets a page find out whether its browser alters what scripts read from pictures, as some do."""
    return {"image": Image(name=f"{layer.index:03} {what} {layer.name}", pixels=tile(maps)), "sum": int(maps.sum())}
