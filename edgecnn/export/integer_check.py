"""Is every step of the converted graph an 8-bit integer step of fixed size?"""

from __future__ import annotations

import re
from collections.abc import Collection

from edgecnn.core.contract import InputContract
from edgecnn.errors import ExportError, UnsupportedOpError
from edgecnn.modelfile.graph import Graph, Operator
from edgecnn.modelfile.modelfile import quantization_of

_INTEGER_DTYPES = frozenset({"int8", "uint8", "int32", "int64", "bool"})


def check_integer_only(graph: Graph, layers: Collection[str]) -> None:
    """Raise unless the graph is full-integer, builtin and of fixed size.

    Args:
        graph: what the converter wrote.
        layers: names of the Keras layers, to name the one that is to blame.

    Raises:
        UnsupportedOpError: the first operator that is custom, computes in floats or has an open size.
    """
    for operator in graph.operators:
        if operator.name.startswith("CUSTOM") or operator.name.startswith("Flex"):
            raise UnsupportedOpError(
                f"{_where(graph, operator, layers)} became {operator.name}, which needs TensorFlow"
            )
        for index in (*operator.inputs, *operator.outputs):
            if index < 0:
                continue
            tensor = graph.tensors[index]
            if tensor.dtype not in _INTEGER_DTYPES:
                raise UnsupportedOpError(
                    f"{_where(graph, operator, layers)} stays in {tensor.dtype} ({operator.name}); "
                    "replace the layer by one that LiteRT has in int8"
                )
            if tensor.is_dynamic:
                raise UnsupportedOpError(
                    f"{_where(graph, operator, layers)} has a size that is known only at run time {tensor.shape}; "
                    "give the model a fixed input size"
                )


def check_pixel_input(graph: Graph, contract: InputContract) -> None:
    """Raise ExportError unless a raw pixel is its own code at the input, as the contract promises."""
    found = quantization_of(graph.tensors[graph.inputs[0]])
    wanted = contract.pixel_quantization
    # The scale is a float32 in the file.
    if found is None or found.zero_point != wanted.zero_point or abs(found.scale / wanted.scale - 1) > 1e-6:
        raise ExportError(
            f"the converter gave the input the quantization {found}, but raw pixels need {wanted}: "
            "the first layer does not see the pixel range that the architecture states"
        )


def layer_of(tensor_name: str, layers: Collection[str]) -> str | None:
    """Return the Keras layer that a tensor's name speaks of, or None.

    The converter joins the names of fused steps with ``;``, path parts with ``/`` and adds
    ``_1`` to a layer that was called a second time.
    """
    for part in re.split(r"[/;]", tensor_name):
        for candidate in (part, re.sub(r"_\d+$", "", part)):
            if candidate in layers:
                return candidate
    return None


def _where(graph: Graph, operator: Operator, layers: Collection[str]) -> str:
    name = graph.tensors[operator.outputs[0]].name
    layer = layer_of(name, layers)
    return f"layer {layer!r}" if layer else f"the operator that computes {name!r}"
