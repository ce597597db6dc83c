"""Which version of an operator a runtime must have to compute what a graph asks for.

An old runtime refuses an operator whose version it does not know. A version that is too low is worse:
the file loads there and computes nonsense.

Reference: ``tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc``, ``GetBuiltinOperatorVersion``.
"""

from __future__ import annotations

from edgecnn.modelfile.graph import Graph, Operator

_INT16_FROM = {
    3: """
        ADD AVERAGE_POOL_2D CONCATENATION DEQUANTIZE LOGISTIC MAX_POOL_2D MEAN MIRROR_PAD PACK PAD PADV2 REDUCE_MAX
        REDUCE_MIN RELU RELU6 RSQRT SOFTMAX TANH
    """,
    2: "EXP LEAKY_RELU LOG SQRT",
    4: "GATHER MAXIMUM MINIMUM MUL RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE SPLIT UNPACK",
    5: "SUB TRANSPOSE",
}
_INT8_FROM = {
    2: """
        ADD AVERAGE_POOL_2D CONCATENATION DEPTH_TO_SPACE DEQUANTIZE EXP GATHER L2_NORMALIZATION LOG LOGISTIC LOG_SOFTMAX
        MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL PACK PAD PADV2 REDUCE_MAX REDUCE_MIN RELU RELU6
        RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT SQUARED_DIFFERENCE
        STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV UNPACK
    """,
    3: "CONV_2D DEPTHWISE_CONV_2D REVERSE_V2 TILE",
    4: "FULLY_CONNECTED",
}


def _by_name(table: dict[int, str]) -> dict[str, int]:
    return {name: version for version, names in table.items() for name in names.split()}


# LiteRT's converter gives convolutions in int16 the versions that they have in int8, which both have 8-bit weights.
_VERSIONS = {
    "int8": _by_name(_INT8_FROM),
    "int16": _by_name(_INT16_FROM) | _by_name({3: "CONV_2D DEPTHWISE_CONV_2D", 4: "FULLY_CONNECTED"}),
}


def needed_version(graph: Graph, operator: Operator) -> int:
    """Return the version that an operator's element types and scales ask for; its options are not looked at."""
    values = [graph.tensors[index] for index in operator.inputs if index >= 0]
    output = graph.tensors[operator.outputs[0]]
    if operator.name == "QUANTIZE":
        return 2 if output.dtype == "int16" else 1
    kinds = {tensor.dtype for tensor in (*values[: 1 if operator.name != "SPLIT" else 2], output)}
    if operator.name == "MUL" and kinds == {"int8"} and _rescales_up(values[0].scales, values[1].scales, output.scales):
        return 3
    return max((_VERSIONS[kind].get(operator.name, 1) for kind in kinds & _VERSIONS.keys()), default=1)


def _rescales_up(first: tuple[float, ...], second: tuple[float, ...], output: tuple[float, ...]) -> bool:
    return bool(first and second and output) and first[0] * second[0] / output[0] >= 1.0
