"""A float file and an int8 file of the same network, layer beside layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.layer import Layer
from edgecnn.explain.maps import feature_maps, filters
from edgecnn.explain.network import Look, Network

_LEAST_SHARE = 0.5
# Cosine of the last layer's weights: rounding leaves 0.999 of it, training on after rounding 0.99.
_LEAST_COSINE = 0.95


class LayerPair(NamedTuple):
    """Two layers that do the same work."""

    mine: Layer
    other: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one layer of two files made of the same picture.

    Attributes:
        pair: the layers.
        maps: float32, shape (rows, columns, channels): the other file's maps minus mine.
        rms: root mean square of the differences.
        max_abs: the largest one.
        signal_rms: root mean square of the other file's maps.
        sqnr_db: signal to quantization noise in decibels; infinity where nothing differs, minus infinity
            where the other file has nothing but zeros.
    """

    pair: LayerPair
    maps: NDArray[np.float32]
    rms: float
    max_abs: float
    signal_rms: float
    sqnr_db: float


def compare(network: Network, other: Network) -> tuple[LayerPair, ...]:
    """Return the layers of two files that do the same work, in order.

    They are found by operator, output shape and, where both files tell it, the Keras layer's name.
    Conversions between number types, and a normalization that one file leaves to its caller, have no
    counterpart. Two trainings of one architecture are told apart by the weights of the last layer.

    Raises:
        ModelFileError: the files are not of the same network.
    """
    # Names tell apart what is alike; where the files have other names, the order has to do.
    found = [_match(network, other, by_name=by_name) for by_name in (True, False)]
    pairs = max(found, key=_num_weighted)
    needed = _LEAST_SHARE * sum(layer.weights is not None for layer in network.layers)
    if _num_weighted(pairs) < max(needed, 1):
        raise ModelFileError(
            f"{other.file.path} is not the same network as {network.file.path}: their layers do not follow one "
            "another; give the float and the int8 file of one export"
        )
    last = next(pair for pair in reversed(pairs) if pair.mine.weights is not None)
    if _cosine(filters(network, last.mine), filters(other, last.other)) < _LEAST_COSINE:
        raise ModelFileError(
            f"{other.file.path} is not the same network as {network.file.path}: it has learned other weights; "
            "give the float and the int8 file of one export"
        )
    return pairs


def difference(look: Look, other_look: Look, pair: LayerPair) -> Difference:
    """Return how far two files' maps of a picture are apart; ``other`` is the one to go by, the float file."""
    mine, other = feature_maps(look, pair.mine), feature_maps(other_look, pair.other)
    apart = other - mine
    rms, signal = (float(np.sqrt((values.astype(np.float64) ** 2).mean())) for values in (apart, other))
    return Difference(
        pair=pair,
        maps=apart,
        rms=rms,
        max_abs=float(np.abs(apart).max()),
        signal_rms=signal,
        sqnr_db=_decibels(signal, rms),
    )


def _match(network: Network, other: Network, *, by_name: bool) -> tuple[LayerPair, ...]:
    mine, theirs = ([layer for layer in side.layers if layer.kind != "conversion"] for side in (network, other))
    keys = [[_key(layer, by_name) for layer in side] for side in (mine, theirs)]
    blocks = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks()
    return tuple(LayerPair(mine[a + i], theirs[b + i]) for a, b, size in blocks for i in range(size))


def _num_weighted(pairs: tuple[LayerPair, ...]) -> int:
    return sum(pair.mine.weights is not None for pair in pairs)


def _key(layer: Layer, by_name: bool) -> tuple[object, ...]:
    name = layer.name.rpartition("/")[2] if by_name and layer.keras_names else ""
    return layer.operator, layer.output_shape, name


def _cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return how alike two arrays are, whatever their size; 0 for those of other shapes."""
    if first.shape != second.shape:
        return 0.0
    one, two = (values.ravel().astype(np.float64) for values in (first, second))
    size = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / size if size else 1.0


def _decibels(signal: float, noise: float) -> float:
    if not noise:
        return math.inf
    return 20 * math.log10(signal / noise) if signal else -math.inf
