"""Who is shown where, so that what is watched stays at its place."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MEMORY_S = 0.3
_SWAP_S = 0.05
_CLEARLY = 1.5


class Places:
    """An order of things, the strongest first, that hardly moves although their strength changes all the time.

    It is made of the first strengths. From then on one that is not shown takes the place of one that is
    when it has become clearly stronger; nobody else moves. Of a camera's pictures that is a pair at a time,
    while a picture that comes seconds later may bring all others.
    """

    def __init__(self) -> None:
        self._order: NDArray[np.int64] | None = None
        self._strengths: NDArray[np.float64] | None = None
        self._time_s = 0.0

    def update(self, strengths: NDArray[np.floating], num_shown: int, time_s: float) -> NDArray[np.int64]:
        """Take in what a picture says.

        Args:
            strengths: floats from 0, shape (N,).
            num_shown: how many are shown, from 1.
            time_s: when the picture was taken, in seconds by any clock.

        Returns:
            Indices of those that are shown, in order: int64, shape (min(num_shown, N),).
        """
        now = np.nan_to_num(np.asarray(strengths, np.float64))
        if self._order is None or self._strengths is None or self._strengths.shape != now.shape:
            self._strengths = now
            self._order = np.argsort(-now, kind="stable")
        else:
            elapsed_s = max(0.0, time_s - self._time_s)
            kept = math.exp(-elapsed_s / _MEMORY_S)
            self._strengths = kept * self._strengths + (1 - kept) * now
            for _ in range(min(num_shown, max(1, int(elapsed_s / _SWAP_S)))):
                _swap(self._order, self._strengths, num_shown)
        self._time_s = time_s
        return self._order[:num_shown].copy()


def _swap(order: NDArray[np.int64], strengths: NDArray[np.float64], num_shown: int) -> None:
    """Let the strongest that is not shown take the place of the weakest that is, if it is clearly stronger."""
    if num_shown >= len(order):
        return
    weakest = int(strengths[order[:num_shown]].argmin())
    strongest = num_shown + int(strengths[order[num_shown:]].argmax())
    if strengths[order[strongest]] > _CLEARLY * strengths[order[weakest]]:
        order[[weakest, strongest]] = order[[strongest, weakest]]
