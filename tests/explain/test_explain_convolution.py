from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate
from small_network import SmallNetwork

from edgecnn.errors import ModelFileError
from edgecnn.explain import Network, before_activation, feature_maps, window_sum, zero_share
from edgecnn.explain.arithmetic import convolve, convolve_each
from edgecnn.explain.window import sliding_window
from edgecnn.modelfile import ModelFile

LIMITS = {"": (-np.inf, np.inf), "relu": (0, np.inf), "relu6": (0, 6)}


def test_a_filter_on_four_by_four_numbers_gives_the_sums_done_by_hand() -> None:
    picture = np.arange(16.0).reshape(4, 4, 1)
    diagonal = np.array([[1.0, 0.0], [0.0, -1.0]]).reshape(1, 2, 2, 1)
    every_other = sliding_window((2, 2), (2, 2), (1, 1), "valid", ((4, 4), (2, 2)))
    np.testing.assert_array_equal(convolve(picture, diagonal, every_other, (2, 2))[:, :, 0], [[-5, -5], [-5, -5]])
    rows = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    # 0*1 + 1*2 + 4*3 + 5*4 = 34, and so on: the filter is not turned around
    np.testing.assert_array_equal(convolve(picture, rows, every_other, (2, 2))[:, :, 0], [[34, 54], [114, 134]])


