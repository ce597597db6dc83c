"""Where things stand in the page's drawings, in units of their viewBox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecnn.train.report.contents import LearningCurve
from edgecnn.train.run_folder import HistoryRow

Point = tuple[float, float]
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 12, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over a common scale.

    Attributes:
        width: of the drawing.
        height: of it.
        lines: by name, the points.
        ticks: of the vertical scale: where, and what is written there.
        marks: of the horizontal one, the same.
        band: a closed outline; empty where there is none.
    """

    width: int
    height: int
    lines: dict[str, tuple[Point, ...]]
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, str], ...]
    band: tuple[Point, ...] = ()


def as_points(points: Sequence[Point]) -> str:
    """Return points as SVG writes them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def training_chart(rows: Sequence[HistoryRow], kept: tuple[str, int], width: int, height: int) -> Chart:
    """Lay out accuracy over all epochs; rows from 1. The marks say where stages begin and which epoch was kept."""
    lowest = min(min(row.accuracy, row.val_accuracy) for row in rows)
    low = min(0.9, 0.1 * int(10 * lowest))
    marks = [
        (_between(index, len(rows), width), row.stage)
        for index, row in enumerate(rows)
        if index == 0 or row.stage != rows[index - 1].stage
    ]
    kept_at = [_between(index, len(rows), width) for index, row in enumerate(rows) if (row.stage, row.epoch) == kept]
    y = _scale(low, 1.0, height)
    return Chart(
        width=width,
        height=height,
        lines={
            "validation": tuple((_between(i, len(rows), width), y(row.val_accuracy)) for i, row in enumerate(rows)),
            "training": tuple((_between(i, len(rows), width), y(row.accuracy)) for i, row in enumerate(rows)),
            "kept": tuple((x, edge) for x in kept_at for edge in (TOP, height - BOTTOM)),
        },
        ticks=_ticks(low, 1.0, height),
        marks=tuple(marks),
    )


def learning_chart(curve: LearningCurve, width: int, height: int) -> Chart:
    """Lay out the heads' errors over the number of pictures, and the band of what more pictures would bring."""
    last = curve.errors[-1]
    gains = [gain / 100 / curve.scale for gain in (curve.gain.low, curve.gain.high)]
    high = max(0.02, max(curve.errors) * 1.1)
    y = _scale(0.0, high, height)
    span = width - LEFT - RIGHT

    def x(share: float) -> float:
        return round(LEFT + span * share / curve.factor, 1)

    return Chart(
        width=width,
        height=height,
        lines={"errors": tuple((x(s), y(e)) for s, e in zip(curve.shares, curve.errors, strict=True))},
        ticks=_ticks(0.0, high, height),
        marks=tuple((x(share), f"{curve.num * share:.0f}") for share in (*curve.shares, curve.factor)),
        band=((x(1), y(last)), (x(curve.factor), y(last - gains[0])), (x(curve.factor), y(last - gains[1]))),
    )


def _scale(low: float, high: float, height: int) -> Callable[[float], float]:
    def at(value: float) -> float:
        share = (min(high, max(low, value)) - low) / (high - low)
        return round(height - BOTTOM - share * (height - BOTTOM - TOP), 1)

    return at


def _ticks(low: float, high: float, height: int) -> tuple[tuple[float, str], ...]:
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 6)
    first, last = round(low / step), int(high / step + 1e-9)
    y = _scale(low, high, height)
    return tuple((y(number * step), f"{100 * number * step:.3g}%") for number in range(first, last + 1))


def _between(index: int, num: int, width: int) -> float:
    return round(LEFT + (width - LEFT - RIGHT) * index / max(1, num - 1), 1)
