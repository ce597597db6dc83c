"""Filters and feature maps as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.arithmetic import convolve, convolve_each
from edgecnn.explain.clamp import clamp_of
from edgecnn.explain.layer import Layer
from edgecnn.explain.network import LayerKey, Look, Network
from edgecnn.explain.tensors import real_constant


def feature_maps(look: Look, layer: LayerKey) -> NDArray[np.float32]:
    """Return the maps that a layer made of the picture, as the file itself computed them.

    Returns:
        float32, shape (rows, columns, channels), real values; a vector is (1, 1, channels).

    Raises:
        ModelFileError: the layer's output is neither maps nor a vector.
    """
    return _as_maps(look.values(layer), look.network.layer(layer))


def filters(network: Network, layer: LayerKey) -> NDArray[np.float32]:
    """Return a layer's weights as filters, real values by their own scales.

    Returns:
        float32, shape (out, rows, columns, in). A depthwise filter sees one channel: ``in`` is 1, and
        filter ``i`` looks at channel ``i // (out / channels)``. A dense layer has one row and column.

    Raises:
        ModelFileError: the layer has no weights that stand in the file.
    """
    found = network.layer(layer)
    if found.weights is None:
        raise ModelFileError(f"the layer {found.name} ({found.operator}) has no weights; ask a convolution for filters")
    weights = real_constant(network.file.graph, found.weights)
    if found.kind == "depthwise":  # stored as (1, rows, columns, out)
        return np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    return weights if found.kind == "convolution" else weights[:, np.newaxis, np.newaxis, :]


def biases(network: Network, layer: LayerKey) -> NDArray[np.float32]:
    """Return what a layer adds to each sum: float32, shape (out,); zeros for a layer without.

    Raises:
        ModelFileError: the layer has no weights.
    """
    found = network.layer(layer)
    if found.weights is not None and found.bias is not None:
        return real_constant(network.file.graph, found.bias)
    return np.zeros(len(filters(network, found)), np.float32)


def before_activation(look: Look, layer: LayerKey, channels: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
    """Return a convolution's or dense layer's sums before its activation, and before any rounding.

    A file with a fused activation holds no such values: they are computed here, from the inputs and the
    weights that the file has. Where an operator of its own follows, these are the convolution's own values.

    Args:
        look: the picture in the network.
        layer: a convolution or a dense layer.
        channels: which maps, in this order, so that the others need not be computed; None takes all.

    Returns:
        float32, shape (rows, columns, channels); a vector is (1, 1, channels).

    Raises:
        ModelFileError: the layer is another kind of layer.
    """
    found = look.network.layer(layer)
    weights, bias = filters(look.network, found), biases(look.network, found)
    values = look.input_values(found)
    wanted = np.arange(len(weights)) if channels is None else channels
    if found.kind == "dense":
        inputs = values.reshape(-1, weights.shape[3]).astype(np.float64)
        totals: NDArray[np.float64] = inputs @ weights[wanted, 0, 0].T.astype(np.float64) + bias[wanted]
        return totals.astype(np.float32)[np.newaxis]
    assert found.window is not None
    output_hw = found.output_shape[0], found.output_shape[1]
    if found.kind == "depthwise":
        seen = wanted // (len(weights) // values.shape[2])
        sums = convolve_each(values[:, :, seen], weights[wanted], found.window, output_hw)
    elif weights.shape[3] == values.shape[2]:
        sums = convolve(values, weights[wanted], found.window, output_hw)
    else:  # in groups, which share out all outputs among them
        sums = convolve(values, weights, found.window, output_hw)[:, :, wanted]
    return (sums + bias[wanted]).astype(np.float32)


def zero_share(look: Look, layer: LayerKey) -> NDArray[np.float32]:
    """Return how much of each map the activation cut off below, as the file has it.

    Returns:
        float32, shape (channels,): share of values at the lower end of the layer's clamp (ReLU's zero),
        0 to 1; zeros for a layer without a lower end.
    """
    found = look.network.layer(layer)
    limits = clamp_of(look.network, found)
    maps = _as_maps(look.codes(found), found)
    low = limits.low if limits.low_code is None else limits.low_code
    if not found.activation or not np.isfinite(low):
        return np.zeros(maps.shape[2], np.float32)
    share: NDArray[np.float32] = (maps <= low).mean(axis=(0, 1), dtype=np.float32)
    return share


def _as_maps(values: NDArray[np.generic], layer: Layer) -> NDArray[np.float32]:
    if not 1 <= values.ndim <= 3:
        raise ModelFileError(f"the layer {layer.name} ({layer.operator}) gives shape {values.shape}, which is no maps")
    shape = (1,) * (3 - values.ndim) + values.shape
    return values.reshape(shape)  # type: ignore[return-value]  # the caller knows its element type