@st.composite
def sliding(draw: Any) -> dict[str, Any]:
    """A random convolution: sizes, strides, dilations, padding and channels."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    taps, dilation = draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(st.tuples(*[st.integers(1, 2)] * 2))
    reach = [(size - 1) * apart + 1 for size, apart in zip(taps, dilation, strict=True)]
    return {
        "hw": tuple(draw(st.integers(long, long + 7)) for long in reach),
        "taps": taps,
        "dilation": dilation,
        # LiteRT's kernels take a stride or a dilation, not both
        "stride": draw(pair) if dilation == (1, 1) else (1, 1),
        "padding": draw(st.sampled_from(["same", "valid"])),
        "channels": draw(st.integers(1, 4)),
        "filters": draw(st.integers(1, 4)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def scipy_convolution(values: Any, filters: Any, case: dict[str, Any]) -> Any:
    """The same by SciPy: spread the taps, correlate everywhere, and take every so manieth sum."""
    reach = [(size - 1) * apart + 1 for size, apart in zip(case["taps"], case["dilation"], strict=True)]
    spread = np.zeros((len(filters), *reach, filters.shape[3]))
    spread[:, :: case["dilation"][0], :: case["dilation"][1]] = filters
    rim = [(0, 0)] * 2
    if case["padding"] == "same":
        for axis in (0, 1):
            side, step = values.shape[axis], case["stride"][axis]
            missing = max(0, (-(-side // step) - 1) * step + reach[axis] - side)
            rim[axis] = missing // 2, missing - missing // 2
    padded = np.pad(values.astype(np.float64), (*rim, (0, 0)))
    sums = [correlate(padded, one, mode="valid", method="direct")[:, :, 0] for one in spread]
    return np.stack(sums, axis=2)[:: case["stride"][0], :: case["stride"][1]]


@given(sliding())
def test_convolution_agrees_with_scipy_for_any_size_stride_padding_and_dilation(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    values = rng.normal(size=(*case["hw"], case["channels"]))
    filters = rng.normal(size=(case["filters"], *case["taps"], case["channels"]))
    wanted = scipy_convolution(values, filters, case)
    shapes = case["hw"], wanted.shape[:2]
    window = sliding_window(case["taps"], case["stride"], case["dilation"], case["padding"], shapes)
    np.testing.assert_allclose(convolve(values, filters, window, wanted.shape[:2]), wanted, atol=1e-9)


@given(sliding())
def test_a_depthwise_convolution_is_one_convolution_for_each_channel(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    values = rng.normal(size=(*case["hw"], case["channels"]))
    filters = rng.normal(size=(case["channels"] * case["filters"], *case["taps"], 1))
    each = [
        scipy_convolution(values[:, :, [index // case["filters"]]], filters[[index]], case)
        for index in range(len(filters))
    ]
    wanted = np.concatenate(each, axis=2)
    shapes = case["hw"], wanted.shape[:2]
    window = sliding_window(case["taps"], case["stride"], case["dilation"], case["padding"], shapes)
    np.testing.assert_allclose(convolve_each(values, filters, window, wanted.shape[:2]), wanted, atol=1e-9)


def small_float(case: dict[str, Any], **options: Any) -> Network:
    """Three channels to ``channels`` by a 1 x 1 convolution, then the random ones, plain and depthwise."""
    rng = np.random.default_rng(case["seed"])
    moves = {name: case[name] for name in ("stride", "dilation", "padding")}
    small = SmallNetwork(*case["hw"])
    first = small.conv(0, rng.normal(size=(case["channels"], 1, 1, 3)) / 256)
    shape = case["filters"], *case["taps"], case["channels"]
    plain = small.conv(first, rng.normal(size=shape), rng.normal(size=case["filters"]), **moves, **options)
    num_each = case["channels"] * case["filters"]
    each = rng.normal(size=(1, *case["taps"], num_each))
    by_depth = small.depthwise(first, each, rng.normal(size=num_each), **moves, **options)
    return small.network(small.mean(small.concatenate(plain, by_depth)))


@settings(max_examples=40)
@given(sliding(), st.sampled_from(["", "relu", "relu6"]))
def test_a_file_computes_what_its_own_weights_say(case: dict[str, Any], activation: str) -> None:
    network = small_float(case, activation=activation)
    pixels = np.random.default_rng(case["seed"]).integers(0, 256, (*case["hw"], 3), dtype=np.uint8)
    look = network.look(pixels)
    assert [layer.activation for layer in network.convolutions] == ["", activation, activation]
    for layer in network.convolutions:
        sums = np.clip(before_activation(look, layer), *LIMITS[layer.activation])
        np.testing.assert_allclose(feature_maps(look, layer), sums, atol=1e-4)
        rows, columns, channels = layer.output_shape
        for cell in ((0, 0, 0), (rows - 1, columns - 1, channels - 1), (rows // 2, columns // 2, channels // 2)):
            shown = window_sum(look, layer, *cell)
            assert shown.agrees, shown
            assert shown.total == pytest.approx(before_activation(look, layer)[cell], abs=1e-4)


@settings(max_examples=40)
@given(sliding(), st.sampled_from(["", "relu", "relu6"]))
def test_an_int8_file_computes_it_within_a_quantization_step(case: dict[str, Any], activation: str) -> None:
    rng = np.random.default_rng(case["seed"])
    small = SmallNetwork(*case["hw"], "int8", 1 / 128, 0)
    shape = case["filters"], *case["taps"], 3
    scales = rng.uniform(0.001, 0.02, case["filters"])
    weights = rng.uniform(-127, 127, shape) * scales[:, np.newaxis, np.newaxis, np.newaxis]
    moves = {name: case[name] for name in ("stride", "dilation", "padding")}
    made = small.conv(
        0, weights, rng.normal(size=case["filters"]), weight_scales=scales, output=(0.11, -7), activation=activation,
        **moves,
    )  # fmt: skip
    network = small.network(small.mean(made))
    look = network.look(rng.integers(0, 256, (*case["hw"], 3), dtype=np.uint8))
    layer = network.convolutions[0]
    for cell in np.ndindex(*layer.output_shape):
        shown = window_sum(look, layer, *cell)
        assert shown.agrees, shown
        assert shown.step == pytest.approx(0.11)
        assert abs(shown.clamped - shown.file_value) <= 0.51 * shown.step


def test_filters_of_groups_see_the_channels_of_their_group() -> None:
    rng, small = np.random.default_rng(0), SmallNetwork(6, 6)
    four = small.conv(0, rng.normal(size=(4, 1, 1, 3)) / 256)
    network = small.network(small.mean(small.conv(four, rng.normal(size=(6, 3, 3, 2)), rng.normal(size=6))))
    look = network.look(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    np.testing.assert_allclose(feature_maps(look, 1), before_activation(look, 1), atol=1e-5)
    for channel in range(6):
        shown = window_sum(look, 1, 2, 1, channel)
        assert shown.agrees
        seen = feature_maps(look, 0)[2:5, 1:4, 2 * (channel // 3) : 2 * (channel // 3) + 2]
        np.testing.assert_array_equal(shown.values, seen)


def test_a_dynamic_range_file_agrees_within_what_rounding_its_inputs_does() -> None:
    rng, small = np.random.default_rng(0), SmallNetwork(8, 8)
    weights = rng.normal(size=(8, 3, 3, 3))
    made = small.conv(0, weights, weight_scales=np.abs(weights).max(axis=(1, 2, 3)) / 127)
    network = small.network(small.mean(made))
    look = network.look(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    cells = [window_sum(look, 0, *cell) for cell in np.ndindex(*network.layers[0].output_shape)]
    assert all(cell.agrees for cell in cells)
    assert all(0 < cell.tolerance < 30 for cell in cells)  # sums reach several hundred


def test_the_window_in_the_corner_hangs_over_the_border(exported: ModelFile) -> None:
    network = Network(exported)
    look = network.look(np.full((96, 96, 3), 200, np.uint8))
    corner = window_sum(look, "conv1", 0, 0, 3)
    assert (corner.top, corner.left) == (-1, -1)
    assert corner.inside.tolist() == [[False] * 3, [False, True, True], [False, True, True]]
    assert not corner.values[0].any()
    assert corner.products.shape == (3, 3, 3)
    assert corner.agrees


def test_every_layer_of_an_export_computes_what_its_weights_say(exported: ModelFile) -> None:
    network = Network(exported)
    look = network.look(np.random.default_rng(2).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    for layer in network.convolutions:
        step = exported.graph.tensors[layer.output].scales[0]
        wanted = np.clip(before_activation(look, layer), 0.0, 255 * step)
        assert np.abs(feature_maps(look, layer) - wanted).max() <= 0.51 * step


def test_the_share_of_zeros_is_that_of_sums_below_zero() -> None:
    small = SmallNetwork(2, 2)
    first_minus_second = np.array([1.0, -1.0, 0.0]).reshape(1, 1, 1, 3)
    fused = small.conv(0, first_minus_second, activation="relu")
    apart = small.relu(small.conv(0, first_minus_second))
    network = small.network(small.mean(small.concatenate(fused, apart)))
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0], pixels[1, 1] = (9, 4, 0), (4, 9, 0)
    look = network.look(pixels)
    assert [float(zero_share(look, layer)[0]) for layer in network.layers[:3]] == [0.75, 0.0, 0.75]
    np.testing.assert_array_equal(before_activation(look, 0)[:, :, 0], [[5, 0], [0, -5]])


def test_what_is_no_convolution_has_no_window_of_products(exported: ModelFile) -> None:
    look = Network(exported).look(np.zeros((96, 96, 3), np.uint8))
    with pytest.raises(ModelFileError, match="is no convolution"):
        window_sum(look, "conv1_pool", 0, 0, 0)
    with pytest.raises(ValueError, match="no \\(96, 0, 0\\)"):
        window_sum(look, "conv1", 96, 0, 0)
