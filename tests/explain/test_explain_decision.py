from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_network import SmallNetwork

from edgecnn.data import ImageFolder
from edgecnn.errors import ModelFileError
from edgecnn.explain import Network, class_activation_map, contributions, feature_maps, has_class_activation_map
from edgecnn.imaging import load_input
from edgecnn.modelfile import ModelFile

NUM_CLASSES = 3


def picture(seed: int, height: int = 8, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def headed(kind: str, seed: int = 0) -> Network:
    """A convolution with one of several ends on it."""
    rng = np.random.default_rng(seed)
    small = SmallNetwork(8, 6)
    maps = small.conv(0, rng.normal(size=(5, 3, 3, 3)) / 256, rng.normal(size=5) / 4, stride=(2, 1), activation="relu")
    _, rows, columns, channels = small.shapes[maps]
    last = rng.normal(size=(NUM_CLASSES, channels)), rng.normal(size=NUM_CLASSES)
    if kind == "average":
        out = small.dense(small.mean(maps), *last)
    elif kind == "flatten":
        weights = rng.normal(size=(NUM_CLASSES, rows * columns * channels))
        out = small.dense(small.flatten(maps), weights, last[1])
    elif kind == "two dense":
        hidden = small.dense(small.mean(maps), rng.normal(size=(7, channels)), rng.normal(size=7), activation="relu")
        out = small.dense(hidden, rng.normal(size=(NUM_CLASSES, 7)), last[1])
    elif kind == "relu6 between":
        hidden = small.relu(small.dense(small.mean(maps), 40 * rng.normal(size=(7, channels))), "RELU6")
        out = small.dense(hidden, rng.normal(size=(NUM_CLASSES, 7)), last[1])
    elif kind == "convolution":
        pooled = small.pool(maps, (rows, columns), kind="AVERAGE")
        out = small.flatten(small.conv(pooled, last[0][:, np.newaxis, np.newaxis], last[1]))
    elif kind == "largest":
        out = small.dense(small.flatten(small.pool(maps, (rows, columns))), *last)
    else:
        branch = small.add(small.mean(maps), small.mean(small.relu(maps)))
        out = small.dense(branch, *last)
    return small.network(small.softmax(out))


FOLLOWED = ["average", "flatten", "two dense", "relu6 between", "convolution", "largest"]


@pytest.mark.parametrize("kind", [*FOLLOWED, "branches"])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_votes_add_up_to_the_score_that_softmax_gets(kind: str, seed: int) -> None:
    look = headed(kind, seed).look(picture(seed))
    for class_index in range(NUM_CLASSES):
        votes = contributions(look, class_index)
        assert votes.total == pytest.approx(float(votes.values.sum()) + votes.bias, abs=1e-9)
        assert votes.logit == pytest.approx(votes.total, abs=1e-4)
        assert votes.agrees
        np.testing.assert_allclose(votes.values, votes.features * votes.weights, atol=1e-5)


@pytest.mark.parametrize("kind", FOLLOWED)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_places_of_the_last_maps_add_up_to_the_score_too(kind: str, seed: int) -> None:
    network = headed(kind, seed)
    look = network.look(picture(seed))
    for class_index in range(NUM_CLASSES):
        votes = contributions(look, class_index)
        heat = class_activation_map(look, class_index)
        assert heat.shape == network.layers[0].output_shape[:2]
        assert float(heat.sum()) + votes.positions_bias == pytest.approx(votes.logit, abs=1e-3)
        assert votes.positions_rest == pytest.approx(0.0, abs=1e-3)


def test_with_a_global_average_the_map_is_the_weighted_sum_of_the_maps() -> None:
    network = headed("average")
    look = network.look(picture(1))
    votes = contributions(look, 2)
    maps = feature_maps(look, 0)
    wanted = maps @ votes.weights / (maps.shape[0] * maps.shape[1])
    np.testing.assert_allclose(class_activation_map(look, 2), wanted, atol=1e-5)


def test_softmax_of_the_logits_is_the_score() -> None:
    votes = contributions(headed("average").look(picture(1)))
    powers = np.exp(votes.logits - votes.logits.max())
    np.testing.assert_allclose(votes.scores, powers / powers.sum(), atol=1e-6)
    assert votes.class_index == int(votes.scores.argmax())


def test_a_flattened_map_keeps_the_shape_of_its_features() -> None:
    votes = contributions(headed("flatten").look(picture(1)))
    assert (votes.shape, votes.features.shape) == ((3, 4, 5), (60,))
    assert votes.layer is not None
    assert votes.layer.kind == "reshape"


def test_where_branches_meet_the_votes_are_counted_and_no_map_is_drawn() -> None:
    network = headed("branches")
    look = network.look(picture(1))
    assert not has_class_activation_map(network)
    assert contributions(look).positions is None
    with pytest.raises(ModelFileError, match="take an occlusion map"):
        class_activation_map(look)


def test_scores_that_no_dense_layer_makes_have_no_votes_but_a_map() -> None:
    small = SmallNetwork(8, 6)
    maps = small.conv(0, np.random.default_rng(0).normal(size=(3, 3, 3, 3)) / 256)
    network = small.network(small.softmax(small.mean(maps)))
    look = network.look(picture(1))
    with pytest.raises(ModelFileError, match="not from a dense layer"):
        contributions(look)
    np.testing.assert_allclose(class_activation_map(look, 1), feature_maps(look, 0)[:, :, 1] / 24, atol=1e-6)


def test_the_strongest_votes_come_first() -> None:
    votes = contributions(headed("average").look(picture(1)))
    strengths = np.abs(votes.values[votes.order])
    assert (np.diff(strengths) <= 0).all()


def test_a_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no class 3 among the 3"):
        contributions(headed("average").look(picture(1)), 3)


def test_the_votes_of_an_int8_export_add_up_within_half_a_step(exported: ModelFile, picture_folder: Path) -> None:
    network = Network(exported)
    for one in ImageFolder.scan(picture_folder).pictures[::6]:
        look = network.look(load_input(picture_folder / one.path, exported.contract))
        for class_index in range(len(network.labels)):
            votes = contributions(look, class_index)
            assert votes.agrees
            assert votes.tolerance == votes.step > 0
            ends = (
                np.array([-128, 127]) - exported.graph.tensors[network.layer("logits").output].zero_points
            ) * votes.step
            if ends[0] < votes.total < ends[1]:
                assert abs(votes.rest) <= 0.51 * votes.step
            heat = class_activation_map(look, class_index)
            assert votes.positions_rest == pytest.approx(
                votes.logit - float(heat.sum()) - votes.positions_bias, abs=1e-4
            )


def test_a_sum_beyond_the_file_s_codes_agrees_with_the_last_of_them() -> None:
    small = SmallNetwork(2, 2, "int8", 1.0, -128)
    maps = small.conv(0, np.eye(3).reshape(3, 1, 1, 3), weight_scales=[0.01] * 3, output=(1.0, -128))
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    network = small.network(
        small.softmax(small.dense(small.mean(maps), weights, weight_scales=[0.01] * 2, output=(0.5, 0)))
    )
    votes = contributions(network.look(np.full((2, 2, 3), 200, np.uint8)), 0)
    assert votes.total == pytest.approx(200.0)
    assert (votes.logit, votes.agrees) == (63.5, True)
    assert votes.rest == pytest.approx(63.5 - 200.0)
