from typing import Any

import numpy as np
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.train.architectures import ARCHITECTURES
from edgecnn.train.backend import keras
from edgecnn.train.lite0_network import build_lite0_backbone
from edgecnn.train.networks import NORMALIZATION_LAYER

SIZE_PX = 64
NUM_CLASSES = 5


@pytest.fixture(scope="module", params=[name for name, row in ARCHITECTURES.items() if row.prepare is None])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def network(name: str) -> Any:
    row = ARCHITECTURES[name]
    return row.build(row.contract(SIZE_PX, "squash"), NUM_CLASSES)


def test_it_takes_raw_pixels_and_gives_scores_that_sum_to_one(network: Any) -> None:
    pixels = np.stack([synthetic_picture(seed, SIZE_PX, SIZE_PX) for seed in range(3)]).astype(np.float32)
    scores = network.predict(pixels, verbose=0)
    assert scores.shape == (3, NUM_CLASSES)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)


def test_its_first_layer_normalizes_as_the_contract_says(name: str, network: Any) -> None:
    row = ARCHITECTURES[name]
    assert [layer.name for layer in network.layers[:2]] == ["pixels", NORMALIZATION_LAYER]
    normalize = keras.Model(network.input, network.get_layer(NORMALIZATION_LAYER).output)
    values = normalize(np.full((1, SIZE_PX, SIZE_PX, 3), 200.0, np.float32))
    np.testing.assert_allclose(np.asarray(values), (200.0 - row.mean) / row.std, rtol=1e-6)


def test_it_is_a_flat_graph_of_builtin_layers(network: Any) -> None:
    for layer in network.layers:
        assert type(layer).__module__.startswith("keras.")
        assert not isinstance(layer, (keras.Model, keras.layers.Lambda))


def test_tiny_has_fewer_than_300000_weights() -> None:
    row = ARCHITECTURES["tiny"]
    assert row.build(row.contract(96, "squash"), 10).count_params() < 300_000


def test_lite0_begins_with_what_it_knows_from_imagenet() -> None:
    row = ARCHITECTURES["lite0"]
    network = row.build(row.contract(SIZE_PX, "squash"), NUM_CLASSES)
    pixels = synthetic_picture(1, SIZE_PX, SIZE_PX)[None].astype(np.float32)
    whole = keras.Model(network.input, network.get_layer("head_relu").output)
    backbone = build_lite0_backbone(SIZE_PX)
    expected = backbone.predict((pixels - row.mean) / row.std, verbose=0)
    np.testing.assert_allclose(whole.predict(pixels, verbose=0), expected, atol=1e-4)
