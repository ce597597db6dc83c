"""Which operator and tensor of an int8 file does the work of which one in its float model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.errors import ExportError
from edgecnn.modelfile.graph import Graph, Operator

# They change a value's form and not its meaning: the float model has none.
_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """How a quantized graph follows its float model.

    Attributes:
        operators: pairs of operator indices, float and quantized, in order.
        float_of: tensor of the quantized graph -> tensor of the float graph; a value that was converted
            on its way has several tensors there.
    """

    operators: tuple[tuple[int, int], ...]
    float_of: dict[int, int]


def pair(float_graph: Graph, int8_graph: Graph) -> Pairing:
    """Find each operator and tensor of a quantized graph in the float model that it was made from.

    The converter keeps the operators in their order; it only puts conversions between them.

    Raises:
        ExportError: the two do not have the same operators.
    """
    ours = _without_conversions(float_graph.operators)
    theirs = _without_conversions(int8_graph.operators)
    # A file of raw float pixels normalizes them first, which the float model leaves to its caller.
    first = max(0, len(theirs) - len(ours))
    names = [float_graph.operators[i].name for i in ours], [int8_graph.operators[i].name for i in theirs[first:]]
    if names[0] != names[1]:
        raise ExportError(
            f"the quantized file has {len(theirs)} operators that do not follow the {len(ours)} of the float model; "
            "convert both from the same network"
        )
    float_of = {} if first else dict(zip(int8_graph.inputs, float_graph.inputs, strict=True))
    operators = tuple(zip(ours, theirs[first:], strict=True))
    for mine, other in operators:
        before, after = float_graph.operators[mine], int8_graph.operators[other]
        _match(float_of, after.inputs, before.inputs)
        _match(float_of, after.outputs, before.outputs)
    for index, operator in enumerate(int8_graph.operators):
        if operator.name in _CONVERSIONS and index not in theirs:
            _follow_conversion(float_of, operator)
    return Pairing(operators=operators, float_of=float_of)


def _without_conversions(operators: Sequence[Operator]) -> list[int]:
    return [index for index, operator in enumerate(operators) if operator.name not in _CONVERSIONS]


def _match(float_of: dict[int, int], theirs: Sequence[int], ours: Sequence[int]) -> None:
    float_of.update({other: mine for other, mine in zip(theirs, ours, strict=False) if other >= 0 and mine >= 0})


def _follow_conversion(float_of: dict[int, int], operator: Operator) -> None:
    """Both ends of a conversion hold the same value: what is known of one end is known of the other."""
    source, target = operator.inputs[0], operator.outputs[0]
    if source in float_of:
        float_of.setdefault(target, float_of[source])
    elif target in float_of:
        float_of[source] = float_of[target]
