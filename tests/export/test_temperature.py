import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecnn.evaluate.calibration_error import expected_calibration_error
from edgecnn.export.temperature import LARGEST, SMALLEST, fit_temperature


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def honest(num: int, num_classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of which softmax gives the true probabilities, and classes drawn by them."""
    random = np.random.default_rng(1)
    logits = random.normal(0.0, 2.0, (num, num_classes))
    return logits, (softmax(logits).cumsum(axis=1) < random.random((num, 1))).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7, 5.0])
def test_the_temperature_of_bragging_and_of_shy_logits_is_found(temperature: float) -> None:
    logits, truths = honest(5000)
    found = fit_temperature(temperature * logits, truths)
    assert found == pytest.approx(temperature, rel=0.06)
    before = expected_calibration_error(softmax(temperature * logits), truths)
    after = expected_calibration_error(softmax(temperature * logits / found), truths)
    assert after < 0.02
    assert after <= before + 0.005


def test_a_few_pictures_that_are_all_recognized_do_not_make_it_certain() -> None:
    logits = 4.0 * np.eye(3)
    assert 0.5 < fit_temperature(logits, np.arange(3)) <= 1.0
    assert fit_temperature(100 * logits, np.arange(3)) == pytest.approx(1.0, abs=0.01)


def test_it_stays_within_bounds_however_wrong_the_logits_are() -> None:
    wrong = fit_temperature(1e4 * np.eye(3)[[0, 1, 2] * 50], np.array([1, 2, 0] * 50))
    assert wrong == pytest.approx(LARGEST, rel=1e-3)
    shy = fit_temperature(1e-3 * np.eye(3)[[0, 1, 2] * 500], np.array([0, 1, 2] * 500))
    assert SMALLEST <= shy < 1.0


def test_no_pictures_or_logits_that_are_all_equal_change_nothing() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, np.int64)) == 1.0
    assert fit_temperature(np.zeros((5, 3)), np.zeros(5, np.int64)) == pytest.approx(1.0, abs=1e-3)


@given(
    arrays(np.float32, (6, 3), elements=st.floats(-1e4, 1e4, width=32)),
    arrays(np.int64, 6, elements=st.integers(0, 2)),
    st.floats(-100, 100),
)
def test_it_is_a_number_within_bounds_that_a_constant_does_not_change(
    logits: np.ndarray, truths: np.ndarray, constant: float
) -> None:
    found = fit_temperature(logits, truths)
    assert SMALLEST <= found <= LARGEST
    assert fit_temperature(logits.astype(np.float64) + constant, truths) == pytest.approx(found, rel=0.01)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit truths"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="must be finite"):
        fit_temperature(np.array([[np.nan, 0.0]]), np.zeros(1, np.int64))
