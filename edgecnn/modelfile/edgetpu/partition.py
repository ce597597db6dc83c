"""Cutting a graph into parts for the Edge TPU and for the CPU, as TensorFlow Lite does it.

Reference: ``tensorflow/lite/graph_info.cc``, ``PartitionGraphIntoIndependentNodeSubsets``.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.modelfile.graph import Graph


def first_part(graph: Graph, can_map: Sequence[bool]) -> frozenset[int]:
    """Return the operators of the first part for the Edge TPU: the only one that the compiler keeps.

    A part grows as long as operators of its kind have all that they read; then one of the other kind
    begins. What comes after the first operator that cannot be mapped therefore stays on the CPU, but
    for branches that do not need it.

    Args:
        graph: the network.
        can_map: for each operator, whether the Edge TPU can run it by itself.
    """
    waiting = list(range(len(graph.operators)))
    missing = {index for operator in graph.operators for index in operator.outputs}
    while waiting:
        part = _grow(graph, can_map, waiting, missing)
        if not part:
            break  # what is left waits for itself: no real graph does that
        if can_map[part[0]]:
            return frozenset(part)
        taken = set(part)
        waiting = [position for position in waiting if position not in taken]
    return frozenset()


def _grow(graph: Graph, can_map: Sequence[bool], waiting: Sequence[int], missing: set[int]) -> list[int]:
    """Return the next part, and take what it computes out of ``missing``."""
    part: list[int] = []
    while True:
        rest = []
        for position in waiting:
            operator = graph.operators[position]
            is_ready = missing.isdisjoint(operator.inputs)
            if is_ready and (not part or can_map[part[0]] == can_map[position]):
                part.append(position)
                missing.difference_update(operator.outputs)
            else:
                rest.append(position)
        if len(rest) == len(waiting):
            return part
        waiting = rest
