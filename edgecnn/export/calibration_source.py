"""The calibration pictures of one export: as many as a step asks for, looked at before the first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data import Picture, PixelSet, load_pixels
from edgecnn.errors import DatasetError
from edgecnn.export.calibration import describe_calibration
from edgecnn.modelfile.manifest import CalibrationPart

Look = Callable[[PixelSet], tuple[str, ...]]


class CalibrationSource:
    """Pictures in the order in which they are drawn: a larger number holds the pictures of a smaller one.

    Attributes:
        warnings: what was remarked about the pictures, one sentence each.
    """

    def __init__(
        self,
        root: Path,
        pictures: Sequence[Picture],
        *,
        labels: Sequence[str],
        contract: InputContract,
        split: Literal["train", "folder"],
        seed: int,
        look: Look,
    ) -> None:
        """Name the pictures; they are read when they are asked for.

        Args:
            root: the folder that their paths are relative to.
            pictures: all that may be drawn, in order.
            labels: names that their label indices stand for; empty where nobody knows their classes.
            contract: the size to bring them to.
            split: where they come from.
            seed: of the draw.
            look: raises ``CalibrationError`` for pictures that may not set the ranges, else returns warnings.
        """
        self._root, self._pictures, self._labels, self._contract = root, tuple(pictures), tuple(labels), contract
        self._split, self._seed, self._look = split, seed, look
        self._read: PixelSet | None = None
        self._num_asked = 0
        self.warnings: tuple[str, ...] = ()

    def read(self, num: int) -> PixelSet:
        """Return the first ``num`` pictures, fewer where there are no more or some cannot be read.

        Raises:
            CalibrationError: they are not what the model was trained on.
            DatasetError: none of them can be read.
        """
        if self._read is None or num > self._num_asked:
            self._num_asked = num
            self._read = load_pixels(self._root, self._pictures[:num], self._contract)
            if not len(self._read):
                reason = self._read.unreadable[0] if self._read.unreadable else f"there are none in {self._root}"
                raise DatasetError(f"no calibration picture can be read: {reason}")
            self.warnings = self._look(self._read)
        kept = self._read
        wanted = set(self._pictures[:num])
        last = sum(picture in wanted for picture in kept.pictures)
        return PixelSet(
            pixels=kept.pixels[:last],
            label_indices=kept.label_indices[:last],
            pictures=kept.pictures[:last],
            unreadable=kept.unreadable,
        )

    def pixels(self, num: int) -> NDArray[np.uint8]:
        """Return the pixels of ``read``."""
        return self.read(num).pixels

    def describe(self, num: int) -> CalibrationPart:
        """Return the manifest's record of the first ``num`` pictures."""
        pictures = self.read(num).pictures
        return describe_calibration(self._root, pictures, self._labels, self._seed, split=self._split)
