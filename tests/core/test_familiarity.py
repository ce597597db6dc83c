import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecnn.core.familiarity import Ramp, energy

numbers = st.floats(-1e6, 1e6)
logits = arrays(np.float32, st.integers(1, 8), elements=st.floats(-100, 100, width=32))


def test_the_ramp_is_one_half_at_the_threshold_and_one_from_the_typical_value_on() -> None:
    ramp = Ramp(threshold=-0.9, typical=-0.7)
    assert ramp.familiarity(-0.9) == 0.5
    assert ramp.familiarity(-0.7) == ramp.familiarity(0.0) == ramp.familiarity(math.inf) == 1.0
    assert ramp.familiarity(-0.8) == pytest.approx(0.75)
    assert ramp.familiarity(-1.1) == pytest.approx(0.0)
    assert ramp.familiarity(-math.inf) == ramp.familiarity(math.nan) == 0.0


@given(numbers, numbers, numbers, numbers)
def test_the_ramp_stays_within_0_and_1_and_never_falls(a: float, b: float, one: float, other: float) -> None:
    low, high = sorted((a, b))
    if high - low < 1e-6:
        high = low + 1.0
    ramp = Ramp(low, high)
    first, second = (ramp.familiarity(value) for value in sorted((one, other)))
    assert 0.0 <= first <= second <= 1.0
    assert (ramp.familiarity(one) < 0.5) <= (one < low)


def test_the_energy_of_equal_logits_is_known_by_heart() -> None:
    assert energy(np.zeros(4, np.float32)) == pytest.approx(math.log(4))
    assert energy(np.array([2.5], np.float32)) == 2.5


@given(logits, st.floats(-50, 50))
def test_the_energy_lies_just_above_the_largest_logit_and_moves_with_all_of_them(row: np.ndarray, by: float) -> None:
    value = energy(row)
    assert row.max() - 1e-6 <= value <= row.max() + math.log(len(row)) + 1e-6
    assert energy(row.astype(np.float64) + by) == pytest.approx(value + by, abs=1e-4)


def test_logits_that_overflowed_have_no_finite_energy() -> None:
    assert energy(np.array([1.0, np.inf], np.float32)) == math.inf
    assert math.isnan(energy(np.array([1.0, np.nan], np.float32)))
