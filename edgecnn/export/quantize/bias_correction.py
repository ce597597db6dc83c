"""Bias correction: takes back what rounded weights shift in the mean of a layer's outputs.

Rounding a layer's weights shifts the mean of its outputs, and the shifts of many layers add up. A
bias costs nothing at run time, so it carries the difference.

Reference:
    Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
    arXiv:1906.04721, section 4.2: E[y] - E[y_q] = (W - W_q) E[x]; E[x] is measured here on calibration
    pictures and not derived from batch-norm statistics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.quantize.pairing import pair
from edgecnn.export.quantize.requantize import read_floats
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph, Operator

Map = NDArray[np.float64]

_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_WEIGHTS, _BIAS = 1, 2
_LIMIT = 2**31 - 1
# Numbers of the fields stride_w, stride_h, dilation_w, dilation_h in the options.
_STEPS = {"CONV_2D": (1, 2, 4, 5), "DEPTHWISE_CONV_2D": (1, 2, 5, 6)}
_SAME = 0


def correct_biases(int8_model: bytes, float_model: bytes, means: dict[int, Map]) -> bytes:
    """Return the int8 file with biases that take back the shift of its rounded weights.

    A layer whose bias is shared with another one keeps it.

    Args:
        int8_model: full-integer file.
        float_model: float32 file of the same network.
        means: what ``mean_inputs`` found.
    """
    graph, editor = Graph.parse(int8_model), Editor(int8_model)
    for _, operator, bias in _shifted_biases(graph, Graph.parse(float_model), means):
        tensor = operator.inputs[_BIAS]
        codes = np.rint(bias / np.array(graph.tensors[tensor].scales))
        editor.set_values(tensor, np.clip(codes, -_LIMIT, _LIMIT).astype(np.int32))
    return editor.finish()


def correct_float_biases(
    int8_model: bytes, float_model: bytes, means: dict[int, Map], exact: Collection[int] = ()
) -> bytes:
    """Return the float model with the biases that ``correct_biases`` gives the int8 file.

    For quantizing it once more, in another way, with the same rounded weights.

    Args:
        int8_model: full-integer file.
        float_model: float32 file of the same network.
        means: what ``mean_inputs`` found.
        exact: operators of the float model whose weights will not be rounded.
    """
    float_graph, editor = Graph.parse(float_model), Editor(float_model)
    kept = _shared_buffers(float_graph) | {
        float_graph.tensors[i].buffer for op in exact for i in float_graph.operators[op].inputs
    }
    for operator, _, bias in _shifted_biases(Graph.parse(int8_model), float_graph, means):
        tensor = operator.inputs[_BIAS]
        if float_graph.tensors[tensor].buffer not in kept:
            editor.set_values(tensor, bias.astype(np.float32))
    return editor.finish()


def mean_inputs(
    float_model: bytes, contract: InputContract, pixels: NDArray[np.uint8], progress: Progress | None = None
) -> dict[int, Map]:
    """Return what comes into every layer with weights, as its mean over pictures.

    A layer is linear before its activation function, so that the mean input is all that its mean
    output depends on.

    Args:
        float_model: float32 file; its input are normalized pixels.
        contract: mean and standard deviation of the input.
        pixels: uint8, shape (N, height, width, 3), RGB, N from 1.
        progress: told of every picture.

    Returns:
        Operator index -> float64, shape of the operator's input, a batch of one.
    """
    inner = Inner(float_model, contract)
    sources = {i: op.inputs[0] for i, op in enumerate(inner.graph.operators) if op.name in _LAYERS}
    sums: dict[int, NDArray[np.float32]] = {}
    with (progress or SilentProgress()).task("measuring the mean of every value", len(pixels)) as task:
        for picture in pixels:
            inner.run(picture)
            for tensor in set(sources.values()):
                values = inner.read(tensor)
                if tensor in sums:
                    sums[tensor] += values
                else:
                    sums[tensor] = values
            task.advance()
    return {operator: sums[tensor].astype(np.float64) / len(pixels) for operator, tensor in sources.items()}


def _shifted_biases(
    graph: Graph, float_graph: Graph, means: dict[int, Map]
) -> list[tuple[Operator, Operator, NDArray[np.float64]]]:
    """Return the operators, float and int8, whose bias can be corrected, with that bias in real values."""
    shared = _shared_buffers(graph)
    corrected = []
    for mine, other in pair(float_graph, graph).operators:
        ours, theirs = float_graph.operators[mine], graph.operators[other]
        if not _has_bias(graph, theirs) or graph.tensors[theirs.inputs[_BIAS]].buffer in shared:
            continue
        exact, coarse = read_floats(float_graph, ours.inputs[_WEIGHTS]), _read_codes(graph, theirs.inputs[_WEIGHTS])
        shift = _mean_output(theirs, exact - coarse, means[mine])
        corrected.append((ours, theirs, read_floats(float_graph, ours.inputs[_BIAS]) + shift))
    return corrected


def _mean_output(operator: Operator, weights: Map, mean_input: Map) -> NDArray[np.float64]:
    """Return the mean over positions of a layer's output before bias and activation: float64, shape (C,)."""
    if operator.name == "FULLY_CONNECTED":
        dense: Map = weights @ mean_input.reshape(-1, weights.shape[1]).mean(axis=0)
        return dense
    taps = _mean_taps(operator, (weights.shape[1], weights.shape[2]), mean_input)
    if operator.name == "CONV_2D":
        groups = taps.shape[2] // weights.shape[3]
        parts = zip(np.split(weights, groups), np.split(taps, groups, axis=2), strict=True)
        return np.concatenate([np.einsum("ohwi,hwi->o", part, seen) for part, seen in parts])
    # A depth multiplier gives every input channel several outputs in a row.
    repeated = np.repeat(taps, weights.shape[3] // taps.shape[2], axis=2)
    separate: Map = (weights[0] * repeated).sum(axis=(0, 1))
    return separate


def _mean_taps(operator: Operator, kernel: tuple[int, int], mean_input: Map) -> Map:
    """Return what each weight of a kernel sees on average over all positions: shape (kh, kw, channels).

    Padding is zero and counts as such.
    """
    assert operator.options is not None
    defaults = zip(_STEPS[operator.name], (0, 0, 1, 1), strict=True)
    step_w, step_h, spread_w, spread_h = (operator.options.integer(field, "i", d) for field, d in defaults)
    same = operator.options.integer(0, "b") == _SAME
    picture = mean_input[0]
    rows = _positions(picture.shape[0], kernel[0], step_h, spread_h, same)
    columns = _positions(picture.shape[1], kernel[1], step_w, spread_w, same)
    taps = np.zeros((*kernel, picture.shape[2]))
    for y, row in enumerate(rows):
        inside_rows = picture[row[(row >= 0) & (row < picture.shape[0])]].sum(axis=0)
        for x, column in enumerate(columns):
            inside = inside_rows[column[(column >= 0) & (column < picture.shape[1])]]
            taps[y, x] = inside.sum(axis=0) / (len(row) * len(column))
    return taps


def _positions(size: int, kernel: int, step: int, spread: int, same: bool) -> list[NDArray[np.int64]]:
    """Return for every weight along one axis the input positions that it meets; outside is padding."""
    reach = (kernel - 1) * spread + 1
    num = -(-size // step) if same else (size - reach) // step + 1
    before = max((num - 1) * step + reach - size, 0) // 2 if same else 0
    return [np.arange(num) * step + tap * spread - before for tap in range(kernel)]


def _read_codes(graph: Graph, index: int) -> Map:
    """Return the real values of int8 weights."""
    tensor = graph.tensors[index]
    codes = graph.buffer(tensor.buffer).view(np.int8).reshape(tensor.shape).astype(np.float64)
    shape = [1] * codes.ndim
    shape[tensor.axis] = len(tensor.scales)
    real: Map = codes * np.array(tensor.scales).reshape(shape)
    return real


def _has_bias(graph: Graph, operator: Operator) -> bool:
    if operator.name not in _LAYERS or len(operator.inputs) <= _BIAS or operator.inputs[_BIAS] < 0:
        return False
    weights, bias = (graph.tensors[operator.inputs[i]] for i in (_WEIGHTS, _BIAS))
    return weights.dtype == "int8" and bias.dtype == "int32" and graph.is_constant(weights) and graph.is_constant(bias)


def _shared_buffers(graph: Graph) -> set[int]:
    """Return the buffers that stand for the constants of more than one operator's input."""
    uses = Counter(graph.tensors[i].buffer for operator in graph.operators for i in operator.inputs if i >= 0)
    return {buffer for buffer, num in uses.items() if num > 1 and graph.buffer(buffer).size}
