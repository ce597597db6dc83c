"""What lies in a folder of pictures, whatever is wrong with it: nothing is opened but what has a strange name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgecnn.data.folder import UNKNOWN_FOLDER, are_splits, is_passed_over, split_of
from edgecnn.errors import DatasetError
from edgecnn.imaging import is_picture_name

_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\x00", b"MM\x00*")


class Entry(NamedTuple):
    """A file that ``train`` would take for a picture.

    Attributes:
        path: relative to the folder, with forward slashes.
        label: name of its class, or ``_unknown``.
        split: ``train``, ``val``, ``test`` or empty.
    """

    path: str
    label: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything under a folder.

    Attributes:
        root: the folder.
        entries: its pictures, sorted by path.
        classes: names of the class folders of each split, sorted; of the split "" where there are none.
        oddities: paths of what is no such picture, by the kind of the finding that it makes.
    """

    root: Path
    entries: tuple[Entry, ...]
    classes: dict[str, tuple[str, ...]]
    oddities: dict[str, list[str]]

    @property
    def has_splits(self) -> bool:
        """Whether the folder itself says which picture is for what."""
        return "" not in self.classes


def take_inventory(root: Path) -> Inventory:
    """List a folder with one sub-folder per class, or with such folders in ``train``, ``val`` and ``test``.

    Raises:
        DatasetError: there is no such folder, or it may not be read.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.is_file() else "does not exist"
        raise DatasetError(f"{root} {what}; give a folder that holds one sub-folder of pictures per class")
    walk = _Walk(root)
    folders = walk.list_top(root)
    classes: dict[str, tuple[str, ...]] = {}
    names = {folder.name for folder in folders}
    if are_splits(names):
        for folder in folders:
            split = split_of(folder.name)
            found = walk.list_classes(walk.list_top(folder), split)
            classes[split] = tuple(sorted({*classes.get(split, ()), *found}))
            walk.list_below(folder / UNKNOWN_FOLDER, UNKNOWN_FOLDER, split)
    else:
        classes[""] = walk.list_classes(folders, "")
        if "train" in names and any(split_of(name) in ("val", "test") for name in names):
            walk.oddities["mixed"] += sorted(name for name in names if not split_of(name))
    walk.list_below(root / UNKNOWN_FOLDER, UNKNOWN_FOLDER, "")
    return Inventory(
        root=root,
        entries=tuple(sorted(walk.entries)),
        classes=classes,
        oddities={kind: sorted(paths) for kind, paths in walk.oddities.items()},
    )


class _Walk:
    """One pass over the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.entries: list[Entry] = []
        self.oddities: dict[str, list[str]] = defaultdict(list)

    def list_top(self, folder: Path) -> list[Path]:
        """Return the sub-folders that may be classes or splits, and note what else lies there."""
        folders: list[Path] = []
        for entry in self._scan(folder):
            if entry.name.startswith("."):
                self._note("hidden", entry.path)
            elif _is_folder(entry):
                if not is_passed_over(entry.name):
                    folders.append(Path(entry.path))
            elif is_picture_name(Path(entry.name)):
                self._note("loose", entry.path)
        return sorted(folders)

    def list_classes(self, folders: list[Path], split: str) -> tuple[str, ...]:
        """List the pictures in class folders; return their names."""
        for folder in folders:
            self.list_below(folder, folder.name, split)
        return tuple(folder.name for folder in folders)

    def list_below(self, folder: Path, label: str, split: str) -> None:
        """List what lies in a folder at any depth."""
        waiting = [folder] if folder.is_dir() else []
        while waiting:
            here = waiting.pop()
            for entry in self._scan(here):
                if entry.name.startswith("."):
                    self._note("hidden", entry.path)
                elif _is_folder(entry):
                    self._note("linked-folder" if entry.is_symlink() else "nested", entry.path)
                    if not entry.is_symlink():
                        waiting.append(Path(entry.path))
                elif not _is_file(entry):
                    self._note("broken-link" if entry.is_symlink() else "special", entry.path)
                elif is_picture_name(Path(entry.name)):
                    self.entries.append(Entry(self._relative(entry.path), label, split))
                else:
                    self._note(_judge_stranger(entry.path), entry.path)

    def _scan(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as exc:
            if folder == self._root:
                raise DatasetError(f"cannot read the folder {folder}: {exc.strerror}") from exc
            self._note("unreadable-folder", str(folder))

    def _note(self, kind: str, path: str) -> None:
        self.oddities[kind].append(self._relative(path))

    def _relative(self, path: str) -> str:
        return Path(path).relative_to(self._root).as_posix()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _judge_stranger(path: str) -> str:
    """Return the kind of a file whose name is not that of a picture."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(16)
    except OSError:
        return "other"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS:
        return "heic"
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return "unnamed" if is_webp or start.startswith(_PICTURE_STARTS) else "other"
