"""What excites filters most, out of labelled pictures; few pictures, each embedded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.folder import Picture
from edgecnn.data.pixels import iter_pixels
from edgecnn.errors import DatasetError
from edgecnn.explain.field import Box, ReceptiveField
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.detectors_sheets import make_sheet, narrow
from edgecnn.explain.patches import LayerPatches, cut, top_patches
from edgecnn.imaging import resize

# Patches of all filters together, and of one filter.
_PATCHES, _FEWEST, _MOST = 60_000, 3, 9
# Pictures that the page names, and those of them that it shows small.
_NAMED, _SHOWN = 4096, 768
_SMALL_SIDE = 48
# A patch that would be smaller than this in the small picture is cut out of the large one.
_CROP_SIDE = 20
_SHEET_QUALITY, _CROP_QUALITY = 55, 75
# So small that a JPEG would change what is seen.
_EXACT_SIDE = 12
_GREY = 128


def add_patches(
    layers: Sequence[dict[str, Any]], material: Material, fields: Sequence[ReceptiveField]
) -> dict[str, Any]:
    """Look at all labelled pictures and give each layer ``patches``, and where they are small ``crops``.

    Pictures are numbered by how much they are wanted here: those that excite the layers' strongest filters
    first. The first ``_SHOWN`` are on the sheet, the first ``_NAMED`` are named.

    Args:
        layers: descriptions of the convolutions, each with ``index``, ``strongest`` and ``output``.
        material: with pictures.
        fields: receptive fields of all layers of the network.

    Returns:
        What the pictures are: ``split``, ``num_pictures`` and ``num_unreadable``; ``count`` patches of a filter;
        ``paths`` and ``labels`` of the named ones; ``sheet``, ``tile`` and ``columns`` as ``make_sheet`` gives them.

    Raises:
        DatasetError: none of the pictures can be read.
    """
    given, network = material.pictures, material.network
    assert given is not None
    # In any order: where many pictures excite a filter alike, the first ones win, and they would be of one class.
    pictures = tuple(given.pictures[index] for index in np.random.default_rng(0).permutation(len(given.pictures)))
    num_filters = sum(layer["output"][2] for layer in layers)
    count = min(_MOST, max(_FEWEST, _PATCHES // num_filters))
    found = top_patches(network, given.root, pictures, count=count, progress=material.progress)
    patches = {layer["index"]: found.of_layer(layer["index"]) for layer in layers}
    order = _by_importance(layers, patches, len(pictures))
    rank = np.full(len(pictures) + 1, -1)  # the last is that of the picture -1, which is none
    rank[order] = np.arange(len(order))
    crops = _Crops(count, min(1.0, _SMALL_SIDE / max(network.file.contract.size_wh)))
    for layer in layers:
        mine, index = patches[layer["index"]], layer["index"]
        ranks = rank[mine.pictures]
        layer["patches"] = {"values": mine.values, "pictures": narrow(ranks), "boxes": mine.boxes}
        crops.plan(index, layer["strongest"], mine, ranks, fields[index])
    small = _read(material, [pictures[index] for index in order[:_SHOWN]], crops)
    for layer in layers:
        layer["crops"] = crops.sheet(layer["index"])
    named = [pictures[index] for index in order[:_NAMED]]
    return {
        "split": given.split,
        "num_pictures": found.num_pictures,
        "num_unreadable": len(found.unreadable),
        "count": count,
        "paths": [picture.path for picture in named],
        "labels": narrow(np.array([picture.label_index for picture in named])),
        "num_shown": len(small),
        **_sheet("pictures of the data set", small, _SHEET_QUALITY),
    }


def _by_importance(
    layers: Sequence[dict[str, Any]], patches: Mapping[int, LayerPatches], num_pictures: int
) -> NDArray[np.int64]:
    """Return the pictures that have a patch, those with most of the strongest filters' patches first."""
    strongest = np.zeros(num_pictures + 1, np.int64)
    every = np.zeros(num_pictures + 1, np.int64)
    for layer in layers:
        pictures = patches[layer["index"]].pictures
        every += np.bincount(pictures.ravel() % len(every), minlength=len(every))
        strongest += np.bincount(pictures[layer["strongest"]].ravel() % len(every), minlength=len(every))
    order = np.lexsort((-every[:-1], -strongest[:-1]))
    return order[every[order] > 0]


