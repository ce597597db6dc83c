import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_network import SmallNetwork

from edgecnn.errors import ModelFileError
from edgecnn.explain import CHANGES, Network, equivariance, invariance_curve
from edgecnn.modelfile import ModelFile


def picture(seed: int = 0, side: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network(exported: ModelFile) -> Network:
    return Network(exported)


@settings(max_examples=20)
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 99))
def test_away_from_borders_a_convolution_moves_with_the_picture_to_the_last_bit(
    down: int, right: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    small = SmallNetwork(32, 30, "int8", 1 / 128, 0)
    maps = small.conv(0, rng.normal(size=(3, 3, 3, 3)), weight_scales=[0.03] * 3, output=(0.1, 0), padding="same")
    pixels = rng.integers(0, 256, (32, 30, 3), dtype=np.uint8)
    found = equivariance(small.network(small.mean(maps)), pixels, 0, (down, right))
    assert found.is_whole
    assert found.cells_yx == (down, right)
    # a field of three fits 32 - |down| - 2 times into what both pictures show
    assert found.num_cells == (30 - abs(down)) * (28 - abs(right))
    assert (found.same_share, found.max_abs) == (1.0, 0.0)


def test_after_a_pooling_only_shifts_by_whole_cells_move_the_maps(network: Network) -> None:
    by_two = equivariance(network, picture(), "conv2", (2, 4))
    assert (by_two.is_whole, by_two.cells_yx, by_two.same_share) == (True, (1, 2), 1.0)
    by_one = equivariance(network, picture(), "conv2", (1, 0))
    assert not by_one.is_whole
    assert by_one.same_share < 0.9
    assert by_one.rms > 0


def test_at_the_borders_padding_disturbs_it(network: Network) -> None:
    # conv4 sees 38 pixels and has 12 cells every 8: few of them are away from the border.
    found = equivariance(network, picture(), "conv4", (8, 8))
    assert found.is_whole
    assert 0 < found.num_cells < 12 * 12 / 2
    assert found.same_share == 1.0
    assert found.num_cells + found.num_border_cells == 11 * 11
    assert found.border_same_share < 1.0


def test_a_cell_that_sees_everything_leaves_nothing_to_compare() -> None:
    small = SmallNetwork(16, 16)
    wide = small.conv(0, np.ones((2, 15, 15, 3)), padding="same")
    found = equivariance(small.network(small.mean(wide)), picture(side=16), 0, (4, 4))
    assert found.num_cells == 0
    assert math.isnan(found.same_share)


def test_a_vector_cannot_move(network: Network) -> None:
    with pytest.raises(ModelFileError, match="only maps can move"):
        equivariance(network, picture(), "avg_pool", (1, 1))


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_an_amount_of_nothing_changes_nothing(change: str) -> None:
    known = CHANGES[change]
    np.testing.assert_array_equal(known.apply(picture(), known.nothing, 0), picture())
    assert known.nothing in known.amounts
    assert not np.array_equal(known.apply(picture(), known.amounts[-1], 0), picture())


def test_a_shift_moves_the_picture_to_the_right() -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[5, 5] = 255
    moved = CHANGES["shift"].apply(pixels, 20, 0)
    assert np.argwhere(moved[:, :, 0]).tolist() == [[5, 9]]


def test_a_quarter_turn_goes_clockwise() -> None:
    pixels = np.zeros((21, 21, 3), np.uint8)
    pixels[2, 10] = 255  # above the middle
    turned = CHANGES["rotation"].apply(pixels, 90, 0)
    assert np.argwhere(turned[:, :, 0] > 200).tolist() == [[10, 18]]


def test_twice_the_size_is_twice_as_far_from_the_middle() -> None:
    pixels = np.zeros((41, 41, 3), np.uint8)
    pixels[9:12, 9:12] = 255
    twice = CHANGES["scale"].apply(pixels, 200, 0)
    assert twice[0, 0, 0] == 255
    assert (twice[:, :, 0] > 127).sum() < 60


def test_the_curve_holds_the_score_of_each_picture_s_right_class(network: Network) -> None:
    pixels = np.stack([picture(1), picture(2)])
    curve = invariance_curve(network, pixels, [3, 0], "brightness", [0, 40])
    assert curve.scores.shape == (2, 2)
    for row, amount in enumerate((0, 40)):
        for column, right in enumerate((3, 0)):
            lit = np.clip(pixels[column].astype(int) + amount, 0, 255).astype(np.uint8)
            scores = network.scores(lit)
            assert curve.scores[row, column] == scores[right]
    hits = [[network.scores(one).argmax() == right for one, right in zip(pixels, (3, 0), strict=True)]]
    assert curve.accuracy[0] == np.mean(hits)


def test_without_labels_the_answer_to_the_unchanged_picture_is_right(network: Network) -> None:
    curve = invariance_curve(network, picture(1), None, "noise")
    assert curve.accuracy[0] == 1.0
    assert curve.amounts.tolist() == list(CHANGES["noise"].amounts)
    again = invariance_curve(network, picture(1), None, "noise")
    np.testing.assert_array_equal(curve.scores, again.scores)


def test_a_change_that_nobody_knows_and_a_missing_label_are_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="no change is called 'zoom'; there are shift, rotation"):
        invariance_curve(network, picture(), None, "zoom")
    with pytest.raises(ValueError, match="give one for each"):
        invariance_curve(network, picture(), [0, 1], "shift")
