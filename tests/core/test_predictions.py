import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecnn.core.predictions import Category, Prediction, top_categories

LABELS = ("a", "b", "c", "d")


def test_categories_come_best_first_with_their_place_among_the_outputs() -> None:
    best = top_categories(np.array([0.1, 0.6, 0.05, 0.25], np.float32), LABELS, max_results=2)
    assert [(category.index, category.label) for category in best] == [(1, "b"), (3, "d")]
    assert best[0].score == pytest.approx(0.6)


def test_equal_scores_keep_the_order_of_the_classes() -> None:
    best = top_categories(np.array([0.2, 0.3, 0.2, 0.3], np.float32), LABELS, max_results=4)
    assert [category.label for category in best] == ["b", "d", "a", "c"]


def test_categories_below_the_threshold_are_left_out_and_one_at_it_is_not() -> None:
    scores = np.array([0.5, 0.25, 0.125, 0.125], np.float32)
    assert [c.label for c in top_categories(scores, LABELS, score_threshold=0.25)] == ["a", "b"]
    assert top_categories(scores, LABELS, score_threshold=0.75) == ()


def test_more_results_than_classes_gives_all_classes() -> None:
    assert len(top_categories(np.zeros(4, np.float32), LABELS, max_results=100)) == 4


def test_asking_for_no_result_is_refused() -> None:
    with pytest.raises(ValueError, match="max_results must be at least 1, got 0"):
        top_categories(np.zeros(4, np.float32), LABELS, max_results=0)


@given(arrays(np.float32, 12, elements=st.floats(0, 1, width=32)), st.integers(1, 12), st.floats(0, 1))
def test_the_result_is_the_sorted_head_of_the_scores(scores: np.ndarray, num: int, threshold: float) -> None:
    best = top_categories(scores, [str(index) for index in range(12)], max_results=num, score_threshold=threshold)
    expected = sorted(range(12), key=lambda index: (-scores[index], index))[:num]
    assert [category.index for category in best] == [index for index in expected if scores[index] >= threshold]


def test_the_top_of_nothing_is_none() -> None:
    assert Prediction(categories=()).top is None
    category = Category(0, "a", 1.0)
    assert Prediction(categories=(category,)).top is category
