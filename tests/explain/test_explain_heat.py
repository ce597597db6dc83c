import numpy as np
import pytest
from small_network import SmallNetwork

from edgecnn.explain import Network, enlarge, faithfulness, heat_map, occlusion_map
from edgecnn.modelfile import ModelFile

SIDE = 24
SPOT = slice(4, 8), slice(14, 18)


def spot_network(*, branches: bool = False) -> Network:
    """Class 0 is as sure as the picture is red; with branches the way to its maps cannot be followed."""
    small = SmallNetwork(SIDE, SIDE)
    maps = small.conv(0, np.array([[1.0, -0.5, -0.5], [0.0, 0.0, 0.0]]).reshape(2, 1, 1, 3) / 255, activation="relu")
    mean = small.mean(maps)
    mean = small.add(mean, small.mean(small.relu(maps))) if branches else mean
    scale = 100.0 if not branches else 50.0
    return small.network(small.softmax(small.dense(mean, np.array([[scale, 0.0], [0.0, 0.0]]), np.array([-1.0, 0.0]))))


def red_spot() -> np.ndarray:
    pixels = np.full((SIDE, SIDE, 3), 60, np.uint8)
    pixels[SPOT] = (255, 0, 0)
    return pixels


def hottest(heat: np.ndarray) -> tuple[int, int]:
    y, x = np.unravel_index(int(enlarge(heat, (SIDE, SIDE)).argmax()), (SIDE, SIDE))
    return int(y), int(x)


def test_covering_the_spot_costs_the_class_and_covering_the_rest_does_not() -> None:
    heat = occlusion_map(spot_network(), red_spot(), 0, cells=6, cover=1)
    assert heat.shape == (6, 6)
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    assert (y, x) in {(1, 3), (1, 4)}
    assert heat[4, 1] < 0.05 * heat.max()


def test_a_larger_square_finds_the_same_place() -> None:
    y, x = hottest(occlusion_map(spot_network(), red_spot(), 0, cells=12, cover=3))
    assert SPOT[0].start <= y < SPOT[0].stop
    assert SPOT[1].start <= x < SPOT[1].stop


def test_the_class_activation_map_is_taken_where_the_network_allows_it() -> None:
    found = heat_map(spot_network(), red_spot(), 0)
    assert found.method == "class activation"
    assert found.heat.shape == (SIDE, SIDE)
    assert (found.heat[SPOT] > 0).all()
    assert found.heat.sum() == pytest.approx(found.heat[SPOT].sum())


def test_occlusion_is_taken_where_it_does_not() -> None:
    found = heat_map(spot_network(branches=True), red_spot(), 0)
    assert found.method == "occlusion"
    y, x = hottest(found.heat)
    assert SPOT[0].start <= y < SPOT[0].stop
    assert SPOT[1].start <= x < SPOT[1].stop


def test_a_right_map_beats_chance_and_a_pretty_but_wrong_one_does_not() -> None:
    network, pixels = spot_network(), red_spot()
    right = heat_map(network, pixels, 0).heat
    good = faithfulness(network, pixels, right, 0)
    assert good.is_better_than_chance
    assert good.deletion_area < good.random_deletion_area
    wrong = faithfulness(network, pixels, -right, 0)
    assert not wrong.is_better_than_chance
    assert wrong.deletion_area > good.deletion_area
    assert wrong.insertion_area < good.insertion_area


def test_the_curves_begin_and_end_at_the_same_pictures_for_every_map() -> None:
    network, pixels = spot_network(), red_spot()
    maps = np.random.default_rng(0).random((2, 3, 3), np.float32)
    first, second = (faithfulness(network, pixels, heat, 0, steps=5, repeats=0) for heat in maps)
    for curves in zip((first.deletion, first.insertion), (second.deletion, second.insertion), strict=True):
        np.testing.assert_array_equal(curves[0][[0, -1]], curves[1][[0, -1]])
    assert first.deletion[0] == first.insertion[-1] == pytest.approx(float(network.scores(pixels)[0]))
    assert first.shares.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_a_class_that_is_not_there_cannot_be_looked_for(exported: ModelFile) -> None:
    network = Network(exported)
    with pytest.raises(ValueError, match="no class 4 among the 4"):
        occlusion_map(network, np.zeros((96, 96, 3), np.uint8), 4)
    with pytest.raises(ValueError, match="no class -1 among the 4"):
        heat_map(network, np.zeros((96, 96, 3), np.uint8), -1)
    with pytest.raises(ValueError, match="no class 9 among the 4"):
        faithfulness(network, np.zeros((96, 96, 3), np.uint8), np.zeros((3, 3), np.float32), 9)
