import shutil
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from small_network import SmallNetwork

from edgecnn.core.quantization import QuantParams, dequantize
from edgecnn.errors import BackendUnavailableError, ModelFileError
from edgecnn.explain import Network, clamp_of, filters
from edgecnn.explain.names import LayerPath, short_names
from edgecnn.explain.tensors import to_real
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Tensor
from edgecnn.testing.fake_edgetpu import fake_compiled


@pytest.fixture(scope="module")
def network(exported: ModelFile) -> Network:
    return Network(exported)


def test_an_export_is_the_layers_that_keras_had(network: Network) -> None:
    names = [layer.name for layer in network.layers if layer.kind not in ("conversion", "softmax")]
    blocks = [name for number in (1, 2, 3, 4) for name in (f"conv{number}", f"conv{number}_pool")]
    assert names == [*blocks, "avg_pool", "logits"]
    first = network.layer("conv1")
    assert (first.kind, first.input_shape, first.output_shape) == ("convolution", (96, 96, 3), (96, 96, 24))
    assert set(first.keras_names) == {"conv1", "conv1_bn", "conv1_relu"}
    assert (first.activation, first.is_fused) == ("relu", True)


def test_every_layer_reads_what_an_earlier_one_made(network: Network) -> None:
    for layer in network.layers:
        assert layer.sources == (layer.index - 1,)


def test_the_scores_are_those_of_the_file_that_runs(network: Network, exported: ModelFile) -> None:
    from edgecnn.runtime.classifier import Classifier

    pixels = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(network.scores(pixels), Classifier(exported).scores(pixels))


def test_an_older_look_still_gives_its_own_picture(network: Network) -> None:
    dark, light = (network.look(np.full((96, 96, 3), value, np.uint8)) for value in (20, 220))
    before = light.values("conv1")
    after_dark = dark.values("conv1")
    np.testing.assert_array_equal(light.values("conv1"), before)
    assert not np.array_equal(after_dark, before)


def test_a_picture_of_another_size_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="expected uint8 of"):
        network.look(np.zeros((95, 96, 3), np.uint8))


def test_a_layer_that_is_not_there_is_answered_with_those_that_are(network: Network) -> None:
    with pytest.raises(ModelFileError, match=r"no layer 'conv9'; it has .*conv1, conv1_pool"):
        network.layer("conv9")


def test_a_network_without_convolution_is_refused_in_one_sentence() -> None:
    small = SmallNetwork(4, 4)
    file = small.file(small.softmax(small.dense(small.flatten(0), np.ones((2, 48)))))
    with pytest.raises(ModelFileError, match="the network has no convolution"):
        Network(file)


def test_a_convolution_whose_filters_have_too_few_axes_is_a_box() -> None:
    small = SmallNetwork(4, 4)
    made = small.conv(0, np.ones((2, 1, 1, 3)))
    small.shrink_last_weights()
    with pytest.raises(ModelFileError, match="the network has no convolution"):
        small.network(small.mean(made))


def test_a_compiled_file_is_refused_and_the_plain_one_offered(compiled_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"its inside cannot be seen.*shapes\.tflite, which lies beside it"):
        Network.open(compiled_file)
    alone = tmp_path / "alone_edgetpu.tflite"
    shutil.copyfile(compiled_file, alone)
    with pytest.raises(ModelFileError, match=r"its inside cannot be seen.*compiled from: alone\.tflite$"):
        Network.open(alone)


def test_a_compiled_file_from_elsewhere_is_refused_too(bare_model: bytes, tmp_path: Path, labels_file: Path) -> None:
    path = tmp_path / "network_edgetpu.tflite"
    path.write_bytes(fake_compiled(bare_model))
    with pytest.raises(ModelFileError, match="its inside cannot be seen"):
        Network.open(path, labels_path=labels_file)


def test_a_foreign_file_shows_its_inside(foreign_file: Path, labels_file: Path, network: Network) -> None:
    foreign = Network.open(foreign_file, labels_path=labels_file)
    assert [layer.kind for layer in foreign.layers] == [layer.kind for layer in network.layers]
    np.testing.assert_array_equal(filters(foreign, "conv2"), filters(network, "conv2"))


def test_an_operator_that_is_not_looked_into_is_a_box() -> None:
    small = SmallNetwork(4, 4)
    options = schema.SpaceToDepthOptionsT()
    options.blockSize = 2
    folded = small.other(0, "SPACE_TO_DEPTH", (1, 2, 2, 12), options, "SpaceToDepthOptions")
    network = small.network(small.mean(small.conv(folded, np.ones((2, 1, 1, 12)))))
    assert (network.layers[0].operator, network.layers[0].kind) == ("SPACE_TO_DEPTH", "other")
    assert network.look(np.ones((4, 4, 3), np.uint8)).values(0).shape == (2, 2, 12)


def test_an_operator_that_nobody_knows_is_a_box_and_cannot_run() -> None:
    small = SmallNetwork(4, 4)
    strange = small.other(0, "CUSTOM Swirl", (1, 4, 4, 3))
    network = small.network(small.mean(small.conv(strange, np.ones((2, 1, 1, 3)))))
    assert (network.layers[0].operator, network.layers[0].kind) == ("CUSTOM Swirl", "other")
    assert filters(network, network.convolutions[0]).shape == (2, 1, 1, 3)
    with pytest.raises(BackendUnavailableError, match="cannot run this model"):
        network.look(np.ones((4, 4, 3), np.uint8))


