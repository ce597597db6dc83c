"""Random changes that training pictures get, so that a network learns what does not matter.

All geometry is one affine warp of the picture that is already small, and the light is one table of
256 values: a picture is touched twice, whatever is switched on. That takes a ninth of the processor
time of four Keras Random* layers at 160 pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging import warp
from edgecnn.train.config import AUGMENTATIONS

MIN_ZOOM_AREA = 0.75
MAX_SHIFT = 0.06
MAX_ROTATION_DEG = 10.0
MAX_BRIGHTNESS = 32.0
MAX_CONTRAST = 1.25
_IN_WORDS = {
    "flip": "mirrored left to right",
    "shift": f"moved by up to {MAX_SHIFT:.0%} of its sides",
    "zoom": f"enlarged so that {MIN_ZOOM_AREA:.0%} of its area or more can be seen",
    "rotate": f"turned by up to {MAX_ROTATION_DEG:.0f} degrees",
    "light": "made lighter or darker, with more contrast or less",
}


def describe_changes(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the named random changes do to a picture: words that follow "it is"."""
    return tuple(_IN_WORDS[part] for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Named random changes.

    Attributes:
        parts: out of ``flip`` (left and right), ``shift`` (6% of a side, and to any place where a
            zoom leaves room), ``zoom`` (75 to 100% of the area), ``rotate`` (10 degrees either way),
            ``light`` (brightness 32 of 255 either way, contrast 0.8 to 1.25).
    """

    parts: tuple[str, ...] = AUGMENTATIONS

    def apply(self, pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return a changed copy of one picture.

        Args:
            pixels: uint8, shape (h, w, 3), RGB, values 0 to 255.
            rng: the only source of chance; it is drawn from equally often whatever the parts are.

        Returns:
            uint8, same shape; the picture itself when there are no parts.
        """
        draws = rng.random(7)
        if {"flip", "shift", "zoom", "rotate"} & set(self.parts):
            pixels = warp(pixels, self._matrix(pixels.shape[1], pixels.shape[0], draws))
        if "light" not in self.parts:
            return pixels
        lit: NDArray[np.uint8] = np.take(self._light_table(draws), pixels)
        return lit

    def apply_batch(
        self, pixels: NDArray[np.uint8], rows: NDArray[np.int64], seed: int, epoch: int
    ) -> NDArray[np.uint8]:
        """Change the given rows of a set of pictures: uint8 (N, h, w, 3) to uint8 (len(rows), h, w, 3).

        Every change depends on the seed, the epoch and the picture's row only, never on the batch.
        """
        if not self.parts:
            return pixels[rows]
        return np.stack([self.change(pixels[row], int(row), seed, epoch) for row in rows])

    def change(self, pixels: NDArray[np.uint8], row: int, seed: int, epoch: int) -> NDArray[np.uint8]:
        """Return what training makes of one picture, uint8 (h, w, 3), that is the given row of its set, in an epoch."""
        return self.apply(pixels, np.random.default_rng((seed, epoch, row)))

    def _matrix(self, width: int, height: int, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the map from output to input pixels: turn, scale and flip about the centre, then shift."""
        side = math.sqrt(1.0 - (1.0 - MIN_ZOOM_AREA) * draws[0]) if "zoom" in self.parts else 1.0
        angle = math.radians(MAX_ROTATION_DEG) * (2 * draws[1] - 1) if "rotate" in self.parts else 0.0
        mirror = -1.0 if "flip" in self.parts and draws[2] < 0.5 else 1.0
        reach = (1.0 - side) / 2 + MAX_SHIFT if "shift" in self.parts else 0.0
        center = np.array([(width - 1) / 2, (height - 1) / 2])
        cos, sin = side * math.cos(angle), side * math.sin(angle)
        linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
        offset = center + reach * (2 * draws[3:5] - 1) * (width, height) - linear @ center
        return np.column_stack([linear, offset])

    @staticmethod
    def _light_table(draws: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the new value of each of the 256 old ones; contrast turns about mid grey."""
        brightness = MAX_BRIGHTNESS * (2 * draws[5] - 1)
        contrast = MAX_CONTRAST ** (2 * draws[6] - 1)
        values = (np.arange(256) - 128.0) * contrast + 128.0 + brightness
        table: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return table
