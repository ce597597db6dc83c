"""Pictures that look the same: a perceptual hash of each, and a search that does not compare all with all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import MissingExtraError

_HASH_SIDE = 16
HASH_BITS = _HASH_SIDE**2
# A copy of another size, quality, brightness or contrast differs in up to 24 bits. In three data sets (photographs,
# hands, clothes) the two most alike that are no copies of each other differ in 32.
NEAR_BITS = 24
_NUM_BANDS = 15
_MAX_PER_GROUP = 16
_MAX_PAIRS = 1 << 20
_ONES = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)

Indices: TypeAlias = NDArray[np.int64]


def hash_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return a perceptual hash of each picture: the signs of its 256 lowest frequencies against their median.

    Pictures that were resized, recompressed or made a bit brighter differ in some 20 of the 256 bits,
    unrelated ones in 40 to 128.

    Args:
        pixels: uint8, shape (N, h, w, 3), RGB, or (N, h, w), brightness.

    Returns:
        bool, shape (N, 256).

    Raises:
        MissingExtraError: imagehash is not installed.

    Reference:
        C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.
    """
    imagehash, image = _import_imagehash()
    hashes = np.empty((len(pixels), HASH_BITS), np.bool_)
    for index, picture in enumerate(pixels):
        hashes[index] = imagehash.phash(image.fromarray(picture), hash_size=_HASH_SIDE).hash.ravel()
    return hashes


def require_imagehash() -> None:
    """Raise MissingExtraError unless imagehash is installed."""
    _import_imagehash()


def _import_imagehash() -> tuple[Any, Any]:
    """Return the modules ``imagehash`` and ``PIL.Image``."""
    try:
        import imagehash
        from PIL import Image
    except ImportError as exc:
        raise MissingExtraError("finding near duplicates needs imagehash; run: pip install 'edgecnn[data]'") from exc
    return imagehash, Image


def group_near(hashes: NDArray[np.bool_]) -> list[Indices]:
    """Find pictures that look the same, directly or through others between them.

    Two hashes that differ in at most 24 bits differ in at most one bit of at least one of 15 bands. So
    only hashes are compared that share a band or miss it by one bit. Of a group that is known already
    at most 16 members share a band with others: a fixed camera would else make all pairs candidates.

    Args:
        hashes: bool, shape (N, 256), see ``hash_pixels``.

    Returns:
        Groups of at least two indices into the hashes, ascending, the one with the lowest index first.

    Reference:
        M. Norouzi, A. Punjani, D. J. Fleet, Fast Exact Search in Hamming Space with Multi-Index Hashing, TPAMI 2014.
    """
    if not len(hashes):
        return []
    packed, inverse = np.unique(np.packbits(hashes, axis=1), axis=0, return_inverse=True)
    bits = np.unpackbits(packed, axis=1)
    words = packed.view(np.uint16)
    group = np.arange(len(packed))
    # Neighbouring frequencies say similar things: a band takes bits from everywhere.
    for band in np.array_split(np.random.default_rng(0).permutation(HASH_BITS), _NUM_BANDS):
        keys = bits[:, band].astype(np.int64) @ (1 << np.arange(len(band)))
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        group = _join(group, [_verify(words, order[1:][same], order[:-1][same])])
        group = _join(group, list(_near_pairs(words, keys, len(band), group)))
    return _collect(group[inverse.ravel()])


def _near_pairs(words: NDArray[np.uint16], keys: Indices, num_bits: int, group: Indices) -> Iterator[Indices]:
    """Yield pairs (K, 2) of different groups that are near and whose keys differ in at most one bit."""
    order = np.lexsort((group, keys))
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (keys[order[1:]] != keys[order[:-1]]) | (group[order[1:]] != group[order[:-1]])
    places = np.arange(len(order))
    order = order[places - np.maximum.accumulate(np.where(starts, places, 0)) < _MAX_PER_GROUP]
    keys = keys[order]
    first = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=1 << num_bits))])
    places = np.arange(len(order))
    ranges = [(places, places + 1, first[keys + 1])]
    for bit in range(num_bits):
        rows = places[(keys >> bit) & 1 == 0]
        partner = keys[rows] | (1 << bit)
        ranges.append((rows, first[partner], first[partner + 1]))
    for rows, low, high in ranges:
        for one, other in _expand(rows, low, high):
            differ = group[order[one]] != group[order[other]]
            yield _verify(words, order[one[differ]], order[other[differ]])


def _expand(rows: Indices, low: Indices, high: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Yield each row with every number from its low to below its high, some million pairs at a time."""
    counts = high - low
    rows, low, counts = rows[counts > 0], low[counts > 0], counts[counts > 0]
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(rows):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _MAX_PAIRS, side="right")))
        some = counts[begin:end]
        within = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
        yield np.repeat(rows[begin:end], some), np.repeat(low[begin:end], some) + within
        begin = end


def _verify(words: NDArray[np.uint16], one: Indices, other: Indices) -> Indices:
    """Return those pairs, as (K, 2), whose hashes, uint16 (N, 16), differ in few enough bits."""
    near = _ONES[words[one] ^ words[other]].sum(1, dtype=np.int64) <= NEAR_BITS
    return np.stack([one[near], other[near]], axis=1)


def _join(group: Indices, pairs: list[Indices]) -> Indices:
    """Return the number of each hash's group (N,) after some pairs have been joined."""
    # Comes with imagehash.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = group[np.concatenate([*pairs, np.empty((0, 2), np.int64)])]
    num = len(group)
    links = coo_array((np.ones(len(joined), np.bool_), (joined[:, 0], joined[:, 1])), shape=(num, num))
    components: Indices = connected_components(links, directed=False)[1].astype(np.int64)
    return components[group]


def _collect(group: Indices) -> list[Indices]:
    order = np.argsort(group, kind="stable")
    borders = np.flatnonzero(np.diff(group[order])) + 1
    groups = [members for members in np.split(order, borders) if len(members) > 1]
    return sorted(groups, key=lambda members: int(members[0]))
