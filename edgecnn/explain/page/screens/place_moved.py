"""Whether the maps move with the picture, layer by layer and pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.changes import shift_by
from edgecnn.explain.field import ReceptiveField, receptive_fields
from edgecnn.explain.layer import PICTURE, Layer
from edgecnn.explain.maps import feature_maps
from edgecnn.explain.moved import Equivariance, equivariances
from edgecnn.explain.network import Network
from edgecnn.explain.page.material import Material

_MAX_LAYERS = 7
# Of larger maps a part at the left border is drawn: there the moved picture shows its repeated edge.
_MAX_CELLS = 56
_NO_CELL = 255
_POOLS = ("max_pool", "average_pool")


def gather_moved(material: Material) -> dict[str, Any]:
    """Return how the maps of some layers follow when the picture moves to the right, one to so many pixels."""
    network, width = material.network, material.pixels.shape[1]
    fields = _pick_layers(network)
    strides = {field.stride_hw[1] or 1 for _, field in fields}
    shifts = sorted(shift for shift in strides | {1, 2} if 2 * shift <= width) or [1]
    layers = [layer for layer, _ in fields]
    found = [equivariances(network, material.pixels, layers, (0, shift)) for shift in shifts]
    look, windows = material.look(), [layer.window for layer in network.layers if layer.window]
    return {
        "shifts": shifts,
        "layers": [
            _layer(layer, field, feature_maps(look, layer), [row[index] for row in found])
            for index, (layer, field) in enumerate(fields)
        ],
        "pooling": _pooling(material),
        "averages_places": any(_forgets_places(layer) for layer in network.layers),
        "has_padding": any(any(window.before_hw + window.after_hw) for window in windows),
    }


def _pooling(material: Material) -> dict[str, Any] | None:
    """By how much the numbers around the first pooling change where they stand, when the picture moves by one pixel."""
    network = material.network
    pools = [layer for layer in network.layers if layer.kind in _POOLS and layer.sources[0] != PICTURE]
    pools = [layer for layer in pools if not _forgets_places(layer)]
    if not pools:
        return None
    pool = pools[0]
    pair = network.layers[pool.sources[0]], pool
    still, moved = (
        [feature_maps(look, layer) for layer in pair]
        for look in (material.look(), network.look(shift_by(material.pixels, 0, 1)))
    )
    before, after = (float(_rms(new - old) / (_rms(old) or 1.0)) for old, new in zip(still, moved, strict=True))
    return {"name": pool.name, "kind": pool.kind, "others": len(pools) - 1, "before": before, "after": after}


def _forgets_places(layer: Layer) -> bool:
    """Whether it makes one number of a whole map."""
    is_one_cell = layer.kind in _POOLS and layer.output_shape[:2] == (1, 1)
    return is_one_cell or layer.kind in ("global_average", "global_max")


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt((values.astype(np.float64) ** 2).mean()))


def _pick_layers(network: Network) -> list[tuple[Layer, ReceptiveField]]:
    """The first layer of each stride, and the last one that has maps."""
    sliding = ("convolution", "depthwise", *_POOLS)
    layers = [layer for layer in network.layers if layer.kind in sliding and layer.output_shape[:2] != (1, 1)]
    layers = layers or [network.convolutions[0]]
    seen = receptive_fields(network)
    fields = [(layer, seen[layer.index]) for layer in layers]
    firsts: dict[int | None, tuple[Layer, ReceptiveField]] = {}
    for layer, field in fields:
        firsts.setdefault(field.stride_hw[1], (layer, field))
    picked = [*firsts.values()][: _MAX_LAYERS - 1]
    return picked if fields[-1][0] is picked[-1][0] else [*picked, fields[-1]]


def _layer(layer: Layer, field: ReceptiveField, maps: NDArray[np.float32], moves: list[Equivariance]) -> dict[str, Any]:
    rows, columns = maps.shape[:2]
    top, height, width = max(0, (rows - _MAX_CELLS) // 2), min(rows, _MAX_CELLS), min(columns, _MAX_CELLS)
    part = np.s_[top : top + height, :width]
    differing = np.stack([move.differing[part] for move in moves])
    return {
        "name": layer.name,
        "kind": layer.kind,
        "stride": field.stride_hw[1],
        "size": field.size_hw[1],
        "rows": rows,
        "columns": columns,
        "top": top,
        "map": _grey(maps)[part],
        "differing_percent": np.where(np.isnan(differing), _NO_CELL, np.ceil(100 * differing)).astype(np.uint8),
        "moves": [_move(move) for move in moves],
    }


def _grey(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The map that varies most, from its smallest value to its largest."""
    one = maps[:, :, int(maps.std(axis=(0, 1)).argmax())]
    low, high = float(one.min()), float(one.max())
    grey: NDArray[np.uint8] = np.rint(255 * (one - low) / ((high - low) or 1.0)).astype(np.uint8)
    return grey


def _move(move: Equivariance) -> dict[str, Any]:
    return {
        "cells": move.cells_yx[1],
        "is_whole": move.is_whole,
        "num_cells": move.num_cells,
        "same_share": move.same_share,
        "num_border_cells": move.num_border_cells,
        "border_same_share": move.border_same_share,
        "rms": move.rms,
        "signal_rms": move.signal_rms,
        "inner": move.inner,
    }
