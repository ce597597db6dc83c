"""Channels made alike across layers, and biases that carry what rounding shifts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.quantize.bias_correction import correct_biases, correct_float_biases, mean_inputs
from edgecnn.export.quantize.equalization import channel_peaks, equalize
from edgecnn.export.quantize.links import Link, find_links
from edgecnn.export.quantize.ranges import collect
from edgecnn.export.quantize.requantize import requantize
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph

CONTRACT = InputContract(width=48, height=48)
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module", params=["plain", "hostile"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def float_model(ladder_folder: Path, name: str) -> bytes:
    return (ladder_folder / f"{name}-float.tflite").read_bytes()


@pytest.fixture(scope="module")
def template(ladder_folder: Path, name: str) -> bytes:
    return (ladder_folder / f"{name}-int8.tflite").read_bytes()


@pytest.fixture(scope="module")
def pixels(grey_shapes: tuple[Pixels, NDArray[np.int64]]) -> Pixels:
    return grey_shapes[0][:40]


def outputs(model: bytes, pixels: Pixels, index: int) -> Iterator[NDArray[np.float32]]:
    inner = Inner(model, CONTRACT)
    for picture in pixels:
        inner.run(picture)
        yield inner.read(index)


def bottlenecks(graph: Graph) -> list[Link]:
    return [link for link in find_links(graph) if not link.clamps]


def unevenness(model: bytes, pixels: Pixels, link: Link) -> float:
    """The widest channel of a tensor over the one in the middle."""
    peaks = channel_peaks(model, CONTRACT, pixels)[link.tensors[0]]
    return float(peaks.max() / np.median(peaks))


def test_equalized_floats_are_the_same_network(float_model: bytes, pixels: Pixels) -> None:
    equal = equalize(float_model, channel_peaks(float_model, CONTRACT, pixels), 0.5)
    assert equal != float_model
    scores = Graph.parse(float_model).outputs[0]
    before, after = (np.array(list(outputs(model, pixels, scores))) for model in (float_model, equal))
    np.testing.assert_allclose(after, before, atol=2e-5)


def test_every_inner_value_is_the_old_one_over_its_channels_factor(float_model: bytes, pixels: Pixels) -> None:
    equal = equalize(float_model, channel_peaks(float_model, CONTRACT, pixels), 0.5)
    for link in bottlenecks(Graph.parse(float_model)):
        peaks = [channel_peaks(model, CONTRACT, pixels)[link.tensors[0]] for model in (float_model, equal)]
        factors = peaks[0] / peaks[1]
        for tensor in link.tensors:
            before, after = (next(outputs(model, pixels, tensor)) for model in (float_model, equal))
            np.testing.assert_allclose(after * factors, before, rtol=1e-3, atol=1e-4 * np.abs(before).max())


def test_channels_become_more_alike(ladder_folder: Path, pixels: Pixels) -> None:
    hostile = (ladder_folder / "hostile-float.tflite").read_bytes()
    equal = equalize(hostile, channel_peaks(hostile, CONTRACT, pixels), 0.5)
    for link in bottlenecks(Graph.parse(hostile)):
        assert unevenness(hostile, pixels, link) > 5
        assert unevenness(equal, pixels, link) < 0.5 * unevenness(hostile, pixels, link)


def test_full_strength_makes_all_channels_equal(ladder_folder: Path, pixels: Pixels) -> None:
    hostile = (ladder_folder / "hostile-float.tflite").read_bytes()
    equal = equalize(hostile, channel_peaks(hostile, CONTRACT, pixels), 1.0)
    link = bottlenecks(Graph.parse(hostile))[-1]
    peaks = channel_peaks(equal, CONTRACT, pixels)[link.tensors[0]]
    np.testing.assert_allclose(peaks, peaks.max(), rtol=1e-3)


def test_channels_that_a_residual_addition_ties_share_their_factors(float_model: bytes) -> None:
    graph = Graph.parse(float_model)
    (addition,) = [operator for operator in graph.operators if operator.name == "ADD"]
    (tied,) = [link for link in find_links(graph) if addition.outputs[0] in link.tensors]
    assert set(tied.tensors) == {*addition.inputs, *addition.outputs}
    assert (len(tied.producers), len(tied.consumers)) == (2, 2)


def test_the_input_and_the_scores_are_no_channels_to_scale(float_model: bytes) -> None:
    graph = Graph.parse(float_model)
    scaled = {tensor for link in find_links(graph) for tensor in link.tensors}
    logits, scores = (operator.outputs[0] for operator in graph.operators[-2:])
    assert not scaled & {*graph.inputs, logits, scores}


def test_no_channel_is_pushed_against_a_clamp(float_model: bytes, pixels: Pixels) -> None:
    peaks = channel_peaks(float_model, CONTRACT, pixels)
    after = channel_peaks(equalize(float_model, peaks, 0.5), CONTRACT, pixels)
    clamps = [clamp for link in find_links(Graph.parse(float_model)) for clamp in link.clamps]
    assert len(clamps) == 8
    for tensor, clamp in clamps:
        grown = after[tensor] > peaks[tensor] * 1.001
        assert np.all(after[tensor][grown] <= clamp / 4 + 1e-3)
        np.testing.assert_allclose(after[tensor][~grown], peaks[tensor][~grown], rtol=2e-3)


def test_corrected_biases_take_the_shift_of_rounded_weights_out_of_the_answers(
    float_model: bytes, template: bytes, pixels: Pixels
) -> None:
    """Held against what each layer would give for the float model's own mean input: the shift must be gone."""
    plain = requantize(template, float_model, collect(float_model, CONTRACT, pixels).minmax())
    means = mean_inputs(float_model, CONTRACT, pixels)
    corrected = correct_biases(plain, float_model, means)
    assert len(corrected) == len(plain)
    graph, float_graph = Graph.parse(plain), Graph.parse(float_model)
    changed = Graph.parse(corrected)
    operator, float_operator = graph.operators[-3], float_graph.operators[-2]
    assert operator.name == float_operator.name == "FULLY_CONNECTED"
    weights = graph.tensors[operator.inputs[1]]
    codes = graph.buffer(weights.buffer).view(np.int8).reshape(weights.shape)
    exact = float_graph.buffer(float_graph.tensors[float_operator.inputs[1]].buffer).view(np.float32)
    shift = (exact.reshape(weights.shape) - codes * weights.scales[0]) @ means[len(float_graph.operators) - 2][0]
    bias = graph.tensors[operator.inputs[2]]
    before, after = (one.buffer(bias.buffer).view(np.int32).astype(np.int64) for one in (graph, changed))
    np.testing.assert_allclose((after - before) * bias.scales[0], shift, atol=2 * bias.scales[0])


