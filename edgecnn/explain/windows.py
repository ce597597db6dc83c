"""What lies under a filter or a pooling window at one place: the numbers behind one cell of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.clamp import clamped
from edgecnn.explain.layer import Layer
from edgecnn.explain.maps import biases, feature_maps, filters
from edgecnn.explain.network import LayerKey, Look
from edgecnn.explain.tensors import step_of
from edgecnn.explain.tolerance import FLOAT_STEP, tolerance_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSum:
    """One sum of a convolution, number by number.

    Attributes:
        top: input row under the first tap; negative in the padding.
        left: input column under the first tap; negative in the padding.
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
class PoolWindow:
    """What lies under a pooling window.

    Attributes:
        top: input row under the first tap; negative where the window hangs over the border.
        left: input column under the first tap.
        values: float32, shape (rows, columns); NaN where the window hangs over.
        result: the largest of them, or their mean.
        file_value: the real value that the file itself computed there.
        tolerance: how far the two may be apart: half a step for a mean, nothing for the largest.
    """

    top: int
    left: int
    values: NDArray[np.float32]
    result: float
    file_value: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the file computed the same."""
        return abs(self.result - self.file_value) <= self.tolerance


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
    network, found = look.network, look.network.layer(layer)
    if found.kind not in ("convolution", "depthwise"):
        raise ModelFileError(
            f"the layer {found.name} ({found.operator}) is no convolution; it has no filter that slides"
        )
    _check_cell(found, y, x, channel)
    weights = filters(network, found)[channel]
    values, inside = _under(look.input_values(found), found, y, x)
    values = values[:, :, _channels_of(found, channel, weights.shape[2])]
    products = values.astype(np.float64) * weights
    bias = float(biases(network, found)[channel])
    total = float(products.sum()) + bias
    output = network.file.graph.tensors[found.output]
    step = step_of(output)
    assert found.window is not None
    return WindowSum(
        top=found.window.start(y, 0),
        left=found.window.start(x, 1),
        inside=inside,
        values=values,
        weights=weights,
        products=products,
        bias=bias,
        total=total,
        clamped=float(clamped(network, found, np.asarray(total))),
        file_value=float(feature_maps(look, found)[y, x, channel]),
        code=int(look.codes(found)[y, x, channel]) if step else None,
        step=step,
        tolerance=tolerance_of(look, found, products, weights, bias),
    )


def pool_window(look: Look, layer: LayerKey, y: int, x: int, channel: int) -> PoolWindow:
    """Return the values behind one cell of a pooling's map.

    Args:
        look: the picture in the network.
        layer: a max or average pooling with a window.
        y: row of the map.
        x: column of the map.
        channel: which map.

    Raises:
        ModelFileError: the layer is no pooling with a window.
        ValueError: the map has no such cell.
    """
    found = look.network.layer(layer)
    if found.kind not in ("max_pool", "average_pool") or found.window is None:
        raise ModelFileError(f"the layer {found.name} ({found.operator}) is no pooling with a window")
    _check_cell(found, y, x, channel)
    values, inside = _under(look.input_values(found), found, y, x)
    here = np.where(inside, values[:, :, channel], np.float32(np.nan))
    is_max = found.kind == "max_pool"
    result = float(np.nanmax(here) if is_max else np.nanmean(here, dtype=np.float64))
    step = step_of(look.network.file.graph.tensors[found.output])
    return PoolWindow(
        top=found.window.start(y, 0),
        left=found.window.start(x, 1),
        values=here,
        result=float(clamped(look.network, found, np.asarray(result))),
        file_value=float(feature_maps(look, found)[y, x, channel]),
        tolerance=0.0 if is_max else step or 4 * FLOAT_STEP * float(np.nansum(np.abs(here))),
    )


def _check_cell(layer: Layer, y: int, x: int, channel: int) -> None:
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


def _under(values: NDArray[np.float32], layer: Layer, y: int, x: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what lies under the taps, zeros beyond the border, and which taps lie on the input."""
    assert layer.window is not None
    rows, columns = np.array(layer.window.taps(y, 0)), np.array(layer.window.taps(x, 1))
    on_rows, on_columns = ((at >= 0) & (at < side) for at, side in zip((rows, columns), values.shape, strict=False))
    inside = on_rows[:, np.newaxis] & on_columns
    taken = values[np.where(on_rows, rows, 0)][:, np.where(on_columns, columns, 0)]
    return np.where(inside[:, :, np.newaxis], taken, np.float32(0)), inside
