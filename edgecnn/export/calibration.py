"""Which pictures show the quantizer the range of every value in the network."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from typing import Literal

from edgecnn.data import SPLIT_NAMES, Picture, list_pictures
from edgecnn.errors import CalibrationError, DatasetError
from edgecnn.modelfile.manifest import CalibrationPart

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderChoice:
    """Pictures out of a folder that the user gave.

    Attributes:
        pictures: in the order of the draw; their paths are relative to that folder.
        labelled: whether they lay in class folders; without, their label indices are -1.
        warnings: what was left out, one sentence each.
    """

    pictures: tuple[Picture, ...]
    labelled: bool
    warnings: tuple[str, ...]


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


def choose_calibration_folder(root: Path, labels: Sequence[str], num: int, seed: int) -> FolderChoice:
    """Draw pictures from a folder: from class folders with the model's labels, or from a flat one without classes.

    Of a folder that is divided into splits, only ``train`` is taken: the others are for measuring.

    Args:
        root: the folder.
        labels: of the model; class folders may be missing.
        num: how many at most.
        seed: of the draw; the same seed draws the same pictures.

    Raises:
        CalibrationError: there are no pictures, or they lie in folders that are no classes of this model.
        DatasetError: there is no such folder.
    """
    found = [picture for picture in list_pictures(root) if not _is_hidden(picture)]
    folders = {PurePosixPath(picture.path).parts[0] for picture in found if _depth(picture)}
    depth = 0
    if "train" in folders and folders <= {*SPLIT_NAMES, "valid", "validation"} and not folders & set(labels):
        found, depth = [picture for picture in found if PurePosixPath(picture.path).parts[0] == "train"], 1
    index_of = {label: index for index, label in reversed(list(enumerate(labels)))}
    known = [
        Picture(picture.path, index_of[PurePosixPath(picture.path).parts[depth]])
        for picture in found
        if _depth(picture) > depth and PurePosixPath(picture.path).parts[depth] in index_of
    ]
    loose = [picture for picture in found if _depth(picture) == depth]
    chosen = known or loose
    if not chosen:
        raise CalibrationError(_describe_foreign(root, found, depth, labels))
    warnings: tuple[str, ...] = ()
    if len(chosen) < len(found):
        what = "outside the folders of the model's classes" if known else "in sub-folders that are no classes"
        warnings = (f"{len(found) - len(chosen)} pictures of {root} were left out: they lie {what}",)
    return FolderChoice(pictures=choose_calibration(chosen, num, seed), labelled=bool(known), warnings=warnings)


def describe_calibration(
    root: Path,
    pictures: Sequence[Picture],
    labels: Sequence[str],
    seed: int,
    *,
    split: Literal["train", "folder"] = "train",
) -> CalibrationPart:
    """Return the manifest's record of the calibration pictures, with a digest over their contents.

    Only classes that occur are counted, and two classes of one name are counted as one.
    """
    digests = []
    for picture in pictures:
        try:
            digests.append(hashlib.sha256((root / picture.path).read_bytes()).hexdigest())
        except OSError as exc:
            raise DatasetError(f"cannot read the calibration picture {root / picture.path}: {exc.strerror}") from exc
    counts = Counter(labels[picture.label_index] for picture in pictures if labels)
    return CalibrationPart(
        num=len(pictures),
        split=split,
        seed=seed,
        per_class={label: counts[label] for label in labels if counts[label]},
        sha256=hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
    )


def _describe_foreign(root: Path, found: Sequence[Picture], depth: int, labels: Sequence[str]) -> str:
    if not found:
        return f"{root} holds no pictures to calibrate with; give a folder of pictures like those of the training"
    folders = sorted({PurePosixPath(picture.path).parts[depth] for picture in found})
    return (
        f"the calibration pictures in {root} lie in folders called {_name_some(folders)}, but the model's classes are "
        f"{_name_some(labels)}; give pictures of these classes, or put them loose into one folder without classes"
    )


def _name_some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MAX_NAMED]) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")


def _depth(picture: Picture) -> int:
    return len(PurePosixPath(picture.path).parts) - 1


def _is_hidden(picture: Picture) -> bool:
    return any(part.startswith((".", "__")) for part in PurePosixPath(picture.path).parts)
