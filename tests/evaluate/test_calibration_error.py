import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.evaluate.calibration_error import expected_calibration_error


def two_classes(best: list[float]) -> np.ndarray:
    return np.array([[score, 1.0 - score] for score in best])


def test_the_error_of_six_pictures_is_the_one_computed_by_hand() -> None:
    scores = two_classes([0.55, 0.59, 0.95, 0.97, 0.91, 0.93])
    truths = np.array([0, 1, 0, 0, 0, 1])
    # Ten bins: 0.5 to 0.6 holds two with a mean of 0.57, of which half are right; 0.9 to 1 four with 0.94, 3 in 4.
    expected = 2 / 6 * abs(0.57 - 0.5) + 4 / 6 * abs(0.94 - 0.75)
    assert expected_calibration_error(scores, truths, bins=10) == pytest.approx(expected)
    assert expected_calibration_error(scores, truths, bins=1) == pytest.approx(abs(0.8166667 - 4 / 6), abs=1e-6)


def test_a_score_on_the_border_of_two_bins_belongs_to_the_lower_one() -> None:
    scores = two_classes([0.75, 0.75, 1.0])
    assert expected_calibration_error(scores, np.array([0, 1, 0]), bins=4) == pytest.approx(2 / 3 * 0.25)


def test_scores_that_mean_what_they_say_have_next_to_no_error_and_bragging_ones_do() -> None:
    random = np.random.default_rng(0)
    best = random.uniform(0.5, 1.0, 20000)
    truths = (random.random(20000) >= best).astype(np.int64)
    assert expected_calibration_error(two_classes(list(best)), truths) < 0.01
    assert expected_calibration_error(two_classes(list(0.5 + 0.5 * best)), truths) > 0.1


@given(st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), min_size=1), st.integers(1, 40))
def test_the_error_is_a_share(pictures: list[tuple[float, bool]], bins: int) -> None:
    scores = two_classes([score for score, _ in pictures])
    error = expected_calibration_error(scores, np.array([int(wrong) for _, wrong in pictures]), bins)
    assert 0.0 <= error <= 1.0


def test_what_does_not_fit_together_is_refused() -> None:
    for scores, truths, bins in (
        (np.empty((0, 2)), np.empty(0, np.int64), 15),
        (np.ones((2, 2)), np.zeros(3, np.int64), 15),
        (np.ones((2, 2)), np.zeros(2, np.int64), 0),
    ):
        with pytest.raises(ValueError, match="give no curve in"):
            expected_calibration_error(scores, truths, bins)