def without_activation_functions(model: bytes) -> bytes:
    changed = bytearray(model)
    for operator in Graph.parse(model).operators:
        field = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 4}.get(operator.name)
        at = operator.options.position_of(field) if field and operator.options else None
        if at is not None:
            changed[at] = 0
    return bytes(changed)


def test_the_mean_input_of_strided_and_padded_layers_tells_their_exact_mean_output(
    ladder_folder: Path, pixels: Pixels
) -> None:
    """Where all weights are lost to rounding, each bias must become the mean output that the runtime computes."""
    linear = without_activation_functions((ladder_folder / "plain-float.tflite").read_bytes())
    template = (ladder_folder / "plain-int8.tflite").read_bytes()
    editor, graph = Editor(template), Graph.parse(template)
    for operator in graph.operators:
        if operator.name in LAYERS:
            editor.set_values(operator.inputs[1], np.zeros(graph.tensors[operator.inputs[1]].shape, np.int8))
    corrected = Graph.parse(correct_float_biases(editor.finish(), linear, mean_inputs(linear, CONTRACT, pixels)))
    layers = [operator for operator in corrected.operators if operator.name in LAYERS]
    assert len(layers) == 12
    for operator in layers:
        means = np.array(list(outputs(linear, pixels, operator.outputs[0])), np.float64)
        means = means.reshape(-1, means.shape[-1]).mean(axis=0)
        bias = corrected.buffer(corrected.tensors[operator.inputs[2]].buffer).view(np.float32)
        np.testing.assert_allclose(bias, means, rtol=1e-4, atol=1e-4 * np.abs(means).max())
