"""What the first convolution of a network reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.layer import PICTURE, Layer
from edgecnn.explain.network import Network
from edgecnn.explain.tensors import step_of

_NUM_PIXEL_VALUES = 256
# Share of the distance of two neighbouring pixel values that rounding of floats may take.
_FLOAT_SLACK = 1e-3


def layers_before(network: Network, layer: Layer) -> tuple[Layer, ...]:
    """Return the layers that a picture goes through on its way to a layer, in the order in which they run."""
    found: set[int] = set()
    waiting = list(layer.sources)
    while waiting:
        index = waiting.pop()
        if index != PICTURE and index not in found:
            found.add(index)
            waiting.extend(network.layer(index).sources)
    return tuple(network.layer(index) for index in sorted(found))


def describe_steps(layers: tuple[Layer, ...]) -> list[dict[str, str]]:
    """Return their names."""
    return [{"name": layer.name, "operator": layer.operator} for layer in layers]


def reading_of(network: Network) -> list[dict[str, float]] | None:
    """Return what the first convolution makes of each number of a picture, measured in the file.

    Returns:
        For red, green and blue: ``mean`` and ``std``, for it reads ``(pixel - mean) / std``; ``black`` and
        ``white``: what it reads for 0 and for 255. None where that is no straight line.
    """
    pixels = _every_value(network.file.contract.height, network.file.contract.width)
    first = network.convolutions[0]
    read = network.look(pixels).input_values(first).astype(np.float64)
    step = step_of(network.file.graph.tensors[first.inputs[0]])
    if read.shape != pixels.shape:
        return None
    lines = [_line(pixels[:, :, channel].ravel(), read[:, :, channel].ravel(), step) for channel in range(3)]
    if None in lines:
        return None
    return [
        {"mean": -black / slope, "std": 1 / slope, "black": black, "white": black + 255 * slope}
        for slope, black in filter(None, lines)
    ]


def pack(read: NDArray[np.float32], pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """Write what a convolution reads in as few bytes as keep every value.

    Args:
        read: float32, shape (h, w, channels).
        pixels: the picture: uint8, shape (height, width, 3).

    Returns:
        ``codes``, whole numbers of shape (h, w, channels), and ``table``, float32: the value of a code in the
        row of its channel, or in the only row. Where there are too many different ones, ``values`` instead.
        ``is_picture`` tells that the codes are the pixels, which the page has already, since equal pixels are
        read as equal values.
    """
    if read.shape == pixels.shape:
        table, channels = np.full((3, _NUM_PIXEL_VALUES), np.nan, np.float32), np.arange(3)
        table[channels, pixels] = read
        if np.array_equal(table[channels, pixels], read):
            return {"is_picture": True, "table": table}
    different, places = np.unique(read, return_inverse=True)
    codes = places.reshape(read.shape).astype(np.min_scalar_type(len(different) - 1))
    if codes.itemsize > 2 or codes.nbytes + different.nbytes >= read.nbytes:
        return {"is_picture": False, "values": read}
    return {"is_picture": False, "codes": codes, "table": different[np.newaxis]}


def _every_value(height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture with all numbers that a pixel can have in each channel, shuffled, as far as it has room."""
    num = height * width
    rng = np.random.default_rng(0)
    values = np.linspace(0, 255, min(num, _NUM_PIXEL_VALUES)).round().astype(np.uint8)
    channels = [rng.permutation(np.resize(values, num)) for _ in range(3)]
    return np.stack(channels, axis=1).reshape(height, width, 3)


def _line(pixels: NDArray[np.uint8], read: NDArray[np.float64], step: float) -> tuple[float, float] | None:
    """Return slope and start of the line through all points, as exactly as codes of that step can have it."""
    first, last = pixels.argmin(), pixels.argmax()
    if read[first] == read[last]:
        return None
    slope = (read[last] - read[first]) / (float(pixels[last]) - float(pixels[first]))
    start = read[first] - slope * pixels[first]
    off = np.abs(read - start - slope * pixels).max()
    return (float(slope), float(start)) if off <= max(step, abs(slope) * _FLOAT_SLACK) else None
