"""What excites a filter most, out of many pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data.folder import Picture
from edgecnn.data.pixels import iter_pixels
from edgecnn.errors import DatasetError
from edgecnn.explain.field import Box, ReceptiveField, receptive_fields
from edgecnn.explain.layer import Layer
from edgecnn.explain.network import LayerKey, Look, Network
from edgecnn.explain.tensors import to_real


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A place in a picture.

    Attributes:
        value: real value of the map there.
        picture: position of the picture among those that were given.
        y: row of the map.
        x: column of the map.
        box: the pixels that the cell sees, at the network's input size.
    """

    value: float
    picture: int
    y: int
    x: int
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """The strongest places of one layer: shape (channels, count) each, ``picture`` -1 where none is yet.

    ``weakest`` is the smallest of each channel's values: shape (channels,).
    """

    values: NDArray[np.float64]
    weakest: NDArray[np.float64]
    picture: NDArray[np.int64]
    cell: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPatches:
    """The strongest places of all filters of a layer, the strongest first, at most one in a picture.

    Attributes:
        values: float32, shape (channels, count): real values of the map; NaN where there are fewer places.
        pictures: int64, same shape: positions among the pictures that were given; -1 where there is none.
        cells: int64, shape (channels, count, 2): row and column of the map.
        boxes: int64, shape (channels, count, 4): the pixels that the cell sees, in the order of ``Box``.
    """

    values: NDArray[np.float32]
    pictures: NDArray[np.int64]
    cells: NDArray[np.int64]
    boxes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TopPatches:
    """The strongest places of every filter of some layers.

    Attributes:
        layers: the layers.
        num_pictures: pictures that were looked at.
        unreadable: one sentence for each picture that could not be.
    """

    layers: tuple[Layer, ...]
    num_pictures: int
    unreadable: tuple[str, ...]
    _network: Network
    _patches: Mapping[int, LayerPatches]

    def of_layer(self, layer: LayerKey) -> LayerPatches:
        """Return the strongest places of all filters of a layer.

        Raises:
            KeyError: the layer was not looked at.
        """
        return self._patches[self._network.layer(layer).index]

    def of(self, layer: LayerKey, channel: int) -> tuple[Patch, ...]:
        """Return the strongest places of one filter, the strongest first, at most one in a picture.

        Raises:
            KeyError: the layer was not looked at.
        """
        every = self.of_layer(layer)
        parts = (every.values, every.pictures, every.cells, every.boxes)
        return tuple(
            Patch(value=value, picture=picture, y=y, x=x, box=Box(*box))
            for value, picture, (y, x), box in zip(*(part[channel].tolist() for part in parts), strict=True)
            if picture >= 0
        )


def top_patches(
    network: Network,
    root: Path,
    pictures: Sequence[Picture],
    layers: Sequence[LayerKey] | None = None,
    *,
    count: int = 9,
    progress: Progress | None = None,
) -> TopPatches:
    """Look at pictures and remember where each filter answered most, holding one picture's tensors at a time.

    Args:
        network: the network.
        root: the folder that the pictures' paths are relative to.
        pictures: what to look at.
        layers: layers whose output is maps; None takes all convolutions.
        count: places to remember for each filter, from 1.
        progress: told of every picture.

    Raises:
        ValueError: a layer's output is no maps.
        DatasetError: there are no pictures, or none of them can be read.
    """
    wanted = tuple(network.layer(layer) for layer in (network.convolutions if layers is None else layers))
    for layer in wanted:
        if not layer.is_map:
            raise ValueError(f"the output of {layer.name} has shape {layer.output_shape}; patches need maps")
    best = {layer.index: _nothing_yet(layer.output_shape[2], count) for layer in wanted}
    unreadable: list[str] = []
    with (progress or SilentProgress()).task("looking for what excites the filters", len(pictures)) as task:
        for number, (_, loaded) in enumerate(iter_pixels(root, pictures, network.file.contract)):
            if isinstance(loaded, DatasetError):
                unreadable.append(str(loaded))
            else:
                look = network.look(loaded)
                for layer in wanted:
                    _remember(best[layer.index], look, layer, number)
            task.advance()
    if len(unreadable) == len(pictures):
        raise DatasetError(unreadable[0] if unreadable else f"there are no pictures to look at under {root}")
    fields = receptive_fields(network)
    patches = {layer.index: _in_order(network, layer, best[layer.index], fields[layer.index]) for layer in wanted}
    return TopPatches(wanted, len(pictures) - len(unreadable), tuple(unreadable), network, patches)


def cut(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the pixels in a box: uint8, shape (box.bottom - box.top, box.right - box.left, 3)."""
    return np.ascontiguousarray(pixels[box.top : box.bottom, box.left : box.right])


def _in_order(network: Network, layer: Layer, best: _Best, field: ReceptiveField) -> LayerPatches:
    order = np.argsort(-best.values, axis=1, kind="stable")
    codes = np.take_along_axis(best.values, order, axis=1)
    pictures = np.take_along_axis(best.picture, order, axis=1)
    places = np.take_along_axis(best.cell, order, axis=1)
    found = pictures >= 0
    tensor = network.file.graph.tensors[layer.output]
    values = to_real(np.where(found, codes, 0).astype(tensor.dtype), tensor)
    values[~found] = np.nan
    cells = np.stack(np.divmod(places, layer.output_shape[1]), axis=2)
    return LayerPatches(values=values, pictures=pictures, cells=cells, boxes=field.boxes(cells))


def _nothing_yet(channels: int, count: int) -> _Best:
    shape = (channels, count)
    return _Best(
        values=np.full(shape, -np.inf),
        weakest=np.full(channels, -np.inf),
        picture=np.full(shape, -1, np.int64),
        cell=np.zeros(shape, np.int64),
    )


def _remember(best: _Best, look: Look, layer: Layer, number: int) -> None:
    codes = look.codes(layer)
    flat = codes.reshape(-1, codes.shape[2])
    # Codes sort like the real values, having one scale; the place is looked for only where it will be kept.
    peaks = flat.max(axis=0)
    (better,) = np.nonzero(peaks > best.weakest)
    if not len(better):
        return
    slots = best.values[better].argmin(axis=1)
    best.values[better, slots] = peaks[better]
    best.picture[better, slots] = number
    best.weakest[better] = best.values[better].min(axis=1)
    # Channel by channel: their places lie side by side then, which is read several times as fast.
    best.cell[better, slots] = flat.T[better].argmax(axis=1)
