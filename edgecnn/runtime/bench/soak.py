"""What a long run shows: growth of memory, and whether it became slower."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgecnn.runtime.bench.endtoend import Sample
from edgecnn.runtime.bench.results import Series, Soak

_WARM_UP_SHARE = 0.2
_WINDOW_S = 60.0
_LARGEST_WINDOW_SHARE = 1 / 3
_S_PER_HOUR = 3600.0


def memory_slope(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """Return the growth of resident memory after the first fifth of a run, and its standard error.

    Both in 10^6 bytes per hour, by least squares; None when there are fewer than three looks. The
    error takes the looks for independent, which they are only by and large.
    """
    warm = [sample for sample in samples if sample.seconds >= _WARM_UP_SHARE * samples[-1].seconds]
    if len(warm) < 3:
        return None
    mean_s = sum(sample.seconds for sample in warm) / len(warm)
    mean_mb = sum(sample.rss_mb for sample in warm) / len(warm)
    spread = sum((sample.seconds - mean_s) ** 2 for sample in warm)
    if spread == 0.0:
        return None
    slope = sum((sample.seconds - mean_s) * (sample.rss_mb - mean_mb) for sample in warm) / spread
    rest = sum((sample.rss_mb - mean_mb - slope * (sample.seconds - mean_s)) ** 2 for sample in warm)
    return slope * _S_PER_HOUR, math.sqrt(rest / (len(warm) - 2) / spread) * _S_PER_HOUR


def summarize_soak(samples: Sequence[Sample], asked_s: float) -> Soak:
    """Return what the looks at a run tell, of which there are two at least."""
    seconds = samples[-1].seconds
    window_s = min(_WINDOW_S, seconds * _LARGEST_WINDOW_SHARE)
    first_end = next(index for index, sample in enumerate(samples) if sample.seconds >= window_s)
    last_start = max(index for index, sample in enumerate(samples) if sample.seconds <= seconds - window_s)
    return Soak(
        asked_s=asked_s,
        seconds=seconds,
        window_s=window_s,
        fps_first=_fps(samples[0], samples[first_end]),
        fps_last=_fps(samples[last_start], samples[-1]),
        samples=_series(samples),
    )


def _series(samples: Sequence[Sample]) -> Series:
    return Series(
        seconds=[sample.seconds for sample in samples],
        frames=[sample.frames for sample in samples],
        fps=[_fps(before, sample) for before, sample in zip([samples[0], *samples], samples, strict=False)],
        rss_mb=[sample.rss_mb for sample in samples],
        cpu_temperature_c=[sample.cpu_temperature_c for sample in samples],
        cpu_mhz=[sample.cpu_mhz for sample in samples],
    )


def _fps(start: Sample, end: Sample) -> float:
    seconds = end.seconds - start.seconds
    return (end.frames - start.frames) / seconds if seconds > 0 else 0.0
