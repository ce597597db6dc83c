"""A folder of pictures with one sub-folder per class, with or without given splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.labels import check_labels
from edgecnn.errors import DatasetError
from edgecnn.imaging import is_picture_name

UNKNOWN_FOLDER = "_unknown"
SPLIT_NAMES = ("train", "val", "test")
_SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True, order=True)
class Picture:
    """One picture file.

    Attributes:
        path: relative to the folder that was scanned, with forward slashes.
        label_index: position of its class among the labels; -1 for one that shows none of them.
        split: ``train``, ``val`` or ``test`` where the folder says so, else empty.
    """

    path: str
    label_index: int
    split: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """The pictures under one folder.

    Attributes:
        root: the folder.
        labels: names of the class folders, sorted, so that their order is the same everywhere.
        pictures: sorted by path.
        unknown: pictures of ``_unknown``, which show no class; see ``list_unknown``.
    """

    root: Path
    labels: tuple[str, ...]
    pictures: tuple[Picture, ...]
    unknown: tuple[Picture, ...] = ()

    @property
    def has_splits(self) -> bool:
        """Whether the folder itself says which picture is for what."""
        return bool(self.pictures) and bool(self.pictures[0].split)

    def select(self, split: str) -> tuple[Picture, ...]:
        """Return the pictures of one split that the folder gives."""
        return tuple(picture for picture in self.pictures if picture.split == split)

    @classmethod
    def scan(cls, root: Path) -> ImageFolder:
        """List the pictures under ``root``; no picture is opened.

        Either ``root/CLASS/…/picture`` or ``root/{train,val,test}/CLASS/…/picture``. Hidden files
        and files that are not pictures by their name are passed over. A folder called ``_unknown``
        beside the classes, or beside the splits, is none of them.

        Raises:
            DatasetError: no such folder, no classes, an empty class, or splits that differ in classes.
        """
        if not root.is_dir():
            what = "is a file, not a folder" if root.is_file() else "does not exist"
            raise DatasetError(f"{root} {what}; give a folder that holds one sub-folder of pictures per class")
        folders = _sub_folders(root)
        if are_splits({folder.name for folder in folders}):
            return cls._scan_splits(root, folders)
        labels = _labels_of(root, folders)
        pictures = tuple(_pictures_of(root, root, labels, ""))
        return cls(root=root, labels=labels, pictures=pictures, unknown=list_unknown(root))

    @classmethod
    def _scan_splits(cls, root: Path, folders: list[Path]) -> ImageFolder:
        labels = _labels_of(root / "train", _sub_folders(root / "train"))
        pictures: list[Picture] = []
        for folder in folders:
            here = _labels_of(folder, _sub_folders(folder))
            if here != labels:
                odd = sorted(set(here) ^ set(labels))
                raise DatasetError(
                    f"the classes under {folder} differ from those under {root / 'train'}: {', '.join(odd)} "
                    "stand on one side only; every split needs the same class folders"
                )
            pictures += _pictures_of(root, folder, labels, _SPLIT_FOLDERS[folder.name])
        return cls(root=root, labels=labels, pictures=tuple(sorted(pictures)), unknown=list_unknown(root))

    def count_per_class(self) -> dict[str, int]:
        """Return the number of pictures of each class, in label order."""
        counts = Counter(picture.label_index for picture in self.pictures)
        return {label: counts[index] for index, label in enumerate(self.labels)}


def list_pictures(root: Path) -> tuple[Picture, ...]:
    """Return all pictures under a folder, at any depth, sorted by path, as pictures of no class.

    Raises:
        DatasetError: there is no such folder.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} {'is a file' if root.is_file() else 'does not exist'}; give a folder of pictures")
    return tuple(_below(root, root, ""))


def list_unknown(root: Path) -> tuple[Picture, ...]:
    """Return the pictures of things that are none of the classes: those in ``_unknown`` under a folder of pictures.

    It lies beside the classes, or beside ``train``, ``val`` and ``test``, or in any of these. Those for
    ``val`` help to choose how unknown things are recognized, and so do those that are for no split;
    nothing is trained on any of them.
    """
    found = _below(root, root / UNKNOWN_FOLDER, "")
    folders = _sub_folders(root) if root.is_dir() else []
    if are_splits({folder.name for folder in folders}):
        for folder in folders:
            found += _below(root, folder / UNKNOWN_FOLDER, _SPLIT_FOLDERS[folder.name])
    return tuple(sorted(found))


def are_splits(names: Set[str]) -> bool:
    """Tell whether folders of these names, and no others, are splits and not classes."""
    return "train" in names and names <= set(_SPLIT_FOLDERS)


def split_of(name: str) -> str:
    """Return the split that a folder of this name is for; empty if it is none."""
    return _SPLIT_FOLDERS.get(name, "")


def is_passed_over(name: str) -> bool:
    """Tell whether a folder of this name is neither a class nor a split."""
    return name.startswith((".", "__")) or name == UNKNOWN_FOLDER


def _below(root: Path, folder: Path, split: str, label_index: int = -1) -> list[Picture]:
    paths = [
        path.relative_to(root).as_posix()
        for path in folder.rglob("*")
        if is_picture_name(path) and not _is_in_hidden_folder(path, folder) and path.is_file()
    ]
    return [Picture(path, label_index, split) for path in sorted(paths)]


def _is_in_hidden_folder(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_passed_over(entry.name))


def _labels_of(folder: Path, class_folders: list[Path]) -> tuple[str, ...]:
    names = [entry.name for entry in class_folders]
    if len(names) < 2:
        found = f"only one, {names[0]!r}" if names else "none"
        loose = "; its pictures lie loose in it" if any(map(is_picture_name, folder.iterdir())) else ""
        raise DatasetError(
            f"{folder} must hold at least two class folders to tell apart, but it holds {found}{loose}; "
            "put the pictures of each class into a folder named after the class"
        )
    try:
        return check_labels(names)
    except ValueError as exc:
        raise DatasetError(f"a class folder under {folder} cannot be a label: {exc}") from exc


def _pictures_of(root: Path, folder: Path, labels: tuple[str, ...], split: str) -> list[Picture]:
    pictures: list[Picture] = []
    for index, label in enumerate(labels):
        found = _below(root, folder / label, split, index)
        if not found:
            raise DatasetError(f"the class folder {folder / label} holds no pictures; add some or remove the folder")
        pictures += found
    return sorted(pictures)
