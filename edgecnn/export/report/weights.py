"""The weights of an operator in the file against those of the float model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.modelfile.graph import Graph, Operator, Tensor

_DEPTHWISE = "DEPTHWISE_CONV_2D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What rounding did to the weights of one operator.

    Attributes:
        spans: float64, shape (C,), width of every output channel's range in codes of the widest channel's
            scale, so that a scale for each channel does not hide how unequal they are.
        per_channel: whether the file has a scale for each.
        sqnr_db: mean square of the weights over the mean square of their error, in decibels.
    """

    spans: NDArray[np.float64]
    per_channel: bool
    sqnr_db: float


def compare_weights(graph: Graph, operator: Operator, float_graph: Graph, float_operator: Operator) -> Weights | None:
    """Return how an operator's weights were rounded; None where it has none, or they are no 8-bit codes."""
    if min(len(operator.inputs), len(float_operator.inputs)) < 2 or operator.inputs[1] < 0:
        return None
    coded, real = graph.tensors[operator.inputs[1]], float_graph.tensors[float_operator.inputs[1]]
    codes, values = _constant(graph, coded, np.int8), _constant(float_graph, real, np.float32)
    if codes is None or values is None or codes.shape != values.shape or not coded.scales:
        return None
    axis = values.ndim - 1 if operator.name == _DEPTHWISE else 0
    num_scales = len(coded.scales)
    if num_scales not in (1, values.shape[axis]):
        return None
    shape = [1] * values.ndim
    shape[axis] = num_scales
    decoded = codes * np.reshape(coded.scales, shape)  # codes of weights have no zero point but 0
    largest = np.abs(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)).max(axis=1).astype(np.float64)
    return Weights(
        spans=2 * largest / max(coded.scales),
        per_channel=num_scales > 1,
        sqnr_db=_decibels(float(np.square(values, dtype=np.float64).sum()), float(np.square(values - decoded).sum())),
    )


def _constant(graph: Graph, tensor: Tensor, dtype: type[np.int8] | type[np.float32]) -> NDArray[Any] | None:
    data = graph.buffer(tensor.buffer)
    if tensor.dtype != np.dtype(dtype).name or data.nbytes != tensor.num_bytes or not data.nbytes:
        return None
    return data.view(dtype).reshape(tensor.shape)


def _decibels(signal: float, noise: float) -> float:
    return float(10 * np.log10(max(signal, 1e-30) / max(noise, 1e-30)))
