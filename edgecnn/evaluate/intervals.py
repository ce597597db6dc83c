"""How far a share that was counted on few pictures is to be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054  # the standard normal distribution holds 95% within plus or minus this


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its 95% confidence interval: ``low <= value <= high``, all in the figure's own unit."""

    value: float
    low: float
    high: float


def share_interval(hits: int, num: int) -> Interval:
    """Return ``hits`` of ``num`` as a share, 0 to 1, with the Wilson score interval; ``num`` from 1.

    Reference:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    share, z2 = hits / num, _Z95**2
    center = (share + z2 / (2 * num)) / (1 + z2 / num)
    margin = _Z95 / (1 + z2 / num) * math.sqrt(share * (1 - share) / num + z2 / (4 * num**2))
    return Interval(value=share, low=min(share, max(0.0, center - margin)), high=max(share, min(1.0, center + margin)))


def drop_interval(lost: int, won: int, num: int) -> Interval:
    """Return the accuracy that was lost, in percentage points, with an interval for matched pairs.

    Two classifiers that judge the same pictures differ far less than their own intervals say: only
    the pictures count that one of them knew and the other did not.

    Args:
        lost: pictures that only the first classifier recognized.
        won: pictures that only the second one recognized.
        num: pictures that both judged, from 1.

    Reference:
        Agresti and Min, "Simple improved confidence intervals for comparing matched proportions",
        Statistics in Medicine 24 (2005): half a pair is added to each of the four cells.
    """
    b, c, n = lost + 0.5, won + 0.5, num + 2
    center = (b - c) / n
    margin = _Z95 * math.sqrt(max(0.0, b + c - (b - c) ** 2 / n)) / n
    value = 100 * (lost - won) / num
    return Interval(
        value=value,
        low=min(value, 100 * max(-1.0, center - margin)),
        high=max(value, 100 * min(1.0, center + margin)),
    )
