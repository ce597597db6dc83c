"""How a network makes its maps smaller: poolings with the numbers under their windows, and strides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgecnn.explain import Layer, Look, Network, Window, clamp_of, feature_maps, layer_counts
from edgecnn.explain.tensors import step_of
from edgecnn.explain.tolerance import FLOAT_STEP

_POOLS = ("max_pool", "average_pool", "global_average", "global_max")
# What lies between a pooling and the next convolution without changing the number of cells.
_PASSES = ("activation", "add", "multiply", "concatenate", "pad", "conversion")
_BYTES_EACH = 120_000
_MOST_MAPS = 4


def gather_pools(look: Look) -> list[dict[str, Any]]:
    """Return every pooling with some of its maps, number by number, before and after it."""
    return [_pool(look, layer) for layer in look.network.layers if layer.kind in _POOLS and len(layer.input_shape) == 3]


def gather_strides(network: Network) -> list[dict[str, Any]]:
    """Return every other layer that gives fewer cells than it reads, with what its stride saves.

    One with stride 1 trims the border, since its filter stays on the map.
    """
    multiplications = {count.layer.index: count.multiplications for count in layer_counts(network)}
    return [
        {
            "layer": layer.index,
            "name": layer.name,
            "operator": layer.operator,
            "stride": list(layer.window.stride_hw) if layer.window else None,
            "before": list(layer.input_shape[:2]),
            "after": list(layer.output_shape[:2]),
            "multiplications": multiplications[layer.index],
            "without": _multiplications(network, layer, layer.input_shape[:2], 1),
        }
        for layer in network.layers
        if layer.kind not in _POOLS and layer.is_map and len(layer.input_shape) == 3
        if math.prod(layer.output_shape[:2]) < math.prod(layer.input_shape[:2])
    ]


def _pool(look: Look, layer: Layer) -> dict[str, Any]:
    before, after = look.input_values(layer), feature_maps(look, layer)
    window = layer.window or _whole(before)
    each = _BYTES_EACH // (4 * (math.prod(before.shape[:2]) + math.prod(after.shape[:2])))
    channels = np.argsort(-np.ptp(before, axis=(0, 1)), kind="stable")[: max(1, min(_MOST_MAPS, each))]
    graph, limits = look.network.file.graph, clamp_of(look.network, layer)
    is_max = layer.kind in ("max_pool", "global_max")
    return {
        "layer": layer.index,
        "name": layer.name,
        "kind": layer.kind,
        "is_max": is_max,
        "is_global": window.size_hw == before.shape[:2],
        "size": list(window.size_hw),
        "stride": list(window.stride_hw),
        "rim": list(window.before_hw),
        "before_shape": list(before.shape),
        "after_shape": list(after.shape),
        "channels": channels.astype(np.int32),
        "before": before[:, :, channels].transpose(2, 0, 1),
        "after": after[:, :, channels].transpose(2, 0, 1),
        "before_code": _scale(look.network, layer.inputs[0]),
        "after_code": _scale(look.network, layer.output),
        "limits": [limits.low, limits.high],
        "tolerance": 0.0 if is_max else step_of(graph.tensors[layer.output]) or _rounding(before, window),
        "start": _liveliest(before[:, :, channels[0]], window, after.shape[:2]),
        "next": _next(look.network, layer),
    }


def _whole(maps: NDArray[np.float32]) -> Window:
    rows, columns, _ = maps.shape
    return Window(size_hw=(rows, columns), stride_hw=(rows, columns))


def _rounding(before: NDArray[np.float32], window: Window) -> float:
    return 4 * FLOAT_STEP * math.prod(window.size_hw) * float(np.abs(before).max())


def _scale(network: Network, index: int) -> dict[str, float] | None:
    tensor = network.file.graph.tensors[index]
    if not step_of(tensor):
        return None
    return {"scale": tensor.scales[0], "zero": (tensor.zero_points or (0,))[0]}


def _liveliest(values: NDArray[np.float32], window: Window, output_hw: tuple[int, ...]) -> list[int]:
    """Return the row and column of the window whose values are furthest apart."""
    rim = tuple(zip(window.before_hw, window.after_hw, strict=True))
    low, high = (
        sliding_window_view(np.pad(values, rim, constant_values=beyond), window.size_hw) for beyond in (np.inf, -np.inf)
    )
    down, across = window.stride_hw
    spread = (high.max(axis=(2, 3)) - low.min(axis=(2, 3)))[::down, ::across][: output_hw[0], : output_hw[1]]
    return [int(place) for place in np.unravel_index(spread.argmax(), spread.shape)]


def _next(network: Network, layer: Layer) -> dict[str, Any] | None:
    """Return what the next convolution multiplies, and what it would without the layer; None if there is none."""
    found = _next_convolution(network, layer)
    if found is None or layer.window is None:
        return None
    grown = [
        there - after + before
        for there, after, before in zip(found.input_shape, layer.output_shape[:2], layer.input_shape, strict=False)
    ]
    counts = {count.layer.index: count.multiplications for count in layer_counts(network)}
    return {
        "name": found.name,
        "multiplications": counts[found.index],
        "without": _multiplications(network, found, tuple(grown)),
    }


def _next_convolution(network: Network, layer: Layer) -> Layer | None:
    reached = {layer.index}
    for step in network.layers[layer.index + 1 :]:
        if not reached.intersection(step.sources):
            continue
        if step.kind in ("convolution", "depthwise"):
            return step
        if step.kind in _PASSES:
            reached.add(step.index)
    return None


def _multiplications(network: Network, layer: Layer, input_hw: tuple[int, ...], stride: int = 0) -> int | None:
    """Return what a convolution would multiply on maps of another size, or at another stride; 0 keeps its own."""
    if layer.weights is None or layer.window is None:
        return None
    window = layer.window
    cells = 1
    for side, reach, own in zip(input_hw, window.reach_hw, window.stride_hw, strict=True):
        room = side if window.padding == "same" else side - reach + 1
        cells *= max(1, -(-room // (stride or own)))
    return cells * math.prod(network.file.graph.tensors[layer.weights].shape)
