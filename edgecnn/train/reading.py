"""The pictures of a split, and a word about each that had to be left out."""

from __future__ import annotations

from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data import ImageFolder, Picture, PixelSet, load_pixels
from edgecnn.errors import DatasetError
from edgecnn.train.run_folder import CONFIG_FILE, SkippedPicture

MAX_NAMED_PICTURES = 10


def read_split(
    root: Path, split: str, pictures: tuple[Picture, ...], contract: InputContract, progress: Progress
) -> tuple[PixelSet, tuple[SkippedPicture, ...]]:
    """Decode the pictures of a split; the first ten that are skipped are named, then they are counted.

    Args:
        root: what the pictures' paths are relative to.
        split: its name.
        pictures: its files.
        contract: the size to bring them to.
        progress: told what is skipped and why.

    Returns:
        The readable pictures, and the others with the reasons.
    """
    named = tuple(picture for picture in pictures if _is_text(picture.path))
    loaded = load_pixels(root, named, contract, progress=progress, title=f"reading {split} pictures")
    kept = set(loaded.pictures)
    broken = [picture.path for picture in named if picture not in kept]
    odd = [_as_text(picture.path) for picture in pictures if not _is_text(picture.path)]
    skipped = [
        *(SkippedPicture(split=split, path=p, reason=why) for p, why in zip(broken, loaded.unreadable, strict=True)),
        *(SkippedPicture(split=split, path=p, reason=f"the name of {p} is not UTF-8; rename it") for p in odd),
    ]
    for picture in skipped[:MAX_NAMED_PICTURES]:
        progress.say(f"skipped: {picture.reason}")
    if len(skipped) > MAX_NAMED_PICTURES:
        progress.say(f"skipped: {len(skipped) - MAX_NAMED_PICTURES} more; {CONFIG_FILE} of the run names them all")
    return loaded, tuple(skipped)


def check_classes(split: str, pictures: PixelSet, folder: ImageFolder) -> None:
    """Raise DatasetError with the first class that has no readable picture in a split."""
    found = set(pictures.label_indices.tolist())
    for index, label in enumerate(folder.labels):
        if index not in found:
            raise DatasetError(
                f"class {label!r} has no readable picture in the split {split!r}; "
                "add pictures to it or remove its folder"
            )


def check_recordable(path: Path) -> None:
    """Raise DatasetError for a path that JSON cannot hold."""
    if not _is_text(str(path)):
        raise DatasetError(f"the path {_as_text(str(path))} is not UTF-8, so no run can record it; rename it")


# A file name on Linux is any bytes; Python gives those that are not UTF-8 as lone surrogates, which JSON cannot hold.
def _is_text(name: str) -> bool:
    return _as_text(name) == name


def _as_text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
