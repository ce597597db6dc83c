"""The pictures that a report shows, each once, and as many of them as the page has room for."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging import encode_jpeg, resize
from edgecnn.train.report.contents import Shown
from edgecnn.train.report.material import ReportMaterial

LONGEST_SIDE_PX = 96
MAX_BYTES = 2_000_000
_QUALITY = 75

Key = tuple[str, int]


class Album:
    """Collects pictures by split and index; the first ones get a small picture, until the room is used up."""

    def __init__(self, material: ReportMaterial) -> None:
        self._material = material
        self._places: dict[Key, int] = {}
        self._room = MAX_BYTES
        self._by_path = {
            (split, picture.path): index
            for split, part in material.pictures.items()
            for index, picture in enumerate(part.pictures)
        }
        self.shown: list[Shown] = []
        self.addresses: list[str | None] = []

    @property
    def is_full(self) -> bool:
        """Whether further pictures would be shown by name only."""
        return self._room <= 0

    def find(self, path: str) -> Key | None:
        """Return the picture of that name; None if it is in no split."""
        found = ((split, self._by_path.get((split, path))) for split in self._material.pictures)
        return next(((split, index) for split, index in found if index is not None), None)

    def add(self, key: Key) -> int:
        """Return the place of a picture in the report."""
        if key not in self._places:
            self._places[key] = len(self.shown)
            self.shown.append(self._describe(key))
            self.addresses.append(self._shrink(key))
        return self._places[key]

    def _describe(self, key: Key) -> Shown:
        split, index = key
        labels, judged = self._material.labels, self._material.judged.get(split)
        picture = self._material.pictures[split].pictures[index]
        if judged is None:
            return Shown(path=picture.path, split=split, label=labels[picture.label_index])
        scores = judged.scores[index]
        best = int(scores.argmax())
        return Shown(
            path=picture.path,
            split=split,
            label=labels[picture.label_index],
            answer=labels[best],
            score=float(scores[best]),
            own_score=float(scores[picture.label_index]),
        )

    def _shrink(self, key: Key) -> str | None:
        if self.is_full:
            return None
        address = shrink_to_address(self._material.pictures[key[0]].pixels[key[1]])
        self._room -= len(address)
        return address


def shrink_to_address(pixels: NDArray[np.uint8]) -> str:
    """Return a picture, uint8 (h, w, 3) RGB, as a small JPEG in a ``data:`` address."""
    rows, columns = pixels.shape[:2]
    factor = min(1.0, LONGEST_SIDE_PX / max(rows, columns))
    small = resize(pixels, (max(1, round(columns * factor)), max(1, round(rows * factor))))
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small, _QUALITY)).decode()
