import math

import numpy as np
import pytest
from small_network import SmallNetwork

from edgecnn.errors import ModelFileError
from edgecnn.explain import Network, compare, difference
from edgecnn.modelfile import ModelFile

WEIGHTS = np.random.default_rng(0).uniform(-1, 1, (4, 3, 3, 3)).round(2)


def float_side(*, normalizes: bool = False, names: bool = True, filters: int = 4) -> Network:
    small = SmallNetwork(8, 8)
    at = 0
    if normalizes:
        at = small.multiply(at, small.constant(np.array(1 / 128, np.float32)))
        at = small.add(at, small.constant(np.array(-1.0, np.float32)))
    name = "net_2/first_1/convolution" if names else "output"
    scale = 1 if normalizes else 1 / 128
    maps = small.conv(at, scale * WEIGHTS[:filters], activation="relu", name=name)
    return small.network(small.softmax(small.dense(small.mean(maps), np.ones((2, filters)))))


def int8_side() -> Network:
    small = SmallNetwork(8, 8, "int8", 1 / 128, 0)
    maps = small.conv(
        0, WEIGHTS, weight_scales=[0.01] * 4, output=(0.05, -128), activation="relu", name="other/first_1/convolution"
    )
    end = small.dense(small.mean(maps), np.ones((2, 4)), weight_scales=[0.01] * 2, output=(0.1, 0))
    return small.network(small.softmax(end))


@pytest.mark.parametrize("names", [True, False])
def test_layers_are_paired_though_one_file_normalizes_first(names: bool) -> None:
    pairs = compare(int8_side(), float_side(normalizes=True, names=names))
    assert [pair.mine.kind for pair in pairs] == ["convolution", "global_average", "dense", "softmax"]
    assert [pair.mine.kind for pair in pairs] == [pair.other.kind for pair in pairs]


def test_an_int8_file_differs_from_its_float_side_by_half_a_step() -> None:
    mine, other = int8_side(), float_side(normalizes=True)
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    looks = mine.look(pixels), other.look(pixels)
    found = difference(*looks, compare(mine, other)[0])
    assert found.maps.shape == (6, 6, 4)
    assert 0 < found.max_abs <= 0.51 * 0.05
    assert found.sqnr_db == pytest.approx(20 * math.log10(found.signal_rms / found.rms))
    np.testing.assert_allclose(found.maps, looks[1].values(2) - looks[0].values(0))


def test_a_file_does_not_differ_from_itself(exported: ModelFile) -> None:
    network = Network(exported)
    pairs = compare(network, Network(exported))
    assert {pair.mine.index for pair in pairs} >= {layer.index for layer in network.convolutions}
    look = network.look(np.full((96, 96, 3), 90, np.uint8))
    found = difference(look, look, pairs[0])
    assert (found.rms, found.max_abs, found.sqnr_db) == (0.0, 0.0, math.inf)


def test_files_of_other_networks_are_not_compared(exported: ModelFile) -> None:
    with pytest.raises(ModelFileError, match="is not the same network as"):
        compare(Network(exported), float_side(filters=3))


def test_another_training_of_the_same_architecture_is_another_network() -> None:
    small = SmallNetwork(8, 8)
    maps = small.conv(0, WEIGHTS / 128, activation="relu")
    learned_otherwise = small.network(small.softmax(small.dense(small.mean(maps), [[1, 1, 1, -1], [1, 1, -1, 1]])))
    with pytest.raises(ModelFileError, match="it has learned other weights"):
        compare(int8_side(), learned_otherwise)
