"""Letting a network put out tensors that it keeps to itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.flatbuffer import Table

_SUBGRAPHS, _OUTPUTS, _SIGNATURES = 2, 2, 7


def with_more_outputs(model: bytes, tensors: Sequence[int]) -> bytes:
    """Return the model with further tensors as outputs, behind those that it has.

    Nothing but the list of outputs changes: the operators, their order and every number stay, so the
    values are those that the unchanged file computes on its way. For use in memory; a file with more
    outputs than one is no classifier to other programs.

    Args:
        model: the FlatBuffer of a model with one graph.
        tensors: indices of the tensors to put out, too.
    """
    if not tensors:
        return model
    graph = Table.root(model).tables(_SUBGRAPHS)[0]
    at = graph.position_of(_OUTPUTS)
    if at is None:
        raise ModelIntegrityError("the graph has no outputs")
    outputs = (*graph.integers(_OUTPUTS), *tensors)
    padded = bytearray(model + bytes(-len(model) % 4))
    struct.pack_into("<I", padded, at, len(padded) - at)
    return bytes(padded) + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)


def without_signatures(model: bytes) -> bytes:
    """Return the model without signatures: they name its ends, and would contradict ``with_more_outputs``.

    The CPU's interpreter does not mind; what compiles networks for a GPU refuses such a model. Only
    the number of signatures changes, to 0.
    """
    at = Table.root(model).position_of(_SIGNATURES)
    if at is None:
        return model
    changed = bytearray(model)
    struct.pack_into("<I", changed, at + struct.unpack_from("<I", model, at)[0], 0)
    return bytes(changed)
