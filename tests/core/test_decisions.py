import copy
import math
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgecnn.core.decisions import (
    MAX_MEAN_FRAMES,
    UNKNOWN,
    Decider,
    Decision,
    DecisionRules,
    Smoothing,
    parse_smoothing,
)
from edgecnn.core.predictions import top_categories

LABELS = ("cat", "dog", "owl")
CAT, DOG, OWL = ([0.75, 0.125, 0.125], [0.125, 0.75, 0.125], [0.125, 0.125, 0.75])
NOTHING = [0.375, 0.3125, 0.3125]

Rows = Sequence[Sequence[float]]


def decide(rules: DecisionRules, rows: Rows, labels: Sequence[str] = LABELS) -> list[Decision | None]:
    decider = Decider(labels, rules)
    return [decider.update(np.array(row, np.float32)) for row in rows]


def decided_labels(rules: DecisionRules, rows: Rows) -> list[str | None]:
    return [decision.label if decision else None for decision in decide(rules, rows)]


# A slow implementation in plain lists, one sentence of the documentation a line.


def smooth_slowly(rows: Rows, smooth: Smoothing | None) -> list[list[float]]:
    smoothed: list[list[float]] = []
    average: list[float] = []
    for number, row in enumerate(rows):
        if smooth is None:
            average = list(row)
        elif smooth.kind == "ema":
            average = [old + (new - old) * smooth.amount for old, new in zip(average or row, row, strict=True)]
        else:
            window = rows[max(0, number + 1 - int(smooth.amount)) : number + 1]
            average = [math.fsum(column) / len(window) for column in zip(*window, strict=True)]
        smoothed.append([float(np.float32(score)) for score in average])
    return smoothed


def decide_slowly(rules: DecisionRules, rows: Rows, start: Decision | None = None) -> list[Decision | None]:
    enter, leave = -math.inf, -math.inf
    if rules.unknown_below is not None:
        enter = float(np.float32(rules.unknown_below))
        leave = float(np.float32(rules.unknown_below - rules.hysteresis))
    held: int | str | None = None
    changed_at = 0
    if start is not None:
        held = UNKNOWN if start.index is None else start.index
        changed_at = -start.frames
    leaders: list[int | str] = []
    decisions: list[Decision | None] = []
    for number, scores in enumerate(smooth_slowly(rows, rules.smooth)):
        best = scores.index(max(scores))
        best_or_unknown = best if scores[best] >= enter else UNKNOWN
        leader = best_or_unknown
        if isinstance(held, int) and scores[held] >= leave:
            leader = best_or_unknown if scores[best] >= scores[held] + rules.hysteresis else held
        leaders.append(leader)
        newest = leaders[-rules.confirm :]
        changed = leader != held and len(newest) == rules.confirm and set(newest) == {leader}
        if changed:
            held, changed_at, leaders = leader, number, []
        frames = number - changed_at + 1
        if held is None:
            decisions.append(None)
        elif isinstance(held, int):
            decisions.append(Decision(held, LABELS[held], scores[held], changed, frames))
        else:
            decisions.append(Decision(None, UNKNOWN, scores[best], changed, frames))
    return decisions


# Scores in steps of 1/32: their sums are exact in any order, and ties and scores at a threshold are common.
coarse_scores = st.integers(0, 32).map(lambda step: step / 32)
fine_scores = st.floats(0.0, 1.0, width=32)


def frames_of(scores: st.SearchStrategy[float], max_size: int = 40) -> st.SearchStrategy[list[list[float]]]:
    row = st.lists(scores, min_size=len(LABELS), max_size=len(LABELS))
    few = st.sampled_from([CAT, DOG, OWL, NOTHING])
    return st.lists(row, max_size=max_size) | st.lists(few, max_size=max_size)


smoothings = st.none() | st.one_of(
    st.builds(Smoothing, st.just("ema"), st.sampled_from([0.25, 0.4, 0.5, 1.0]) | st.floats(0.01, 1.0)),
    st.builds(Smoothing, st.just("mean"), st.integers(1, 7)),
)


