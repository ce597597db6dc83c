"""What is watched stays at its place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.explain.live.places import Places

FRAME_S = 0.04


def test_the_first_strengths_make_the_order() -> None:
    assert Places().update(np.array([0.1, 3.0, 2.0, 0.5]), 3, 0.0).tolist() == [1, 2, 3]


@given(st.integers(0, 1000), st.integers(1, 20))
def test_what_changes_a_little_does_not_move(seed: int, num_shown: int) -> None:
    random = np.random.default_rng(seed)
    strengths, places = random.uniform(1, 2, 20), Places()
    first = places.update(strengths, num_shown, 0.0)
    for frame in range(1, 21):
        assert (places.update(strengths * random.uniform(0.9, 1.1, 20), num_shown, frame * FRAME_S) == first).all()


def test_one_that_becomes_clearly_stronger_takes_the_place_of_the_weakest() -> None:
    places = Places()
    strengths = np.array([5.0, 4.0, 3.0, 1.0, 1.0])
    assert places.update(strengths, 3, 0.0).tolist() == [0, 1, 2]
    strengths[4] = 80.0
    assert places.update(strengths, 3, FRAME_S).tolist() == [0, 1, 4]
    assert places.update(strengths, 3, 2 * FRAME_S).tolist() == [0, 1, 4]
    assert places.update(strengths, 5, 3 * FRAME_S).tolist() == [0, 1, 4, 3, 2]


def test_a_picture_that_comes_seconds_later_may_bring_all_others() -> None:
    places = Places()
    assert places.update(np.array([5.0, 4.0, 0.0, 0.0]), 2, 0.0).tolist() == [0, 1]
    assert sorted(places.update(np.array([0.0, 0.0, 4.0, 5.0]), 2, 2.0).tolist()) == [2, 3]


@given(st.lists(st.lists(st.floats(0, 10), min_size=6, max_size=6), min_size=1, max_size=12), st.integers(1, 9))
def test_nobody_is_shown_twice_and_from_frame_to_frame_at_most_one_place_changes(
    history: list[list[float]], num_shown: int
) -> None:
    places, before = Places(), None
    for frame, strengths in enumerate(history):
        shown = places.update(np.array(strengths), num_shown, frame * FRAME_S).tolist()
        assert len(set(shown)) == len(shown) == min(num_shown, 6)
        assert before is None or sum(one != other for one, other in zip(before, shown, strict=True)) <= 1
        before = shown


def test_strengths_that_are_no_numbers_count_as_none() -> None:
    assert Places().update(np.array([np.nan, 1.0, np.nan]), 1, 0.0).tolist() == [1]
