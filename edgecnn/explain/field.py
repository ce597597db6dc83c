"""Which pixels of the picture a cell of a map can see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.layer import PICTURE, Layer
from edgecnn.explain.network import LayerKey, Network
from edgecnn.explain.window import Window

# First and last pixel of a cell that sees only padding: neutral where fields are joined.
_NOWHERE = (1 << 30, -1)
# They compute each cell out of the same cell.
_CELL_BY_CELL = frozenset({"activation", "add", "multiply", "concatenate", "conversion", "softmax"})
_OTHERS = "SUB DIV MAXIMUM MINIMUM ADD_N POW SQUARED_DIFFERENCE ABS NEG SQUARE SQRT RSQRT EXP LOG FAKE_QUANT"
_OTHERS_CELL_BY_CELL = frozenset(_OTHERS.split())


class Box(NamedTuple):
    """Pixels of the picture at the network's input size; ``bottom`` and ``right`` are not in it."""

    top: int
    left: int
    bottom: int
    right: int


class _Reach(NamedTuple):
    """What the cells see along one axis.

    Attributes:
        first: first pixel that each cell sees, shape (cells,).
        last: last pixel that each cell sees.
        size: pixels from first to last if no border were near; None if that has no single answer.
        stride: pixels between neighbouring cells; None if that has no single answer.
        start: first pixel of the first cell if the picture went on beyond its border.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    size: int | None
    stride: int | None
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveField:
    """What a layer's cells see of the picture.

    Attributes:
        size_hw: rows and columns of pixels, were no border near; None along an axis where every cell
            sees the whole picture, or where cells differ.
        stride_hw: pixels between the fields of neighbouring cells; None as above.
        start_hw: first row and column of the first cell's field; negative where it begins in the padding.
        rows: int64, shape (cells, 2): first and last row that a row of cells really sees; the first is
            behind the last where it sees nothing but padding.
        columns: int64, shape (cells, 2): the same for columns.
    """

    size_hw: tuple[int | None, int | None]
    stride_hw: tuple[int | None, int | None]
    start_hw: tuple[int, int]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def box(self, y: int, x: int) -> Box:
        """Return the pixels that the cell (y, x) sees, without what would lie beyond the picture.

        The box is empty for a cell that sees nothing but padding.
        """
        return Box(*self.boxes(np.array([y, x])).tolist())

    def boxes(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what many cells, shape (…, 2), row and column, see: int64, shape (…, 4), in the order of ``Box``."""
        rows, columns = self.rows[cells[..., 0]], self.columns[cells[..., 1]]
        ends = np.stack([rows[..., 0], columns[..., 0], rows[..., 1] + 1, columns[..., 1] + 1], axis=-1)
        sees = (rows[..., 0] <= rows[..., 1]) & (columns[..., 0] <= columns[..., 1])
        return np.where(sees[..., np.newaxis], ends, 0)


def receptive_field(network: Network, layer: LayerKey) -> ReceptiveField:
    """Return which pixels can change a layer's cells: through every branch, with strides, dilation and padding.

    Pixels that a dilation or a stride leaves out in the middle count as seen: a field is a rectangle.
    An operator that is not looked into counts as one whose every cell sees everything.

    Reference:
        Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks",
        Distill 2019, doi:10.23915/distill.00021.
    """
    return receptive_fields(network)[network.layer(layer).index]


def receptive_fields(network: Network) -> tuple[ReceptiveField, ...]:
    """Return what ``receptive_field`` returns for all layers, going through the network once."""
    layers, contract = network.layers, network.file.contract
    both = zip(_follow(layers, 0, contract.height), _follow(layers, 1, contract.width), strict=True)
    return tuple(
        ReceptiveField(
            size_hw=(down.size, across.size),
            stride_hw=(down.stride, across.stride),
            start_hw=(down.start, across.start),
            rows=np.stack([down.first, down.last], axis=1),
            columns=np.stack([across.first, across.last], axis=1),
        )
        for down, across in both
    )


def _follow(layers: tuple[Layer, ...], axis: int, side: int) -> list[_Reach]:
    """Return the reach of each layer along an axis; the layers are in order from the first."""
    pixels = np.arange(side)
    reaches = {PICTURE: _Reach(pixels, pixels, 1, 1, 0)}
    for layer in layers:
        reaches[layer.index] = _reach_of(layer, [reaches[source] for source in layer.sources], axis, side)
    return [reaches[layer.index] for layer in layers]


def _reach_of(layer: Layer, sources: list[_Reach], axis: int, side: int) -> _Reach:
    cells = layer.output_shape[axis] if layer.is_map else 1
    if layer.window is not None and layer.is_map:
        return _through_window(sources[0], layer.window, axis, cells)
    before = [shape[axis] if len(shape) == 3 else 1 for shape in layer.input_shapes]
    maps = all(len(shape) in (0, 1, 3) for shape in layer.input_shapes)
    if maps and _is_cell_by_cell(layer) and all(size in (1, cells) for size in before):
        return _merge([_spread(reach, cells) for reach in sources], cells)
    everything = np.zeros(cells, np.int64), np.full(cells, side - 1)
    return _Reach(*everything, None, None, 0)


def _is_cell_by_cell(layer: Layer) -> bool:
    return layer.kind in _CELL_BY_CELL or layer.operator in _OTHERS_CELL_BY_CELL


def _through_window(reach: _Reach, window: Window, axis: int, cells: int) -> _Reach:
    before = len(reach.first)
    taps = [[tap for tap in window.taps(cell, axis) if 0 <= tap < before] for cell in range(cells)]
    # Fields need not begin in order after branches: the smallest first and the largest last count.
    first = np.array([reach.first[under].min() if under else _NOWHERE[0] for under in taps])
    last = np.array([reach.last[under].max() if under else _NOWHERE[1] for under in taps])
    if reach.size is None or reach.stride is None:
        return _Reach(first, last, None, None, 0)
    size = reach.size + (window.reach_hw[axis] - 1) * reach.stride
    start = reach.start - window.before_hw[axis] * reach.stride
    return _Reach(first, last, size, reach.stride * window.stride_hw[axis], start)


def _spread(reach: _Reach, cells: int) -> _Reach:
    """Return a reach for all cells, where one cell is added to, or multiplied with, all of them."""
    if len(reach.first) == cells:
        return reach
    return _Reach(np.repeat(reach.first, cells), np.repeat(reach.last, cells), None, None, 0)


def _merge(reaches: list[_Reach], cells: int) -> _Reach:
    """Return what cells see that are made out of several cells at the same place."""
    first = np.min([reach.first for reach in reaches], axis=0)
    last = np.max([reach.last for reach in reaches], axis=0)
    strides = {reach.stride for reach in reaches}
    start = min(reach.start for reach in reaches)
    sizes = [reach.size for reach in reaches]
    if None in sizes or len(strides) != 1:
        return _Reach(first, last, None, None, 0)
    end = max(reach.start + (reach.size or 0) for reach in reaches)
    return _Reach(first, last, end - start, strides.pop(), start)
