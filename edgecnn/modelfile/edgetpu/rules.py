"""The limits of single operators on the Edge TPU.

Each rule looks at one operator and gives the reason for which the compiler does not map it, or None.

Reference: https://www.coral.ai/docs/edgetpu/models-intro/#supported-operations
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edgecnn.modelfile.edgetpu.site import Site, trimmed

_Value = TypeVar("_Value")
MAX_SOFTMAX = 16_000


def _each(names: str, value: _Value) -> dict[str, _Value]:
    return dict.fromkeys(names.split(), value)


# Oldest Edge TPU runtime that has the operator; 10 is the oldest that there is.
RUNTIME_OF = {
    **_each(
        """
        ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED L2_NORMALIZATION LOGISTIC MAXIMUM
        MAX_POOL_2D MEAN MINIMUM MUL PAD RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE
        SOFTMAX SPACE_TO_DEPTH SPLIT SQUEEZE STRIDED_SLICE SUB TANH
        """,
        10,
    ),
    **_each("EXPAND_DIMS PACK PRELU QUANTIZE SUM TRANSPOSE_CONV", 13),
    **_each("LSTM REDUCE_MAX REDUCE_MIN RSQRT SQUARED_DIFFERENCE TRANSPOSE", 14),
}

Rule = Callable[[Site], "str | None"]


def _conv(site: Site) -> str | None:
    if site.option(4, 1) != site.option(5, 1):
        return "its dilation differs between x and y"
    if site.shape(1)[-1:] != site.shape()[-1:]:
        return "it is a grouped convolution"
    return None


def _depthwise(site: Site) -> str | None:
    dilation = site.option(5, 1), site.option(6, 1)
    if dilation[0] != dilation[1]:
        return "its dilation differs between x and y"
    if dilation[0] > 1 and site.runtime_version < 13:
        return "dilation needs Edge TPU runtime 13"
    return None


def _fully_connected(site: Site) -> str | None:
    if site.option(1, 0, "b"):
        return "its weights are in a shuffled or sparse format"
    return None if len(trimmed(site.output_shape)) <= 1 else "its output has more than one dimension"


def _pool(site: Site) -> str | None:
    return "it has an activation fused to it" if site.option(5, 0, "b") else None


def _concatenation(site: Site) -> str | None:
    if site.option(1, 0, "b"):
        return "it has an activation fused to it"
    constants = [position for position in range(len(site.operator.inputs)) if site.is_constant(position)]
    if not constants:
        return None
    if len(site.operator.inputs) != 2 or len(constants) != 1:
        return "with a constant it may have two inputs only"
    tensor = site.input(constants[0])
    assert tensor is not None
    zero = (tensor.zero_points or (0,))[0]
    values = site.graph.buffers[tensor.buffer].array(0, tensor.dtype)
    return None if values is not None and not (values != zero).any() else "its constant input is not all zeros"


def _mean(site: Site) -> str | None:
    shape, axes = site.shape(), site.axes(1)
    if 0 in axes:
        return "it goes over the batch"
    if len(shape) == 4 and 3 in axes:
        if site.runtime_version < 13:
            return "before Edge TPU runtime 13 it may go over x and y only"
        if shape[3] % 4:
            return f"it goes over {shape[3]} channels, which is not a multiple of 4"
    return None


def _not_over_batch(site: Site) -> str | None:
    return "it goes over the batch" if 0 in site.axes(1) else None


def _pad(site: Site) -> str | None:
    paddings = site.integers(1)
    if any(paddings[:2]):
        return "it pads the batch"
    if site.runtime_version < 13 and len(paddings) == 8 and any(paddings[6:]):
        return "before Edge TPU runtime 13 it may pad x and y only"
    return None


def _softmax(site: Site) -> str | None:
    shape = trimmed(site.shape())
    if len(shape) > 1:
        return "its input has more than one dimension"
    return f"its input has more than {MAX_SOFTMAX:,} elements" if shape and shape[0] > MAX_SOFTMAX else None


def _split(site: Site) -> str | None:
    rank = len(site.shape(1))
    axes = {axis % rank for axis in site.integers(0)} if rank else set()
    return "it splits the batch" if 0 in axes else None


def _squeeze(site: Site) -> str | None:
    if site.runtime_version >= 13 or trimmed(site.shape()) == trimmed(site.output_shape):
        return None
    return "before Edge TPU runtime 13 it may take away leading ones only"


def _strided_slice(site: Site) -> str | None:
    if any(stride != 1 for stride in site.integers(3)):
        return "its strides are not all 1"
    return "it has an ellipsis or makes a new axis" if site.option(2) or site.option(3) else None


def _pack(site: Site) -> str | None:
    return "it packs along the batch" if site.option(1) == 0 else None


def _prelu(site: Site) -> str | None:
    return None if len(trimmed(site.shape(1))) <= 1 else "its alpha has more than one dimension"


RULES: dict[str, Rule] = {
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "PACK": _pack,
    "PAD": _pad,
    "PRELU": _prelu,
    "REDUCE_MAX": _not_over_batch,
    "REDUCE_MIN": _not_over_batch,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUM": _not_over_batch,
}
# Inputs that must be constant for the operator to be mapped: filters, biases and the like.
PARAMETERS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "PRELU": (1,),
}
# Inputs that decide the size of the output: where one is not constant, the size is known only at run time.
SHAPERS = {
    **_each("BROADCAST_TO EXPAND_DIMS MEAN PAD PADV2 REDUCE_MAX REDUCE_MIN RESHAPE SUM TILE", (1,)),
    **_each("MIRROR_PAD RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR TOPK_V2 TRANSPOSE", (1,)),
    **_each("BATCH_TO_SPACE_ND SLICE SPACE_TO_BATCH_ND SPLIT_V", (1, 2)),
    **_each("FILL SPLIT TRANSPOSE_CONV", (0,)),
    "RANGE": (0, 1, 2),
    "STRIDED_SLICE": (1, 2, 3),
}
