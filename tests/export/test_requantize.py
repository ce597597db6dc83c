"""New numbers in an int8 file whose structure stays."""

from pathlib import Path

import numpy as np
import pytest
from dequantized import dequantize
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data import load_pixels
from edgecnn.errors import ExportError, ModelIntegrityError
from edgecnn.export.quantize.layer_errors import layer_errors
from edgecnn.export.quantize.pairing import pair
from edgecnn.export.quantize.ranges import collect
from edgecnn.export.quantize.requantize import choose_codes, requantize
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph
from edgecnn.train.run_folder import RunFolder

CONTRACT = InputContract(width=48, height=48)
DTYPES = {"int8": np.int8, "int32": np.int32}


@pytest.fixture(scope="module")
def template(ladder_folder: Path) -> bytes:
    return (ladder_folder / "plain-int8.tflite").read_bytes()


@pytest.fixture(scope="module")
def float_model(ladder_folder: Path) -> bytes:
    return (ladder_folder / "plain-float.tflite").read_bytes()


def constants(model: bytes) -> list[NDArray[np.int64]]:
    graph = Graph.parse(model)
    quantized = [tensor for tensor in graph.tensors if tensor.scales and graph.is_constant(tensor)]
    return [graph.buffer(one.buffer).view(DTYPES[one.dtype]).astype(np.int64) for one in quantized]


def activation(model: bytes, name: str) -> tuple[float, int]:
    """Scale and zero point of the one int8 activation whose name ends so."""
    graph = Graph.parse(model)
    outputs = [graph.tensors[index] for operator in graph.operators for index in operator.outputs]
    (found,) = {(one.scales[0], one.zero_points[0]) for one in outputs if one.name.endswith(name)}
    return found


def activation_names(model: bytes) -> list[str]:
    graph = Graph.parse(model)
    return [graph.tensors[index].name for operator in graph.operators for index in operator.outputs]


def test_the_converters_own_numbers_come_out_again_but_for_ties_in_rounding(
    template: bytes, float_model: bytes
) -> None:
    again = requantize(template, float_model, {})
    before, after = Graph.parse(template), Graph.parse(again)
    assert len(again) == len(template)
    for mine, other in zip(before.tensors, after.tensors, strict=True):
        assert other.scales == pytest.approx(mine.scales, rel=1e-6)
        assert other.zero_points == mine.zero_points
    differences = np.concatenate([x - y for x, y in zip(constants(template), constants(again), strict=True)])
    assert np.mean(differences != 0) < 0.01
    assert np.abs(differences).max() <= 2


def test_ranges_from_minimum_to_maximum_repeat_those_of_the_converter(
    template: bytes, float_model: bytes, grey_shapes: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    """The template saw other pictures of the same kind; the input and the clamped layers must be equal."""
    ranges = collect(float_model, CONTRACT, grey_shapes[0]).minmax()
    before, after = Graph.parse(template), Graph.parse(requantize(template, float_model, ranges))
    clamped = [i for op in before.operators for i in op.outputs if "elu6" in before.tensors[i].name]
    assert len(clamped) == 8
    for index in (*before.inputs, *before.outputs):
        assert after.tensors[index].scales == before.tensors[index].scales
        assert after.tensors[index].zero_points == before.tensors[index].zero_points
    for index in clamped:
        assert after.tensors[index].scales[0] == pytest.approx(before.tensors[index].scales[0], rel=0.25)
        assert after.tensors[index].zero_points == (-128,)


def test_an_activation_gets_the_range_that_was_asked_for(template: bytes, float_model: bytes) -> None:
    name = activation_names(float_model)[2]
    scale, zero_point = activation(requantize(template, float_model, {name: (-2.0, 3.1)}), name)
    assert scale == pytest.approx(5.1 / 255)
    assert zero_point == -128 + round(2.0 / scale)


def test_an_activation_that_is_not_named_keeps_its_numbers(template: bytes, float_model: bytes) -> None:
    first, second = activation_names(float_model)[2:4]
    changed = requantize(template, float_model, {first: (-2.0, 3.1)})
    assert activation(changed, second) == activation(template, second)
    assert activation(changed, first) != activation(template, first)


@given(low=st.floats(-1e4, 1e4), width=st.floats(0, 1e4))
def test_zero_always_has_a_code_of_its_own_and_no_value_of_the_range_is_cut(low: float, width: float) -> None:
    codes = choose_codes(low, low + width)
    assert -128 <= codes.zero_point <= 127
    reach = codes.scale * (-128 - codes.zero_point), codes.scale * (127 - codes.zero_point)
    assert reach[0] <= min(low, 0.0) + 0.51 * codes.scale
    assert reach[1] >= max(low + width, 0.0) - 0.51 * codes.scale


def test_what_pools_reads_and_gives_keeps_one_common_scale(exported: ModelFile) -> None:
    float_model = dequantize(exported.model)
    names = [name for name in activation_names(float_model) if "conv1" in name]
    assert len(names) == 2
    changed = requantize(exported.model, float_model, {names[0]: (0.0, 40.0)})
    assert activation(changed, names[0]) == activation(changed, names[1])
    assert activation(changed, names[0])[0] == pytest.approx(40 / 255)


def test_the_input_and_a_softmax_never_change(exported: ModelFile) -> None:
    float_model = dequantize(exported.model)
    ranges = dict.fromkeys([*activation_names(float_model), Graph.parse(float_model).tensors[0].name], (-7.0, 7.0))
    graph = Graph.parse(requantize(exported.model, float_model, ranges))
    ends = [graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]]
    assert [(end.scales[0], end.zero_points[0]) for end in ends] == [(1 / 128, 128), (1 / 256, 0)]


