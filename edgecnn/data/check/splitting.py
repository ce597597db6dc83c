"""A folder of pictures divided into ``train``, ``val`` and ``test``, so that no picture has a copy on another side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgecnn.core.names import as_text
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data.check.copies import group_alike
from edgecnn.data.check.finding import KINDS
from edgecnn.data.check.look import Look
from edgecnn.data.check.looking import look_at_files
from edgecnn.data.folder import SPLIT_NAMES, UNKNOWN_FOLDER, ImageFolder, Picture
from edgecnn.data.new_folder import check_new_folder, new_folder, place_file
from edgecnn.data.split import Splits, Unit, list_torn, split_by_content
from edgecnn.errors import DatasetError

SPLIT_FILE = "split.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSplit:
    """A split as it was written.

    Attributes:
        labels: names of the classes.
        splits: the pictures of each, as they lie in the folder that was divided.
        num_alike: pictures that look like another one of their class.
        torn: groups that look the same and could not stay together, as their class shows hardly anything else.
        skipped: files that cannot be read, with the reason.
    """

    labels: tuple[str, ...]
    splits: Splits
    num_alike: int
    torn: tuple[Unit, ...]
    skipped: dict[str, str]


def find_alike(folder: ImageFolder, progress: Progress | None = None) -> tuple[tuple[Unit, ...], dict[Picture, Look]]:
    """Look at the pictures of a folder; return those that look the same, class by class, and all looks.

    Of a folder that gives splits only ``train`` is looked at, out of which ``val`` may be taken.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    pictures = folder.select("train") if folder.has_splits else folder.pictures
    looks = look_at_files(
        folder.root, [picture.path for picture in pictures], progress=progress, title="looking for copies"
    )
    units: list[Unit] = []
    for group in group_alike(looks):
        by_label: dict[int, list[Picture]] = {}
        for index in group:
            by_label.setdefault(pictures[index].label_index, []).append(pictures[index])
        units += [tuple(members) for members in by_label.values() if len(members) > 1]
    return tuple(units), dict(zip(pictures, looks, strict=True))


def write_split(
    root: Path,
    target: Path,
    *,
    seed: int = 0,
    val_fraction: float,
    test_fraction: float,
    progress: Progress | None = None,
) -> WrittenSplit:
    """Write the pictures of a folder into a new one, under ``train``, ``val`` and ``test``.

    The files are linked, or copied where the file system has no hard links. ``split.json`` in the new folder
    says which went where; pictures in ``_unknown`` go along as they are.

    Args:
        root: a folder with one sub-folder per class.
        target: the new folder; it appears when it is whole.
        seed: of the draw.
        val_fraction: share of each class that chooses, above 0.
        test_fraction: share of each class that judges; 0 makes no such split.
        progress: told of every file.

    Raises:
        DatasetError: the pictures cannot be divided, have splits already, or the new folder cannot be written.
        MissingExtraError: imagehash is not installed.
    """
    given = ImageFolder.scan(root)
    if given.has_splits:
        raise DatasetError(f"{root} is divided already, into {', '.join(SPLIT_NAMES)}; give a folder of classes")
    check_new_folder(target, root)
    alike, looks = find_alike(given, progress)
    readable = tuple(picture for picture in given.pictures if not looks[picture].problem)
    folder = ImageFolder(root=root, labels=given.labels, pictures=readable)
    _check_classes(folder)
    digests = {picture: looks[picture].digest for picture in readable}
    splits = split_by_content(folder, seed, alike, digests, val_fraction=val_fraction, test_fraction=test_fraction)
    written = WrittenSplit(
        labels=folder.labels,
        splits=splits,
        num_alike=sum(map(len, alike)),
        torn=list_torn(splits, alike),
        skipped={as_text(p.path): KINDS[look.problem].text for p, look in looks.items() if look.problem},
    )
    with new_folder(target, root) as place:
        _place_all(given, written, place, progress or SilentProgress())
        listed = {name: [picture.path for picture in splits.select(name)] for name in SPLIT_NAMES}
        record = {"from": as_text(str(root.resolve())), "seed": seed, **listed, "skipped": written.skipped}
        (place / SPLIT_FILE).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return written


def _check_classes(folder: ImageFolder) -> None:
    for label, num in folder.count_per_class().items():
        if not num:
            raise DatasetError(f"no picture of class {label!r} under {folder.root} can be read; see edgecnn data check")


def _place_all(given: ImageFolder, written: WrittenSplit, place: Path, progress: Progress) -> None:
    with progress.task("writing", len(given.pictures) + len(given.unknown)) as task:
        for name in SPLIT_NAMES:
            for picture in written.splits.select(name):
                place_file(given.root / picture.path, place / name / PurePosixPath(picture.path))
                task.advance()
        for picture in given.unknown:
            place_file(
                given.root / picture.path, place / UNKNOWN_FOLDER / Path(picture.path).relative_to(UNKNOWN_FOLDER)
            )
            task.advance()
