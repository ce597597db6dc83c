"""Draw a folder of pictures with one coloured shape each, for tests.

    python tools/draw_shapes.py FOLDER --per-class 60

Every picture is another size, ground, colour, place and angle, and depends on nothing but the seed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging.shapes import SHAPES, fill_shape

SIDES_PX = (96, 120, 160, 200)


# A label that is not ASCII, as labels of users are not.
CLASSES = {"Kreis ○": SHAPES["circle"], **{name: SHAPES[name] for name in ("square", "star", "triangle")}}


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder to make; it must not exist")
    parser.add_argument("--per-class", type=int, default=60, help="pictures of each shape")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw_folder(arguments.folder, arguments.per_class, arguments.seed)


def draw_folder(folder: Path, num_per_class: int, seed: int) -> None:
    """Write ``num_per_class`` PNG files for every shape into a folder named after it."""
    folder.mkdir(parents=True)
    for number, name in enumerate(CLASSES):
        place = folder / name
        place.mkdir()
        for index in range(num_per_class):
            picture = draw_shape(name, np.random.default_rng((seed, number, index)))
            _, encoded = cv2.imencode(".png", picture)
            (place / f"{index:03}.png").write_bytes(encoded.tobytes())


def draw_shape(name: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return one picture: uint8, shape (H, W, 3), BGR."""
    height, width = (int(side) for side in random.choice(SIDES_PX, 2))
    ground = random.integers(60, 200) + random.integers(-25, 26, 3)
    colour = np.clip(np.array(CLASSES[name].colour) + random.integers(-40, 41, 3), 0, 255)
    picture = np.full((height, width, 3), ground, np.uint8)
    radius = min(height, width) * random.uniform(0.25, 0.42)
    center = random.uniform(radius, width - radius), random.uniform(radius, height - radius)
    shape = replace(CLASSES[name], colour=tuple(colour.tolist()))
    fill_shape(picture, shape, center, radius, random.uniform())
    noise = random.normal(0.0, 6.0, picture.shape)
    noisy: NDArray[np.uint8] = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return noisy


if __name__ == "__main__":
    main()
