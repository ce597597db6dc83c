"""Copies among pictures that are decoded already: no file is opened again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.check.copies import find_copies, group_same, group_similar
from edgecnn.data.check.finding import Finding
from edgecnn.data.check.inventory import Entry
from edgecnn.data.check.look import BLANK_BELOW, HASH_SIZE_WH, Look
from edgecnn.data.pixels import PixelSet
from edgecnn.data.similarity import hash_pixels
from edgecnn.imaging import resize


def find_decoded_copies(pictures: Mapping[str, PixelSet], labels: Sequence[str]) -> tuple[Finding, ...]:
    """Find pictures that are equal, or look the same, in one class, in several classes and in several splits.

    Args:
        pictures: decoded for the same model, by split.
        labels: names of the classes.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    entries = [Entry(p.path, labels[p.label_index], split) for split, part in pictures.items() for p in part.pictures]
    looks = [_look_at(pixels) for part in pictures.values() for pixels in part.pixels]
    return tuple(find_copies(entries, looks, group_same(looks), group_similar(looks)))


def _look_at(pixels: NDArray[np.uint8]) -> Look:
    small = resize(pixels, HASH_SIZE_WH)
    is_blank = float(small.std((0, 1)).max()) < BLANK_BELOW
    return Look(
        digest=hashlib.sha256(pixels.tobytes()).digest(),
        hash=b"" if is_blank else np.packbits(hash_pixels(small[np.newaxis])).tobytes(),
    )
