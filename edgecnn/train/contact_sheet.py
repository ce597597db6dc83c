"""What augmentation makes of a few pictures, side by side, by the code and the seed that training uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import ImageFolder, Picture, split_pictures
from edgecnn.errors import DatasetError
from edgecnn.imaging import load_input, resize
from edgecnn.train.augment import Augmentation
from edgecnn.train.config import TrainConfig
from edgecnn.train.reading import keep_together

MAX_ROWS = 6
NUM_CHANGED = 5
_MAX_TILE_PX = 128
_GAP_PX = 4
_GAP_GREY = 128  # seen on white and on black

Pixels = NDArray[np.uint8]


def first_of_each_class(label_indices: NDArray[np.int64]) -> list[int]:
    """Return the rows of the pictures that a sheet shows: the first of each of the first six classes."""
    _, rows = np.unique(label_indices, return_index=True)
    chosen: list[int] = rows[:MAX_ROWS].tolist()
    return chosen


def draw_sheet(examples: Mapping[int, Pixels], augment: Sequence[str], seed: int) -> Pixels:
    """Draw pictures as they are in the first column and, beside each, what training made of it in epochs 1 to 5.

    Args:
        examples: from 1 picture on, uint8 (h, w, 3) RGB, all of one size, by their rows in the training set.
        augment: names of the random changes.
        seed: of the training.

    Returns:
        uint8, shape (H, W, 3), RGB: tiles of at most 128 pixels a side with grey lines between them.
    """
    augmentation = Augmentation(parts=tuple(augment))
    rows = []
    for row, pixels in examples.items():
        changed = [augmentation.change(pixels, row, seed, epoch) for epoch in range(1, NUM_CHANGED + 1)]
        rows.append(np.concatenate([_tile(one) for one in (pixels, *changed)], axis=1))
    sheet: Pixels = np.concatenate(rows)
    return sheet[:-_GAP_PX, :-_GAP_PX]


def draw_sheet_of(root: Path, pictures: Sequence[Picture], contract: InputContract, config: TrainConfig) -> Pixels:
    """Draw the sheet of training pictures that are still files.

    Args:
        root: what their paths are relative to.
        pictures: the training pictures in their order; those that cannot be read are left out.
        contract: the size to bring them to.
        config: of the training.

    Raises:
        DatasetError: none of them can be read.
    """
    found: dict[int, tuple[int, Pixels]] = {}
    for row, picture in enumerate(pictures):
        if picture.label_index < MAX_ROWS and picture.label_index not in found:
            with suppress(DatasetError):
                found[picture.label_index] = row, load_input(root / picture.path, contract)
    if not found:
        raise DatasetError(f"none of the training pictures in {root} can be read; name the folder that holds them")
    return draw_sheet(dict(found[index] for index in sorted(found)), config.augment, config.seed)


def preview(config: TrainConfig, progress: Progress | None = None) -> Pixels:
    """Draw the sheet that a training with these options would leave, without training.

    It is another one only where a picture that training would leave out stands among its first ones.

    Raises:
        DatasetError: the pictures cannot be used.
    """
    folder = ImageFolder.scan(config.data)
    splits = split_pictures(folder, config.seed, keep_together(folder, progress or SilentProgress()))
    return draw_sheet_of(folder.root, splits.train, config.contract, config)


def _tile(pixels: Pixels) -> Pixels:
    rows, columns = pixels.shape[:2]
    factor = min(1.0, _MAX_TILE_PX / max(rows, columns))
    small = resize(pixels, (max(1, round(columns * factor)), max(1, round(rows * factor))))
    return np.pad(small, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=_GAP_GREY)