def _read(material: Material, pictures: Sequence[Picture], crops: _Crops) -> list[NDArray[np.uint8]]:
    """Read pictures once more: make each small, and cut out of it what is wanted."""
    contract = material.network.file.contract
    size_wh = contract.width * crops.factor, contract.height * crops.factor
    columns, rows = (max(1, round(side)) for side in size_wh)
    assert material.pictures is not None
    small = []
    for number, (_, loaded) in enumerate(iter_pixels(material.pictures.root, pictures, contract)):
        if isinstance(loaded, DatasetError):  # it could be read a minute ago
            small.append(np.full((rows, columns, 3), _GREY, np.uint8))
        else:
            small.append(resize(loaded, (columns, rows)))
            crops.cut(number, loaded)
    return small


class _Crops:
    """Patches that would be a blur in the small pictures, as they are in the large ones; a sheet for each layer.

    A tile shows all that a cell could see, grey where that lies beyond the picture.
    """

    def __init__(self, count: int, factor: float) -> None:
        self.factor = factor
        self._count = count
        self._tiles: dict[int, NDArray[np.uint8]] = {}
        self._jobs: dict[int, list[tuple[int, int, Box, tuple[int, int], tuple[int, int]]]] = {}

    def plan(
        self,
        layer: int,
        strongest: NDArray[np.int64],
        patches: LayerPatches,
        pictures: NDArray[np.int64],
        field: ReceptiveField,
    ) -> None:
        """Remember which patches of a layer's strongest filters to cut out of which of the small pictures."""
        (rows, columns), (down, across) = field.size_hw, field.stride_hw
        if rows is None or columns is None or down is None or across is None:
            return
        if max(rows, columns) * self.factor >= _CROP_SIDE:
            return
        factor = min(1.0, _CROP_SIDE / max(rows, columns))
        tile = [max(1, round(side * factor)) for side in (rows, columns)]
        self._tiles[layer] = np.full((len(strongest) * self._count, *tile, 3), _GREY, np.uint8)
        for position, channel in enumerate(strongest.tolist()):
            for slot, picture in enumerate(pictures[channel].tolist()):
                y, x = patches.cells[channel, slot].tolist()
                corner = field.start_hw[0] + y * down, field.start_hw[1] + x * across
                box = Box(*patches.boxes[channel, slot].tolist())
                job = layer, position * self._count + slot, box, corner, (rows, columns)
                self._jobs.setdefault(picture, []).append(job)

    def cut(self, picture: int, pixels: NDArray[np.uint8]) -> None:
        """Cut out what was planned for one of the small pictures."""
        for layer, index, box, (top, left), size in self._jobs.get(picture, ()):
            whole = np.full((*size, 3), _GREY, np.uint8)
            whole[box.top - top : box.bottom - top, box.left - left : box.right - left] = cut(pixels, box)
            tile = self._tiles[layer]
            tile[index] = resize(whole, (tile.shape[2], tile.shape[1]))

    def sheet(self, layer: int) -> dict[str, Any] | None:
        """Return a layer's tiles, filter by filter in the order of the strongest, patch by patch."""
        tiles = self._tiles.get(layer)
        if tiles is None:
            return None
        return _sheet(f"patches of layer {layer}", list(tiles), _CROP_QUALITY)


def _sheet(name: str, tiles: Sequence[NDArray[np.uint8]], quality: int) -> dict[str, Any]:
    return make_sheet(name, tiles, None if max(tiles[0].shape[:2]) <= _EXACT_SIDE else quality)
