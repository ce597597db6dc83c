"""What the network would cost if it were dense, and why it costs so little."""

from __future__ import annotations

import math
from typing import Any

from edgecnn.explain.counts import ARTICLE, DenseEquivalent, DenseSize, LayerCount, dense_equivalent, layer_counts
from edgecnn.explain.field import receptive_field
from edgecnn.explain.network import Network
from edgecnn.explain.page.material import Material
from edgecnn.explain.tensors import stored

# What the article gives as the number of weights of its dense network.
_CLAIMED_WEIGHTS = 190_000_000
_BOARD_BYTES = 4 * 2**30


def gather(material: Material) -> dict[str, Any]:
    """Return what the network costs, layer by layer, beside dense layers on its picture and on the article's."""
    network = material.network
    counts = [count for count in layer_counts(network) if count.weights]
    first = next(count for count in counts if count.layer is network.convolutions[0])
    weight_bytes = _bytes_per_weight(network, first)
    beside = dense_equivalent(network)
    return {
        "weight": {"bytes": weight_bytes, "name": _name_bytes(weight_bytes)},
        "network": _network(beside, counts),
        "first": {**_layer(first), "biases": first.biases, "num_bytes": first.weight_bytes, **_sight(network, first)},
        "dense": _dense(beside.dense, weight_bytes),
        "article": {
            **_dense(ARTICLE, weight_bytes),
            "claimed_weights": _CLAIMED_WEIGHTS,
            "claim_suffices_for_units": _CLAIMED_WEIGHTS / ARTICLE.inputs,
        },
        "board_bytes": _BOARD_BYTES,
        "layers": [_layer(count) for count in counts],
        "not_counted": [layer.name for layer in network.layers if layer.kind == "other"],
    }


def _bytes_per_weight(network: Network, count: LayerCount) -> float:
    graph, weights = network.file.graph, count.layer.weights
    assert weights is not None
    return graph.buffer(graph.tensors[stored(graph, weights)].buffer).size / count.weights


def _name_bytes(num: float) -> str:
    if num == 1:
        return "one byte"
    return f"{num:g} bytes" if num > 1 else "half a byte"


def _network(beside: DenseEquivalent, counts: list[LayerCount]) -> dict[str, Any]:
    # A 1 x 1 convolution over a single cell is a dense layer by another name.
    dense = [count for count in counts if count.weights == count.dense_weights]
    dense_weights = sum(count.weights for count in dense)
    return {
        "weights": beside.weights,
        "multiplications": beside.multiplications,
        "num_bytes": beside.num_bytes,
        "largest_output_bytes": beside.largest_output_bytes,
        "dense_layers": [count.layer.name for count in dense],
        "dense_weights": dense_weights,
        "dense_share": dense_weights / beside.weights,
    }


def _dense(size: DenseSize, weight_bytes: float) -> dict[str, Any]:
    num_bytes = math.ceil(size.weights * weight_bytes)
    return {
        "width": size.width,
        "height": size.height,
        "channels": size.channels,
        "hidden_units": size.hidden_units,
        "inputs": size.inputs,
        "weights": size.weights,
        "multiplications": size.weights,
        "num_bytes": num_bytes,
        "boards": math.ceil(num_bytes / _BOARD_BYTES),
        "sum": size.sum,
    }


def _layer(count: LayerCount) -> dict[str, Any]:
    layer = count.layer
    return {
        "name": layer.name,
        "kind": layer.kind,
        "inputs": math.prod(layer.input_shape),
        "outputs": math.prod(layer.output_shape),
        "output_shape": list(layer.output_shape),
        "filters": layer.output_shape[-1],
        "connections": count.connections,
        "weights": count.weights,
        "uses": count.uses,
        "multiplications": count.multiplications,
        "dense_weights": count.dense_weights,
    }


def _sight(network: Network, first: LayerCount) -> dict[str, Any]:
    """Which pixels a cell of the first layer sees: along each axis ``start + stride * cell`` and ``size`` on."""
    field = receptive_field(network, first.layer)
    window = first.layer.window
    return {
        "window_hw": None if window is None else window.size_hw,
        "start_hw": field.start_hw,
        "stride_hw": field.stride_hw,
        "size_hw": field.size_hw,
    }
