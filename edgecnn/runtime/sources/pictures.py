"""``folder:DIR`` and ``image:FILE``: pictures from files, decoded no larger than the model needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import Frame
from edgecnn.errors import DatasetError, SourceError
from edgecnn.imaging import decode_picture, is_picture_name, read_bytes
from edgecnn.runtime.streams import Source

MAX_WARNINGS = 10


class FolderSource(Source):
    """All pictures under a folder, at any depth, sorted by their path.

    A picture that cannot be read is passed over, counted and, for the first ten, named.

    Args:
        place: the folder.
    """

    def __init__(self, place: str) -> None:
        self._root = Path(place)
        self._pictures: list[Path] = []

    def open(self) -> None:
        """List the pictures; none is opened.

        Raises:
            SourceError: there is no such folder, or no picture in it.
        """
        if not self._root.is_dir():
            what = "is a file, not a folder" if self._root.exists() else "does not exist"
            raise SourceError(f"{self._root} {what}; give a folder of pictures")
        try:
            found = [path for path in self._root.rglob("*") if is_picture_name(path) and path.is_file()]
        except OSError as exc:
            raise SourceError(f"cannot list {self._root}: {exc.strerror}") from exc
        if not found:
            raise SourceError(f"{self._root} holds no pictures; give a folder with .jpg, .png or other picture files")
        self._pictures = sorted(found)

    def __iter__(self) -> Iterator[Frame]:
        """Give the pictures; ``name`` is the path below the folder.

        Raises:
            SourceError: not one of them can be read.
        """
        index = 0
        for path in self._pictures:
            try:
                frame = _load(path, self.contract)
            except DatasetError as exc:
                self._pass_over(exc)
                continue
            name = path.relative_to(self._root).as_posix()
            yield replace(frame, index=index, camera=f"folder:{self._root}", name=name)
            index += 1
        if index == 0:
            raise SourceError(f"none of the {len(self._pictures)} pictures under {self._root} can be read")

    def _pass_over(self, error: DatasetError) -> None:
        self.unreadable += 1
        if self.unreadable <= MAX_WARNINGS:
            self.say(f"passed over: {error}")
        elif self.unreadable == MAX_WARNINGS + 1:
            self.say("passed over: more pictures, which are only counted from here on")


class ImageSource(Source):
    """One picture.

    Args:
        place: the file.
    """

    def __init__(self, place: str) -> None:
        self._path = Path(place)

    def open(self) -> None:
        """Look whether the file is there.

        Raises:
            SourceError: it is not.
        """
        if not self._path.is_file():
            what = "is a folder, not a picture" if self._path.is_dir() else "does not exist"
            raise SourceError(f"{self._path} {what}; give a picture file")

    def __iter__(self) -> Iterator[Frame]:
        """Give the picture.

        Raises:
            SourceError: it cannot be read.
        """
        try:
            frame = _load(self._path, self.contract)
        except DatasetError as exc:
            raise SourceError(str(exc)) from exc
        yield replace(frame, camera=f"image:{self._path}", name=self._path.name)


def _load(path: Path, contract: InputContract | None) -> Frame:
    start_ns = time.monotonic_ns()
    data = read_bytes(path)
    read_ns = time.monotonic_ns()
    frame = decode_picture(data, str(path), contract)
    decode_ms = (time.monotonic_ns() - read_ns) / 1e6
    return replace(frame, captured_ns=read_ns, read_ms=(read_ns - start_ns) / 1e6, decode_ms=decode_ms)