@st.composite
def rules_of_any_kind(
    draw: st.DrawFn, smooth: st.SearchStrategy[Smoothing | None] = smoothings, max_confirm: int = 4
) -> DecisionRules:
    hysteresis = draw(st.sampled_from([0.0, 0.125, 0.25]) | st.floats(0.0, 1.0))
    lowest = hysteresis + 1 / 64 if hysteresis else 0.0
    unknown_below = draw(st.none() | st.sampled_from([0.5, 0.75]) | st.floats(0.0, 1.0))
    if unknown_below is not None and unknown_below < lowest:
        unknown_below = lowest if lowest <= 1.0 else None
    return DecisionRules(
        smooth=draw(smooth),
        confirm=draw(st.integers(1, max_confirm)),
        hysteresis=hysteresis,
        unknown_below=unknown_below,
    )


@given(rules_of_any_kind(), frames_of(coarse_scores))
def test_decisions_are_those_of_a_slow_and_plain_implementation(rules: DecisionRules, rows: Rows) -> None:
    assert decide(rules, rows) == decide_slowly(rules, rows)


@given(rules_of_any_kind(), frames_of(fine_scores))
def test_the_same_scores_give_the_same_decisions_again(rules: DecisionRules, rows: Rows) -> None:
    assert decide(rules, rows) == decide(rules, rows)


@given(rules_of_any_kind(), frames_of(fine_scores), st.integers(0, 40))
def test_later_frames_do_not_alter_earlier_decisions(rules: DecisionRules, rows: Rows, num_frames: int) -> None:
    assert decide(rules, rows[:num_frames]) == decide(rules, rows)[:num_frames]


@given(frames_of(fine_scores))
def test_with_default_rules_the_decision_is_the_top_category_of_every_frame(rows: Rows) -> None:
    previous = None
    for row, decision in zip(rows, decide(DecisionRules(), rows), strict=True):
        (top,) = top_categories(np.array(row, np.float32), LABELS, max_results=1)
        assert decision is not None
        assert (decision.index, decision.label, decision.score) == (top.index, top.label, top.score)
        assert decision.changed == (decision.index != previous)
        previous = decision.index


def test_of_equal_scores_the_lowest_index_wins() -> None:
    assert decided_labels(DecisionRules(), [[0.2, 0.4, 0.4], [0.4, 0.4, 0.2]]) == ["dog", "cat"]


@given(rules_of_any_kind(), frames_of(fine_scores))
def test_a_change_is_a_change_of_the_index_and_frames_count_from_it(rules: DecisionRules, rows: Rows) -> None:
    previous: Decision | None = None
    for decision in decide(rules, rows):
        if decision is None:
            assert previous is None
            continue
        assert decision.changed == (previous is None or decision.index != previous.index)
        assert decision.frames == (1 if decision.changed or previous is None else previous.frames + 1)
        assert decision.label == (UNKNOWN if decision.index is None else LABELS[decision.index])
        previous = decision


@given(rules_of_any_kind(max_confirm=6), frames_of(coarse_scores))
def test_two_changes_are_at_least_the_confirming_frames_apart(rules: DecisionRules, rows: Rows) -> None:
    changes = [number for number, decision in enumerate(decide(rules, rows), start=1) if decision and decision.changed]
    assert all(later - earlier >= rules.confirm for earlier, later in zip([0, *changes], changes, strict=False))


@given(st.integers(1, 6), st.lists(st.sampled_from([CAT, DOG, OWL]), max_size=60))
def test_without_other_rules_a_label_changes_after_exactly_the_confirming_frames_in_a_row(
    confirm: int, rows: list[list[float]]
) -> None:
    for number, decision in enumerate(decide(DecisionRules(confirm=confirm), rows), start=1):
        newest = rows[max(0, number - confirm) : number]
        is_confirmed = len(newest) == confirm and all(row == newest[0] for row in newest)
        if is_confirmed:
            assert decision is not None
            assert decision.index == newest[0].index(0.75)
        else:
            assert decision is None or not decision.changed


