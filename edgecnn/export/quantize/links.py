"""Which channels of a network can be scaled where they are made and scaled back where they are used."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from edgecnn.export.quantize.requantize import WEIGHTS
from edgecnn.modelfile.graph import Graph, Operator

# Operator: number of the field ``fused_activation_function`` in its options.
_FUSED_FIELD = {
    "ADD": 0, "AVERAGE_POOL_2D": 5, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 0, "MAX_POOL_2D": 5,
}  # fmt: skip
_NONE, _RELU, _RELU6 = 0, 1, 3
_FREE = (_NONE, _RELU)
# f(x / s) = f(x) / s in every channel, s > 0.
_HOMOGENEOUS = frozenset({
    "ADD", "AVERAGE_POOL_2D", "LEAKY_RELU", "MAX_POOL_2D", "MEAN", "PAD", "RELU", "REDUCE_MAX", "RESHAPE",
})  # fmt: skip
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Channels that share one factor each, from the weights that make them to the weights that use them.

    Attributes:
        tensors: activations that hold these channels; residual additions tie several together.
        producers: operators whose outputs they are.
        consumers: operators that take them as input.
        clamps: tensors behind a clamp, with its upper bound.
    """

    tensors: tuple[int, ...]
    producers: tuple[int, ...]
    consumers: tuple[int, ...]
    clamps: tuple[tuple[int, float], ...]


def find_links(graph: Graph) -> tuple[Link, ...]:
    """Return every group of channels that may be scaled, in graph order.

    Weights that several operators share belong to none: they could not have two factors.
    """
    groups = _groups(graph)
    links: list[Link] = []
    for members in groups:
        link = _link(graph, members)
        if link:
            links.append(link)
    return tuple(links)


def _groups(graph: Graph) -> list[list[int]]:
    """Return the activations in groups whose channels are tied to each other."""
    leader = {index: index for operator in graph.operators for index in operator.outputs}

    def find(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for operator in graph.operators:
        if _ties_channels(graph, operator):
            for index in operator.inputs:
                if index in leader:
                    leader[find(index)] = find(operator.outputs[0])
    groups: dict[int, list[int]] = defaultdict(list)
    for index in leader:
        groups[find(index)].append(index)
    return list(groups.values())


def _ties_channels(graph: Graph, operator: Operator) -> bool:
    """Whether the operator passes every channel on by itself, in proportion."""
    if operator.name not in _HOMOGENEOUS or fused_activation(operator) not in (*_FREE, _RELU6):
        return False
    source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    same_channels = len(source.shape) > 0 and len(target.shape) > 0 and source.shape[-1] == target.shape[-1]
    if operator.name == "ADD":
        return all(
            graph.tensors[i].shape == target.shape and not graph.is_constant(graph.tensors[i]) for i in operator.inputs
        )
    if operator.name in ("MEAN", "REDUCE_MAX"):
        axes = graph.buffer(graph.tensors[operator.inputs[1]].buffer).view("<i4").tolist()
        return same_channels and not {-1, len(source.shape) - 1} & set(axes)
    return same_channels


def _link(graph: Graph, members: list[int]) -> Link | None:
    inside = set(members)
    if inside & {*graph.inputs, *graph.outputs}:
        return None
    producers, consumers, clamps = [], [], []
    for index, operator in enumerate(graph.operators):
        makes, takes = inside & set(operator.outputs), inside & set(operator.inputs)
        if makes and fused_activation(operator) == _RELU6:
            clamps.append((operator.outputs[0], 6.0))
        elif makes and fused_activation(operator) not in _FREE:
            return None
        if makes and takes and _ties_channels(graph, operator):
            continue
        if makes:
            producers.append(index)
        if takes:
            consumers.append(index)
    if not producers or not consumers:
        return None
    if not all(_is_layer(graph, i) for i in (*producers, *consumers)) or not all(
        _takes_channels(graph, graph.operators[i]) for i in consumers
    ):
        return None
    return Link(tensors=tuple(members), producers=tuple(producers), consumers=tuple(consumers), clamps=tuple(clamps))


def _is_layer(graph: Graph, index: int) -> bool:
    """Whether the operator has constant weights that no other operator uses."""
    operator = graph.operators[index]
    if operator.name not in _LAYERS:
        return False
    constants = [i for i in operator.inputs[1:] if i >= 0]
    users = [i for other in graph.operators for i in other.inputs]
    buffers = [graph.tensors[i].buffer for i in set(users)]
    return all(
        graph.is_constant(graph.tensors[i]) and users.count(i) == 1 and buffers.count(graph.tensors[i].buffer) == 1
        for i in constants
    )


def _takes_channels(graph: Graph, operator: Operator) -> bool:
    """Whether the last axis of the weights runs along the input's channels."""
    weights = graph.tensors[operator.inputs[WEIGHTS[operator.name][0]]]
    return weights.shape[-1] == graph.tensors[operator.inputs[0]].shape[-1]


def fused_activation(operator: Operator) -> int:
    """Return the number of the activation function that is part of the operator; 0 for none."""
    field = _FUSED_FIELD.get(operator.name)
    return operator.options.integer(field, "b") if field is not None and operator.options is not None else _NONE
