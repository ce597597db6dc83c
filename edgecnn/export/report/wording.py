"""Figures as words of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecnn.evaluate.intervals import Interval
from edgecnn.export.report.contents import ChannelRanges, TensorRange

_MINUS, _TO = "\N{MINUS SIGN}", "\N{EN DASH}"


def percent(share: float) -> str:
    """Return a share, 0 to 1, as ``90.2%``."""
    return f"{100 * share:.1f}%"


def megabytes(num_bytes: int) -> str:
    """Return a size as ``3.98 MB``; small ones in kB."""
    return f"{num_bytes / 1e6:.2f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.1f} kB"


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign and a real minus; none for what rounds to nothing."""
    rounded = round(value, digits)
    sign = _MINUS if rounded < 0 else "+" if rounded > 0 else ""
    return f"{sign}{abs(rounded):.{digits}f}"


def decibels(value: float) -> str:
    """Return a ratio of powers as ``12.3``, with a real minus; the ends of the scale as what they mean."""
    if value >= 120:
        return "over 120"
    return f"{_MINUS if value < 0 else ''}{abs(value):.1f}"


def points(drop_points: float) -> str:
    """Return a drop in words: ``0.79 points lost``."""
    if round(drop_points, 2) == 0:
        return "nothing lost"
    return f"{abs(drop_points):.2f} points {'lost' if drop_points > 0 else 'gained'}"


def share_range(interval: Interval) -> str:
    """Return an interval of shares as ``85.9–93.3%``."""
    return f"{100 * interval.low:.1f}{_TO}{100 * interval.high:.1f}%"


def points_range(interval: Interval) -> str:
    """Return an interval of a drop as what the file does: minus means lost."""
    return f"{signed(-interval.high)} to {signed(-interval.low)}"


def number(value: float) -> str:
    """Return a number with as many digits as a label has room for."""
    return f"{value:.3g}".replace("-", _MINUS)


def rare(share: float) -> str:
    """Return a share that is often tiny."""
    return "none" if share == 0 else "under 0.01%" if share < 1e-4 else f"{100 * share:.2f}%"


def spans(channels: ChannelRanges) -> str:
    """Return how far a tensor's channels differ, in codes."""
    narrowest, median, widest = (_codes(span) for span in (channels.ranges[0], _median(channels), channels.ranges[-1]))
    return f"{channels.num}; the narrowest spans {narrowest} codes, the middle one {median}, the widest {widest}"


def weight_spans(channels: ChannelRanges) -> str:
    """Return how far the weights' channels differ, and whether the file makes up for it."""
    if channels.ranges[0] == 0:
        return f"{channels.num} channels, some of them all zero"
    scales = "each has a scale of its own" if channels.per_channel else "one scale serves all"
    return f"{channels.num} channels, the widest {_ratio(channels)} the narrowest; {scales}"


def remark(values: TensorRange) -> str:
    """Return in one sentence what stands out in a layer's range, by fixed thresholds."""
    channels, weights, step = values.activations, values.weights, values.row.step_db
    if values.weights_sqnr_db is not None and values.weights_sqnr_db < 20:
        return "The weights themselves are coarse in this file: their own error is more than a tenth of them."
    if values.clipped >= 0.001:
        return "The range is too narrow: values of these pictures are cut off."
    if values.unused is not None and values.unused > 0.5:
        return "Most codes are never used: a few far values, in calibration or here, made the range wide."
    if channels and _quarter(channels) < 32:
        return (
            f"A quarter of the channels has to make do with {_codes(_quarter(channels))} codes or fewer: "
            "wide channels set the range for all."
        )
    if weights and not weights.per_channel and weights.ranges[-1] >= 16 * weights.ranges[0]:
        return f"One scale serves weights whose widest channel is {_ratio(weights)} the narrowest."
    if step is not None and step >= -1:
        return "The range is sound: most of the error comes from the layers before."
    return "Nothing stands out in the range: it is the sum of many roundings."


def _codes(span: float) -> str:
    return f"{span:.0f}" if span >= 9.5 or span == 0 else f"{span:.1f}"


def _ratio(channels: ChannelRanges) -> str:
    return f"{channels.ranges[-1] / channels.ranges[0]:.3g} times" if channels.ranges[0] else "infinitely wider than"


def _median(channels: ChannelRanges) -> float:
    return channels.ranges[len(channels.ranges) // 2]


def _quarter(channels: ChannelRanges) -> float:
    return channels.ranges[len(channels.ranges) // 4]


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "megabytes": megabytes,
    "signed": signed,
    "decibels": decibels,
    "points": points,
    "share_range": share_range,
    "points_range": points_range,
    "number": number,
    "rare": rare,
    "spans": spans,
    "weight_spans": weight_spans,
    "remark": remark,
}
