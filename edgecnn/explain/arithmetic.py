"""What a convolution computes, in plain numpy: to show it, and to hold the file against it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.window import Window

_ACTIVATION_RANGES = {
    "": (-np.inf, np.inf),
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
    "relu_0_to_1": (0.0, 1.0),
}


def activation_range(activation: str) -> tuple[float, float] | None:
    """Return the range to which an activation clamps; None for one that bends values otherwise."""
    return _ACTIVATION_RANGES.get(activation)


def activate(values: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    """Apply the activation that a convolution can have fused in it.

    Raises:
        ValueError: it is not one of them.
    """
    if activation == "tanh":
        return np.tanh(values)
    limits = activation_range(activation)
    if limits is None:
        raise ValueError(f"no operator has the activation {activation!r} fused in it")
    clamped: NDArray[np.float64] = np.clip(values, *limits)
    return clamped


def convolve(
    values: NDArray[np.floating], filters: NDArray[np.floating], window: Window, output_hw: tuple[int, int]
) -> NDArray[np.float64]:
    """Slide filters over maps (a cross-correlation, as in every network: the filters are not turned around).

    Args:
        values: floats, shape (h, w, channels).
        filters: floats, shape (out, rows, columns, in); with fewer ``in`` than channels the channels
            are split into groups, which the outputs share out among them in order.
        window: how they slide; beyond the border stand zeros.
        output_hw: size of the result.

    Returns:
        float64, shape (*output_hw, out), without bias.
    """
    padded = _pad(values, window)
    num_out, rows, columns, num_in = filters.shape
    groups = values.shape[2] // num_in
    weights = filters.astype(np.float64).reshape(groups, num_out // groups, rows, columns, num_in)
    sums = np.zeros((*output_hw, groups, num_out // groups))
    for row in range(rows):
        for column in range(columns):
            part = _under_tap(padded, window, (row, column), output_hw).reshape(*output_hw, groups, num_in)
            for group in range(groups):
                sums[:, :, group] += part[:, :, group] @ weights[group, :, row, column].T
    return sums.reshape(*output_hw, num_out)


def convolve_each(
    values: NDArray[np.floating], filters: NDArray[np.floating], window: Window, output_hw: tuple[int, int]
) -> NDArray[np.float64]:
    """Slide a filter over each map by itself (a depthwise convolution).

    Args:
        values: floats, shape (h, w, channels).
        filters: floats, shape (out, rows, columns, 1), with as many neighbours in a row for each channel.
        window: how they slide; beyond the border stand zeros.
        output_hw: size of the result.

    Returns:
        float64, shape (*output_hw, out), without bias.
    """
    num_out, rows, columns, _ = filters.shape
    padded = np.repeat(_pad(values, window), num_out // values.shape[2], axis=2)
    sums = np.zeros((*output_hw, num_out))
    for row in range(rows):
        for column in range(columns):
            sums += _under_tap(padded, window, (row, column), output_hw) * filters[:, row, column, 0]
    return sums


def _pad(values: NDArray[np.floating], window: Window) -> NDArray[np.float64]:
    (above, left), (below, right) = window.before_hw, window.after_hw
    padded: NDArray[np.float64] = np.pad(values.astype(np.float64), ((above, below), (left, right), (0, 0)))
    return padded


def _under_tap(
    padded: NDArray[np.float64], window: Window, tap: tuple[int, int], output_hw: tuple[int, int]
) -> NDArray[np.float64]:
    """Return what lies under one tap at every place of the window: shape (*output_hw, channels)."""
    pieces = []
    for axis in (0, 1):
        start = tap[axis] * window.dilation_hw[axis]
        step = window.stride_hw[axis]
        pieces.append(slice(start, start + (output_hw[axis] - 1) * step + 1, step))
    return padded[pieces[0], pieces[1]]
