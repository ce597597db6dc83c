"""Codes to real numbers: constants of a file and values that it computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.modelfile.graph import Graph, Tensor

_PLAIN = frozenset({"float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"})
_SHORT = frozenset({"int8", "uint8", "int16"})


def to_real(values: NDArray[Any], tensor: Tensor, *, first_axis: int = 0) -> NDArray[np.float32]:
    """Return the real values of a tensor's codes by its own scales, one per slice where it has many.

    Args:
        values: what the file holds or computed, of the tensor's element type.
        tensor: it says how to read them.
        first_axis: axis of the tensor that is the first one of ``values``: 1 where the batch axis is gone.

    Returns:
        float32, same shape; floats and integers without a scale are taken as they are.
    """
    if not tensor.scales or "float" in tensor.dtype:
        return values.astype(np.float32)
    if len(tensor.scales) == 1:
        scale, zero = tensor.scales[0], (tensor.zero_points or (0,))[0]
        if tensor.dtype in _SHORT:  # float32 holds these exactly, and a scale is one: rounded once, at the product
            real: NDArray[np.float32] = (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
            return real
        return np.asarray((values.astype(np.int64) - zero) * scale, np.float32)
    along = [1] * values.ndim
    along[tensor.axis - first_axis] = len(tensor.scales)
    scales = np.asarray(tensor.scales, np.float64).reshape(along)
    zeros = np.asarray(tensor.zero_points or (0,) * len(tensor.scales), np.int64).reshape(along)
    return np.asarray((values.astype(np.int64) - zeros) * scales, np.float32)


def constant(graph: Graph, index: int) -> NDArray[Any]:
    """Return a constant's stored values, in its shape and element type.

    Raises:
        ModelFileError: it is none, or is stored in a way that is not known here.
    """
    tensor = graph.tensors[index]
    data = graph.buffer(tensor.buffer)
    if tensor.dtype == "int4":
        pairs = np.stack([data << 4, data & 0xF0], axis=1).reshape(-1).view(np.int8) >> 4  # low half first
        data, kind = pairs[: int(np.prod(tensor.shape))].view(np.uint8), np.dtype(np.int8)
    elif tensor.dtype in _PLAIN and data.size:
        kind = np.dtype(tensor.dtype).newbyteorder("<")
    else:
        raise ModelFileError(f"the values of {tensor.name!r} ({tensor.dtype}) do not stand in the file")
    values: NDArray[Any] = data.view(kind).reshape(tensor.shape)
    return values


def stored(graph: Graph, index: int) -> int:
    """Return the constant that a weight comes from: itself, or what a DEQUANTIZE unpacks (float16 files)."""
    if graph.is_constant(graph.tensors[index]):
        return index
    for operator in graph.operators:
        if index in operator.outputs and operator.name == "DEQUANTIZE":
            return operator.inputs[0]
    return index


def real_constant(graph: Graph, index: int) -> NDArray[np.float32]:
    """Return a weight's real values, in its shape.

    Raises:
        ModelFileError: it is no constant, or is stored in a way that is not known here.
    """
    source = stored(graph, index)
    return to_real(constant(graph, source), graph.tensors[source])


def step_of(tensor: Tensor) -> float:
    """Return the distance of two neighbouring real values that a tensor can hold; 0 for floats."""
    return tensor.scales[0] if len(tensor.scales) == 1 and "float" not in tensor.dtype else 0.0
