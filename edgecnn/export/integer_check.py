"""Is every step of the converted graph builtin, of fixed size, and, where that was asked for, an integer step?"""

from __future__ import annotations

import re
from collections.abc import Collection

from edgecnn.core.contract import InputContract
from edgecnn.errors import ExportError, UnsupportedOpError
from edgecnn.modelfile.graph import Graph, Operator
from edgecnn.modelfile.modelfile import quantization_of

_INTEGER_DTYPES = frozenset({"int8", "uint8", "int32", "int64", "bool"})
_STEP_WITH_WEIGHTS = re.compile(r"/(?:convolution|conv2d|depthwise|MatMul)")


def check_operators(graph: Graph, layers: Collection[str], *, integer_only: bool) -> None:
    """Raise unless the graph is builtin, of fixed size and, if that is asked for, full-integer.

    Args:
        graph: what the converter wrote.
        layers: names of the Keras layers, to name the one that is to blame.
        integer_only: whether a step that computes in floats is an error.

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
            if integer_only and tensor.dtype not in _INTEGER_DTYPES:
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

    The converter joins the names of fused steps with ``;`` and path parts with ``/``; of several steps
    the one that has weights speaks for all. Keras adds ``_1`` to every layer that is called a second
    time, as the export calls all of them: ``conv2d_1`` is the layer ``conv2d``, even if there is a
    ``conv2d_1`` as well.
    """
    steps = sorted(tensor_name.split(";"), key=lambda step: not _STEP_WITH_WEIGHTS.search(step))
    for part in "/".join(steps).split("/"):
        for candidate in (re.sub(r"_\d+$", "", part), part):
            if candidate in layers:
                return candidate
    return None


def _where(graph: Graph, operator: Operator, layers: Collection[str]) -> str:
    name = graph.tensors[operator.outputs[0]].name
    layer = layer_of(name, layers)
    return f"layer {layer!r}" if layer else f"the operator that computes {name!r}"