def test_weights_are_symmetric_and_leave_the_lowest_code_out(template: bytes, float_model: bytes) -> None:
    graph = Graph.parse(requantize(template, float_model, {}))
    weights = [t for t in graph.tensors if t.dtype == "int8" and graph.is_constant(t)]
    assert len(weights) == 12
    for tensor in weights:
        assert graph.buffer(tensor.buffer).view(np.int8).min() >= -127
        assert set(tensor.zero_points) == {0}


def test_a_bias_over_weights_of_nothing_keeps_its_value_and_fits_in_32_bits(
    template: bytes, float_model: bytes
) -> None:
    float_graph = Graph.parse(float_model)
    _, weights, bias = float_graph.operators[0].inputs
    editor = Editor(float_model)
    filters = float_graph.buffer(float_graph.tensors[weights].buffer).view(np.float32).copy()
    filters.reshape(12, -1)[:2] = 0.0
    values = float_graph.buffer(float_graph.tensors[bias].buffer).view(np.float32).copy()
    values[:2] = 3.75, -4000.0
    editor.set_values(weights, filters)
    editor.set_values(bias, values)
    graph = Graph.parse(requantize(template, editor.finish(), {}))
    written = graph.tensors[graph.operators[1].inputs[2]]
    codes = graph.buffer(written.buffer).view(np.int32)
    assert codes[:2] * np.array(written.scales[:2]) == pytest.approx([3.75, -4000.0], rel=1e-6)


def test_files_of_two_networks_are_refused(template: bytes, exported: ModelFile) -> None:
    with pytest.raises(ExportError, match="15 operators that do not follow the 11 of the float model"):
        pair(Graph.parse(dequantize(exported.model)), Graph.parse(template))


def test_an_editor_takes_no_numbers_that_do_not_fit(template: bytes) -> None:
    editor = Editor(template)
    weights = Graph.parse(template).operators[1].inputs[1]
    with pytest.raises(ModelIntegrityError, match="3 numbers were given for the 324"):
        editor.set_values(weights, np.zeros(3, np.int8))
    with pytest.raises(ModelIntegrityError, match="1 numbers were given for the 12"):
        editor.set_quantization(weights, np.ones(1), [0])


def test_an_editor_does_not_let_two_tensors_overwrite_each_other(template: bytes) -> None:
    editor = Editor(template)
    weights = Graph.parse(template).operators[1].inputs[1]
    editor.set_values(weights, np.zeros(324, np.int8))
    with pytest.raises(ModelIntegrityError, match="shares its numbers"):
        editor.set_values(weights, np.ones(324, np.int8))


@pytest.mark.slow
def test_the_converters_file_is_repeated_from_the_pictures_that_it_saw(converted: Path, picture_folder: Path) -> None:
    run = RunFolder.open(converted / "run")
    pixels = load_pixels(picture_folder, run.splits.train, run.contract).pixels
    float_model, template = ((converted / f"tiny-{kind}.tflite").read_bytes() for kind in ("float", "int8"))
    again = requantize(template, float_model, collect(float_model, run.contract, pixels).minmax())
    for mine, other in zip(Graph.parse(template).tensors, Graph.parse(again).tensors, strict=True):
        assert other.scales == pytest.approx(mine.scales, rel=1e-5)
        assert other.zero_points == mine.zero_points
    differences = np.concatenate([x - y for x, y in zip(constants(template), constants(again), strict=True)])
    assert np.mean(differences != 0) < 0.01
    assert np.abs(differences).max() <= 2


@pytest.mark.slow
def test_a_network_of_many_kinds_of_layers_loses_no_more_than_the_converters_own_file(
    converted: Path, picture_folder: Path
) -> None:
    """The converter measures some ranges wrongly: after an operator that works in place has overwritten the values."""
    run = RunFolder.open(converted / "run")
    pixels = load_pixels(picture_folder, run.splits.train, run.contract).pixels
    float_model, template = ((converted / f"many-{kind}.tflite").read_bytes() for kind in ("float", "int8"))
    again = requantize(template, float_model, collect(float_model, run.contract, pixels).minmax())
    before, after = (layer_errors(float_model, one, run.contract, pixels[:20]) for one in (template, again))
    assert {error.kind for error in after} >= {"LOGISTIC", "TANH", "CONCATENATION", "ADD", "MUL", "PAD", "RESHAPE"}
    for mine, other in zip(before, after, strict=True):
        assert other.sqnr_db > mine.sqnr_db - 1.0
