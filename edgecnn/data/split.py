"""Which pictures train, which choose, which judge."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edgecnn.data.folder import SPLIT_NAMES, ImageFolder, Picture
from edgecnn.errors import DatasetError

VAL_FRACTION = 0.15
TEST_FRACTION = 0.15
MIN_PICTURES_PER_CLASS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Three disjoint lists of pictures; ``test`` may be empty when the folder gives none."""

    train: tuple[Picture, ...]
    val: tuple[Picture, ...]
    test: tuple[Picture, ...]

    def select(self, name: str) -> tuple[Picture, ...]:
        """Return ``train``, ``val`` or ``test`` by name."""
        if name not in SPLIT_NAMES:
            raise ValueError(f"split must be one of {', '.join(SPLIT_NAMES)}, got {name!r}")
        chosen: tuple[Picture, ...] = getattr(self, name)
        return chosen


Unit = tuple[Picture, ...]


def split_pictures(folder: ImageFolder, seed: int, alike: Iterable[Unit] = ()) -> Splits:
    """Take the splits that the folder gives; make the ones that it does not.

    A split that is made holds 15% of every class, at least one picture, drawn by ``seed``.
    A folder that gives ``train`` and ``test`` but no ``val`` gets ``val`` out of ``train``.

    Args:
        folder: the pictures.
        seed: of the draw.
        alike: groups of pictures that look the same; those of one class stay on one side of a split that is made.

    Raises:
        DatasetError: a class has too few pictures to stand in every split.
    """

    def shuffle(units: list[Unit], label: str) -> list[Unit]:
        # One generator per class: adding pictures to one class leaves the others where they were.
        random.Random(f"{seed}/{label}").shuffle(units)
        return units

    if not folder.has_splits:
        return _divide(folder, folder.pictures, alike, shuffle, {"val": VAL_FRACTION, "test": TEST_FRACTION})
    test = folder.select("test")
    if folder.select("val"):
        return Splits(train=folder.select("train"), val=folder.select("val"), test=test)
    made = _divide(folder, folder.select("train"), alike, shuffle, {"val": VAL_FRACTION})
    return Splits(train=made.train, val=made.val, test=test)


def split_by_content(
    folder: ImageFolder,
    seed: int,
    alike: Iterable[Unit],
    digests: Mapping[Picture, bytes],
    *,
    val_fraction: float = VAL_FRACTION,
    test_fraction: float = TEST_FRACTION,
) -> Splits:
    """Divide the pictures of a folder by what they show and not by their names or their order.

    Each picture has a place between 0 and 1, the hash of ``seed`` and of its file's digest, and the
    first places of a class go to ``test``, the next to ``val``. So pictures that are added to a class later move few
    of the others: only those whose places lie at the borders.

    Args:
        folder: the pictures; splits that it gives are not looked at.
        seed: of the places.
        alike: as for ``split_pictures``; such a group has the first place of its members.
        digests: SHA-256 of each file.
        val_fraction: share of each class for ``val``, 0 to 1.
        test_fraction: share of each class for ``test``; 0 makes no such split.

    Raises:
        DatasetError: a class has too few pictures to stand in every split.
    """

    def place(unit: Unit) -> bytes:
        return min(hashlib.sha256(f"{seed}/".encode() + digests[picture]).digest() for picture in unit)

    def rank(units: list[Unit], label: str) -> list[Unit]:
        return sorted(units, key=place)

    # The test pictures first: a border that moves makes one of them choose, but none train.
    return _divide(folder, folder.pictures, alike, rank, {"test": test_fraction, "val": val_fraction})


def list_torn(splits: Splits, alike: Iterable[Unit]) -> tuple[Unit, ...]:
    """Return the groups of pictures that look the same and do not all stand in one split."""
    side = {picture: name for name in SPLIT_NAMES for picture in splits.select(name)}
    return tuple(unit for unit in alike if len({side[picture] for picture in unit if picture in side}) > 1)


def _divide(
    folder: ImageFolder,
    pictures: Iterable[Picture],
    alike: Iterable[Unit],
    order: Callable[[list[Unit], str], list[Unit]],
    fractions: Mapping[str, float],
) -> Splits:
    by_class: dict[int, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_class[picture.label_index].append(picture)
    group_of = {picture: number for number, unit in enumerate(alike) for picture in unit}
    parts: dict[str, list[Picture]] = {name: [] for name in SPLIT_NAMES}
    for index, members in sorted(by_class.items()):
        label = folder.labels[index]
        if len(members) < MIN_PICTURES_PER_CLASS:
            raise DatasetError(
                f"class {label!r} under {folder.root} has {len(members)} pictures; it needs at least "
                f"{MIN_PICTURES_PER_CLASS}, one each to train, to choose and to judge, and some dozens to be any good"
            )
        units = _join(members, group_of)
        if len(units) < MIN_PICTURES_PER_CLASS:  # one scene all over: there is nothing to keep together
            units = [(picture,) for picture in members]
        quotas = {name: max(1, round(len(members) * fraction)) for name, fraction in fractions.items() if fraction}
        for name, part in _fill(order(units, label), quotas).items():
            parts[name] += part
    return Splits(**{name: tuple(sorted(part)) for name, part in parts.items()})


def _join(members: Iterable[Picture], group_of: Mapping[Picture, int]) -> list[Unit]:
    """Return pictures that look the same as one unit, and each other one as its own, in order of the first ones."""
    units: dict[int | Picture, list[Picture]] = defaultdict(list)
    for picture in members:
        units[group_of.get(picture, picture)].append(picture)
    return [tuple(unit) for unit in units.values()]


def _fill(units: list[Unit], quotas: Mapping[str, int]) -> dict[str, list[Picture]]:
    """Give each unit to the first split that has room for it, else to ``train``; none stays empty."""
    chosen: dict[str, list[Unit]] = {name: [] for name in (*quotas, "train")}
    room = dict(quotas)
    for unit in units:
        name = next((name for name in quotas if len(unit) <= room[name]), "train")
        chosen[name].append(unit)
        if name in room:
            room[name] -= len(unit)
    for name in chosen:
        if not chosen[name]:
            giver = max(chosen, key=lambda other: len(chosen[other]))
            smallest = min(chosen[giver], key=len)
            chosen[giver].remove(smallest)
            chosen[name].append(smallest)
    return {name: [picture for unit in units for picture in unit] for name, units in chosen.items()}
