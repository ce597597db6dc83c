"""Where things stand in the page's drawings, in units of their viewBox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecnn.export.report.contents import ChannelRanges, LayerRow, Reliability, TensorRange

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A straight scale: ``start`` of the drawing stands for ``low``, ``end`` for ``high``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value, cut off at the ends."""
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChart:
    """Noise along the network: one dot per operator, from the input on the left to the scores on the right."""

    width: int
    height: int
    y: Axis
    ticks: tuple[float, ...]
    dots: tuple[tuple[Point, LayerRow], ...]

    @property
    def line(self) -> str:
        """The points of the line through all dots."""
        return " ".join(f"{x},{y}" for (x, y), _ in self.dots)


def network_chart(rows: Sequence[LayerRow], width: int, height: int) -> NetworkChart:
    """Lay out the drawing for a screen of that width; rows from 1."""
    lowest, highest = min(row.sqnr_db for row in rows), max(row.sqnr_db for row in rows)
    step = 10 if highest - lowest <= 60 else 20
    low, high = step * (min(0.0, lowest) // step), step * (highest // step + 1)
    y = Axis(low=low, high=high, start=height - 26, end=18)
    x = Axis(low=0, high=max(1, len(rows) - 1), start=44, end=width - 16)
    ticks = tuple(low + step * index for index in range(int((high - low) / step) + 1))
    dots = tuple(((x.at(index), y.at(row.sqnr_db)), row) for index, row in enumerate(rows))
    return NetworkChart(width=width, height=height, y=y, ticks=ticks, dots=dots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    inside: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Bars of a histogram, and where the range of the codes begins and ends."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    low_x: float
    high_x: float


def histogram(values: TensorRange, width: int, height: int) -> Histogram:
    """Lay out the values of a layer; heights are square roots, so that rare values can be seen at all."""
    x = Axis(low=values.edges[0], high=values.edges[-1], start=0, end=width)
    tallest = max(values.shares) ** 0.5 or 1.0
    bars = []
    for left, right, share in zip(values.edges, values.edges[1:], values.shares, strict=False):
        tall = round((height - 4) * share**0.5 / tallest, 1)
        if tall:
            middle = (left + right) / 2
            bar = Bar(
                x=x.at(left),
                y=round(height - tall, 1),
                width=round(x.at(right) - x.at(left) - 0.5, 1),
                height=tall,
                inside=values.low <= middle <= values.high,
            )
            bars.append(bar)
    return Histogram(width=width, height=height, bars=tuple(bars), low_x=x.at(values.low), high_x=x.at(values.high))


def channel_bars(channels: ChannelRanges, width: int, height: int) -> tuple[Bar, ...]:
    """Lay out one bar per channel, as tall as its range is wide; the smallest first."""
    widest = max(channels.ranges) or 1.0
    step = width / len(channels.ranges)
    return tuple(
        Bar(
            x=round(index * step, 1),
            y=round(height - tall, 1),
            width=round(max(0.5, step - 0.7), 1),
            height=tall,
        )
        for index, span in enumerate(channels.ranges)
        for tall in [round(max(0.5, height * span / widest), 1)]
    )


def reliability_bars(reliability: Reliability, side: int) -> tuple[Bar, ...]:
    """Lay out the share of right answers in every bin, in a square of that side."""
    return tuple(
        Bar(
            x=round(one.low * side + 1, 1),
            y=round(side * (1 - one.right), 1),
            width=round((one.high - one.low) * side - 2, 1),
            height=round(side * one.right, 1),
        )
        for one in reliability.bins
    )
