import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from edgecnn.evaluate.metrics import evaluate_scores, macro_f1
from edgecnn.evaluate.significance import bootstrap_interval, mcnemar


def answers(both: int, lost: int, won: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, True, False, False], [both, lost, won, neither])
    second = np.repeat([True, False, True, False], [both, lost, won, neither])
    return first, second


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60), st.integers(0, 50))
def test_mcnemar_is_the_two_sided_binomial_test_of_the_pictures_that_only_one_knew(
    both: int, lost: int, won: int, neither: int
) -> None:
    found = mcnemar(*answers(both, lost, won, neither))
    assert (found.lost, found.won) == (lost, won)
    expected = binomtest(lost, lost + won, 0.5).pvalue if lost + won else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_mcnemar_takes_more_pictures_than_a_float_can_count_combinations_of() -> None:
    found = mcnemar(*answers(0, 2000, 2200, 0))
    assert found.p_value == pytest.approx(binomtest(2000, 4200, 0.5).pvalue, rel=1e-6)


def test_mcnemar_refuses_answers_about_different_pictures() -> None:
    with pytest.raises(ValueError, match="same pictures"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


def test_the_bootstrap_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(7).normal(size=60)
    found = bootstrap_interval(lambda rows: float(values[rows].mean()), 60)
    theirs = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, random_state=np.random.default_rng(1)
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(theirs.low, abs=0.03)
    assert found.high == pytest.approx(theirs.high, abs=0.03)
    assert bootstrap_interval(lambda rows: float(values[rows].mean()), 60) == found


def test_fewer_pictures_have_a_wider_interval() -> None:
    right = np.arange(400) % 4 > 0
    widths = [
        (found := bootstrap_interval(lambda rows: float(right[rows].mean()), num)).high - found.low
        for num in (20, 100, 400)
    ]
    assert widths[0] > widths[1] > widths[2] > 0


def test_macro_f1_counts_a_rare_class_as_much_as_a_common_one() -> None:
    truths = np.array([0] * 9 + [1])
    assert macro_f1(truths, np.zeros(10, np.int64)) == pytest.approx((2 * 9 / 19 + 0) / 2)
    # A class that has no pictures and was never meant does not count.
    assert macro_f1(truths, truths + 1 * (truths == 1)) == pytest.approx((1 + 0) / 2)


@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 99))
def test_macro_f1_is_the_mean_of_the_classes_own(num_classes: int, num: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truths = rng.random((num, num_classes), np.float32), rng.integers(0, num_classes, num)
    metrics = evaluate_scores(scores, truths, [str(index) for index in range(num_classes)])
    there = [figures.f1 for figures in metrics.per_class.values() if figures.num]
    assert metrics.macro_f1 == pytest.approx(np.mean(there))