def test_there_is_no_decision_before_a_label_is_confirmed() -> None:
    rows = [CAT, CAT, DOG, CAT, CAT, CAT, DOG, DOG, CAT, DOG, DOG, DOG, DOG]
    expected = [None] * 5 + ["cat"] * 6 + ["dog"] * 2
    assert decided_labels(DecisionRules(confirm=3), rows) == expected


@given(rules_of_any_kind(), st.lists(fine_scores, min_size=3, max_size=3), st.integers(1, 40))
def test_constant_scores_give_exactly_one_change_and_come_out_as_they_went_in(
    rules: DecisionRules, row: list[float], num_more: int
) -> None:
    decisions = decide(rules, [row] * (rules.confirm - 1 + num_more))
    assert decisions[: rules.confirm - 1] == [None] * (rules.confirm - 1)
    held = [decision for decision in decisions if decision]
    assert [decision.changed for decision in held] == [True] + [False] * (num_more - 1)
    assert {decision.score for decision in held} == {max(row)}


@pytest.mark.parametrize("text", ["ema:1", "mean:1"])
@given(rows=frames_of(fine_scores), rules=rules_of_any_kind(smooth=st.none()))
def test_smoothing_over_one_frame_is_no_smoothing(text: str, rows: Rows, rules: DecisionRules) -> None:
    assert decide(rules._replace(smooth=parse_smoothing(text)), rows) == decide(rules, rows)


finite_scores = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(smoothings, st.lists(finite_scores, min_size=1, max_size=40))
def test_smoothed_scores_stay_between_the_least_and_the_greatest_score(
    smooth: Smoothing | None, scores: list[float]
) -> None:
    decisions = decide(DecisionRules(smooth=smooth), [[score] for score in scores], ["only"])
    for number, decision in enumerate(decisions, start=1):
        assert decision is not None
        assert min(scores[:number]) <= decision.score <= max(scores[:number])


@given(smoothings, st.lists(fine_scores, min_size=1, max_size=40))
def test_smoothed_scores_are_the_averages_that_their_names_say(smooth: Smoothing | None, scores: list[float]) -> None:
    rows = [[score] for score in scores]
    decisions = decide(DecisionRules(smooth=smooth), rows, ["only"])
    expected = [row[0] for row in smooth_slowly(rows, smooth)]
    assert [decision.score for decision in decisions if decision] == pytest.approx(expected, rel=1e-6, abs=1e-15)


def test_an_ema_weighs_the_newest_frame_by_its_amount_and_starts_with_the_first() -> None:
    rules = DecisionRules(smooth=parse_smoothing("ema:0.25"))
    scores = [decision.score for decision in decide(rules, [[1.0], [0.0], [0.0], [1.0]], ["only"]) if decision]
    assert scores == [1.0, 0.75, 0.5625, 0.671875]


def test_a_mean_takes_fewer_frames_as_long_as_there_are_fewer() -> None:
    rules = DecisionRules(smooth=parse_smoothing("mean:4"))
    rows = [[1.0], [0.0], [0.5], [0.5], [0.0], [0.5], [0.0]]
    scores = [decision.score for decision in decide(rules, rows, ["only"]) if decision]
    assert scores == [1.0, 0.5, 0.5, 0.5, 0.25, 0.375, 0.25]


@given(st.integers(2, 9), st.lists(fine_scores, max_size=40))
def test_a_mean_forgets_frames_outside_of_its_window_to_the_last_bit(window: int, old: list[float]) -> None:
    rules = DecisionRules(smooth=Smoothing("mean", window))
    decision = decide(rules, [[score] for score in [*old, *[0.0] * window]], ["only"])[-1]
    assert decision is not None
    assert decision.score == 0.0


@pytest.mark.parametrize("text", ["mean:5", "mean:1000", "ema:0.4"])
def test_a_hundred_thousand_frames_leave_no_drift(text: str) -> None:
    generator = np.random.default_rng(0)
    noise = (10.0 ** generator.uniform(-30, 6, (500, 2))).astype(np.float32)
    decider = Decider(("a", "b"), DecisionRules(smooth=parse_smoothing(text)))
    for _ in range(200):
        for row in noise:
            decider.update(row)
    for _ in range(1000):
        last = decider.update(np.array([0.1, 0.7], np.float32))
    assert last is not None
    assert last.score == float(np.float32(0.7))


