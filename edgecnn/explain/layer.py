"""One step of a network as a person understands it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.explain.window import Window

Kind = Literal[
    "convolution",
    "depthwise",
    "dense",
    "max_pool",
    "average_pool",
    "global_average",
    "global_max",
    "activation",
    "add",
    "multiply",
    "concatenate",
    "pad",
    "reshape",
    "softmax",
    "conversion",
    "other",
]
PICTURE = -1

KINDS: dict[str, Kind] = {
    "CONV_2D": "convolution",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "MAX_POOL_2D": "max_pool",
    "AVERAGE_POOL_2D": "average_pool",
    "RELU": "activation",
    "RELU6": "activation",
    "RELU_N1_TO_1": "activation",
    "RELU_0_TO_1": "activation",
    "LEAKY_RELU": "activation",
    "PRELU": "activation",
    "ELU": "activation",
    "GELU": "activation",
    "HARD_SWISH": "activation",
    "LOGISTIC": "activation",
    "TANH": "activation",
    "ADD": "add",
    "MUL": "multiply",
    "CONCATENATION": "concatenate",
    "PAD": "pad",
    "PADV2": "pad",
    "MIRROR_PAD": "pad",
    "RESHAPE": "reshape",
    "SQUEEZE": "reshape",
    "EXPAND_DIMS": "reshape",
    "SOFTMAX": "softmax",
    "QUANTIZE": "conversion",
    "DEQUANTIZE": "conversion",
    "CAST": "conversion",
}
# The schema's enum ActivationFunctionType.
FUSED = ("", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")
# Field of an operator's options that holds it.
FUSED_FIELDS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "FULLY_CONNECTED": 0,
    "MAX_POOL_2D": 5,
    "AVERAGE_POOL_2D": 5,
    "L2_POOL_2D": 5,
    "ADD": 0,
    "SUB": 0,
    "MUL": 0,
    "DIV": 0,
    "CONCATENATION": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A step of the network; shapes are without the batch axis.

    Attributes:
        index: position among the network's layers.
        name: as Keras called it; the operator with a number where the file does not tell.
        keras_names: all layers that the converter fused into this step (batch normalization and ReLU, say).
        operator: the schema's name of the operator that runs.
        kind: what it does; ``other`` is a box that is not looked into.
        sources: layers that it reads, ``PICTURE`` for the picture.
        inputs: the tensors that it reads from them, as the graph numbers them.
        output: the tensor that it makes.
        input_shapes: of ``inputs``.
        output_shape: of ``output``, ``(112, 112, 32)`` for instance: rows, columns, channels.
        weights: tensor of the weights; None for a layer without.
        bias: tensor of the bias; None for a layer without.
        window: what slides; None for a layer where nothing does. Of a padding it is one cell, whose
            ``before_hw`` and ``after_hw`` are the rows and columns that are put around.
        activation: what bends the sums, ``relu6`` for instance; empty where nothing does.
        is_fused: whether the activation has no operator of its own: the file then has no separate step
            for it, and no tensor with the values before it.
    """

    index: int
    name: str
    keras_names: tuple[str, ...]
    operator: str
    kind: Kind
    sources: tuple[int, ...]
    inputs: tuple[int, ...]
    output: int
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    weights: int | None
    bias: int | None
    window: Window | None
    activation: str
    is_fused: bool

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.input_shapes[0]

    @property
    def is_map(self) -> bool:
        """Whether its output is a stack of maps: rows, columns, channels."""
        return len(self.output_shape) == 3