def test_float16_weights_are_read_through_their_unpacking() -> None:
    small, weights = SmallNetwork(4, 4), np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float16)
    network = small.network(small.mean(small.conv(0, weights, half=True)))
    assert [layer.operator for layer in network.layers] == ["CONV_2D", "MEAN"]
    np.testing.assert_array_equal(filters(network, 0), weights.astype(np.float32))


def test_integer_weights_are_read_by_the_scale_of_their_own_channel() -> None:
    small = SmallNetwork(4, 4, "int8", 1.0, -128)
    weights = np.zeros((2, 1, 1, 3))
    weights[0], weights[1] = 0.5, 40.0
    made = small.conv(0, weights, weight_scales=[0.01, 0.5], output=(1.0, 0))
    network = small.network(small.mean(made))
    np.testing.assert_allclose(filters(network, 0), weights, atol=1e-6)


def test_depthwise_weights_are_read_by_the_scale_of_their_own_channel() -> None:
    small = SmallNetwork(4, 4, "int8", 1.0, -128)
    weights = np.zeros((1, 2, 2, 3))
    weights[..., 0], weights[..., 1], weights[..., 2] = 0.5, 40.0, -3.0
    made = small.depthwise(0, weights, weight_scales=[0.01, 0.5, 0.03], output=(4.0, 0))
    network = small.network(small.mean(made))
    np.testing.assert_allclose(filters(network, 0)[:, :, :, 0], weights[0].transpose(2, 0, 1), atol=1e-6)


def test_a_file_made_for_batches_of_any_number_takes_one_picture_at_a_time() -> None:
    weights, scores = np.random.default_rng(0).normal(size=(2, 3, 3, 3)), []
    for batch in (0, 4):
        small = SmallNetwork(5, 5)
        file = small.file(small.mean(small.conv(0, weights)), batch=batch)
        network = Network(file)
        assert network.layers[0].output_shape == (3, 3, 2)
        scores.append(network.scores(np.arange(75, dtype=np.uint8).reshape(5, 5, 3)))
    np.testing.assert_array_equal(*scores)


def test_layers_of_one_name_are_told_apart() -> None:
    small = SmallNetwork(4, 4)
    first = small.conv(0, np.ones((3, 1, 1, 3)), name="net/same/convolution")
    second = small.conv(first, np.ones((3, 1, 1, 3)), name="net/same/convolution")
    assert [layer.name for layer in small.network(small.mean(second)).layers][:2] == ["same", "same 2"]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_codes_are_read_as_the_definition_of_quantization_says(dtype: str) -> None:
    limits = np.iinfo(dtype)
    codes = np.linspace(limits.min, limits.max, 1001).astype(dtype)
    zero = 0 if dtype == "int32" else int(limits.min) + 3
    params = QuantParams(scale=float(np.float32(0.0123)), zero_point=zero, dtype=dtype)  # type: ignore[arg-type]
    tensor = Tensor("values", codes.shape, dtype, 0, (params.scale,), (zero,), 0, False)
    np.testing.assert_array_equal(to_real(codes, tensor), dequantize(codes, params))


def test_names_lose_what_they_have_in_common_and_the_converter_s_number() -> None:
    paths = [LayerPath(path.split("/")) for path in ("net/stem_1", "net/stem_1_2", "net/block/mul_1", "net")]
    assert list(short_names(paths[:3]).values()) == ["stem", "stem_1", "block/mul"]
    assert list(short_names(paths).values()) == ["stem_1", "stem_1_2", "block/mul_1", "net"]
    assert list(short_names([LayerPath(("conv_1",)), LayerPath(("conv_2",))]).values()) == ["conv_1", "conv_2"]


def test_a_step_that_reckons_with_sizes_is_no_layer() -> None:
    small = SmallNetwork(4, 4)
    pooled = small.pool(small.conv(0, np.ones((3, 1, 1, 3))), (4, 4), kind="AVERAGE")
    sizes = small.other(pooled, "SHAPE", (4,), schema.ShapeOptionsT(), "ShapeOptions", dtype="int32")
    network = small.network(small.reshape(pooled, sizes, (1, 1, 1, 3)))
    assert [layer.operator for layer in network.layers] == ["CONV_2D", "AVERAGE_POOL_2D", "RESHAPE"]
    assert network.layers[2].sources == (1,)


def test_the_clamp_of_an_int8_relu_is_the_range_of_its_codes(network: Network) -> None:
    clamp = clamp_of(network, "conv1")
    assert (clamp.low, clamp.low_code, clamp.low_by_range) == (0.0, -128, True)
    assert (clamp.high_code, clamp.high_by_range) == (127, True)


def test_a_clamp_inside_the_range_of_the_codes_is_not_made_by_it() -> None:
    small = SmallNetwork(4, 4, "int8", 1.0, -128)
    made = small.conv(0, np.ones((1, 1, 1, 3)), weight_scales=[0.01], output=(0.1, -28), activation="relu6")
    clamp = clamp_of(small.network(small.mean(made)), 0)
    assert (clamp.low_code, clamp.high_code) == (-28, 32)
    assert (clamp.low_by_range, clamp.high_by_range) == (False, False)
    assert clamp.high == pytest.approx(6.0)


def test_a_float_layer_is_cut_off_by_its_activation_alone() -> None:
    small = SmallNetwork(4, 4)
    network = small.network(small.mean(small.conv(0, np.ones((1, 1, 1, 3)), activation="relu6")))
    clamp = clamp_of(network, 0)
    assert (clamp.low, clamp.high, clamp.low_code) == (0.0, 6.0, None)
