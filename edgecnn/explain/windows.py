"""What lies under a filter at one place: the numbers behind one cell of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.clamp import clamped
from edgecnn.explain.layer import Layer
from edgecnn.explain.maps import biases, feature_maps, filters
from edgecnn.explain.network import LayerKey, Look
from edgecnn.explain.tensors import step_of
from edgecnn.explain.tolerance import tolerance_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSum:
    """One sum of a convolution, number by number.

    Attributes:
        top: input row under the first tap; negative in the padding.
        left: input column under the first tap; negative in the padding.
        first_channel: the input's channel to which the first one of the filter belongs.
        inside: bool, shape (rows, columns): whether a tap lies on the input.
        values: float32, shape (rows, columns, in): what lies under the taps; 0 in the padding.
        weights: float32, same shape: the filter.
        products: float64, same shape: ``values * weights``.
        bias: what is added.
        total: sum of the products and the bias.
        clamped: ``total`` after the activation and within the range of the file's codes.
        file_value: the real value that the file itself computed there.
        code: the code that stands for it in the file; None in a float file.
        step: distance of two neighbouring values that the file can write down; 0 in a float file.
        tolerance: how far ``clamped`` and ``file_value`` may be apart: the step; in a float file what
            rounding may do, and where the file rounds the inputs of float sums, what that may do.
    """

    top: int
    left: int
    first_channel: int
    inside: NDArray[np.bool_]
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    products: NDArray[np.float64]
    bias: float
    total: float
    clamped: float
    file_value: float
    code: int | None
    step: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the file computed what the products say."""
        return abs(self.clamped - self.file_value) <= self.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    """What a convolution reads, holds and gives; shapes as in ``Look`` and ``maps``."""

    inputs: NDArray[np.float32]
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    codes: NDArray[Any]
    maps: NDArray[np.float32]


def window_sum(look: Look, layer: LayerKey, y: int, x: int, channel: int) -> WindowSum:
    """Return the products behind one cell of a convolution's map.

    Args:
        look: the picture in the network.
        layer: a convolution, depthwise or not.
        y: row of the map.
        x: column of the map.
        channel: which map, and which filter.

    Raises:
        ModelFileError: the layer is no convolution.
        ValueError: the map has no such cell.
    """
    return window_sums(look, layer, [(y, x, channel)])[0]


def window_sums(look: Look, layer: LayerKey, places: Sequence[tuple[int, int, int]]) -> list[WindowSum]:
    """Return what ``window_sum`` returns for many places, reading the layer once.

    Args:
        look: the picture in the network.
        layer: a convolution, depthwise or not.
        places: row, column and channel of each.

    Raises:
        ModelFileError: the layer is no convolution.
        ValueError: the map has no such cell.
    """
    network, found = look.network, look.network.layer(layer)
    if found.kind not in ("convolution", "depthwise"):
        raise ModelFileError(
            f"the layer {found.name} ({found.operator}) is no convolution; it has no filter that slides"
        )
    numbers = _Numbers(
        inputs=look.input_values(found),
        weights=filters(network, found),
        biases=biases(network, found),
        codes=look.codes(found),
        maps=feature_maps(look, found),
    )
    return [_sum_at(look, found, numbers, *place) for place in places]


def _sum_at(look: Look, layer: Layer, numbers: _Numbers, y: int, x: int, channel: int) -> WindowSum:
    check_cell(layer, y, x, channel)
    weights = numbers.weights[channel]
    values, inside = under(numbers.inputs, layer, y, x)
    channels = _channels_of(layer, channel, weights.shape[2])
    values = values[:, :, channels]
    products = values.astype(np.float64) * weights
    bias = float(numbers.biases[channel])
    total = float(products.sum()) + bias
    step = step_of(look.network.file.graph.tensors[layer.output])
    assert layer.window is not None
    return WindowSum(
        top=layer.window.start(y, 0),
        left=layer.window.start(x, 1),
        first_channel=channels.start,
        inside=inside,
        values=values,
        weights=weights,
        products=products,
        bias=bias,
        total=total,
        clamped=float(clamped(look.network, layer, np.asarray(total))),
        file_value=float(numbers.maps[y, x, channel]),
        code=int(numbers.codes[y, x, channel]) if step else None,
        step=step,
        tolerance=tolerance_of(look, layer, products, weights, bias),
    )


def check_cell(layer: Layer, y: int, x: int, channel: int) -> None:
    """Raise ValueError if a layer's output has no such cell."""
    rows, columns, channels = layer.output_shape
    if not (0 <= y < rows and 0 <= x < columns and 0 <= channel < channels):
        raise ValueError(f"{layer.name} has {rows} x {columns} cells of {channels} maps, and no ({y}, {x}, {channel})")


def _channels_of(layer: Layer, channel: int, num_in: int) -> slice:
    """Return the input channels that a filter sees."""
    if layer.kind == "depthwise":
        start = channel // (layer.output_shape[2] // layer.input_shape[2])
    else:  # all of them, or those of its group
        groups = layer.input_shape[2] // num_in
        start = channel // (layer.output_shape[2] // groups) * num_in
    return slice(start, start + num_in)


def under(values: NDArray[np.float32], layer: Layer, y: int, x: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what lies under the taps, zeros beyond the border, and which taps lie on the input."""
    assert layer.window is not None
    rows, columns = np.array(layer.window.taps(y, 0)), np.array(layer.window.taps(x, 1))
    on_rows, on_columns = ((at >= 0) & (at < side) for at, side in zip((rows, columns), values.shape, strict=False))
    inside = on_rows[:, np.newaxis] & on_columns
    taken = values[np.where(on_rows, rows, 0)][:, np.where(on_columns, columns, 0)]
    return np.where(inside[:, :, np.newaxis], taken, np.float32(0)), inside
