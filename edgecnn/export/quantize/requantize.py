"""New numbers for an int8 file whose structure stays as the converter wrote it.

Reference:
    LiteRT 8-bit quantization specification, https://ai.google.dev/edge/litert/models/quantization_spec;
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", arXiv:1712.05877.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.export.quantize.pairing import Pairing, pair
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph, Operator, Tensor

Ranges = dict[str, tuple[float, float]]

# Weight and bias are the inputs of these numbers.
WEIGHTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
}
# They move codes about without computing, so that the codes must mean the same before and after.
_SAME_SCALE = frozenset({
    "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER",
    "MAX_POOL_2D", "MAXIMUM", "MINIMUM", "MIRROR_PAD", "PACK", "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN",
    "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SELECT_V2", "SLICE", "SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
})  # fmt: skip
# The specification fixes the scale of what these give.
_FIXED_OUTPUT = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION"})
_MAX_BIAS_CODE = float(1 << 30)
# TFLiteConverter's own floors: a channel of zeros still needs a scale in which its bias fits.
_MIN_WEIGHT = 5e-7
_MIN_WIDTH = 1e-8


class _Codes(NamedTuple):
    """``real = scale * (code - zero_point)`` of an int8 tensor."""

    scale: float
    zero_point: int


def requantize(template: bytes, float_model: bytes, ranges: Ranges) -> bytes:
    """Return the int8 file with the weights of a float model and other activation ranges.

    Structure, operator versions and sizes stay, so what runs the template runs the result. The input
    keeps its scale and zero point: a raw pixel stays its own code.

    Args:
        template: full-integer file of ``TFLiteConverter``.
        float_model: float32 file of the same network.
        ranges: name of an activation in the float model -> its lowest and highest value; an
            activation that is missing here keeps the template's scale and zero point.

    Raises:
        ExportError: the two files do not belong together.
        ModelIntegrityError: the template shares constants in a way that cannot be kept.
    """
    graph, float_graph = Graph.parse(template), Graph.parse(float_model)
    pairing = pair(float_graph, graph)
    codes = activation_codes(graph, float_graph, pairing, ranges)
    editor = Editor(template)
    for tensor, (scale, zero_point) in codes.items():
        shift = 128 if graph.tensors[tensor].dtype == "uint8" else 0
        editor.set_quantization(tensor, np.array([scale]), [zero_point + shift])
    done: set[int] = set()
    for _, index in pairing.operators:
        operator = graph.operators[index]
        if operator.name in WEIGHTS:
            _write_weights(editor, graph, float_graph, pairing, operator, codes)
            done.update(operator.inputs[i] for i in WEIGHTS[operator.name] if i < len(operator.inputs))
    _write_constants(editor, graph, float_graph, pairing, done)
    return editor.finish()


def activation_codes(graph: Graph, float_graph: Graph, pairing: Pairing, ranges: Ranges) -> dict[int, _Codes]:
    """Return scale and int8 zero point of every 8-bit activation: tensor index -> codes."""
    codes: dict[int, _Codes] = {}
    for members in _tied_tensors(graph):
        names = {float_graph.tensors[pairing.float_of[m]].name for m in members if m in pairing.float_of}
        known = [ranges[name] for name in names if name in ranges]
        fixed = [m for m in members if _is_fixed(graph, m)]
        if fixed or not known:
            shared = _own_codes(graph.tensors[(fixed or members)[0]])
        else:
            shared = choose_codes(min(low for low, _ in known), max(high for _, high in known))
        codes.update(dict.fromkeys(members, shared))
    return codes


def choose_codes(low: float, high: float) -> _Codes:
    """Return the int8 scale and zero point of a range; zero always has a code of its own.

    The zero point is rounded from whichever end of the range gives the smaller error, as
    ``TFLiteConverter`` does it.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < _MIN_WIDTH:
        return _Codes(1.0, -128)
    scale = (high - low) / 255.0
    from_low, from_high = -128.0 - low / scale, 127.0 - high / scale
    closer_to_low = 128.0 + abs(low / scale) < 127.0 + abs(high / scale)
    return _Codes(scale, int(np.clip(np.rint(from_low if closer_to_low else from_high), -128, 127)))


