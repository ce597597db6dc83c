import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.predictions import Prediction, StageTimes
from edgecnn.runtime.latency import LatencyHistogram, RunMeter

times_ms = st.floats(min_value=0.001, max_value=1e6)


@given(st.lists(times_ms, min_size=1, max_size=200), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_the_nearest_rank_one_within_one_percent(times, percent):
    histogram = LatencyHistogram()
    for time_ms in times:
        histogram.record(time_ms)
    exact = sorted(times)[math.ceil(len(times) * percent / 100) - 1]
    assert histogram.percentile(percent) == pytest.approx(exact, rel=0.01)


def test_a_single_time_is_given_back_exactly():
    histogram = LatencyHistogram()
    histogram.record(12.345)
    assert histogram.percentiles().p50 == histogram.percentiles().p99 == 12.345


def test_the_median_of_an_even_number_is_the_lower_of_the_two_in_the_middle():
    histogram = LatencyHistogram()
    for time_ms in (1.0, 2.0, 3.0, 4.0):
        histogram.record(time_ms)
    assert histogram.percentile(50) == pytest.approx(2.0, rel=0.01)


def test_nothing_recorded_gives_zero():
    assert LatencyHistogram().percentile(99) == 0.0


@pytest.mark.parametrize("time_ms", [0.0, -3.0, 1e-9])
def test_times_too_short_to_measure_count_as_next_to_nothing(time_ms):
    histogram = LatencyHistogram()
    histogram.record(time_ms)
    assert 0.0 <= histogram.percentile(50) <= 1e-3


def test_a_time_beyond_the_last_bin_is_still_given_back():
    histogram = LatencyHistogram()
    histogram.record(5e9)
    assert histogram.percentile(50) == 5e9


@pytest.mark.parametrize("percent", [0, -1, 100.1, math.nan])
def test_a_percentile_outside_its_range_is_refused(percent):
    with pytest.raises(ValueError, match="percent must be above 0 and at most 100"):
        LatencyHistogram().percentile(percent)


def test_memory_does_not_grow_with_the_length_of_the_run():
    histogram = LatencyHistogram()
    histogram.record(1.0)
    before = sys.getsizeof(histogram._counts)
    for step in range(20_000):
        histogram.record(step % 97 + 0.5)
    assert sys.getsizeof(histogram._counts) == before


def test_a_meter_sums_up_every_stage_and_the_age():
    meter = RunMeter()
    for _ in range(3):
        times = StageTimes(read=1.0, decode=2.0, resize=3.0, invoke=4.0)
        meter.record(Prediction(categories=(), stages_ms=times, age_ms=11.0))
    stats = meter.stats(wall_s=0.5, dropped=7, unreadable=2, undelivered=0)
    assert (stats.frames, stats.dropped, stats.unreadable, stats.fps) == (3, 7, 2, 6.0)
    medians = [times.p50 for times in (stats.read_ms, stats.decode_ms, stats.resize_ms, stats.invoke_ms, stats.age_ms)]
    assert medians == [1.0, 2.0, 3.0, 4.0, 11.0]


def test_a_run_without_a_result_has_a_rate_of_zero():
    assert RunMeter().stats(wall_s=0.0, dropped=0, unreadable=0, undelivered=0).fps == 0.0
