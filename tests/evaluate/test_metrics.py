import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecnn.evaluate.metrics import ClassMetrics, agreement, evaluate_scores

LABELS = ("cat", "dog", "bird")


def one_hot(predicted: list[int], num_classes: int = 3) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[predicted]


def test_the_figures_of_seven_pictures_are_those_computed_by_hand() -> None:
    truths = np.array([0, 0, 0, 1, 1, 2, 2])
    metrics = evaluate_scores(one_hot([0, 0, 1, 1, 0, 2, 1]), truths, LABELS)
    assert metrics.num == 7
    assert metrics.top1 == pytest.approx(4 / 7)
    assert metrics.top3 == 1.0
    assert metrics.confusion == ((2, 1, 0), (1, 1, 0), (0, 1, 1))
    assert metrics.per_class == {
        "cat": ClassMetrics(num=3, recall=2 / 3, precision=2 / 3, f1=2 / 3),
        "dog": ClassMetrics(num=2, recall=1 / 2, precision=1 / 3, f1=2 / 5),
        "bird": ClassMetrics(num=2, recall=1 / 2, precision=1.0, f1=2 / 3),
    }


def test_a_class_that_never_occurs_and_is_never_named_has_zeros() -> None:
    metrics = evaluate_scores(one_hot([0, 1]), np.array([0, 1]), LABELS)
    assert metrics.per_class["bird"] == ClassMetrics(num=0, recall=0.0, precision=0.0, f1=0.0)
    assert list(metrics.per_class) == list(LABELS)


def test_equal_scores_count_for_the_first_class_only() -> None:
    tied = np.array([[0.5, 0.5, 0.0]], np.float32)
    assert evaluate_scores(tied, np.array([0]), LABELS).top1 == 1.0
    assert evaluate_scores(tied, np.array([1]), LABELS).top1 == 0.0


def test_two_classes_of_one_name_are_one_class() -> None:
    # ImageNet has "crane" twice, the bird and the machine.
    metrics = evaluate_scores(one_hot([2, 0, 1]), np.array([0, 2, 1]), ("crane", "dog", "crane"))
    assert metrics.top1 == 1.0
    assert metrics.per_class == {
        "crane": ClassMetrics(num=2, recall=1.0, precision=1.0, f1=1.0),
        "dog": ClassMetrics(num=1, recall=1.0, precision=1.0, f1=1.0),
    }


def test_the_best_three_are_the_best_three_also_among_equal_scores() -> None:
    tied = np.zeros((5, 5), np.float32)
    metrics = evaluate_scores(tied, np.arange(5), tuple("abcde"))
    assert metrics.top3 == pytest.approx(3 / 5)
    assert metrics.top1 == pytest.approx(1 / 5)


def test_two_classes_have_a_top_three_of_one() -> None:
    assert evaluate_scores(one_hot([0, 0], 2), np.array([0, 1]), ("a", "b")).top3 == 1.0


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(codes(n), arrays(np.int64, n, elements=st.integers(0, 3)))))
def test_the_figures_follow_from_the_formulas_of_the_textbook(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truths = drawn
    metrics = evaluate_scores(scores, truths, tuple("abcd"))
    predicted = [min(range(4), key=lambda index: (-row[index], index)) for row in scores]
    assert metrics.top1 == pytest.approx(np.mean([p == t for p, t in zip(predicted, truths, strict=True)]))
    for index, label in enumerate("abcd"):
        true_positives = sum(p == t == index for p, t in zip(predicted, truths, strict=True))
        false_positives = sum(p == index != t for p, t in zip(predicted, truths, strict=True))
        false_negatives = sum(t == index != p for p, t in zip(predicted, truths, strict=True))
        figures = metrics.per_class[label]
        assert figures.num == true_positives + false_negatives
        precision = true_positives / max(1, true_positives + false_positives)
        recall = true_positives / max(1, true_positives + false_negatives)
        assert (figures.precision, figures.recall) == (pytest.approx(precision), pytest.approx(recall))
        assert figures.f1 == pytest.approx(2 * precision * recall / max(precision + recall, 1e-12))
    confusion = np.array(metrics.confusion)
    assert confusion.sum() == len(truths)
    assert confusion.trace() == round(metrics.top1 * len(truths))


def codes(num: int) -> st.SearchStrategy[np.ndarray]:
    """Scores as an int8 file gives them: few values, so that many are equal."""
    return arrays(np.float32, (num, 4), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))


def test_agreement_is_the_share_of_equal_best_classes() -> None:
    assert agreement(one_hot([0, 1, 2, 2]), one_hot([0, 1, 1, 2])) == 0.75
    assert agreement(one_hot([0, 1]), one_hot([0, 1])) == 1.0


@pytest.mark.parametrize(
    ("scores", "truths"),
    [
        (np.zeros((0, 3), np.float32), np.zeros(0, np.int64)),
        (np.zeros((2, 3), np.float32), np.zeros(3, np.int64)),
        (np.zeros((2, 4), np.float32), np.zeros(2, np.int64)),
    ],
)
def test_scores_that_do_not_fit_are_refused(scores: np.ndarray, truths: np.ndarray) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        evaluate_scores(scores, truths, LABELS)


def test_the_figures_are_plain_data() -> None:
    metrics = evaluate_scores(one_hot([0, 1, 2]), np.array([0, 1, 1]), LABELS)
    assert json.loads(json.dumps(metrics.to_json()))["per_class"]["dog"]["recall"] == 0.5
