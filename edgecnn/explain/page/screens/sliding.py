"""A filter slides: the first convolution of a network, product by product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.agreement import agreement
from edgecnn.explain.clamp import clamp_of
from edgecnn.explain.layer import Layer
from edgecnn.explain.maps import biases, filters
from edgecnn.explain.network import Look, Network
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.first_layer import describe_steps, layers_before, pack
from edgecnn.explain.tensors import constant, step_of, stored
from edgecnn.explain.tolerance import FLOAT_STEP, input_step
from edgecnn.explain.window import Window

# Filters whose maps travel: as many as fit in the bytes, but no fewer and no more than these.
_MAP_BYTES = 240_000
_MIN_FILTERS, _MAX_FILTERS = 4, 64


def gather(material: Material) -> dict[str, Any]:
    """Return the first convolution: what it reads, its filters, its window, and the maps that the file computed.

    Returns:
        ``input`` as ``first_layer.pack`` writes it; ``shown``: int32, shape (F,), the filters that follow;
        ``weights`` float32, shape (F, rows, columns, in); ``biases`` float32, shape (F,); ``maps``, shape
        (F, rows, columns): the file's own codes, or its floats; ``output``: what these mean and where they
        are cut off; ``integers``: what an int8 file multiplies; ``agreement``: over all filters.
    """
    network, look = material.network, material.look()
    layer = network.convolutions[0]
    read = look.input_values(layer)
    packed = pack(read, look.pixels)
    maps = look.codes(layer).transpose(2, 0, 1)
    real = look.values(layer).transpose(2, 0, 1)
    shown = _choose(real, maps[0].nbytes, sum(part.nbytes for part in packed.values() if isinstance(part, np.ndarray)))
    assert layer.window is not None
    return {
        "layer": _describe(network, layer),
        "window": _describe_window(layer.window),
        "steps": describe_steps(layers_before(network, layer)),
        "input": packed,
        "shown": shown,
        "weights": filters(network, layer)[shown],
        "biases": biases(network, layer)[shown],
        "has_bias": bool(biases(network, layer).any()),
        "maps": maps[shown],
        "output": _describe_output(network, layer),
        "integers": _integers(network, layer, shown),
        "rounding": {"float_step": FLOAT_STEP, "input_step": input_step(look, layer)},
        "agreement": _compare(look, layer),
        "start": _start(real[shown], filters(network, layer)[shown], clamp_of(network, layer).high),
    }


def _choose(maps: NDArray[np.float32], map_bytes: int, input_bytes: int) -> NDArray[np.int32]:
    """Return the filters whose maps vary most, as many as may travel, in their order."""
    room = max(_MIN_FILTERS, min(_MAX_FILTERS, (_MAP_BYTES - input_bytes) // map_bytes))
    spread = np.nan_to_num(maps.std(axis=(1, 2)))
    chosen: NDArray[np.int32] = np.sort(np.argsort(-spread, kind="stable")[:room]).astype(np.int32)
    return chosen


def _start(maps: NDArray[np.float32], weights: NDArray[np.float32], high: float) -> dict[str, int]:
    """Return the cell to begin with: where a map is largest and not cut off.

    The map is a lively one of a filter that compares neighbours: whose weights add up to little.
    """
    size = np.abs(weights).sum(axis=(1, 2, 3)) + np.finfo(np.float32).tiny
    compares = 1 - np.abs(weights.sum(axis=(1, 2, 3))) / size
    chosen = int(np.nan_to_num(maps.std(axis=(1, 2)) * compares).argmax())
    values = np.where(maps[chosen] < high, maps[chosen], -np.inf)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return {"filter": chosen, "row": int(row), "column": int(column)}


def _describe(network: Network, layer: Layer) -> dict[str, Any]:
    assert layer.weights is not None
    graph = network.file.graph
    return {
        "name": layer.name,
        "operator": layer.operator,
        "kind": layer.kind,
        "keras_names": list(layer.keras_names),
        "activation": layer.activation,
        "input_shape": list(layer.input_shape),
        "output_shape": list(layer.output_shape),
        "groups": _groups(network, layer),
        "weights_dtype": graph.tensors[stored(graph, layer.weights)].dtype,
    }


def _groups(network: Network, layer: Layer) -> int:
    """Return into how many groups the channels are split: 1 where every filter sees all of them."""
    return layer.input_shape[2] // int(filters(network, layer).shape[3])


def _describe_window(window: Window) -> dict[str, Any]:
    return {
        "size": list(window.size_hw),
        "stride": list(window.stride_hw),
        "dilation": list(window.dilation_hw),
        "padding": window.padding,
        "before": list(window.before_hw),
        "after": list(window.after_hw),
        "reach": list(window.reach_hw),
    }


def _describe_output(network: Network, layer: Layer) -> dict[str, Any]:
    tensor, limits = network.file.graph.tensors[layer.output], clamp_of(network, layer)
    return {
        "dtype": tensor.dtype,
        "step": step_of(tensor),
        "zero_point": (tensor.zero_points or (0,))[0],
        "low": limits.low,
        "high": limits.high,
        "low_code": limits.low_code,
        "high_code": limits.high_code,
    }


def _integers(network: Network, layer: Layer, shown: NDArray[np.int32]) -> dict[str, Any] | None:
    """Return the whole numbers behind weights and biases; None for a file that does not multiply such."""
    graph = network.file.graph
    read = graph.tensors[layer.inputs[0]]
    assert layer.weights is not None
    source = stored(graph, layer.weights)
    tensor = graph.tensors[source]
    if not step_of(read) or not tensor.scales:
        return None
    codes = constant(graph, source)
    codes = codes.transpose(3, 1, 2, 0) if layer.kind == "depthwise" else codes
    num = len(codes)
    sums = np.zeros(num, np.int64) if layer.bias is None else constant(graph, layer.bias)
    return {
        "input_scale": read.scales[0],
        "input_zero": (read.zero_points or (0,))[0],
        "weights": codes[shown],
        "scales": np.resize(tensor.scales, num)[shown].tolist(),
        "zeros": np.resize(tensor.zero_points or (0,), num)[shown].tolist(),
        "is_per_filter": len(tensor.scales) > 1,
        "biases": sums[shown].tolist(),
    }


def _compare(look: Look, layer: Layer) -> dict[str, Any]:
    found = agreement(look, layer)
    return {
        "num_cells": found.num_cells,
        "num_agreeing": found.num_agreeing,
        "num_same_codes": found.num_same_codes,
        "max_abs": found.max_abs,
    }