def _tied_tensors(graph: Graph) -> list[list[int]]:
    """Return the 8-bit activations in groups that must keep one common scale."""
    leader = {i: i for i, tensor in enumerate(graph.tensors) if _is_activation(graph, tensor)}

    def find(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for operator in graph.operators:
        ends = [i for i in (*operator.inputs, *operator.outputs) if i in leader]
        for first in operator.inputs[:1] if operator.name == "QUANTIZE" else ends:
            for second in ends:
                if first in leader and _are_tied(graph, operator, first, second):
                    leader[find(second)] = find(first)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in leader:
        groups[find(index)].append(index)
    return list(groups.values())


def _are_tied(graph: Graph, operator: Operator, first: int, second: int) -> bool:
    """Whether the operator carries the codes of one tensor over to the other, by the template's own word."""
    return operator.name in (*_SAME_SCALE, "QUANTIZE") and _own_codes(graph.tensors[first]) == _own_codes(
        graph.tensors[second]
    )


def _is_activation(graph: Graph, tensor: Tensor) -> bool:
    return tensor.dtype in ("int8", "uint8") and len(tensor.scales) == 1 and not graph.is_constant(tensor)


def _is_fixed(graph: Graph, index: int) -> bool:
    makers = {operator.name for operator in graph.operators if index in operator.outputs}
    return index in graph.inputs or bool(makers & _FIXED_OUTPUT)


def _own_codes(tensor: Tensor) -> _Codes:
    shift = 128 if tensor.dtype == "uint8" else 0
    return _Codes(tensor.scales[0], (tensor.zero_points[0] if tensor.zero_points else 0) - shift)


def _write_weights(
    editor: Editor,
    graph: Graph,
    float_graph: Graph,
    pairing: Pairing,
    operator: Operator,
    codes: dict[int, _Codes],
) -> None:
    """Write the weights of a layer, symmetric in -127 to 127, and its bias in their scale times the input's."""
    at_weights, at_bias = WEIGHTS[operator.name]
    weights = operator.inputs[at_weights]
    bias = operator.inputs[at_bias] if len(operator.inputs) > at_bias else -1
    tensor = graph.tensors[weights]
    if not graph.is_constant(tensor) or tensor.dtype != "int8":
        return
    activation = operator.inputs[2 if operator.name == "TRANSPOSE_CONV" else 0]
    input_scale = codes[activation].scale
    real = read_floats(float_graph, pairing.float_of[weights])
    real_bias = read_floats(float_graph, pairing.float_of[bias]) if bias in pairing.float_of else None
    scales = _weight_scales(real, tensor, input_scale, real_bias)
    editor.set_quantization(weights, scales, [0] * len(scales))
    shape = [1] * real.ndim
    shape[tensor.axis] = len(scales)
    editor.set_values(weights, np.clip(np.rint(real / scales.reshape(shape)), -127, 127).astype(np.int8))
    if real_bias is not None:
        bias_scales = scales * input_scale
        editor.set_quantization(bias, bias_scales, [0] * len(scales))
        limit = 2**31 - 1
        editor.set_values(bias, np.clip(np.rint(real_bias / bias_scales), -limit, limit).astype(np.int32))


def _weight_scales(
    real: NDArray[np.float64], tensor: Tensor, input_scale: float, bias: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return one scale per channel, or one for all where the template has one.

    A channel of tiny weights with a large bias takes a coarser scale, in which the bias fits in 32 bits.
    """
    per_channel = len(tensor.scales) > 1 or (len(tensor.scales) == tensor.shape[tensor.axis] == 1)
    axes = tuple(a for a in range(real.ndim) if a != tensor.axis) if per_channel else None
    largest = np.atleast_1d(np.abs(real).max(axis=axes))
    scales: NDArray[np.float64] = np.maximum(largest, _MIN_WEIGHT) / 127.0
    if bias is not None:
        needed = np.abs(bias) / (_MAX_BIAS_CODE * input_scale)
        scales = np.maximum(scales, needed if per_channel else needed.max())
    return scales


def _write_constants(editor: Editor, graph: Graph, float_graph: Graph, pairing: Pairing, done: set[int]) -> None:
    """Write the other 8-bit constants: a factor, a summand, a slope."""
    for index, source in pairing.float_of.items():
        tensor = graph.tensors[index]
        if index in done or tensor.dtype != "int8" or len(tensor.scales) != 1 or not graph.is_constant(tensor):
            continue
        real = read_floats(float_graph, source)
        if any(tensor.zero_points):
            codes = choose_codes(float(real.min()), float(real.max()))
        else:
            codes = _Codes(max(float(np.abs(real).max()), _MIN_WEIGHT) / 127.0, 0)
        editor.set_quantization(index, np.array([codes.scale]), [codes.zero_point])
        steps = np.rint(real / codes.scale) + codes.zero_point
        editor.set_values(index, np.clip(steps, -128 if codes.zero_point else -127, 127).astype(np.int8))


def read_floats(graph: Graph, index: int) -> NDArray[np.float64]:
    """Return a float32 constant in its own shape, as float64."""
    tensor = graph.tensors[index]
    return graph.buffer(tensor.buffer).view("<f4").reshape(tensor.shape).astype(np.float64)
