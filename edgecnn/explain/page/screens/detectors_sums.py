"""How the number of a filter comes about: one sum for each channel that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.layer import Layer
from edgecnn.explain.network import Look
from edgecnn.explain.page.screens.detectors_sheets import make_sheet, narrow
from edgecnn.explain.windows import WindowSum, window_sums

# Channels of a filter that are shown: as many that raise its sum as that lower it.
_EACH_WAY = 3
_MAP_SIDE = 16
_ZERO, _LARGEST, _LEVELS = 128, 120, 15


def gather_sums(
    look: Look, layer: Layer, channels: NDArray[np.int64], cells: NDArray[np.int64]
) -> dict[str, dict[str, Any]]:
    """Take filters' sums apart.

    Args:
        look: the picture in the network.
        layer: a convolution.
        channels: F filters.
        cells: shape (F, 2): at which row and column of its map each.

    Returns:
        ``sums``: ``cells``, as given; ``channels`` (F, S), the input's channels that move the sum most, those that
        raise it first, -1 where there are fewer; ``partial`` (F, S), what each adds; ``slices`` (F, S, rows,
        columns), the filter's weights for it; ``rest`` (F,), what all others add; ``bias``, ``total``, ``clamped``,
        ``tolerance`` and ``agrees`` (F,), as in ``WindowSum``.
        ``maps``: small pictures of those channels on a sheet, ``channels`` says which, in order; ``largest`` are
        their largest absolute values, drawn as 248 (or 8, where negative), 0 as 128.
    """
    places = [(int(y), int(x), int(channel)) for channel, (y, x) in zip(channels, cells, strict=True)]
    sums = window_sums(look, layer, places)
    shown = [_most_important(each) for each in sums]
    width = max(len(which) for which in shown)
    kernel = sums[0].weights.shape[:2]
    numbers = np.full((len(sums), width), -1, np.int64)
    partial = np.full((len(sums), width), np.nan)
    slices = np.zeros((len(sums), width, *kernel), np.float32)
    for row, (each, which) in enumerate(zip(sums, shown, strict=True)):
        numbers[row, : len(which)] = which + each.first_channel
        partial[row, : len(which)] = each.products.sum(axis=(0, 1))[which]
        slices[row, : len(which)] = each.weights[:, :, which].transpose(2, 0, 1)
    totals, offsets = np.array([each.total for each in sums]), np.array([each.bias for each in sums])
    told = {
        "cells": narrow(cells),
        "channels": narrow(numbers),
        "partial": partial,
        "slices": slices,
        "rest": totals - offsets - np.nansum(partial, axis=1),
        "bias": offsets,
        "total": totals,
        "clamped": np.array([each.clamped for each in sums]),
        "tolerance": np.array([each.tolerance for each in sums]),
        "agrees": np.array([each.agrees for each in sums]),
    }
    return {"sums": told, "maps": _small_maps(look, layer, np.unique(numbers[numbers >= 0]))}


def _most_important(found: WindowSum) -> NDArray[np.int64]:
    """Return the channels, counted within the filter, that raise its sum most, then those that lower it most."""
    partial = found.products.sum(axis=(0, 1))
    if len(partial) <= 2 * _EACH_WAY:
        return np.argsort(-partial, kind="stable")
    order = np.argsort(-partial, kind="stable")
    ends = np.concatenate([order[:_EACH_WAY], order[-_EACH_WAY:]])
    return ends[partial[ends] != 0] if partial.any() else ends[:1]


def _small_maps(look: Look, layer: Layer, channels: NDArray[np.int64]) -> dict[str, Any]:
    values = np.nan_to_num(look.input_values(layer)[:, :, channels]).astype(np.float64)
    factor = -(-max(values.shape[:2]) // _MAP_SIDE)
    for axis in (0, 1):  # means of blocks; the last block may be smaller
        starts = np.arange(0, values.shape[axis], factor)
        sizes = np.diff(np.append(starts, values.shape[axis]))
        sums = np.add.reduceat(values, starts, axis=axis)
        values = sums / sizes.reshape([-1 if each == axis else 1 for each in range(3)])
    largest = np.abs(values).max(axis=(0, 1))
    shares = values / np.where(largest, largest, 1)
    # Few different greys compress well, and no more than these can be told apart in so small a picture.
    pixels = (_ZERO + np.rint(shares * _LEVELS) * (_LARGEST // _LEVELS)).astype(np.uint8)
    sheet = make_sheet(f"maps that layer {layer.index} reads", list(pixels.transpose(2, 0, 1)))
    return {**sheet, "channels": narrow(channels), "largest": largest}
