"""Which networks quantization-aware fine-tuning can train, told without TensorFlow.

Reference: ``tensorflow/compiler/mlir/lite/schema/schema.fbs``; the numbers below are field numbers there.
"""

from __future__ import annotations

from collections.abc import Collection

from edgecnn.errors import ExportError, UnsupportedOpError
from edgecnn.export.integer_check import layer_of
from edgecnn.modelfile.graph import Graph, Operator

# Inputs 1 and 2 of these are weights, in LiteRT's own layout, and bias.
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
TRAINABLE = frozenset({
    *WEIGHTED, "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "EXPAND_DIMS", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC",
    "MAX_POOL_2D", "MEAN", "MUL", "PAD", "RELU", "RELU6", "RESHAPE", "SOFTMAX", "SQUEEZE", "SUB", "TANH",
})  # fmt: skip
FUSED_ACTIVATIONS = {0: "none", 1: "RELU", 3: "RELU6", 4: "TANH"}
_FUSED_FIELD = {
    "ADD": 0, "AVERAGE_POOL_2D": 5, "CONCATENATION": 1, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 0,
    "MAX_POOL_2D": 5, "MUL": 0, "SUB": 0,
}  # fmt: skip


def check_trainable(graph: Graph, layers: Collection[str]) -> None:
    """Raise for the first operator that cannot be trained.

    Args:
        graph: the network behind its normalization, in float32, for one picture.
        layers: names of the Keras layers, to name the one that is to blame.

    Raises:
        UnsupportedOpError: there is such an operator.
        ExportError: the network is not float32.
    """
    if graph.tensors[graph.inputs[0]].dtype != "float32":
        raise ExportError("fine-tuning starts from the float32 network, and this one is quantized already")
    for operator in graph.operators:
        reason = _reason_against(graph, operator)
        if reason:
            name = graph.tensors[operator.outputs[0]].name
            layer = layer_of(name, layers)
            where = f"layer {layer!r}" if layer else f"the operator that computes {name!r}"
            raise UnsupportedOpError(f"{where} {reason}; quantization-aware fine-tuning cannot train this network")


def field(operator: Operator, number: int, code: str, default: int = 0) -> int:
    """Return an integer of an operator's options."""
    return operator.options.integer(number, code, default) if operator.options else default


def fused_activation(operator: Operator) -> int:
    """Return the number of the activation that the operator applies to its result; 0 is none."""
    return field(operator, _FUSED_FIELD[operator.name], "b") if operator.name in _FUSED_FIELD else 0


def strides_of(operator: Operator) -> tuple[int, int]:
    """Return the steps in rows and columns of a convolution or a pool, in pixels."""
    return field(operator, 2, "i"), field(operator, 1, "i")


def _reason_against(graph: Graph, operator: Operator) -> str:
    if operator.name not in TRAINABLE:
        return f"is computed by {operator.name}, which is not among {', '.join(sorted(TRAINABLE))}"
    if fused_activation(operator) not in FUSED_ACTIVATIONS:
        return f"has the fused activation number {fused_activation(operator)}"
    if operator.name in WEIGHTED:
        constants = [graph.tensors[index] for index in operator.inputs[1:] if index >= 0]
        if not all(graph.is_constant(tensor) and tensor.dtype == "float32" for tensor in constants):
            return "computes its own weights"
    if operator.name == "CONV_2D":
        return _reason_against_convolution(graph, operator)
    if operator.name == "CONCATENATION" and field(operator, 0, "i") == 0:
        return "joins along the batch"
    return ""


def _reason_against_convolution(graph: Graph, operator: Operator) -> str:
    if graph.tensors[operator.inputs[0]].shape[-1] != graph.tensors[operator.inputs[1]].shape[-1]:
        return "is a grouped convolution"
    dilations = field(operator, 5, "i", 1), field(operator, 4, "i", 1)
    if max(dilations) > 1 and (dilations[0] != dilations[1] or strides_of(operator) != (1, 1)):
        return "is a dilated convolution with strides or with two different dilations"
    return ""