def test_smoothing_keeps_a_label_through_one_bad_frame() -> None:
    rows = [CAT, CAT, CAT, DOG, CAT, DOG, DOG, DOG]
    assert decided_labels(DecisionRules(smooth=parse_smoothing("mean:3")), rows) == ["cat"] * 5 + ["dog"] * 3
    assert decided_labels(DecisionRules(smooth=parse_smoothing("ema:0.4")), rows) == ["cat"] * 5 + ["dog"] * 3


@given(st.lists(st.integers(-7, 7), min_size=1, max_size=60))
def test_scores_that_waver_within_the_hysteresis_change_nothing(steps: list[int]) -> None:
    rules = DecisionRules(hysteresis=0.25)
    rows = [[0.75, 0.25, 0.0], *([0.5 + step / 64, 0.5 - step / 64, 0.0] for step in steps)]
    assert decided_labels(rules, rows) == ["cat"] * len(rows)


def test_a_label_is_given_up_for_one_that_is_higher_by_exactly_the_hysteresis() -> None:
    rules = DecisionRules(hysteresis=0.25)
    rows = [[0.5, 0.25, 0.25], [0.375, 0.5, 0.125], [0.25, 0.5, 0.25], [0.375, 0.5, 0.125], [0.5, 0.25, 0.25]]
    assert decided_labels(rules, rows) == ["cat", "cat", "dog", "dog", "cat"]


def test_the_score_of_a_held_label_is_its_own_and_not_the_best() -> None:
    decision = decide(DecisionRules(hysteresis=0.25), [[0.5, 0.25, 0.25], [0.375, 0.5, 0.125]])[-1]
    assert decision == Decision(0, "cat", 0.375, False, 2)


def test_scores_below_the_gate_are_unknown() -> None:
    decisions = decide(DecisionRules(unknown_below=0.5), [NOTHING, CAT, [0.5, 0.3, 0.2], NOTHING])
    assert decisions == [
        Decision(None, UNKNOWN, 0.375, True, 1),
        Decision(0, "cat", 0.75, True, 1),
        Decision(0, "cat", 0.5, False, 2),
        Decision(None, UNKNOWN, 0.375, True, 1),
    ]


@given(st.floats(0.0, 1.0))
def test_a_score_that_equals_the_gate_as_it_is_written_passes_it(gate: float) -> None:
    (decision,) = decide(DecisionRules(unknown_below=gate), [[gate]], ["only"])
    assert decision is not None
    assert decision.index == 0


def test_scores_that_alternate_around_the_gate_flap_without_hysteresis_and_not_with_it() -> None:
    rows = [[0.625, 0.25, 0.125], [0.5, 0.25, 0.25]] * 20
    assert decided_labels(DecisionRules(unknown_below=0.5625), rows) == ["cat", UNKNOWN] * 20
    assert decided_labels(DecisionRules(unknown_below=0.5625, hysteresis=0.125), rows) == ["cat"] * 40


@given(st.lists(st.floats(0.41, 0.59), min_size=1, max_size=40), st.booleans())
def test_between_the_two_gates_known_stays_known_and_unknown_stays_unknown(
    scores: list[float], starts_known: bool
) -> None:
    rules = DecisionRules(unknown_below=0.6, hysteresis=0.2)
    rows = [[0.9, 0.0] if starts_known else [0.0, 0.0], *([score, 0.0] for score in scores)]
    decisions = decide(rules, rows, ["a", "b"])
    assert [decision.changed for decision in decisions if decision] == [True] + [False] * len(scores)


def test_a_held_label_gives_way_to_unknown_only_below_the_gate_less_the_hysteresis() -> None:
    rules = DecisionRules(unknown_below=0.75, hysteresis=0.25)
    rows = [[0.75, 0.0], [0.5, 0.0], [0.46875, 0.0], [0.5, 0.0], [0.71875, 0.0], [0.75, 0.0]]
    decisions = decide(rules, rows, ["a", "b"])
    assert [d.label for d in decisions if d] == ["a", "a", UNKNOWN, UNKNOWN, UNKNOWN, "a"]


