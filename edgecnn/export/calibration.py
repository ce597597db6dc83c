"""Which pictures show the quantizer the range of every value in the network."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

from edgecnn.data import Picture
from edgecnn.errors import DatasetError
from edgecnn.modelfile.manifest import CalibrationPart


def choose_calibration(pictures: Sequence[Picture], num: int, seed: int) -> tuple[Picture, ...]:
    """Draw pictures with every class equally often, as far as each has enough.

    Args:
        pictures: the training split.
        num: how many at most.
        seed: of the draw; the same seed draws the same pictures.
    """
    by_class: dict[int, list[Picture]] = defaultdict(list)
    for picture in sorted(pictures):
        by_class[picture.label_index].append(picture)
    for index, members in by_class.items():
        random.Random(f"{seed}/{index}").shuffle(members)
    rounds = chain.from_iterable(zip_longest(*(by_class[index] for index in sorted(by_class))))
    return tuple([picture for picture in rounds if picture is not None][:num])


def describe_calibration(root: Path, pictures: Sequence[Picture], labels: Sequence[str], seed: int) -> CalibrationPart:
    """Return the manifest's record of the calibration pictures, with a digest over their contents.

    Only classes that occur are counted, and two classes of one name are counted as one.
    """
    digests = []
    for picture in pictures:
        try:
            digests.append(hashlib.sha256((root / picture.path).read_bytes()).hexdigest())
        except OSError as exc:
            raise DatasetError(f"cannot read the calibration picture {root / picture.path}: {exc.strerror}") from exc
    counts = Counter(labels[picture.label_index] for picture in pictures)
    return CalibrationPart(
        num=len(pictures),
        split="train",
        seed=seed,
        per_class={label: counts[label] for label in labels if counts[label]},
        sha256=hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
    )
