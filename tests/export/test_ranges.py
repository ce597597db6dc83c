"""Statistics of activations and the ranges that come out of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.quantize.ranges import Histogram, Statistics, collect

CONTRACT = InputContract(width=48, height=48)


@pytest.fixture(scope="module")
def float_model(ladder_folder: Path) -> bytes:
    return (ladder_folder / "plain-float.tflite").read_bytes()


@pytest.fixture(scope="module")
def pixels(grey_shapes: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> NDArray[np.uint8]:
    return grey_shapes[0][:24]


@pytest.fixture(scope="module")
def statistics(float_model: bytes, pixels: NDArray[np.uint8]) -> Statistics:
    return collect(float_model, CONTRACT, pixels)


def filled(*batches: NDArray[np.float32]) -> Histogram:
    histogram = Histogram.empty()
    for values in batches:
        histogram.add(values.reshape(1, -1, 1))
    return histogram


def squared_error(values: NDArray[np.float32], bounds: tuple[float, float]) -> float:
    low, high = bounds
    step = (high - low) / 255
    quantized = np.clip(np.rint(values / step), round(low / step), round(high / step)) * step
    return float(np.mean((values - quantized) ** 2))


def test_every_activation_is_measured_over_all_pictures(
    statistics: Statistics, float_model: bytes, pixels: NDArray[np.uint8]
) -> None:
    inner = Inner(float_model, CONTRACT)
    index = inner.graph.operators[3].outputs[0]
    seen = []
    for picture in pixels:
        inner.run(picture)
        seen.append(inner.read(index))
    assert statistics.minmax()[inner.graph.tensors[index].name] == (np.min(seen), np.max(seen))
    assert len(statistics.histograms) == len(inner.graph.operators) + 1


def test_what_decides_between_the_classes_is_never_cut(statistics: Statistics) -> None:
    answers = statistics.answers
    assert len(answers) == 2
    for ranges in (statistics.mse(), statistics.percentile(99.0)):
        assert all(ranges[name] == statistics.minmax()[name] for name in answers)
        assert any(ranges[name] != bounds for name, bounds in statistics.minmax().items())


@given(scales=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6))
def test_a_histogram_that_has_to_widen_loses_no_value(scales: list[float]) -> None:
    random = np.random.default_rng(0)
    batches = [(random.normal(0, scale, 500)).astype(np.float32) for scale in scales]
    histogram, everything = filled(*batches), np.concatenate(batches)
    assert histogram.counts.sum() == everything.size
    assert (histogram.low, histogram.high) == (everything.min(), everything.max())
    assert histogram.limit >= np.abs(everything).max()
    assert float(histogram.counts @ histogram.centres) == pytest.approx(
        float(everything.astype(np.float64).sum()), abs=everything.size * 2 * histogram.limit / 4096
    )


def test_a_percentile_leaves_out_the_outermost_values_on_either_side() -> None:
    values = np.random.default_rng(0).normal(0, 1, 16_000).astype(np.float32)
    low, high = filled(values).percentile_range(99.0)
    assert (low, high) == pytest.approx((np.percentile(values, 1), np.percentile(values, 99)), abs=0.01)


def test_a_percentile_of_positive_values_keeps_zero_as_its_end() -> None:
    values = np.abs(np.random.default_rng(0).normal(0, 1, 16_000)).astype(np.float32)
    low, high = filled(values).percentile_range(99.0)
    assert low <= values.min()
    assert high == pytest.approx(np.percentile(values, 99), abs=0.01)


def test_the_squared_error_range_is_as_good_as_the_best_of_many() -> None:
    values = np.random.default_rng(0).laplace(0, 1, 16_000).astype(np.float32)
    values[:3] = 60.0, -75.0, 80.0
    histogram = filled(values)
    found = squared_error(values, histogram.mse_range())
    best = min(
        squared_error(values, (-75.0 * a, 80.0 * b)) for a in np.linspace(0.02, 1, 50) for b in np.linspace(0.02, 1, 50)
    )
    assert found < 0.97 * squared_error(values, (histogram.low, histogram.high))
    assert found <= 1.05 * best


def test_exact_zeros_do_not_make_a_range_narrower() -> None:
    values = np.abs(np.random.default_rng(0).laplace(0, 1, 8_000)).astype(np.float32)
    padded = np.concatenate([values, np.zeros(8_000, np.float32)])
    assert filled(padded).mse_range() == pytest.approx(filled(values).mse_range(), rel=0.05)


def test_a_tensor_of_nothing_but_zeros_has_a_range_of_zero() -> None:
    histogram = filled(np.zeros(100, np.float32))
    assert histogram.mse_range() == histogram.percentile_range(99.9) == (0.0, 0.0)
