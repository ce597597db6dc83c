"""Does the place matter? Answers to changed pictures, and maps of a picture that was moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.evaluate.changes import CHANGES, shift_by
from edgecnn.explain.field import ReceptiveField, receptive_field
from edgecnn.explain.maps import feature_maps
from edgecnn.explain.network import LayerKey, Network

_NEVER_EQUAL = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvarianceCurve:
    """Answers to pictures that were changed more and more.

    Attributes:
        change: what was done to them.
        unit: of the amounts.
        amounts: float64, shape (A,).
        class_indices: int64, shape (N,): the class whose score counts for each picture: the right one, or
            the answer to the unchanged picture where nobody said what is right.
        scores: float32, shape (A, N): the score of that class.
        accuracy: float64, shape (A,): share of pictures for which that class is the answer.
    """

    change: str
    unit: str
    amounts: NDArray[np.float64]
    class_indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    accuracy: NDArray[np.float64]


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


def invariance_curve(
    network: Network,
    pixels: NDArray[np.uint8],
    label_indices: Sequence[int] | NDArray[np.int64] | None,
    change: str,
    amounts: Sequence[float] | None = None,
    *,
    seed: int = 0,
) -> InvarianceCurve:
    """Return how a file's answers hold when pictures are changed.

    Args:
        network: the network.
        pixels: uint8, shape (N, height, width, 3) or (height, width, 3), RGB, at the input's size.
        label_indices: the right class of each picture; None takes the answers to the unchanged pictures.
        change: a key of ``CHANGES``.
        amounts: what to try; None takes the change's own.
        seed: of the noise; picture ``n`` is spoiled with ``seed + n``.

    Raises:
        ValueError: there is no such change, or the numbers of pictures and labels differ.
    """
    if change not in CHANGES:
        raise ValueError(f"no change is called {change!r}; there are {', '.join(CHANGES)}")
    pictures = pixels[np.newaxis] if pixels.ndim == 3 else pixels
    known = CHANGES[change]
    tried = known.amounts if amounts is None else amounts
    right = (
        np.array([network.look(picture).best for picture in pictures], np.int64)
        if label_indices is None
        else np.asarray(label_indices, np.int64)
    )
    if right.shape != (len(pictures),):
        raise ValueError(f"there are {len(pictures)} pictures and labels of shape {right.shape}; give one for each")
    scores = np.zeros((len(tried), len(pictures)), np.float32)
    hits = np.zeros(scores.shape, bool)
    for row, amount in enumerate(tried):
        for column, picture in enumerate(pictures):
            answer = network.scores(known.apply(picture, amount, seed + column))
            scores[row, column] = answer[right[column]]
            hits[row, column] = answer.argmax() == right[column]
    return InvarianceCurve(
        change=change,
        unit=known.unit,
        amounts=np.asarray(tried, np.float64),
        class_indices=right,
        scores=scores,
        accuracy=hits.mean(axis=1),
    )


def equivariance(
    network: Network, pixels: NDArray[np.uint8], layer: LayerKey, shift_yx: tuple[int, int]
) -> Equivariance:
    """Move a picture and see whether a layer's maps move with it.

    Args:
        network: the network.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.
        layer: one whose output is maps.
        shift_yx: whole pixels down and to the right; negative: up and to the left.

    Raises:
        ModelFileError: the layer's output is no maps.
    """
    found = network.layer(layer)
    if not found.is_map:
        raise ModelFileError(f"the output of {found.name} has shape {found.output_shape}; only maps can move")
    field = receptive_field(network, found)
    strides = [stride or 1 for stride in field.stride_hw]
    cells = tuple(round(shift / stride) for shift, stride in zip(shift_yx, strides, strict=True))
    is_whole = None not in field.stride_hw and all(
        shift % stride == 0 for shift, stride in zip(shift_yx, strides, strict=True)
    )
    still = feature_maps(network.look(pixels), found)
    moved = feature_maps(network.look(shift_by(pixels, *shift_yx)), found)
    rows, columns = (_both(still.shape[axis], cells[axis]) for axis in (0, 1))
    new, old = moved[np.ix_(rows, columns)], still[np.ix_(rows - cells[0], columns - cells[1])]
    calm = np.outer(
        *(_undisturbed(field, axis, at, shift_yx[axis], pixels.shape[axis]) for axis, at in enumerate((rows, columns)))
    )
    apart = (new - old)[calm].astype(np.float64)
    at_border = (new - old)[~calm]
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
    )


def _both(cells: int, step: int) -> NDArray[np.int64]:
    """Return the cells of the moved maps that have a counterpart in the unmoved ones."""
    return np.arange(max(step, 0), max(cells + min(step, 0), 0))


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
