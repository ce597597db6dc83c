"""The window that a convolution or a pooling slides over its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Operator

Padding = Literal["same", "valid"]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a window moves; every pair is rows, then columns.

    Attributes:
        size_hw: taps, 3 x 3 for instance; with a dilation they stand apart.
        stride_hw: steps of the window, in cells of the input.
        dilation_hw: distance of neighbouring taps, 1 where they touch.
        padding: ``same`` lets the window hang over the border, ``valid`` does not.
        before_hw: rows above and columns left of the input that count as zeros (for a pooling: not at all).
        after_hw: rows below and columns right of it.

    Reference:
        ``tensorflow/lite/kernels/padding.h``: of an odd number of rows the larger half goes behind.
    """

    size_hw: Pair
    stride_hw: Pair
    dilation_hw: Pair = (1, 1)
    padding: Padding = "valid"
    before_hw: Pair = (0, 0)
    after_hw: Pair = (0, 0)

    @property
    def reach_hw(self) -> Pair:
        """Rows and columns from the first tap to the last, both included."""
        (rows, columns), (down, across) = self.size_hw, self.dilation_hw
        return (rows - 1) * down + 1, (columns - 1) * across + 1

    def start(self, index: int, axis: int) -> int:
        """Return the first input row (``axis`` 0) or column (1) under the window; negative in the padding."""
        return index * self.stride_hw[axis] - self.before_hw[axis]

    def taps(self, index: int, axis: int) -> range:
        """Return the input rows or columns under the taps, those in the padding included."""
        start, apart = self.start(index, axis), self.dilation_hw[axis]
        return range(start, start + self.size_hw[axis] * apart, apart)


def sliding_window(
    size_hw: Pair, stride_hw: Pair, dilation_hw: Pair, padding: Padding, shapes_hw: tuple[Pair, Pair]
) -> Window:
    """Return a window with its padding.

    Args:
        size_hw: taps.
        stride_hw: steps.
        dilation_hw: distance of taps.
        padding: its kind.
        shapes_hw: size of the input and of the output, in cells.
    """
    input_hw, output_hw = shapes_hw
    missing = [0, 0]
    if padding == "same":
        for axis in (0, 1):
            reach = (size_hw[axis] - 1) * dilation_hw[axis] + 1
            missing[axis] = max(0, (output_hw[axis] - 1) * stride_hw[axis] + reach - input_hw[axis])
    before = missing[0] // 2, missing[1] // 2
    return Window(
        size_hw=size_hw,
        stride_hw=stride_hw,
        dilation_hw=dilation_hw,
        padding=padding,
        before_hw=before,
        after_hw=(missing[0] - before[0], missing[1] - before[1]),
    )


def read_window(operator: Operator, weights_shape: tuple[int, ...], shapes_hw: tuple[Pair, Pair]) -> Window | None:
    """Return an operator's window out of its options; None for one that has none.

    Args:
        operator: any.
        weights_shape: of a convolution's filters, as the file has them.
        shapes_hw: size of its input and output, in cells.
    """
    reader = _READERS.get(operator.name)
    if reader is None or operator.options is None:
        return None
    size, stride, dilation = reader(operator.options, weights_shape)
    padding: Padding = "valid" if operator.options.integer(0, "b") else "same"
    return sliding_window(size, stride, dilation, padding, shapes_hw)


def _pair(options: Table, width_field: int, default: int = 0) -> Pair:
    """Return rows and columns; the schema has the width first."""
    return options.integer(width_field + 1, "i", default), options.integer(width_field, "i", default)


def _convolution(options: Table, shape: tuple[int, ...]) -> tuple[Pair, Pair, Pair]:
    return (shape[1], shape[2]), _pair(options, 1), _pair(options, 4, 1)


def _depthwise(options: Table, shape: tuple[int, ...]) -> tuple[Pair, Pair, Pair]:
    return (shape[1], shape[2]), _pair(options, 1), _pair(options, 5, 1)


def _pool(options: Table, shape: tuple[int, ...]) -> tuple[Pair, Pair, Pair]:
    return _pair(options, 3), _pair(options, 1), (1, 1)


# Numbers of fields in the schema's tables Conv2DOptions, DepthwiseConv2DOptions and Pool2DOptions.
_READERS: dict[str, Callable[[Table, tuple[int, ...]], tuple[Pair, Pair, Pair]]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "L2_POOL_2D": _pool,
}
