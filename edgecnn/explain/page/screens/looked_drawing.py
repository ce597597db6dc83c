"""Heat maps as pictures, and the order of pixels that the test of a map goes by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.faithful import hottest_first
from edgecnn.explain.heat import enlarge

# The page's colours.
_FOR, _AGAINST = (214, 96, 20), (33, 102, 172)
_STRENGTH = 0.8


def draw_heat(pixels: NDArray[np.uint8], heat: NDArray[np.float32], largest: float) -> NDArray[np.uint8]:
    """Lay a heat map over a picture: orange for the class, blue against it, where nothing is the picture in grey.

    Args:
        pixels: uint8, shape (height, width, 3), RGB.
        heat: float32, shape (rows, columns), of any size.
        largest: the value, in either direction, that gets the full colour.

    Returns:
        uint8, shape (height, width, 3), RGB.
    """
    height, width = pixels.shape[:2]
    share = enlarge(heat, (width, height))[..., np.newaxis] / (largest or 1.0)
    opacity = _STRENGTH * np.minimum(np.abs(share), 1.0)
    colour = np.where(share < 0, np.array(_AGAINST), np.array(_FOR))
    grey = pixels.mean(axis=2, keepdims=True)
    mixed: NDArray[np.uint8] = np.rint(grey * (1 - opacity) + colour * opacity).astype(np.uint8)
    return mixed


def draw_order(heat: NDArray[np.float32], size_wh: tuple[int, int], steps: int) -> NDArray[np.uint8]:
    """Return in which of the steps a pixel is covered: 255 in the first, ``255 // steps`` less in each that follows.

    Args:
        heat: float32, shape (rows, columns), of any size.
        size_wh: width and height of the picture.
        steps: how many, as in ``faithfulness``.

    Returns:
        uint8, shape (height, width).
    """
    order = hottest_first(heat, size_wh)
    ends = [round(share * len(order)) for share in np.linspace(0.0, 1.0, steps + 1)[1:]]
    shades = np.empty(len(order), np.uint8)
    shades[order] = 255 - 255 // steps * np.searchsorted(ends, np.arange(len(order)), side="right")
    return shades.reshape(size_wh[1], size_wh[0])
