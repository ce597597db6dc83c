"""Percentiles of times over a run of any length, in memory that does not grow."""

from __future__ import annotations

import math

from edgecnn.core.predictions import Prediction
from edgecnn.runtime.stats import Percentiles, RunSetup, RunStats

_SMALLEST_MS = 0.001
_LARGEST_MS = 1e7
# Two neighbouring bin edges are 2% apart, so a bin's geometric middle is within 1% of every value in it.
_LOG_RATIO = math.log(1.02)
_NUM_BINS = math.ceil(math.log(_LARGEST_MS / _SMALLEST_MS) / _LOG_RATIO) + 1


class LatencyHistogram:
    """Counts of times in bins that grow by 2%, from a microsecond to three hours.

    A percentile is the nearest-rank one: the smallest recorded time that at least p% of all
    recorded times do not exceed. The histogram gives it with a relative error below 1%;
    the smallest and the largest time are exact.
    """

    __slots__ = ("_counts", "_max_ms", "_min_ms", "_num_recorded")

    def __init__(self) -> None:
        self._counts = [0] * _NUM_BINS
        self._num_recorded = 0
        self._min_ms = math.inf
        self._max_ms = 0.0

    def record(self, time_ms: float) -> None:
        """Count one time in milliseconds; a clock that ran backwards counts as 0."""
        time_ms = max(0.0, time_ms)
        self._counts[_bin_of(time_ms)] += 1
        self._num_recorded += 1
        self._min_ms = min(self._min_ms, time_ms)
        self._max_ms = max(self._max_ms, time_ms)

    def percentile(self, percent: float) -> float:
        """Return the nearest-rank percentile in milliseconds, 0 when nothing was recorded.

        Args:
            percent: above 0, at most 100.
        """
        if not 0.0 < percent <= 100.0:
            raise ValueError(f"percent must be above 0 and at most 100, got {percent}")
        rank = math.ceil(self._num_recorded * percent / 100.0)
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                return min(max(_middle_of(index), self._min_ms), self._max_ms)
        return 0.0

    def percentiles(self) -> Percentiles:
        """Return the median and the 95th and 99th percentile in milliseconds."""
        return Percentiles(self.percentile(50), self.percentile(95), self.percentile(99))


def _bin_of(time_ms: float) -> int:
    """Return the bin i with ``1.02**(i - 1) < time / smallest <= 1.02**i``; both ends catch the rest."""
    if time_ms <= _SMALLEST_MS:
        return 0
    return min(math.ceil(math.log(time_ms / _SMALLEST_MS) / _LOG_RATIO), _NUM_BINS - 1)


def _middle_of(index: int) -> float:
    # The last bin has no upper edge; the caller cuts the answer to the largest recorded time.
    if index == _NUM_BINS - 1:
        return math.inf
    return _SMALLEST_MS * math.exp((index - 0.5) * _LOG_RATIO)


class RunMeter:
    """Collects the times of a run as its results come out.

    Attributes:
        frames: results.
        stale: results that were too old.
        still: frames that were not judged.
        unreadable: frames that could not be decoded.
    """

    __slots__ = ("_age", "_decode", "_invoke", "_read", "_resize", "_setup", "frames", "stale", "still", "unreadable")

    def __init__(self, setup: RunSetup | None = None) -> None:
        self.frames = self.stale = self.still = self.unreadable = 0
        self._setup = setup
        self._read, self._decode, self._resize = LatencyHistogram(), LatencyHistogram(), LatencyHistogram()
        self._invoke, self._age = LatencyHistogram(), LatencyHistogram()

    def record(self, prediction: Prediction) -> None:
        """Count one result and its times."""
        self.frames += 1
        times = prediction.stages_ms
        self._read.record(times.read)
        self._decode.record(times.decode)
        self._resize.record(times.resize)
        self._invoke.record(times.invoke)
        self._age.record(prediction.age_ms)

    def stats(self, *, wall_s: float, dropped: int, unreadable: int, undelivered: int) -> RunStats:
        """Return the statistics so far.

        Args:
            wall_s: seconds that the run took.
            dropped: frames that the source threw away.
            unreadable: pictures that the source could not read; those that could not be decoded here come on top.
            undelivered: results that did not get into a sink.
        """
        return RunStats(
            setup=self._setup,
            frames=self.frames,
            dropped=dropped,
            unreadable=unreadable + self.unreadable,
            stale=self.stale,
            still=self.still,
            undelivered=undelivered,
            wall_s=wall_s,
            read_ms=self._read.percentiles(),
            decode_ms=self._decode.percentiles(),
            resize_ms=self._resize.percentiles(),
            invoke_ms=self._invoke.percentiles(),
            age_ms=self._age.percentiles(),
        )
