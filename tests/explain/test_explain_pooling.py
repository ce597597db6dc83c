from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_network import SmallNetwork

from edgecnn.errors import ModelFileError
from edgecnn.explain import Network, feature_maps, pool_window
from edgecnn.modelfile import ModelFile

RED = np.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)


def pooled(numbers: Any, **options: Any) -> tuple[Network, Any]:
    """A network that pools the picture's red, and the picture."""
    pixels = np.zeros((*np.shape(numbers), 3), np.uint8)
    pixels[:, :, 0] = numbers
    small = SmallNetwork(*np.shape(numbers))
    made = small.pool(small.conv(0, RED), options.pop("size", (2, 2)), **options)
    return small.network(small.mean(made)), pixels


def test_two_by_two_windows_keep_the_largest_of_four_numbers() -> None:
    network, pixels = pooled([[1, 3, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    look = network.look(pixels)
    np.testing.assert_array_equal(feature_maps(look, 1)[:, :, 0], [[6, 8], [3, 4]])
    window = pool_window(look, 1, 1, 0, 0)
    assert (window.top, window.left, window.values.tolist(), window.result) == (2, 0, [[3, 2], [1, 2]], 3.0)
    assert window.agrees


def test_an_average_leaves_out_what_lies_beyond_the_border() -> None:
    network, pixels = pooled([[1, 3, 2], [5, 7, 8], [9, 2, 4]], kind="AVERAGE", padding="same")
    look = network.look(pixels)
    np.testing.assert_array_equal(feature_maps(look, 1)[:, :, 0], [[4, 5], [5.5, 4]])
    corner = pool_window(look, 1, 1, 1, 0)
    assert np.isnan(corner.values).tolist() == [[False, True], [True, True]]
    assert (corner.result, corner.agrees) == (4.0, True)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(3, 9), st.integers(3, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(["MAX", "AVERAGE"]),
    st.integers(0, 2**32 - 1),
)
def test_the_file_pools_what_lies_under_its_window(
    hw: Any, size: Any, stride: Any, padding: str, kind: str, seed: int
) -> None:
    numbers = np.random.default_rng(seed).integers(0, 256, hw)
    network, pixels = pooled(numbers, size=size, stride=stride, padding=padding, kind=kind)
    look = network.look(pixels)
    for y, x, channel in np.ndindex(*network.layers[1].output_shape):
        window = pool_window(look, 1, y, x, channel)
        assert window.agrees, window
        inside = window.values[~np.isnan(window.values)]
        top, left = max(window.top, 0), max(window.left, 0)
        bottom, right = window.top + size[0], window.left + size[1]
        assert sorted(inside.tolist()) == sorted(numbers[top:bottom, left:right].ravel().tolist())


def test_the_largest_of_an_int8_file_is_one_of_its_four_values(exported: ModelFile) -> None:
    network = Network(exported)
    look = network.look(np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    for layer in network.layers:
        if layer.kind == "max_pool":
            window = pool_window(look, layer, 3, 2, 5)
            assert window.file_value in window.values
            assert (window.agrees, window.tolerance) == (True, 0.0)


def test_what_does_not_pool_has_no_pooling_window(exported: ModelFile) -> None:
    look = Network(exported).look(np.zeros((96, 96, 3), np.uint8))
    with pytest.raises(ModelFileError, match="is no pooling"):
        pool_window(look, "conv1", 0, 0, 0)
