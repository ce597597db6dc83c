"""Whether a difference is more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.intervals import Interval

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Two classifiers on the same pictures.

    Attributes:
        lost: pictures that only the first one recognized.
        won: pictures that only the second one recognized.
        p_value: how likely so uneven a split of ``lost`` and ``won`` is by chance alone, 0 to 1.
    """

    lost: int
    won: int
    p_value: float


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Test whether one of two classifiers is right more often; the exact test, two-sided.

    Pictures that both or neither recognized say nothing about the difference. If the two were equally
    good, each other picture would fall to either side like a coin.

    Args:
        first_right: bool, shape (N,), whether the first one recognized each picture.
        second_right: bool, shape (N,), of the second one.

    Raises:
        ValueError: they did not judge the same number of pictures.

    Reference:
        McNemar, "Note on the sampling error of the difference between correlated proportions or
        percentages", Psychometrika 12 (1947); the exact form is the binomial test of ``lost``.
    """
    if first_right.shape != second_right.shape:
        raise ValueError(f"{first_right.shape} and {second_right.shape} answers are not about the same pictures")
    lost, won = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    num, fewer = lost + won, min(lost, won)
    # Logarithms: 2**num leaves the range of floats from 1,024 pictures on.
    tail = sum(math.exp(_log_choose(num, hits) - num * math.log(2)) for hits in range(fewer + 1))
    return McNemar(lost=lost, won=won, p_value=min(1.0, 2 * tail))


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float], num: int, *, resamples: int = _RESAMPLES, seed: int = 0
) -> Interval:
    """Return a figure over pictures with its 95% percentile bootstrap interval.

    For figures that are no simple share; of a share, ``share_interval`` is right even at 0% and 100%,
    where every resample is the same and this interval would have no width.

    Args:
        statistic: takes the rows to count, int64, shape (num,), a row as often as it was drawn.
        num: pictures, from 1.
        resamples: how many sets of pictures are drawn.
        seed: of the drawing.

    Reference:
        Efron, "Bootstrap Methods: Another Look at the Jackknife", The Annals of Statistics 7 (1979).
    """
    rng = np.random.default_rng(seed)
    value = statistic(np.arange(num))
    drawn = [statistic(rng.integers(0, num, num)) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value=value, low=min(value, float(low)), high=max(value, float(high)))


def _log_choose(num: int, hits: int) -> float:
    return math.lgamma(num + 1) - math.lgamma(hits + 1) - math.lgamma(num - hits + 1)
