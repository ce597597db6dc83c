"""Rounding to what 8 bits can hold, through which the gradient passes as if nothing were rounded.

Reference:
    Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional
    Computation", arXiv:1308.3432: the straight-through estimator.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.train.backend import tf

_MIN_WEIGHT = 5e-7
_MIN_WIDTH = 1e-6


def round_activation(values: Any, low: Any, high: Any) -> Any:
    """Round to the 256 codes from ``low`` (at most 0) to ``high`` (at least 0), and saturate."""
    return tf.quantization.fake_quant_with_min_max_vars(values, low, tf.maximum(high, low + _MIN_WIDTH))


def round_weights(weights: Any, operator: str) -> tuple[Any, Any]:
    """Round weights in LiteRT's layout to -127 to 127 steps.

    Returns:
        The rounded weights, and the size of a step: one per output channel, of dense layers one for all.
    """
    if operator == "FULLY_CONNECTED":
        largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(weights)), _MIN_WEIGHT))
        rounded = tf.quantization.fake_quant_with_min_max_vars(weights, -largest, largest, narrow_range=True)
        return rounded, largest / 127.0
    # TensorFlow takes the channels in the last axis, where depthwise weights have them.
    order = (1, 2, 3, 0) if operator == "CONV_2D" else (0, 1, 2, 3)
    turned = tf.transpose(weights, order)
    largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(turned), axis=(0, 1, 2)), _MIN_WEIGHT))
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(turned, -largest, largest, narrow_range=True)
    return tf.transpose(rounded, tuple(np.argsort(order))), largest / 127.0


def round_bias(bias: Any, step: Any) -> Any:
    """Round a bias to whole steps: a step of the input times a step of the weights."""
    return bias + tf.stop_gradient(step * tf.round(bias / step) - bias)


def extremes(values: list[Any]) -> Any:
    """Return the lowest and the highest of some tensors' values, with zero between them: float32 (2,)."""
    lows, highs = [tf.reduce_min(v) for v in values], [tf.reduce_max(v) for v in values]
    return tf.stack([tf.minimum(tf.reduce_min(lows), 0.0), tf.maximum(tf.reduce_max(highs), 0.0)])