def test_a_held_label_that_has_sunk_below_the_gate_is_not_kept_by_another_that_is_not_good_enough() -> None:
    rules = DecisionRules(unknown_below=0.5, hysteresis=0.25)
    rows = [[0.75, 0.25, 0.0], [0.125, 0.34375, 0.34375], [0.125, 0.5, 0.375]]
    assert decided_labels(rules, rows) == ["cat", UNKNOWN, "dog"]


def test_unknown_must_be_confirmed_like_any_label() -> None:
    rules = DecisionRules(unknown_below=0.5, confirm=2)
    rows = [NOTHING, CAT, NOTHING, NOTHING, CAT, NOTHING, CAT, CAT, NOTHING, CAT]
    assert decided_labels(rules, rows) == [None] * 3 + [UNKNOWN] * 4 + ["cat"] * 3


def test_a_class_named_unknown_is_a_class_and_its_index_tells() -> None:
    rows = [[0.1, 0.9], [0.4, 0.4], [0.1, 0.9], [0.9, 0.1]]
    decisions = decide(DecisionRules(unknown_below=0.5), rows, ["cat", UNKNOWN])
    assert [(d.index, d.label, d.changed) for d in decisions if d] == [
        (1, UNKNOWN, True),
        (None, UNKNOWN, True),
        (1, UNKNOWN, True),
        (0, "cat", True),
    ]


def test_two_classes_of_one_name_are_two_decisions() -> None:
    decisions = decide(DecisionRules(), [[0.9, 0.1], [0.1, 0.9]], ["crane", "crane"])
    assert [(d.index, d.changed) for d in decisions if d] == [(0, True), (1, True)]


@given(rules_of_any_kind(), frames_of(coarse_scores), frames_of(coarse_scores))
def test_after_a_reset_only_the_decision_is_left_of_the_past(rules: DecisionRules, before: Rows, after: Rows) -> None:
    decider = Decider(LABELS, rules)
    last = None
    for row in before:
        last = decider.update(np.array(row, np.float32))
    decider.reset()
    decisions = [decider.update(np.array(row, np.float32)) for row in after]
    assert decisions == decide_slowly(rules, after, start=last)


def test_after_a_reset_the_old_decision_holds_and_another_is_a_change() -> None:
    decider = Decider(LABELS, DecisionRules(confirm=2))
    for row in (CAT, CAT, DOG):
        decider.update(np.array(row, np.float32))
    decider.reset()
    after = [decider.update(np.array(row, np.float32)) for row in (DOG, DOG)]
    assert [(d.label, d.changed, d.frames) for d in after if d] == [("cat", False, 3), ("dog", True, 1)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@given(rules=rules_of_any_kind(), rows=frames_of(fine_scores), number=st.integers(0, 40), index=st.integers(0, 2))
def test_a_frame_with_a_score_that_is_no_number_is_refused_and_leaves_no_trace(
    bad: float, rules: DecisionRules, rows: Rows, number: int, index: int
) -> None:
    decider = Decider(LABELS, rules)
    decisions = []
    for frame, row in enumerate(rows):
        if frame == number:
            spoilt = np.array(row, np.float32)
            spoilt[index] = bad
            with pytest.raises(ValueError, match=f"scores must be finite, got {bad} for output {index}"):
                decider.update(spoilt)
        decisions.append(decider.update(np.array(row, np.float32)))
    assert decisions == decide(rules, rows)


@given(rules_of_any_kind(), frames_of(fine_scores))
def test_scores_are_neither_kept_nor_written_to(rules: DecisionRules, rows: Rows) -> None:
    decider = Decider(LABELS, rules)
    buffer = np.zeros(3, np.float32)
    decisions = []
    for row in rows:
        buffer[:] = row
        decisions.append(decider.update(buffer))
        assert buffer.tolist() == row
        buffer[:] = math.nan
    assert decisions == decide(rules, rows)


@pytest.mark.parametrize("shape", [(0,), (2,), (4,), (1, 3), ()])
def test_scores_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    scores: NDArray[np.float32] = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match=r"scores must have shape \(3,\)"):
        Decider(LABELS, DecisionRules()).update(scores)


