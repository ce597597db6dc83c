"""In which unit each weight is learned, so that one learning rate suits all of them.

An optimizer like Adam moves every number by about the learning rate. Behind folded batch normalization
some channels have weights a thousand times smaller than others: measured in these units all are alike.

Reference:
    Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    arXiv:1804.04235, sections 3 and 8: factored root mean squares, steps relative to the parameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Axes of output and input channels in LiteRT's layouts.
_CHANNEL_AXES = {"CONV_2D": (0, 3), "FULLY_CONNECTED": (0, 1), "DEPTHWISE_CONV_2D": (3,)}
_MIN_SHARE = 1e-4
_MIN_UNIT = 1e-8


def weight_units(weights: NDArray[np.float32], operator: str) -> NDArray[np.float32]:
    """Return the root mean square of a weight's output channel times that of its input channel, over that of all.

    Args:
        weights: float32, in LiteRT's layout.
        operator: whose weights they are.

    Returns:
        float32, of a shape that ``weights`` can be divided by; above 0.
    """
    overall = _root_mean_square(weights, None)
    units = overall
    for axis in _CHANNEL_AXES[operator]:
        others = tuple(other for other in range(weights.ndim) if other != axis)
        units = units * (_root_mean_square(weights, others) / np.maximum(overall, _MIN_UNIT))
    return np.maximum(units, np.maximum(_MIN_SHARE * overall, _MIN_UNIT)).astype(np.float32)


def bias_units(bias: NDArray[np.float32], weights: NDArray[np.float32], operator: str) -> NDArray[np.float32]:
    """Return how large a layer's biases commonly are, larger where the weights of the output channel are larger.

    Args:
        bias: float32, one per output channel.
        weights: float32, of the same layer.
        operator: whose they are.

    Returns:
        float32, same shape as ``bias``, above 0.
    """
    axis = _CHANNEL_AXES[operator][0]
    others = tuple(other for other in range(weights.ndim) if other != axis)
    overall = np.maximum(_root_mean_square(weights, None), _MIN_UNIT)
    shares = np.maximum(_root_mean_square(weights, others) / overall, _MIN_SHARE).reshape(-1)
    # The median: a channel that batch normalization switched off has next to no weights, but a bias.
    return np.maximum(np.median(np.abs(bias) / shares) * shares, _MIN_UNIT).astype(np.float32)


def _root_mean_square(values: NDArray[np.float32], axes: tuple[int, ...] | None) -> NDArray[np.float64]:
    squares = np.mean(np.square(values, dtype=np.float64), axis=axes, keepdims=True)
    root: NDArray[np.float64] = np.sqrt(squares)
    return root
