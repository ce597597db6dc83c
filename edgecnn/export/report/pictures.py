"""Small pictures that travel inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data import Picture
from edgecnn.data.pixels import iter_pixels
from edgecnn.errors import DatasetError
from edgecnn.imaging import encode_jpeg, resize

_LONGEST_SIDE_PX = 144


def thumbnails(root: Path, pictures: Sequence[Picture], contract: InputContract) -> list[str | None]:
    """Return each picture as the network sees it, as a ``data:`` address; None for one that cannot be read."""
    return [
        None if isinstance(loaded, DatasetError) else _data_address(loaded)
        for _, loaded in iter_pixels(root, pictures, contract)
    ]


def _data_address(pixels: NDArray[np.uint8]) -> str:
    rows, columns = pixels.shape[:2]
    factor = min(1.0, _LONGEST_SIDE_PX / max(rows, columns))
    small = resize(pixels, (max(1, round(columns * factor)), max(1, round(rows * factor))))
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(small)).decode()
