"""Which Keras layer an operator came from."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.export.integer_check import layer_of
from edgecnn.modelfile.graph import Graph


def blame(graph: Graph, position: int, layers: Sequence[str]) -> str:
    """Return words for the layer behind an operator: ``layer 'act'``, or where in the network it is.

    The converter's tensor names speak of layers. For some operators (grouped convolutions are such)
    they do not; then it is told by what comes before and after.

    Args:
        graph: the network.
        position: of the operator.
        layers: names of the Keras layers, in the model's order.
    """
    named = [_layer(graph, place, layers) for place in range(len(graph.operators))]
    found = named[position]
    if found:
        return f"layer {found!r}"
    before = next((name for name in reversed(named[:position]) if name), None)
    after = next((name for name in named[position + 1 :] if name), None)
    between = [] if before == after else _between(layers, before, after, set(filter(None, named)))
    if len(between) == 1:
        return f"layer {between[0]!r}"
    if before and before == after:
        return f"layer {before!r}"
    if before and after:
        return f"a layer between {before!r} and {after!r}"
    if before or after:
        return f"a layer after {before!r}" if before else f"a layer before {after!r}"
    return f"the operator that computes {graph.tensors[graph.operators[position].outputs[0]].name!r}"


def _layer(graph: Graph, position: int, layers: Sequence[str]) -> str | None:
    operator = graph.operators[position]
    constants = [index for index in operator.inputs[1:] if index >= 0]
    return next(
        (
            name
            for index in (*operator.outputs, *constants)
            if (name := layer_of(graph.tensors[index].name, layers)) is not None
        ),
        None,
    )


def _between(layers: Sequence[str], before: str | None, after: str | None, named: set[str]) -> list[str]:
    """Return the layers between two others that no operator is named after."""
    order = list(layers)
    first = order.index(before) + 1 if before else 0
    last = order.index(after) if after else len(order)
    return [name for name in order[first:last] if name not in named]
