from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.train.backend import keras
from edgecnn.train.lite0_network import INPUT_MEAN, INPUT_STD, WEIGHTS_PATH, build_lite0_backbone

SIZE_PX = 96
# The largest features of synthetic picture 0 at 96 px, averaged over its 3 × 3 places: with the packaged
# weights, and with the same weights in float32 as they were published.
CHANNELS = [439, 900, 659, 920, 423, 312]
PACKAGED = [5.13868, 5.09528, 4.93256, 4.88327, 4.85526, 4.80715]
PUBLISHED = [5.14278, 5.09231, 4.93052, 4.88525, 4.86202, 4.81005]


@pytest.fixture(scope="module")
def backbone() -> Any:
    return build_lite0_backbone(SIZE_PX)


@pytest.fixture(scope="module")
def features(backbone: Any) -> NDArray[np.float32]:
    pixels = synthetic_picture(0, SIZE_PX, SIZE_PX).astype(np.float32)
    return np.asarray(backbone(((pixels - INPUT_MEAN) / INPUT_STD)[None], training=False))


def test_it_has_the_parameters_of_lite0_without_its_top(backbone: Any) -> None:
    assert backbone.count_params() == 3_413_024


def test_it_ends_in_feature_maps_and_not_in_their_average(features: NDArray[np.float32]) -> None:
    assert features.shape == (1, 3, 3, 1280)
    assert features.dtype == np.float32
    assert features.min() >= 0.0
    assert features.max() <= 6.0


def test_a_picture_gives_the_features_that_it_gave_when_the_weights_were_packaged(
    features: NDArray[np.float32],
) -> None:
    pooled = features.mean(axis=(0, 1, 2))
    assert np.argsort(-pooled)[:6].tolist() == CHANNELS
    np.testing.assert_allclose(pooled[CHANNELS], PACKAGED, atol=1e-3)
    assert pooled.mean() == pytest.approx(0.249919, abs=1e-4)


def test_half_precision_changes_the_strongest_features_by_less_than_a_hundredth(features: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(features.mean(axis=(0, 1, 2))[CHANNELS], PUBLISHED, atol=1e-2)


def test_the_graph_is_flat_and_its_blocks_are_named(backbone: Any) -> None:
    names = [layer.name for layer in backbone.layers]
    assert not any(isinstance(layer, keras.Model) for layer in backbone.layers)
    assert names[:2] == ["image", "stem_conv"]
    assert names[-1] == "head_relu"
    shortcuts = [name for name in names if name.endswith("_add")]
    assert shortcuts == [f"block{index}_add" for index in (2, 4, 6, 7, 9, 10, 12, 13, 14)]


def test_the_network_shrinks_a_picture_to_a_thirty_second_rounded_up() -> None:
    assert build_lite0_backbone(40).output.shape == (None, 2, 2, 1280)


def test_every_packaged_array_belongs_to_a_layer(backbone: Any) -> None:
    expected = {f"{layer.name}/{weight.name}": weight.shape for layer in backbone.layers for weight in layer.weights}
    with np.load(WEIGHTS_PATH, allow_pickle=False) as arrays:
        assert {name: array.shape for name, array in arrays.items()} == expected
        assert {array.dtype.name for name, array in arrays.items() if name.endswith("/kernel")} == {"float16"}
        assert {array.dtype.name for name, array in arrays.items() if "_bn/" in name} == {"float32"}


def test_the_packaged_weights_are_finite_and_small_enough_for_a_repository() -> None:
    assert WEIGHTS_PATH.stat().st_size <= 8_000_000
    with np.load(WEIGHTS_PATH, allow_pickle=False) as arrays:
        assert all(np.isfinite(array).all() for array in arrays.values())


def test_the_licence_of_the_weights_lies_beside_them() -> None:
    text = WEIGHTS_PATH.with_name("LICENSE.txt").read_text(encoding="utf-8")
    assert "Copyright (c) 2020 ML Illustrated" in text
    assert "Apache License, Version 2.0" in text