def test_there_must_be_a_label() -> None:
    with pytest.raises(ValueError, match="at least 1 label"):
        Decider((), DecisionRules())


@given(smoothings)
def test_a_smoothing_comes_back_from_its_text(smooth: Smoothing | None) -> None:
    if smooth is not None:
        assert parse_smoothing(str(smooth)) == smooth


def test_smoothing_is_read_from_text() -> None:
    assert parse_smoothing("ema:0.4") == Smoothing("ema", 0.4)
    assert parse_smoothing("ema:1") == Smoothing("ema", 1.0)
    assert parse_smoothing("mean:5") == Smoothing("mean", 5)
    assert parse_smoothing(f"mean:{MAX_MEAN_FRAMES}") == Smoothing("mean", 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "ema",
        "ema:",
        "ema:x",
        "ema:0",
        "ema:-0.1",
        "ema:1.01",
        "ema:nan",
        "ema:inf",
        "ema:0.4:5",
        "EMA:0.4",
        "mean",
        "mean:",
        "mean:0",
        "mean:-1",
        "mean:1001",
        "mean:2.5",
        "mean:inf",
        "median:5",
        "5",
        "0.4",
    ],
)
def test_text_that_is_no_smoothing_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"smoothing must be ema:WEIGHT .* or mean:FRAMES") as caught:
        parse_smoothing(text)
    assert str(caught.value).endswith(f"got {text!r}")


@pytest.mark.parametrize(
    "smooth",
    [
        Smoothing("ema", 0.0),
        Smoothing("ema", math.nan),
        Smoothing("mean", 0),
        Smoothing("mean", 2.5),
        Smoothing("mean", 1001),
        Smoothing("median", 5),  # type: ignore[arg-type]  # as a typing error would make it
    ],
)
def test_rules_refuse_a_smoothing_that_is_out_of_range(smooth: Smoothing) -> None:
    with pytest.raises(ValueError, match=f"smoothing must be .* got '{smooth}'"):
        DecisionRules(smooth=smooth)


@pytest.mark.parametrize("confirm", [0, -1, 1.5, math.nan, math.inf])
def test_frames_to_confirm_must_be_a_whole_number_from_one(confirm: float) -> None:
    with pytest.raises(ValueError, match=f"confirm must be a whole number of frames from 1, got {confirm}"):
        DecisionRules(confirm=confirm)  # type: ignore[arg-type]  # what the check is for


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_thresholds_must_be_zero_to_one(value: float) -> None:
    with pytest.raises(ValueError, match=f"hysteresis must be 0 to 1, got {value}"):
        DecisionRules(hysteresis=value)
    with pytest.raises(ValueError, match=f"unknown_below must be None or 0 to 1, got {value}"):
        DecisionRules(unknown_below=value)


@pytest.mark.parametrize(("hysteresis", "unknown_below"), [(0.3, 0.3), (0.5, 0.3), (0.1, 0.0)])
def test_a_hysteresis_that_would_never_let_a_label_go_is_refused(hysteresis: float, unknown_below: float) -> None:
    with pytest.raises(ValueError, match=rf"hysteresis must be below unknown_below \({unknown_below}\)"):
        DecisionRules(hysteresis=hysteresis, unknown_below=unknown_below)


def test_rules_are_values_that_never_change() -> None:
    rules = DecisionRules(smooth=parse_smoothing("mean:5"), confirm=3, hysteresis=0.1, unknown_below=0.4)
    for twin in (copy.copy(rules), copy.deepcopy(rules), pickle.loads(pickle.dumps(rules)), rules._replace(confirm=3)):
        assert twin == rules
        assert hash(twin) == hash(rules)
    assert rules != rules._replace(confirm=4)
    with pytest.raises(AttributeError):
        rules.confirm = 4  # type: ignore[misc]  # what must not work
    with pytest.raises(ValueError, match="confirm must be"):
        rules._replace(confirm=0)
    with pytest.raises(TypeError):
        DecisionRules(parse_smoothing("mean:5"))  # type: ignore[call-arg]  # keywords only
