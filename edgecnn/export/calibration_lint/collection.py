"""The list of pictures: how many, of which classes, how different, and whether they also measure accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.export.calibration_lint.finding import Finding, name_some
from edgecnn.export.calibration_lint.picture_set import CalibrationSet, KnownPictures

MIN_PICTURES = 10
FEW_PICTURES = 50
ENOUGH_PICTURES = 100
# Of 256 bits: a changed copy differs in up to 24, the nearest of 500 other pictures in at least 40.
NEAR_BITS = 32
# Frames of one scene differ more than copies do; what merely looks alike is taken off by the training's own share.
SAME_SCENE_BITS = 48

Hashes = NDArray[np.bool_]


def check_number(given: CalibrationSet) -> Iterator[Finding]:
    """Say whether there are enough pictures, and which could not be read."""
    if given.unreadable:
        yield Finding(
            f"{len(given.unreadable)} calibration pictures cannot be read and were left out: "
            f"{name_some(given.unreadable)}",
            refuses=False,
        )
    if len(given) < FEW_PICTURES:
        yield Finding(
            f"there are {len(given)} calibration pictures, at least {MIN_PICTURES} are needed and some "
            f"{ENOUGH_PICTURES} are good; give more",
            refuses=len(given) < MIN_PICTURES,
        )


def check_classes(given: CalibrationSet, labels: Sequence[str]) -> Iterator[Finding]:
    """Say which classes are missing, as far as so many pictures could have shown them."""
    if given.label_indices is None or len(labels) < 2 or not len(given):
        return
    counts = Counter(int(index) for index in given.label_indices)
    missing = [label for index, label in enumerate(labels) if not counts[index]]
    if len(counts) == 1:
        only = labels[next(iter(counts))]
        yield Finding(
            f"all {len(given)} calibration pictures are of one class, {only!r}, but the model knows {len(labels)}; "
            "give pictures of every class",
            refuses=True,
        )
    elif missing:
        # Drawn blindly, N pictures show C(1 - (1 - 1/C)^N) of C classes: of a thousand, a hundred show 95.
        expected = len(labels) * (1 - (1 - 1 / len(labels)) ** len(given))
        yield Finding(
            f"the calibration pictures show {len(counts)} of the model's {len(labels)} classes, {name_some(missing)} "
            "are missing; give pictures of every class",
            refuses=len(counts) < expected / 2,
        )


def check_duplicates(given: CalibrationSet, training_hashes: Hashes | None) -> Iterator[Finding]:
    """Say whether the pictures repeat each other much more than the training pictures do."""
    alike = 1 - num_distinct(given.hashes) / max(len(given), 1)
    usual = 0.0
    if training_hashes is not None and len(training_hashes):
        usual = _share_alike(training_hashes, len(given))
    if alike > usual + 0.1:
        distinct = num_distinct(given.hashes)
        yield Finding(
            f"{len(given)} calibration pictures are {distinct} different ones, the others are nearly the same again "
            f"(as frames of one scene are; of as many training pictures {1 - usual:.0%} differ); "
            "give pictures of different things and scenes",
            refuses=alike > 0.5 + usual / 2 and distinct < ENOUGH_PICTURES,
        )


def check_overlap(given: CalibrationSet, known: KnownPictures, training_hashes: Hashes | None) -> Iterator[Finding]:
    """Say which pictures are also among those that measure accuracy."""
    copies = [
        f"{name} = {known.names[digest]}"
        for name, digest in zip(given.names, given.digests, strict=True)
        if digest in known.names
    ]
    if copies:
        yield Finding(
            f"{len(copies)} calibration pictures are also among the {known.num_total} that measure the accuracy "
            f"({name_some(copies)}), which makes it look better than it is; remove them",
            refuses=True,
        )
    yield from _check_changed_copies(given, known, training_hashes)
    if len(known.hashed_names) < known.num_total:
        yield Finding(
            f"only {len(known.hashed_names)} of the {known.num_total} pictures that measure the accuracy were "
            "searched for changed copies of calibration pictures",
            refuses=False,
        )


def _check_changed_copies(given: CalibrationSet, known: KnownPictures, training: Hashes | None) -> Iterator[Finding]:
    if not len(known.hashes) or not len(given):
        return
    nearest, bits = _nearest(given.hashes, known.hashes)
    changed = [
        f"{name} ~ {known.hashed_names[index]}"
        for name, digest, index, num_bits in zip(given.names, given.digests, nearest, bits, strict=True)
        if num_bits <= NEAR_BITS and digest not in known.names
    ]
    # Some things look alike everywhere; as much of that as the training pictures have is nobody's mistake.
    usual = 0.0 if training is None else float(np.mean(_nearest(training, known.hashes)[1] <= NEAR_BITS))
    if changed:
        yield Finding(
            f"{len(changed)} calibration pictures look the same as pictures that measure the accuracy "
            f"({name_some(changed)}); remove them if they are the same",
            refuses=len(changed) > max(3.0, (3 * usual + 0.05) * len(given)),
        )


def num_distinct(hashes: Hashes) -> int:
    """Count pictures that do not show the same as an earlier one that was counted; hashes bool (N, 256)."""
    packed = _as_signs(hashes)
    is_leader = np.zeros(len(hashes), np.bool_)
    for index, row in enumerate(packed):
        is_leader[index] = not np.any(_bits(packed[:index][is_leader[:index]] @ row) <= SAME_SCENE_BITS)
    return int(is_leader.sum())


def _share_alike(hashes: Hashes, num: int) -> float:
    chosen = np.random.default_rng(0).permutation(len(hashes))[:num]
    return 1 - num_distinct(hashes[chosen]) / len(chosen)


def _nearest(some: Hashes, others: Hashes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each hash the index of the nearest other one, and how many bits are different."""
    products = _as_signs(some) @ _as_signs(others).T
    indices = products.argmax(1)
    return indices, _bits(products[np.arange(len(some)), indices])


def _as_signs(hashes: Hashes) -> NDArray[np.float32]:
    return hashes.astype(np.float32) * 2 - 1


def _bits(products: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Hamming distance that belongs to the inner product of two rows of 256 signs."""
    bits: NDArray[np.float32] = np.float32(128) - products / np.float32(2)
    return bits
