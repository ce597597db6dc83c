"""Figures as words of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecnn.evaluate.intervals import Interval

_TO = "\N{EN DASH}"
_MAX_NAME = 40
_ISOLATE, _END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"


def percent(share: float) -> str:
    """Return a share, 0 to 1, as ``90.2%``."""
    return f"{100 * share:.1f}%"


def share_range(interval: Interval) -> str:
    """Return an interval of shares as ``85.9–93.3%``."""
    return f"{100 * interval.low:.1f}{_TO}{100 * interval.high:.1f}%"


def points_range(interval: Interval) -> str:
    """Return an interval of percentage points, from 0, as ``0.4 to 2.1 points``."""
    low, high = (f"{value:.1f}" for value in (interval.low, interval.high))
    return "under 0.1 points" if high == "0.0" else f"about {high} points" if low == high else f"{low} to {high} points"


def about(interval: Interval) -> str:
    """Return an interval of percentage points with its middle: ``about 1.2 (0.4 to 2.1 points)``."""
    return f"about {interval.value:.1f} ({points_range(interval)})"


def once_in(share: float) -> str:
    """Return how often something with that share happens: ``about once in 12 pictures``."""
    if share <= 0:
        return "never"
    if share > 2 / 3:
        return "nearly always"
    return f"about once in {1 / share:.0f} pictures" if share < 0.4 else "about every other time"


def quote(name: str) -> str:
    """Return a class's name inside a sentence: cut when long, and kept from turning the sentence around it."""
    cut = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
    return f"“{_ISOLATE}{cut}{_END}”"


def split_name(split: str) -> str:
    """Return the name of a split as people say it."""
    return {"val": "validation", "train": "training"}.get(split, split)


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "share_range": share_range,
    "about": about,
    "points_range": points_range,
    "split_name": split_name,
}
