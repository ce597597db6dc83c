"""Ways to change a picture by a known amount: moved, turned, lit or spoiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging import decode_picture, encode_jpeg, upright, warp
from edgecnn.imaging.geometry import as_uint8
from edgecnn.imaging.opencv import cv2

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One kind of change.

    Attributes:
        unit: of its amounts, for people.
        nothing: the amount that changes nothing.
        amounts: those that are tried when none are named.
        apply: takes uint8 (height, width, 3), an amount and a seed; returns the same shape.
    """

    unit: str
    nothing: float
    amounts: tuple[float, ...]
    apply: Callable[[Pixels, float, int], Pixels]


def shift_by(pixels: Pixels, down: int, right: int) -> Pixels:
    """Return a picture moved by whole pixels, its edge repeated where nothing else is known."""
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return np.ascontiguousarray(pixels[rows][:, columns])


def _shift(pixels: Pixels, amount: float, seed: int) -> Pixels:
    return shift_by(pixels, 0, round(amount / 100 * pixels.shape[1]))


def _rotation(pixels: Pixels, amount: float, seed: int) -> Pixels:
    return _about_centre(pixels, math.radians(amount), 1.0)


def _scale(pixels: Pixels, amount: float, seed: int) -> Pixels:
    return _about_centre(pixels, 0.0, 100 / amount)


def _about_centre(pixels: Pixels, angle: float, zoom: float) -> Pixels:
    """Turn clockwise by ``angle`` in radians, ``zoom`` being the input's pixels per pixel of the output."""
    centre = np.array([(pixels.shape[1] - 1) / 2, (pixels.shape[0] - 1) / 2])
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    return warp(pixels, np.column_stack([linear, centre - linear @ centre]))


def _brightness(pixels: Pixels, amount: float, seed: int) -> Pixels:
    table: Pixels = np.clip(np.rint(np.arange(256) + amount), 0, 255).astype(np.uint8)
    lit: Pixels = table[pixels]
    return lit


def _blur(pixels: Pixels, amount: float, seed: int) -> Pixels:
    if amount <= 0:
        return pixels
    sigma = amount / 100 * pixels.shape[1]
    return as_uint8(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _noise(pixels: Pixels, amount: float, seed: int) -> Pixels:
    grain = np.random.default_rng(seed).normal(0.0, amount, pixels.shape)
    noisy: Pixels = np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8)
    return noisy


def _jpeg(pixels: Pixels, amount: float, seed: int) -> Pixels:
    spoiled = upright(decode_picture(encode_jpeg(pixels, round(amount)), "a compressed picture"))
    return np.ascontiguousarray(spoiled[:, :, ::-1])  # BGR to RGB


CHANGES: dict[str, Change] = {
    "shift": Change(
        unit="% of the width to the right", nothing=0.0, amounts=(-30, -20, -10, -5, 0, 5, 10, 20, 30), apply=_shift
    ),
    "rotation": Change(
        unit="degrees clockwise", nothing=0.0, amounts=(-60, -40, -20, -10, 0, 10, 20, 40, 60), apply=_rotation
    ),
    "scale": Change(
        unit="% of its size", nothing=100.0, amounts=(50, 65, 80, 90, 100, 110, 125, 150, 200), apply=_scale
    ),
    "brightness": Change(
        unit="added to each number of 0 to 255",
        nothing=0.0,
        amounts=(-120, -80, -40, -20, 0, 20, 40, 80, 120),
        apply=_brightness,
    ),
    "blur": Change(
        unit="% of the width (standard deviation)", nothing=0.0, amounts=(0, 0.5, 1, 1.5, 2, 3, 4, 6), apply=_blur
    ),
    "noise": Change(
        unit="of 255 (standard deviation)", nothing=0.0, amounts=(0, 5, 10, 20, 30, 45, 60, 90), apply=_noise
    ),
}
# Of its strengths none leaves a picture as it is, so it has no curve through that point.
JPEG = Change(unit="JPEG quality, 1 to 100", nothing=100.0, amounts=(90, 70, 50, 30, 20, 10), apply=_jpeg)
