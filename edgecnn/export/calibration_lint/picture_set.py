"""The pictures that the linter compares: those given, the training's, and those that measure accuracy."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import Picture, PixelSet, load_pixels
from edgecnn.data.pixels import iter_pixels
from edgecnn.data.similarity import HASH_BITS, hash_pixels
from edgecnn.errors import DatasetError
from edgecnn.imaging import read_bytes

MAX_KNOWN = 10_000
NUM_TRAINING = 200
NUM_FRESH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSet:
    """Pictures that shall set the ranges.

    Attributes:
        pixels: uint8, shape (N, h, w, 3), RGB, 0 to 255, as the model sees them.
        names: of the N files.
        digests: SHA-256 of each file, in hexadecimal.
        hashes: bool, shape (N, 256), see ``hash_pixels``.
        label_indices: int64, shape (N,), or None where the classes are not known.
        unreadable: one sentence for each file that had to be left out.
    """

    pixels: NDArray[np.uint8]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    hashes: NDArray[np.bool_]
    label_indices: NDArray[np.int64] | None = None
    unreadable: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What the model knows.

    Attributes:
        training: uint8, shape (M, h, w, 3), a sample of the pictures that it learnt from.
        fresh: uint8, shape (K, h, w, 3), pictures of the same kind that it did not learn from: they show how far
            from the training pictures a good picture may be. K may be 0.
        fresh_labels: int64, shape (K,), their classes.
        hashes: bool, shape (M, 256), of the training pictures.
    """

    training: NDArray[np.uint8]
    fresh: NDArray[np.uint8]
    fresh_labels: NDArray[np.int64]
    hashes: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPictures:
    """The pictures that measure accuracy, by content and by look.

    Attributes:
        names: file by digest.
        hashed_names: the files behind ``hashes``.
        hashes: bool, shape (K, 256).
        num_total: how many pictures measure accuracy; more than K where they were too many to decode.
    """

    names: dict[str, str]
    hashed_names: tuple[str, ...]
    hashes: NDArray[np.bool_]
    num_total: int


def read_calibration_set(root: Path, loaded: PixelSet) -> CalibrationSet:
    """Return decoded pictures with the digests of their files and their hashes.

    Args:
        root: the folder that the pictures' paths start from.
        loaded: the pictures, decoded by ``load_pixels``; label indices of -1 are no labels.

    Raises:
        DatasetError: a file went away since it was decoded.
    """
    labelled = len(loaded) > 0 and int(loaded.label_indices.min()) >= 0
    return CalibrationSet(
        pixels=loaded.pixels,
        names=tuple(picture.path for picture in loaded.pictures),
        digests=tuple(_digest(root / picture.path) for picture in loaded.pictures),
        hashes=hash_pixels(loaded.pixels),
        label_indices=loaded.label_indices if labelled else None,
        unreadable=loaded.unreadable,
    )


def read_reference(
    root: Path, training: Sequence[Picture], fresh: Sequence[Picture], contract: InputContract, seed: int = 0
) -> Reference | None:
    """Decode a sample of the training and of the validation split; None where no training picture is left."""
    trained = load_pixels(root, _sample(training, NUM_TRAINING, seed), contract)
    unseen = load_pixels(root, _sample(fresh, NUM_FRESH, seed), contract)
    if not len(trained):
        return None
    return Reference(
        training=trained.pixels,
        fresh=unseen.pixels,
        fresh_labels=unseen.label_indices,
        hashes=hash_pixels(trained.pixels),
    )


def read_known_pictures(
    root: Path,
    pictures: Sequence[Picture],
    contract: InputContract,
    *,
    sizes: Collection[int] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> KnownPictures:
    """Read the pictures of the validation and test splits; those that are missing or broken are passed over.

    Args:
        root: the folder that their paths start from.
        pictures: all of them; ``MAX_KNOWN`` are decoded at most.
        contract: what the model wants to see.
        sizes: bytes of the given files: a file of another size cannot be a copy of one and is not read for
            its digest. None reads all.
        seed: of the sample that is decoded.
        progress: told about every decoded picture.
    """
    names: dict[str, str] = {}
    for picture in pictures:
        path = root / picture.path
        if path.is_file() and (sizes is None or path.stat().st_size in sizes):
            names[_digest(path)] = picture.path
    sample = _sample(pictures, MAX_KNOWN, seed)
    hashed: list[str] = []
    hashes: list[NDArray[np.bool_]] = []
    with (progress or SilentProgress()).task("reading the pictures that measure", len(sample)) as task:
        for picture, pixels in iter_pixels(root, sample, contract):
            if not isinstance(pixels, DatasetError):
                hashed.append(picture.path)
                hashes.append(hash_pixels(pixels[np.newaxis])[0])
            task.advance()
    stacked = np.array(hashes, np.bool_).reshape(len(hashes), HASH_BITS)
    return KnownPictures(names=names, hashed_names=tuple(hashed), hashes=stacked, num_total=len(pictures))


def _sample(pictures: Sequence[Picture], num: int, seed: int) -> list[Picture]:
    ordered = sorted(pictures)
    return ordered if len(ordered) <= num else sorted(random.Random(seed).sample(ordered, num))


def _digest(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()
