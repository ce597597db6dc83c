"""The operators of a float32 LiteRT graph in TensorFlow, where gradients flow through them.

Only the process that fine-tunes imports this module.

Reference: ``tensorflow/compiler/mlir/lite/schema/schema.fbs``; the numbers below are field numbers there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgecnn.export.quantize.trainable import field, fused_activation, strides_of
from edgecnn.modelfile.graph import Operator
from edgecnn.train.backend import tf

Apply = Callable[[Sequence[Any], Operator], Any]

_ACTIVATIONS = {0: tf.identity, 1: tf.nn.relu, 3: tf.nn.relu6, 4: tf.tanh}
_PADDINGS = ("SAME", "VALID")


def apply_operator(operator: Operator, inputs: Sequence[Any]) -> Any:
    """Compute an operator in float32, its fused activation included.

    Args:
        operator: one that ``check_trainable`` let pass.
        inputs: tensors, batch first with any number of pictures; weights in LiteRT's layout; None for one
            that is left out.
    """
    return _APPLY[operator.name](inputs, operator)


def _activated(values: Any, operator: Operator) -> Any:
    return _ACTIVATIONS[fused_activation(operator)](values)


def _with_bias(values: Any, inputs: Sequence[Any]) -> Any:
    return values if len(inputs) < 3 or inputs[2] is None else values + inputs[2]


def _padding(operator: Operator) -> str:
    return _PADDINGS[field(operator, 0, "b")]


def _convolution(inputs: Sequence[Any], operator: Operator) -> Any:
    filters = tf.transpose(inputs[1], (1, 2, 3, 0))  # from (out, h, w, in)
    dilation = field(operator, 5, "i", 1)
    if dilation > 1:  # on a CPU only this form has a gradient
        values = tf.nn.atrous_conv2d(inputs[0], filters, dilation, _padding(operator))
    else:
        values = tf.nn.conv2d(inputs[0], filters, strides_of(operator), _padding(operator))
    return _activated(_with_bias(values, inputs), operator)


def _depthwise_convolution(inputs: Sequence[Any], operator: Operator) -> Any:
    _, height, width, num_out = inputs[1].shape  # the multiples of an input channel stand side by side
    channels = inputs[0].shape[-1]
    filters = tf.reshape(inputs[1], (height, width, channels, num_out // channels))
    strides = (1, *strides_of(operator), 1)
    values = tf.nn.depthwise_conv2d(
        inputs[0],
        filters,
        strides,
        _padding(operator),
        dilations=(field(operator, 6, "i", 1), field(operator, 5, "i", 1)),
    )
    return _activated(_with_bias(values, inputs), operator)


def _fully_connected(inputs: Sequence[Any], operator: Operator) -> Any:
    values = inputs[0]
    if not field(operator, 2, "b"):  # keep_num_dims
        values = tf.reshape(values, (-1, inputs[1].shape[1]))
    return _activated(_with_bias(tf.linalg.matmul(values, inputs[1], transpose_b=True), inputs), operator)


def _pool(function: Callable[..., Any]) -> Apply:
    return lambda inputs, operator: _activated(
        function(
            inputs[0], (field(operator, 4, "i"), field(operator, 3, "i")), strides_of(operator), _padding(operator)
        ),
        operator,
    )


def _concatenation(inputs: Sequence[Any], operator: Operator) -> Any:
    return _activated(tf.concat(inputs, field(operator, 0, "i")), operator)


def _mean(inputs: Sequence[Any], operator: Operator) -> Any:
    return tf.reduce_mean(inputs[0], inputs[1], keepdims=bool(field(operator, 0, "b")))


def _reshape(inputs: Sequence[Any], operator: Operator) -> Any:
    # The graph is made for one picture, and may leave out the axis that is 1 then.
    shape = tuple(inputs[1])
    return tf.reshape(inputs[0], (-1, *(shape[1:] if shape[0] in (1, -1) else shape)))


def _squeeze(inputs: Sequence[Any], operator: Operator) -> Any:
    axes = operator.options.integers(0) if operator.options else ()
    return tf.squeeze(inputs[0], axes or [axis for axis, size in enumerate(inputs[0].shape) if axis and size == 1])


def _softmax(inputs: Sequence[Any], operator: Operator) -> Any:
    beta = operator.options.number(0, "f") if operator.options else 0.0
    return tf.nn.softmax((beta or 1.0) * inputs[0])


def _leaky_relu(inputs: Sequence[Any], operator: Operator) -> Any:
    alpha = operator.options.number(0, "f") if operator.options else 0.0
    return tf.nn.leaky_relu(inputs[0], alpha)


def _binary(function: Callable[[Any, Any], Any]) -> Apply:
    return lambda inputs, operator: _activated(function(inputs[0], inputs[1]), operator)


def _unary(function: Callable[[Any], Any]) -> Apply:
    return lambda inputs, operator: function(inputs[0])


_APPLY: dict[str, Apply] = {
    "ADD": _binary(tf.add),
    "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise_convolution,
    "EXPAND_DIMS": lambda inputs, operator: tf.expand_dims(inputs[0], int(inputs[1])),
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _unary(lambda values: values * tf.nn.relu6(values + 3.0) / 6.0),
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _unary(tf.sigmoid),
    "MAX_POOL_2D": _pool(tf.nn.max_pool2d),
    "MEAN": _mean,
    "MUL": _binary(tf.multiply),
    "PAD": lambda inputs, operator: tf.pad(inputs[0], inputs[1]),
    "RELU": _unary(tf.nn.relu),
    "RELU6": _unary(tf.nn.relu6),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _squeeze,
    "SUB": _binary(tf.subtract),
    "TANH": _unary(tf.tanh),
}
