import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.decisions import UNKNOWN, Decider, Decision, DecisionRules, parse_smoothing
from edgecnn.core.predictions import UNDECIDED, Category, Prediction

LABELS = ("cat", "dog")
CAT, DOG, EITHER = [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]
Frames = Sequence[tuple[Sequence[float], float]]


def decide(rules: DecisionRules, frames: Frames) -> list[Decision | None]:
    decider = Decider(LABELS, rules)
    return [decider.update(np.array(scores, np.float32), familiarity) for scores, familiarity in frames]


def decided(rules: DecisionRules, frames: Frames) -> list[str | None]:
    return [decision.label if decision else None for decision in decide(rules, frames)]


def test_a_strange_frame_is_unknown_however_high_its_score_and_a_familiar_one_never() -> None:
    rules = DecisionRules(unknown_below=0.5)
    assert decided(rules, [(CAT, 0.49), (EITHER, 0.5), (DOG, 1.0), (DOG, 0.0)]) == [UNKNOWN, "cat", "dog", UNKNOWN]


def test_the_score_of_unknown_is_the_familiarity_that_was_too_low() -> None:
    (decision,) = decide(DecisionRules(unknown_below=0.5), [(CAT, 0.25)])
    assert decision == Decision(None, UNKNOWN, 0.25, True, 1)


def test_familiarity_is_smoothed_like_the_scores() -> None:
    rules = DecisionRules(unknown_below=0.5, smooth=parse_smoothing("mean:2"))
    frames: Frames = [(CAT, 1.0), (CAT, 0.25), (CAT, 0.25), (CAT, 0.75)]
    assert [decision and decision.label for decision in decide(rules, frames)] == ["cat", "cat", UNKNOWN, "cat"]
    by_ema = DecisionRules(unknown_below=0.5, smooth=parse_smoothing("ema:0.5"))
    assert decided(by_ema, [(CAT, 1.0), (CAT, 0.25), (CAT, 0.25), (CAT, 0.25)]) == ["cat", "cat", UNKNOWN, UNKNOWN]


def test_after_a_gap_old_familiarity_says_nothing() -> None:
    decider = Decider(LABELS, DecisionRules(unknown_below=0.5, smooth=parse_smoothing("mean:3")))
    decider.update(np.array(CAT, np.float32), 1.0)
    decider.reset()
    decision = decider.update(np.array(CAT, np.float32), 0.25)
    assert decision is not None
    assert decision.label == UNKNOWN


def test_hysteresis_holds_a_label_a_little_below_the_threshold_but_takes_up_none_there() -> None:
    rules = DecisionRules(unknown_below=0.5, hysteresis=0.125)
    frames: Frames = [(CAT, 0.45), (CAT, 0.5), (CAT, 0.4), (CAT, 0.37), (CAT, 0.45), (CAT, 0.6)]
    assert decided(rules, frames) == [UNKNOWN, "cat", "cat", UNKNOWN, UNKNOWN, "cat"]


def test_a_label_that_is_clearly_better_takes_over_as_long_as_the_held_one_would_stay() -> None:
    rules = DecisionRules(unknown_below=0.5, hysteresis=0.125)
    assert decided(rules, [(CAT, 0.9), (DOG, 0.4), (EITHER, 0.4)]) == ["cat", "dog", "dog"]


def test_confirmation_counts_strange_frames() -> None:
    rules = DecisionRules(unknown_below=0.5, confirm=2)
    assert decided(rules, [(CAT, 1), (CAT, 1), (CAT, 0), (CAT, 1), (CAT, 0), (CAT, 0)]) == [
        None,
        *["cat"] * 4,
        UNKNOWN,
    ]


@pytest.mark.parametrize("familiarity", [-0.1, 1.1, math.nan, math.inf])
def test_a_familiarity_out_of_range_is_refused_and_leaves_no_trace(familiarity: float) -> None:
    decider = Decider(LABELS, DecisionRules(unknown_below=0.5, smooth=parse_smoothing("mean:2")))
    with pytest.raises(ValueError, match="familiarity must be None or 0 to 1"):
        decider.update(np.array(DOG, np.float32), familiarity)
    decision = decider.update(np.array(CAT, np.float32), 1.0)
    assert decision is not None
    assert decision.score == np.float32(0.9)


shares = st.integers(0, 32).map(lambda number: number / 32)


@given(
    st.lists(st.tuples(st.tuples(shares, shares), shares), min_size=1, max_size=12),
    st.integers(1, 3),
    shares,
    st.sampled_from([None, "mean:3", "ema:0.5"]),
)
def test_without_a_threshold_familiarity_decides_nothing(
    frames: Frames, confirm: int, hysteresis: float, smooth: str | None
) -> None:
    rules = DecisionRules(confirm=confirm, hysteresis=hysteresis, smooth=parse_smoothing(smooth) if smooth else None)
    decider = Decider(LABELS, rules)
    assert decide(rules, frames) == [decider.update(np.array(scores, np.float32)) for scores, _ in frames]


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=12), shares, st.integers(1, 3))
def test_the_best_score_taken_for_the_familiarity_decides_as_it_does_alone(
    rows: list[tuple[float, float]], threshold: float, confirm: int
) -> None:
    rules = DecisionRules(unknown_below=threshold, confirm=confirm)
    decider = Decider(LABELS, rules)
    alone = [decider.update(np.array(row, np.float32)) for row in rows]
    assert decide(rules, [(row, max(row)) for row in rows]) == alone


def test_a_prediction_shows_unknown_by_its_decision_and_without_one_by_the_picture_alone() -> None:
    cat = (Category(0, "cat", 0.9),)
    unknown, dog = Decision(None, UNKNOWN, 0.25, True, 1), Decision(1, "dog", 0.8, True, 1)
    assert not Prediction(categories=cat, familiarity=0.75).is_unknown
    alone = Prediction(categories=cat, familiarity=0.25, rejected_at=0.25)
    assert (alone.is_unknown, alone.headline) == (True, (UNKNOWN, 0.25))
    assert alone.top == cat[0]
    held = Prediction(categories=cat, rejected_at=0.25, decision=dog)
    assert (held.is_unknown, held.headline) == (False, ("dog", 0.8))
    given_up = Prediction(categories=cat, decision=unknown)
    assert (given_up.is_unknown, given_up.headline) == (True, (UNKNOWN, 0.25))
    assert not Prediction(categories=cat, rejected_at=0.25, decision=UNDECIDED).is_unknown
    a_class_of_that_name = Prediction(categories=cat, decision=Decision(1, UNKNOWN, 0.9, True, 1))
    assert not a_class_of_that_name.is_unknown
