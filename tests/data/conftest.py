from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.imaging import encode_png, resize

Draw = Callable[..., NDArray[np.uint8]]
MakeFolder = Callable[..., Path]


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Draws patches of random colours: ``draw(7)`` looks like no other number's, RGB, 96 x 96 pixels."""

    def make(number: int, size: int = 96) -> NDArray[np.uint8]:
        patches = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
        return resize(patches.repeat(8, axis=0).repeat(8, axis=1), (size, size))

    return make


@pytest.fixture
def make_folder(tmp_path: Path, draw: Draw) -> MakeFolder:
    """Makes a folder of different pictures: ``make_folder({"cat": 4, "dog": 4})``, or with ``train/cat``."""

    def make(counts: dict[str, int], name: str = "pictures") -> Path:
        number = 0
        for folder, num in counts.items():
            (tmp_path / name / folder).mkdir(parents=True)
            for index in range(num):
                number += 1
                (tmp_path / name / folder / f"{index:03}.png").write_bytes(encode_png(draw(number)))
        return tmp_path / name

    return make
