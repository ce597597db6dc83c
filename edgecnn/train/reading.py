"""The pictures of a split, and a word about each that had to be left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.core.names import as_text, is_text
from edgecnn.core.progress import Progress
from edgecnn.data import ImageFolder, Picture, PixelSet, load_pixels
from edgecnn.data.check import Finding
from edgecnn.data.check.decoded import find_decoded_copies
from edgecnn.data.check.splitting import find_alike
from edgecnn.errors import DatasetError
from edgecnn.train.run_folder import CONFIG_FILE, SkippedPicture

MAX_NAMED_PICTURES = 10
_SEE = "see edgecnn data check {}"


def keep_together(folder: ImageFolder, progress: Progress) -> tuple[tuple[Picture, ...], ...]:
    """Return the pictures that look the same, class by class, where a split has still to be made."""
    if folder.has_splits and folder.select("val"):
        return ()
    alike, _ = find_alike(folder, progress)
    if alike:
        progress.say(f"{sum(map(len, alike))} pictures look like another one of their class and stay on its side")
    return alike


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
    named = tuple(picture for picture in pictures if is_text(picture.path))
    loaded = load_pixels(root, named, contract, progress=progress, title=f"reading {split} pictures")
    kept = set(loaded.pictures)
    broken = [picture.path for picture in named if picture not in kept]
    odd = [as_text(picture.path) for picture in pictures if not is_text(picture.path)]
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


def check_copies(pictures: Mapping[str, PixelSet], folder: ImageFolder, progress: Progress, *, refuse: bool) -> None:
    """Tell of pictures that stand in several classes or splits.

    Args:
        pictures: decoded, by split.
        folder: where they come from.
        progress: told how many there are.
        refuse: whether so many that the model would be worth nothing are an error.

    Raises:
        DatasetError: then; says which.
    """
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in find_decoded_copies(pictures, folder.labels):
        if finding.worthless and refuse:
            raise DatasetError(f"{finding.text}; {_SEE.format(folder.root)}")
        if finding.files and finding.severity != "note":
            groups[finding.text].append(finding)
    for text, found in groups.items():
        num, example = sum(len(finding.files) for finding in found), " = ".join(found[0].files[:2])
        progress.say(f"warning: {text}: {num} files, as {example}; {_SEE.format(folder.root)}")


def check_recordable(path: Path) -> None:
    """Raise DatasetError for a path that JSON cannot hold."""
    if not is_text(str(path)):
        raise DatasetError(f"the path {as_text(str(path))} is not UTF-8, so no run can record it; rename it")
