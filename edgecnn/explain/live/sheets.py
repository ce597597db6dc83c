"""A layer's maps as small grey pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.live.places import Places
from edgecnn.imaging.geometry import as_uint8
from edgecnn.imaging.opencv import cv2

LONGEST_SIDE_CELLS = 64
# The largest value of a layer changes from picture to picture: brightness follows it down slowly, or it flickers.
_LARGEST_KEPT = 0.97
_SAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSheet:
    """Some of a layer's maps.

    Attributes:
        channels: which ones.
        codes: uint8, shape (maps, rows, columns), their cells, fewer than the maps have where those are large.
            0 to 255 stand for 0 to ``largest``; if ``is_signed`` 1 to 255 for ``-largest`` to ``largest``.
        largest: what the brightest code stands for.
        is_signed: whether the layer has values below 0.
    """

    channels: list[int]
    codes: NDArray[np.uint8] = field(repr=False)
    largest: float
    is_signed: bool


class MapWatch:
    """Follows one layer from picture to picture."""

    def __init__(self) -> None:
        self._places = Places()
        self._largest = 0.0
        self._is_signed = False

    def sheet(self, maps: NDArray[np.float32], num_maps: int, time_s: float) -> MapSheet:
        """Return the sheet of a picture.

        Args:
            maps: float32, shape (rows, columns, channels).
            num_maps: how many of them are wanted, at most.
            time_s: when the picture was taken, in seconds by any clock.
        """
        apart = max(1, min(maps.shape[:2]) // _SAMPLES)
        strengths = np.abs(maps[::apart, ::apart]).mean(axis=(0, 1))
        channels = self._places.update(strengths, num_maps, time_s)
        drawn = np.nan_to_num(maps[:, :, channels].transpose(2, 0, 1))
        highest, lowest = float(drawn.max()), float(drawn.min())
        self._is_signed = self._is_signed or lowest < 0  # a layer that could be negative stays one
        self._largest = max(highest, -lowest, _LARGEST_KEPT * self._largest, float(np.finfo(np.float32).tiny))
        start, steps = (128, 127) if self._is_signed else (0, 255)
        codes = np.rint(np.clip(drawn / np.float32(self._largest), -1, 1) * steps + start).astype(np.uint8)
        return MapSheet(
            channels=channels.tolist(), codes=_shrink(codes), largest=self._largest, is_signed=self._is_signed
        )


def _shrink(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average whole squares of cells until a map is small enough to be sent: uint8, shape (maps, rows, columns)."""
    count, rows, columns = codes.shape
    factor = -(-max(rows, columns) // LONGEST_SIDE_CELLS)
    if factor <= 1:
        return np.ascontiguousarray(codes)
    small = max(1, rows // factor), max(1, columns // factor)
    whole = np.ascontiguousarray(codes[:, : small[0] * factor, : small[1] * factor])
    strip = whole.reshape(-1, whole.shape[2])  # one map below the other; no square reaches over two of them
    if rows < factor or columns < factor:
        return np.stack([as_uint8(cv2.resize(one, small[::-1], interpolation=cv2.INTER_AREA)) for one in codes])
    shrunk = cv2.resize(strip, (small[1], count * small[0]), interpolation=cv2.INTER_AREA)
    return as_uint8(shrunk).reshape(count, *small)
