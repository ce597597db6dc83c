"""Names of LiteRT's builtin operators, and what each must have around it.

Reference: ``tensorflow/compiler/mlir/lite/schema/schema.fbs``, enum ``BuiltinOperator``.
"""

from __future__ import annotations

from typing import NamedTuple

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


class OperatorRule(NamedTuple):
    """What LiteRT's kernel takes for granted; a graph that breaks it can crash the process.

    Attributes:
        min_inputs: inputs that there must be.
        max_inputs: inputs that there may be.
        left_out: position of the input that may be -1, which is none; None where all must be there.
        num_outputs: outputs that there must be; None where the first of the options says how many.
        options_type: number of the table that the builtin options must be, where one is read here;
            LiteRT takes another one for none at all.
        positive_options: fields of the builtin options that must be at least 1 (strides,
            filter sizes, dilations), as pairs of field number and default.
        typed_by: position of the input whose element type the outputs have; None where it may be another.
        gives: element type of the outputs, where there is no choice.
        filter_axis: axis of the filter (input 1) that the bias (the last input) runs along.
    """

    min_inputs: int
    max_inputs: int
    left_out: int | None = None
    num_outputs: int | None = 1
    options_type: int = 0
    positive_options: tuple[tuple[int, int], ...] = ()
    typed_by: int | None = 0
    gives: str | None = None
    filter_axis: int | None = None


_ANY_NUMBER = 1 << 16
_POOL = OperatorRule(min_inputs=1, max_inputs=1, options_type=5, positive_options=((1, 0), (2, 0), (3, 0), (4, 0)))
_UNARY = OperatorRule(min_inputs=1, max_inputs=1)
_BINARY = OperatorRule(min_inputs=2, max_inputs=2)
_TERNARY = OperatorRule(min_inputs=3, max_inputs=3)
_CONVERSION = OperatorRule(min_inputs=1, max_inputs=1, typed_by=None)
_COMPARISON = OperatorRule(min_inputs=2, max_inputs=2, typed_by=None)
_CHOICE = OperatorRule(min_inputs=3, max_inputs=3, typed_by=1)
_VARIADIC = OperatorRule(min_inputs=1, max_inputs=_ANY_NUMBER)


def _rules(rule: OperatorRule, names: str) -> dict[str, OperatorRule]:
    return dict.fromkeys(names.split(), rule)


# What picture classifiers are made of: all that keeps no state and has no graph inside.
OPERATOR_RULES: dict[str, OperatorRule] = {
    "CONV_2D": OperatorRule(
        min_inputs=3,
        max_inputs=3,
        options_type=1,
        positive_options=((1, 0), (2, 0), (4, 1), (5, 1)),
        filter_axis=0,
    ),
    "DEPTHWISE_CONV_2D": OperatorRule(
        min_inputs=3,
        max_inputs=3,
        options_type=2,
        positive_options=((1, 0), (2, 0), (5, 1), (6, 1)),
        filter_axis=3,
    ),
    "TRANSPOSE_CONV": OperatorRule(
        min_inputs=3,
        max_inputs=4,
        left_out=3,
        options_type=49,
        positive_options=((1, 0), (2, 0)),
        typed_by=2,
        filter_axis=0,
    ),
    "FULLY_CONNECTED": OperatorRule(min_inputs=2, max_inputs=3, left_out=2, filter_axis=0),
    "RESHAPE": OperatorRule(min_inputs=1, max_inputs=2),
    "STRIDED_SLICE": OperatorRule(min_inputs=4, max_inputs=4),
    "ONE_HOT": OperatorRule(min_inputs=4, max_inputs=4, typed_by=2),
    "FILL": OperatorRule(min_inputs=2, max_inputs=2, typed_by=1),
    "SPLIT": OperatorRule(min_inputs=2, max_inputs=2, num_outputs=None, options_type=35, typed_by=1),
    "SPLIT_V": OperatorRule(min_inputs=3, max_inputs=3, num_outputs=None, options_type=79),
    "UNPACK": OperatorRule(min_inputs=1, max_inputs=1, num_outputs=None, options_type=64),
    "TOPK_V2": OperatorRule(min_inputs=2, max_inputs=2, num_outputs=2, typed_by=None),
    "DEQUANTIZE": OperatorRule(min_inputs=1, max_inputs=1, typed_by=None, gives="float32"),
    **_rules(_POOL, "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D"),
    **_rules(_UNARY, "ABS CEIL COS DEPTH_TO_SPACE ELU EXP FAKE_QUANT FLOOR GELU HARD_SWISH L2_NORMALIZATION"),
    **_rules(_UNARY, "LEAKY_RELU LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG RELU RELU6"),
    **_rules(_UNARY, "RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SIGN SIN SOFTMAX SPACE_TO_DEPTH SQRT SQUARE SQUEEZE TANH"),
    **_rules(_UNARY, "ZEROS_LIKE"),
    **_rules(_CONVERSION, "CAST QUANTIZE RANK SHAPE"),
    **_rules(_BINARY, "ADD ATAN2 BATCH_MATMUL BROADCAST_ARGS BROADCAST_TO CUMSUM DIV EXPAND_DIMS FLOOR_DIV FLOOR_MOD"),
    **_rules(_BINARY, "GATHER GATHER_ND LOGICAL_AND LOGICAL_OR MAXIMUM MEAN MINIMUM MIRROR_PAD MUL PAD POW PRELU"),
    **_rules(_BINARY, "REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RESIZE_BILINEAR"),
    **_rules(_BINARY, "RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SQUARED_DIFFERENCE SUB SUM TILE TRANSPOSE"),
    **_rules(_COMPARISON, "ARG_MAX ARG_MIN EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL NOT_EQUAL"),
    **_rules(_TERNARY, "BATCH_TO_SPACE_ND PADV2 RANGE SLICE SPACE_TO_BATCH_ND"),
    **_rules(_CHOICE, "SELECT SELECT_V2"),
    **_rules(_VARIADIC, "ADD_N CONCATENATION PACK"),
}

# Kernels that divide by, or index, the scales of their 8-bit tensors without asking whether there are any:
# all but those that only move data or look at its shape.
_MOVES_DATA_ONLY = """
    ARG_MAX ARG_MIN BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CAST EXPAND_DIMS FILL GATHER GATHER_ND ONE_HOT PACK
    RANK RESHAPE REVERSE_V2 SELECT SELECT_V2 SHAPE SLICE SPACE_TO_BATCH_ND SPLIT SPLIT_V SQUEEZE STRIDED_SLICE TILE
    TOPK_V2 TRANSPOSE UNPACK ZEROS_LIKE
"""
NEEDS_SCALES = frozenset(OPERATOR_RULES) - set(_MOVES_DATA_ONLY.split())


def builtin_name(code: int) -> str:
    """Return the schema's name of a builtin operator code; ``BUILTIN_<code>`` for one from the future."""
    return BUILTIN_NAMES[code] if 0 <= code < len(BUILTIN_NAMES) else f"BUILTIN_{code}"
