"""Names of LiteRT's builtin operators, and what each must have around it.

Reference: ``tensorflow/compiler/mlir/lite/schema/schema.fbs``, enum ``BuiltinOperator``.
"""

from __future__ import annotations

from dataclasses import dataclass

_NAMES = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
    FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
    LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX
    SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD
    UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
    UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE
    BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL
    LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT
    RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
    UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
    LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK
    ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4
    NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
    PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
    HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
    READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL
    GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
    UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE
    STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
    STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE
    STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
    STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
    STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
    STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
    STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
    STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
    STABLEHLO_CASE
"""
BUILTIN_NAMES: tuple[str, ...] = tuple(_NAMES.split())
PLACEHOLDER_FOR_GREATER_OP_CODES = 127
CUSTOM = BUILTIN_NAMES.index("CUSTOM")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRule:
    """What LiteRT's kernel takes for granted; a graph that breaks it can crash the process.

    Attributes:
        min_inputs: inputs that there must be.
        max_inputs: inputs that there may be.
        left_out: position of the input that may be -1, which is none; None where all must be there.
        num_outputs: outputs that there must be; None where the first of the options says how many.
        positive_options: fields of the builtin options that must be at least 1 (strides,
            filter sizes, dilations), as pairs of field number and default.
        typed_by: position of the input whose element type the outputs have; None where it may be another.
        filter_axis: axis of the filter (input 1) that the bias (the last input) runs along.
    """

    min_inputs: int
    max_inputs: int
    left_out: int | None = None
    num_outputs: int | None = 1
    positive_options: tuple[tuple[int, int], ...] = ()
    typed_by: int | None = 0
    filter_axis: int | None = None


_POOL = OperatorRule(min_inputs=1, max_inputs=1, positive_options=((1, 0), (2, 0), (3, 0), (4, 0)))
_UNARY = OperatorRule(min_inputs=1, max_inputs=1)
_BINARY = OperatorRule(min_inputs=2, max_inputs=2)
_TERNARY = OperatorRule(min_inputs=3, max_inputs=3)
_CONVERSION = OperatorRule(min_inputs=1, max_inputs=1, typed_by=None)

OPERATOR_RULES: dict[str, OperatorRule] = {
    "CONV_2D": OperatorRule(
        min_inputs=3, max_inputs=3, positive_options=((1, 0), (2, 0), (4, 1), (5, 1)), filter_axis=0
    ),
    "DEPTHWISE_CONV_2D": OperatorRule(
        min_inputs=3, max_inputs=3, positive_options=((1, 0), (2, 0), (5, 1), (6, 1)), filter_axis=3
    ),
    "TRANSPOSE_CONV": OperatorRule(
        min_inputs=3, max_inputs=4, left_out=3, positive_options=((1, 0), (2, 0)), typed_by=2, filter_axis=0
    ),
    "FULLY_CONNECTED": OperatorRule(min_inputs=2, max_inputs=3, left_out=2, filter_axis=0),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
    "RESHAPE": OperatorRule(min_inputs=1, max_inputs=2),
    "SQUEEZE": _UNARY,
    "SLICE": _TERNARY,
    "STRIDED_SLICE": OperatorRule(min_inputs=4, max_inputs=4),
    "SPLIT": OperatorRule(min_inputs=2, max_inputs=2, num_outputs=None, typed_by=1),
    "SPLIT_V": OperatorRule(min_inputs=3, max_inputs=3, num_outputs=None),
    "UNPACK": OperatorRule(min_inputs=1, max_inputs=1, num_outputs=None),
    "PAD": _BINARY,
    "PADV2": _TERNARY,
    "MIRROR_PAD": _BINARY,
    "RESIZE_BILINEAR": _BINARY,
    "RESIZE_NEAREST_NEIGHBOR": _BINARY,
    "BATCH_MATMUL": _BINARY,
    "PRELU": _BINARY,
    "TRANSPOSE": _BINARY,
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"), _BINARY),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), _BINARY),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), OperatorRule(min_inputs=2, max_inputs=2, typed_by=None)),
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "ELU", "GELU", "HARD_SWISH"), _UNARY),
    **dict.fromkeys(("LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "RSQRT", "SQRT", "EXP", "ABS", "NEG"), _UNARY),
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), _UNARY),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE", "CAST"), _CONVERSION),
}

# Kernels that divide by, or index, the scales of their 8-bit tensors without asking whether there are any.
_MOVES_DATA_ONLY = {"RESHAPE", "SQUEEZE", "CAST", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "ARG_MAX", "ARG_MIN"}
NEEDS_SCALES = frozenset(OPERATOR_RULES) - _MOVES_DATA_ONLY | {"CONCATENATION"}


def builtin_name(code: int) -> str:
    """Return the schema's name of a builtin operator code; ``BUILTIN_<code>`` for one from the future."""
    return BUILTIN_NAMES[code] if 0 <= code < len(BUILTIN_NAMES) else f"BUILTIN_{code}"
