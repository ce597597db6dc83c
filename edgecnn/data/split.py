"""Which pictures train, which choose, which judge."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
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


def split_pictures(folder: ImageFolder, seed: int) -> Splits:
    """Take the splits that the folder gives; make the ones that it does not.

    A split that is made holds 15% of every class, at least one picture, drawn by ``seed``.
    A folder that gives ``train`` and ``test`` but no ``val`` gets ``val`` out of ``train``.

    Raises:
        DatasetError: a class has too few pictures to stand in every split.
    """
    if not folder.has_splits:
        return _divide(folder, folder.pictures, seed, test_fraction=TEST_FRACTION)
    test = folder.select("test")
    if folder.select("val"):
        return Splits(train=folder.select("train"), val=folder.select("val"), test=test)
    made = _divide(folder, folder.select("train"), seed, test_fraction=0.0)
    return Splits(train=made.train, val=made.val, test=test)


def _divide(folder: ImageFolder, pictures: Iterable[Picture], seed: int, *, test_fraction: float) -> Splits:
    by_class: dict[int, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_class[picture.label_index].append(picture)
    parts: dict[str, list[Picture]] = {name: [] for name in SPLIT_NAMES}
    for index, members in sorted(by_class.items()):
        if len(members) < MIN_PICTURES_PER_CLASS:
            raise DatasetError(
                f"class {folder.labels[index]!r} under {folder.root} has {len(members)} pictures; it needs at least "
                f"{MIN_PICTURES_PER_CLASS}, one each to train, to choose and to judge, and some dozens to be any good"
            )
        # One generator per class: adding pictures to one class leaves the others where they were.
        random.Random(f"{seed}/{folder.labels[index]}").shuffle(members)
        num_val = max(1, round(len(members) * VAL_FRACTION))
        num_test = max(1, round(len(members) * test_fraction)) if test_fraction else 0
        parts["val"] += members[:num_val]
        parts["test"] += members[num_val : num_val + num_test]
        parts["train"] += members[num_val + num_test :]
    return Splits(**{name: tuple(sorted(part)) for name, part in parts.items()})
