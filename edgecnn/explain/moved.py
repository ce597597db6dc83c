"""Do a layer's maps move with the picture?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.evaluate.changes import shift_by
from edgecnn.explain.field import Box, ReceptiveField, receptive_fields
from edgecnn.explain.maps import feature_maps
from edgecnn.explain.network import LayerKey, Network

_NEVER_EQUAL = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivariance:
    """A layer's maps of a picture and of the same picture moved, compared away from the borders.

    Attributes:
        shift_yx: by how many pixels the picture was moved, down and to the right.
        cells_yx: by how many cells the maps were moved for the comparison.
        is_whole: whether the pixels are a whole number of cells: only then can a layer be equivariant.
        num_cells: cells that were compared: those that see neither padding nor what the move brought in.
        same_share: share of their values that are equal; NaN where no cell is left.
        max_abs: largest difference of the real values; NaN where no cell is left.
        rms: root mean square of the differences; NaN where no cell is left.
        signal_rms: root mean square of the values themselves.
        num_border_cells: the other cells that both maps have: padding or the picture's new edge is in sight.
        border_same_share: share of their values that are equal; NaN where there are none.
        inner: the cells of the unmoved maps that ``num_cells`` counts, first and behind the last; zeros for none.
        differing: float32, shape (rows, columns) of the unmoved maps: share of the filters whose value differs;
            NaN where the moved maps have no such cell.
    """

    shift_yx: tuple[int, int]
    cells_yx: tuple[int, int]
    is_whole: bool
    num_cells: int
    same_share: float
    max_abs: float
    rms: float
    signal_rms: float
    num_border_cells: int
    border_same_share: float
    inner: Box
    differing: NDArray[np.float32]


def equivariance(
    network: Network, pixels: NDArray[np.uint8], layer: LayerKey, shift_yx: tuple[int, int]
) -> Equivariance:
    """Move a picture and see whether a layer's maps move with it; ``equivariances`` of one layer."""
    return equivariances(network, pixels, [layer], shift_yx)[0]


def equivariances(
    network: Network, pixels: NDArray[np.uint8], layers: Sequence[LayerKey], shift_yx: tuple[int, int]
) -> tuple[Equivariance, ...]:
    """Move a picture and see of each layer whether its maps move with it; the network runs twice.

    Args:
        network: the network.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.
        layers: layers whose output is maps.
        shift_yx: whole pixels down and to the right; negative: up and to the left.

    Raises:
        ModelFileError: a layer's output is no maps.
    """
    found = [network.layer(layer) for layer in layers]
    for layer in found:
        if not layer.is_map:
            raise ModelFileError(f"the output of {layer.name} has shape {layer.output_shape}; only maps can move")
    looks = network.look(pixels), network.look(shift_by(pixels, *shift_yx))
    still, moved = ([feature_maps(look, layer) for layer in found] for look in looks)
    fields = receptive_fields(network)
    return tuple(
        _compare(fields[layer.index], pair, pixels.shape[:2], shift_yx)
        for layer, *pair in zip(found, still, moved, strict=True)
    )


def _compare(
    field: ReceptiveField,
    maps: Sequence[NDArray[np.float32]],
    picture_hw: tuple[int, ...],
    shift_yx: tuple[int, int],
) -> Equivariance:
    """Compare a layer's maps of the picture where it was with those of the moved one."""
    still, moved = maps
    strides = [stride or 1 for stride in field.stride_hw]
    cells = tuple(round(shift / stride) for shift, stride in zip(shift_yx, strides, strict=True))
    is_whole = None not in field.stride_hw and all(
        shift % stride == 0 for shift, stride in zip(shift_yx, strides, strict=True)
    )
    rows, columns = (_both(still.shape[axis], cells[axis]) for axis in (0, 1))
    new, old = moved[np.ix_(rows, columns)], still[np.ix_(rows - cells[0], columns - cells[1])]
    calm_rows, calm_columns = (
        _undisturbed(field, axis, at, shift_yx[axis], picture_hw[axis]) for axis, at in enumerate((rows, columns))
    )
    calm = np.outer(calm_rows, calm_columns)
    apart = (new - old)[calm].astype(np.float64)
    at_border = (new - old)[~calm]
    differing = np.full(still.shape[:2], np.nan, np.float32)
    differing[np.ix_(rows - cells[0], columns - cells[1])] = (new != old).mean(axis=2)
    return Equivariance(
        shift_yx=shift_yx,
        cells_yx=(cells[0], cells[1]),
        is_whole=is_whole,
        num_cells=len(apart),
        same_share=float((apart == 0).mean()) if apart.size else _NEVER_EQUAL,
        max_abs=float(np.abs(apart).max()) if apart.size else _NEVER_EQUAL,
        rms=float(np.sqrt((apart**2).mean())) if apart.size else _NEVER_EQUAL,
        signal_rms=float(np.sqrt((old[calm].astype(np.float64) ** 2).mean())) if apart.size else _NEVER_EQUAL,
        num_border_cells=len(at_border),
        border_same_share=float((at_border == 0).mean()) if at_border.size else _NEVER_EQUAL,
        inner=_box((rows - cells[0])[calm_rows], (columns - cells[1])[calm_columns]),
        differing=differing,
    )


def _both(cells: int, step: int) -> NDArray[np.int64]:
    """Return the cells of the moved maps that have a counterpart in the unmoved ones."""
    return np.arange(max(step, 0), max(cells + min(step, 0), 0))


def _box(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Box:
    if not (rows.size and columns.size):
        return Box(0, 0, 0, 0)
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _undisturbed(
    field: ReceptiveField, axis: int, cells: NDArray[np.int64], shift: int, side: int
) -> NDArray[np.bool_]:
    """Return for cells whether their whole field shows the moved picture: no padding, and no repeated edge."""
    size, stride = field.size_hw[axis], field.stride_hw[axis]
    if size is None or stride is None:
        return np.zeros(len(cells), bool)
    first = field.start_hw[axis] + stride * cells
    inside: NDArray[np.bool_] = (first >= max(shift, 0)) & (first + size <= side + min(shift, 0))
    return inside
