"""Drawings with a known answer: a circle, a square, a star, a triangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging.opencv import cv2


@dataclass(frozen=True)
class Shape:
    """A shape's usual colour (BGR) and its corners: angle in turns, radius 0 to 1."""

    colour: tuple[int, int, int]
    corners: tuple[tuple[float, float], ...]


SHAPES = {
    "circle": Shape((40, 40, 210), tuple((step / 64, 1.0) for step in range(64))),
    "square": Shape((60, 170, 40), tuple((step / 4, 1.0) for step in range(4))),
    "star": Shape((30, 200, 220), tuple((step / 10, 0.42 if step % 2 else 1.0) for step in range(10))),
    "triangle": Shape((200, 90, 40), tuple((step / 3, 1.0) for step in range(3))),
}


def fill_shape(
    pixels: NDArray[np.uint8], shape: Shape, center: tuple[float, float], radius: float, turn: float
) -> None:
    """Draw a shape in its colour.

    Args:
        pixels: uint8, shape (H, W, 3), BGR; is written into.
        shape: what to draw.
        center: x and y in pixels.
        radius: of the circle around it, in pixels.
        turn: how far it is turned, in turns.
    """
    angles, radii = np.array(shape.corners).T
    angles = 2 * np.pi * (angles + turn)
    points = np.stack([center[0] + radius * radii * np.cos(angles), center[1] + radius * radii * np.sin(angles)], 1)
    cv2.fillPoly(pixels, [np.rint(points).astype(np.int32)], shape.colour, cv2.LINE_AA)
