"""Decoded pictures as one array, each file opened once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data.folder import Picture
from edgecnn.errors import DatasetError
from edgecnn.imaging import load_input

_WINDOW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSet:
    """Pictures ready for a model.

    Attributes:
        pixels: uint8, shape (N, height, width, 3), RGB, values 0 to 255.
        label_indices: int64, shape (N,).
        pictures: the N files, in the same order.
        unreadable: one sentence for each file that had to be left out.
    """

    pixels: NDArray[np.uint8]
    label_indices: NDArray[np.int64]
    pictures: tuple[Picture, ...]
    unreadable: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)


def iter_pixels(
    root: Path, pictures: Sequence[Picture], contract: InputContract
) -> Iterator[tuple[Picture, NDArray[np.uint8] | DatasetError]]:
    """Decode pictures on all cores, in order, a window at a time.

    Yields:
        The picture with its pixels, uint8 (height, width, 3) RGB, or with the reason why it has none.
    """

    def load(picture: Picture) -> NDArray[np.uint8] | DatasetError:
        try:
            return load_input(root / picture.path, contract)
        except DatasetError as exc:
            return exc

    # OpenCV releases the interpreter lock while it decodes: threads are enough.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        remaining = iter(pictures)
        while window := list(islice(remaining, _WINDOW)):
            yield from zip(window, pool.map(load, window), strict=True)


def load_pixels(
    root: Path,
    pictures: Sequence[Picture],
    contract: InputContract,
    *,
    progress: Progress | None = None,
    title: str = "reading pictures",
    file: Path | None = None,
) -> PixelSet:
    """Decode pictures into one array; files that are broken are left out and named.

    Args:
        root: the folder that the pictures' paths are relative to.
        pictures: what to decode.
        contract: the size to bring them to.
        progress: told of every picture.
        title: of that work.
        file: where the array shall lie instead of in memory, as ``.npy``.

    Raises:
        DatasetError: there is no room for that file.
    """
    shape = (len(pictures), contract.height, contract.width, 3)
    pixels = np.empty(shape, np.uint8) if file is None else _array_on_disk(file, shape)
    kept: list[Picture] = []
    unreadable: list[str] = []
    with (progress or SilentProgress()).task(title, len(pictures)) as task:
        for picture, loaded in iter_pixels(root, pictures, contract):
            if isinstance(loaded, DatasetError):
                unreadable.append(str(loaded))
            else:
                pixels[len(kept)] = loaded
                kept.append(picture)
            task.advance()
    return PixelSet(
        pixels=pixels[: len(kept)],
        label_indices=np.array([picture.label_index for picture in kept], np.int64),
        pictures=tuple(kept),
        unreadable=tuple(unreadable),
    )


def _array_on_disk(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a writable array in a new ``.npy`` file that has all of its room already.

    A file without it would end the process with SIGBUS as soon as the disk is full.
    """
    try:
        pixels: NDArray[np.uint8] = open_memmap(file, "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    except OSError as exc:
        raise DatasetError(
            f"{file.parent} has no room for {np.prod(shape) / 1e6:.1f} MB of decoded pictures ({exc.strerror}); "
            "make some, or let the variable TMPDIR name another folder"
        ) from exc
    return pixels
