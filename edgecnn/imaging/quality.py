"""How sharp, how bright and how full a picture is, from its brightness alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging.opencv import cv2

_WINDOW_PX = 5
_FILL_OF_CUT_JPEG = 128
_MIN_FILL = 0.05


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenCV from spreading small pictures over all cores: it costs more than it saves where all are busy."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def measure_blur(luma: NDArray[np.uint8]) -> float:
    """Return how little a picture changes when it is blurred once more: 0 (sharp) to 1 (nothing left to lose).

    Differences of neighbouring pixels shrink under a mean over five; in a blurred picture hardly. Of
    the two directions the worse one counts, as motion blurs only one.

    Args:
        luma: uint8, shape (H, W), at the scale at which sharpness matters.

    Reference:
        F. Crete et al., The Blur Effect: Perception and Estimation with a New No-Reference Perceptual Blur
        Metric, SPIE 6492, 2007; here with their mean over 9 pixels narrowed to 5.
    """
    values = luma.astype(np.float32)
    return max(_blur_along(values, 1), _blur_along(values, 0))


def measure_levels(luma: NDArray[np.uint8]) -> tuple[int, float]:
    """Return the level, 0 to 255, that 99% of the pixels do not exceed, and the standard deviation of all."""
    counts = np.cumsum(cv2.calcHist([luma], [0], None, [256], [0, 256]))
    bright = int(np.searchsorted(counts, 0.99 * luma.size))
    return bright, float(cv2.meanStdDev(luma)[1][0, 0])


def ends_in_fill(luma: NDArray[np.uint8]) -> bool:
    """Tell whether the last rows are the even grey with which a JPEG decoder fills what is missing."""
    num_rows = max(2, round(len(luma) * _MIN_FILL))
    return bool((luma[-num_rows:] == _FILL_OF_CUT_JPEG).all())


def _blur_along(values: NDArray[np.float32], axis: int) -> float:
    if values.shape[axis] < 2:
        return 0.0
    before = _steps(values, axis)
    after = _steps(cv2.blur(values, (_WINDOW_PX, 1) if axis else (1, _WINDOW_PX)), axis)
    total = cv2.sumElems(before)[0]
    lost = cv2.sumElems(cv2.threshold(cv2.subtract(before, after), 0, 0, cv2.THRESH_TOZERO)[1])[0]
    return 1.0 - lost / total if total else 0.0


def _steps(values: Any, axis: int) -> Any:
    """Return the absolute differences of neighbours along an axis: 0 down, 1 across."""
    return cv2.absdiff(values[:, 1:], values[:, :-1]) if axis else cv2.absdiff(values[1:], values[:-1])
