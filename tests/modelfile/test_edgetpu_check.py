"""The Edge TPU checker, against its own rules, against Keras's layers, and against what Google compiled."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.archive import split_files
from edgecnn.modelfile.edgetpu import EdgeTpuReport, check_graph, check_model, describe_report, read_compiled
from edgecnn.modelfile.edgetpu.partition import first_part
from edgecnn.modelfile.edgetpu.versions import is_certain, is_possible
from edgecnn.modelfile.edgetpu.words import (
    DATA_TYPE,
    LIMITED,
    MAPPED,
    MORE_SUBGRAPHS,
    NOT_CONSTANT,
    NOT_SUPPORTED,
    RANK,
)
from edgecnn.modelfile.graph import Graph

INT8, UINT8, INT32, FLOAT = (schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT32, 0)
_NUMPY = {INT8: np.int8, UINT8: np.uint8, INT32: np.int32, FLOAT: np.float32}


class Value(NamedTuple):
    """A tensor of a network made for a test; with ``data`` it is a constant."""

    shape: tuple[int, ...]
    kind: int = INT8
    data: Any = None
    scales: int = 1


class Step(NamedTuple):
    """An operator of it: inputs and outputs are places in the list of values."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1
    options: Any = None


def network(values: list[Value], steps: list[Step], inputs: tuple[int, ...] = (0,)) -> bytes:
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version = 3
    model.buffers, model.operatorCodes = [schema.BufferT()], []
    graph.tensors, graph.operators = [], []
    for place, value in enumerate(values):
        graph.tensors.append(_tensor(model, f"t{place}", value))
    for step in steps:
        graph.operators.append(_operator(model, step))
    graph.inputs, graph.outputs = list(inputs), list(steps[-1].outputs) if steps else [0]
    model.subgraphs = [graph]
    return _pack(model)


def _tensor(model: Any, name: str, value: Value) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.type = name, value.kind
    tensor.shape = [abs(size) for size in value.shape]
    if min(value.shape, default=1) < 0:
        tensor.shapeSignature = list(value.shape)
    tensor.quantization = schema.QuantizationParametersT()
    if value.kind in (INT8, UINT8):
        tensor.quantization.scale = np.full(value.scales, 0.1, np.float32)
        tensor.quantization.zeroPoint = np.zeros(value.scales, np.int64)
    if value.data is not None:
        buffer = schema.BufferT()
        data = np.broadcast_to(np.asarray(value.data, _NUMPY[value.kind]), value.shape)
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    return tensor


def _operator(model: Any, step: Step) -> Any:
    code = schema.OperatorCodeT()
    if step.name.startswith("CUSTOM "):
        code.customCode, number = step.name.removeprefix("CUSTOM "), schema.BuiltinOperator.CUSTOM
    else:
        number = getattr(schema.BuiltinOperator, step.name)
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), step.version
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = list(step.inputs), list(step.outputs)
    if step.options is not None:
        operator.builtinOptions = step.options
        kind = type(step.options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    return operator


def _pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def options(kind: str, **fields: Any) -> Any:
    made = getattr(schema, f"{kind}OptionsT")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


IMAGE, FLAT = Value((1, 8, 8, 16)), Value((1, 16))
AXES_XY, AXES_Z, AXES_BATCH = Value((2,), INT32, [1, 2]), Value((1,), INT32, [3]), Value((1,), INT32, [0])
CONV = options("Conv2D", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
BIAS = Value((16,), INT32, 0)
FILTER = Value((16, 3, 3, 16), data=1)
ONES = Value((4,), INT32, 1)
SHUFFLED = options("FullyConnected", weightsFormat=1)
DILATED = options("DepthwiseConv2D", dilationWFactor=2, dilationHFactor=2)


def judge(values: list[Value], step: Step, runtime_version: int = 14) -> str:
    return check_model(network(values, [step]), runtime_version=runtime_version).operators[0].status


def unary(name: str, value: Value = IMAGE, **more: Any) -> tuple[list[Value], Step]:
    return [value, value], Step(name, (0,), (1,), **more)


def binary(name: str, second: Value, out: Value = IMAGE, first: Value = IMAGE, **more: Any) -> tuple[list[Value], Step]:
    return [first, second, out], Step(name, (0, 1), (2,), **more)


def conv(name: str = "CONV_2D", weights: Value = FILTER, made: Any = CONV, image: Value = IMAGE) -> Any:
    return [image, weights, BIAS, image], Step(name, (0, 1, 2), (3,), options=made)


@pytest.mark.parametrize(
    ("case", "status"),
    [
        (conv(), MAPPED),
        (conv(weights=Value((16, 3, 3, 16))), NOT_CONSTANT),
        (conv(weights=Value((16, 3, 3, 4), data=1)), LIMITED),
        (conv(made=options("Conv2D", dilationWFactor=2, dilationHFactor=1)), LIMITED),
        (conv(made=options("Conv2D", dilationWFactor=2, dilationHFactor=2)), MAPPED),
        (conv(image=Value((1, 8, 8, 16), FLOAT)), DATA_TYPE),
        (conv(image=Value((2, 8, 8, 16))), RANK),
        (conv(image=Value((1, 8, 8, 16), schema.TensorType.INT16)), DATA_TYPE),
        (conv("DEPTHWISE_CONV_2D", Value((1, 3, 3, 16), data=1), options("DepthwiseConv2D")), MAPPED),
        (unary("LOGISTIC"), MAPPED),
        (unary("LEAKY_RELU"), NOT_SUPPORTED),
        (unary("HARD_SWISH"), NOT_SUPPORTED),
        (unary("ELU"), NOT_SUPPORTED),
        (unary("SOFTMAX", FLAT), MAPPED),
        (unary("SOFTMAX", Value((1, 16_001))), LIMITED),
        (unary("SOFTMAX", Value((1, 4, 4))), LIMITED),
        (unary("MAX_POOL_2D", options=options("Pool2D", strideW=2, strideH=2)), MAPPED),
        (unary("MAX_POOL_2D", options=options("Pool2D", fusedActivationFunction=1)), LIMITED),
        (unary("ADD", Value((1, 2, 3, 4, 5))), RANK),
        (unary("ADD", Value((1, 1, 3, 4, 5))), MAPPED),
        (unary("QUANTIZE", UINT8_IMAGE := Value((1, 8, 8, 16), UINT8)), MAPPED),
        (([Value((1, 8), FLOAT), Value((1, 8))], Step("QUANTIZE", (0,), (1,))), LIMITED),
        (([Value((1, 8)), Value((1, 8), FLOAT)], Step("DEQUANTIZE", (0,), (1,))), DATA_TYPE),
        (binary("MEAN", AXES_XY, Value((1, 16))), MAPPED),
        (binary("MEAN", AXES_Z, Value((1, 8, 8))), MAPPED),
        (binary("MEAN", AXES_Z, Value((1, 8, 8)), Value((1, 8, 8, 6))), LIMITED),
        (binary("MEAN", AXES_BATCH), LIMITED),
        (binary("SUM", AXES_BATCH), LIMITED),
        (binary("REDUCE_MAX", AXES_XY, Value((1, 16))), MAPPED),
        (binary("PAD", Value((4, 2), INT32, [[0, 0], [1, 1], [1, 1], [0, 0]])), MAPPED),
        (binary("PAD", Value((4, 2), INT32, [[1, 0], [1, 1], [1, 1], [0, 0]])), LIMITED),
        (binary("PRELU", Value((1, 1, 16), data=1)), MAPPED),
        (binary("PRELU", Value((8, 8, 16), data=1)), LIMITED),
        (binary("FULLY_CONNECTED", Value((16, 16), data=1), FLAT, FLAT), MAPPED),
        (binary("FULLY_CONNECTED", Value((16, 16), data=1), Value((4, 16)), Value((4, 16))), LIMITED),
        (binary("FULLY_CONNECTED", Value((16, 16), data=1), FLAT, FLAT, options=SHUFFLED), LIMITED),
        (binary("CONCATENATION", IMAGE, Value((1, 8, 8, 32)), options=options("Concatenation", axis=3)), MAPPED),
        (binary("CONCATENATION", Value((1, 8, 8, 16), data=0), Value((1, 8, 8, 32))), MAPPED),
        (binary("CONCATENATION", Value((1, 8, 8, 16), data=1), Value((1, 8, 8, 32))), LIMITED),
        (binary("CONCATENATION", IMAGE, options=options("Concatenation", fusedActivationFunction=1)), LIMITED),
        (binary("PACK", IMAGE, options=options("Pack", axis=0)), LIMITED),
        (binary("TRANSPOSE", Value((4,), INT32, [0, 2, 1, 3])), MAPPED),
        (binary("TILE", Value((4,), INT32, [1, 2, 2, 1])), NOT_SUPPORTED),
        (([Value((), INT32, 0), IMAGE, IMAGE], Step("SPLIT", (0, 1), (2,))), LIMITED),
        (([Value((), INT32, 3), IMAGE, IMAGE], Step("SPLIT", (0, 1), (2,))), MAPPED),
        (([IMAGE, ONES, ONES, ONES, IMAGE], Step("STRIDED_SLICE", (0, 1, 2, 3), (4,))), MAPPED),
        (([IMAGE, ONES, ONES, Value((4,), INT32, 2), IMAGE], Step("STRIDED_SLICE", (0, 1, 2, 3), (4,))), LIMITED),
    ],
)  # fmt: skip
def test_each_limit_of_the_edge_tpu_is_known(case: tuple[list[Value], Step], status: str) -> None:
    assert judge(*case) == status


@pytest.mark.parametrize(
    ("case", "needed"),
    [
        (conv(), 12),  # int8; a network in uint8 needs nothing newer
        (unary("ADD", UINT8_IMAGE), 10),
        (unary("QUANTIZE", UINT8_IMAGE), 13),
        (unary("RSQRT", UINT8_IMAGE), 14),
        (binary("MEAN", AXES_Z, Value((1, 8, 8), UINT8), UINT8_IMAGE), 13),
        (conv("DEPTHWISE_CONV_2D", Value((1, 3, 3, 16), data=1), DILATED), 13),
        (([Value((1, 4, 1, 8), UINT8), Value((1, 4, 8), UINT8)], Step("SQUEEZE", (0,), (1,))), 13),
        (([Value((1, 1, 1, 8), UINT8), Value((1, 8), UINT8)], Step("SQUEEZE", (0,), (1,))), 10),
    ],
)  # fmt: skip
def test_an_older_runtime_maps_less(case: tuple[list[Value], Step], needed: int) -> None:
    mapped = [judge(*case, runtime_version) == MAPPED for runtime_version in range(10, 15)]
    assert mapped == [runtime_version >= needed for runtime_version in range(10, 15)]


def refusals(model: bytes) -> str:
    return " | ".join(
        f"{refusal.text}: {refusal.why}; {refusal.replacement}" for refusal in check_model(model).refusals
    )


def test_what_the_compiler_cannot_read_refuses_the_whole_model() -> None:
    report = check_model(network([IMAGE, IMAGE, IMAGE], [Step("LOGISTIC", (0,), (1,)), Step("GELU", (1,), (2,), 2)]))
    assert report.mapped == 0
    assert report.refusals[0].text.startswith("Op builtin_code out of range: 150")
    assert report.refusals[0].position == 1
    assert "ReLU6" in report.refusals[0].replacement
    assert "'EXP' version '2'" in refusals(network(*_single(unary("EXP", version=2))))
    assert "unresolved custom op: FlexErf: FlexErf" in refusals(network(*_single(unary("CUSTOM FlexErf"))))
    assert "compiled already" in refusals(network(*_single(unary("CUSTOM edgetpu-custom-op"))))
    assert refusals(network(*_single(unary("LOGISTIC")))) == ""


def _single(case: tuple[list[Value], Step]) -> tuple[list[Value], list[Step]]:
    return case[0], [case[1]]


def test_a_custom_operator_that_the_compiler_knows_stays_on_the_cpu() -> None:
    steps = [Step("LOGISTIC", (0,), (1,)), Step("CUSTOM TFLite_Detection_PostProcess", (1,), (2,))]
    report = check_model(network([IMAGE, IMAGE, Value((1, 8), FLOAT)], steps))
    assert (report.mapped, report.refusals) == (1, ())
    last = report.operators[1]
    assert (last.operator, last.status) == ("CUSTOM", DATA_TYPE)
    assert last.why == "the Edge TPU does not have TFLite_Detection_PostProcess"


def test_only_the_grouped_convolution_is_blamed_for_the_version_that_all_have() -> None:
    steps = [Step("CONV_2D", (0, 1, 3), (4,), 6, CONV), Step("CONV_2D", (4, 2, 3), (5,), 6, CONV)]
    values = [IMAGE, FILTER, Value((16, 3, 3, 4), data=1), BIAS, IMAGE, IMAGE]
    found = check_model(network(values, steps)).refusals
    assert [refusal.position for refusal in found] == [1]
    assert "grouped" in found[0].why
    assert "DepthwiseConv2D" in found[0].replacement


def test_open_sizes_and_floats_and_control_flow_are_refused() -> None:
    shape = Value((2,), INT32)
    assert "dynamic-sized tensors" in refusals(network([IMAGE, shape, FLAT], [Step("RESHAPE", (0, 1), (2,))], (0, 1)))
    assert "open size" in refusals(network([Value((1, -1, 8, 16)), IMAGE], [Step("LOGISTIC", (0,), (1,))]))
    real = Value((1, 8), FLOAT)
    assert "Model not quantized" in refusals(network([real, real], [Step("LOGISTIC", (0,), (1,))]))
    dynamic = [real, Value((8, 8), data=1), real]
    assert "Model not quantized" in refusals(network(dynamic, [Step("FULLY_CONNECTED", (0, 1), (2,))]))
    two = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(network(*_single(unary("LOGISTIC"))), 0))
    two.subgraphs.append(two.subgraphs[0])
    assert "2 graphs" in refusals(_pack(two))


def test_an_open_batch_is_a_warning_only() -> None:
    report = check_model(network([Value((-1, 8, 8, 16))] * 2, [Step("LOGISTIC", (0,), (1,))]))
    assert (report.mapped, report.refusals) == (1, ())
    assert "the batch is open" in report.warnings[0]


def test_weights_outside_of_the_flatbuffer_are_seen(bare_model: bytes) -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bare_model, 0))
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.CONV_2D:
            buffer = model.buffers[model.subgraphs[0].tensors[operator.inputs[1]].buffer]
            buffer.offset, buffer.size, buffer.data = 4096, len(buffer.data), None
    report = check_model(_pack(model))
    assert [check.status for check in report.operators if check.operator == "CONV_2D"] == [NOT_CONSTANT] * 4
    assert {refusal.text for refusal in report.refusals} == {NOT_CONSTANT}


def test_what_comes_after_an_operator_that_is_not_mapped_stays_on_the_cpu() -> None:
    #   0 -LOGISTIC-> 1 -LEAKY_RELU-> 2 -TANH-> 3;  1 -RELU-> 4;  3 + 4 -> 5
    steps = [
        Step("LOGISTIC", (0,), (1,)),
        Step("LEAKY_RELU", (1,), (2,)),
        Step("TANH", (2,), (3,)),
        Step("RELU", (1,), (4,)),
        Step("ADD", (3, 4), (5,)),
    ]
    report = check_model(network([IMAGE] * 6, steps))
    assert [check.status for check in report.operators] == [
        MAPPED,
        NOT_SUPPORTED,
        MORE_SUBGRAPHS,
        MAPPED,
        MORE_SUBGRAPHS,
    ]
    assert (report.mapped, report.subgraphs) == (2, 1)
    assert report.operators[1].replacement.startswith("use ReLU6")


@given(st.data())
def test_the_part_for_the_edge_tpu_needs_nothing_that_comes_later(data: st.DataObject) -> None:
    num = data.draw(st.integers(1, 12))
    steps = []
    for place in range(num):
        inputs = tuple(data.draw(st.lists(st.integers(0, place), min_size=1, max_size=3)))
        steps.append(Step("ADD", inputs, (place + 1,)))
    can_map = data.draw(st.lists(st.booleans(), min_size=num, max_size=num))
    part = first_part(Graph.parse(network([IMAGE] * (num + 1), steps)), can_map)
    assert all(can_map[place] for place in part)
    assert bool(part) == any(can_map)
    # Between two operators of the part there is no way over one outside: it could not run as one step.
    reach_outside: set[int] = set()
    for place, step in enumerate(steps):
        from_part = any(index - 1 in part for index in step.inputs)
        from_outside = any(index - 1 in reach_outside for index in step.inputs)
        if place in part:
            assert not from_outside
        elif from_part or from_outside:
            reach_outside.add(place)


def test_doubts_are_warnings() -> None:
    size = Value((2,), INT32, [16, 16])
    resized = network([IMAGE, size, Value((1, 16, 16, 16))], [Step("RESIZE_BILINEAR", (0, 1), (2,), 3)])
    assert "may not be mapped" in check_model(resized).warnings[0]
    large = Value((1, 512, 512, 16))
    assert "8.0 MiB" in " ".join(check_model(network([large, large], [Step("LOGISTIC", (0,), (1,))])).warnings)
    dense = [FLAT, Value((16, 16), data=1, scales=16), FLAT]
    assert (
        "one weight scale per channel"
        in check_model(network(dense, [Step("FULLY_CONNECTED", (0, 1), (2,))])).warnings[0]
    )
    assert "2.6 or 2.7" in check_model(network([IMAGE] * 2, [Step("MUL", (0, 0), (1,), 5)])).warnings[0]


def test_versions_are_known_by_release() -> None:
    assert is_certain("CONV_2D", 5)
    assert not is_possible("CONV_2D", 6)
    assert is_possible("PAD", 4)
    assert not is_certain("PAD", 4)
    assert not is_possible("BUILTIN_250", 1)


def test_a_graph_that_points_nowhere_and_a_runtime_that_is_none_are_errors() -> None:
    with pytest.raises(ModelIntegrityError):
        check_model(network([IMAGE, IMAGE], [Step("LOGISTIC", (7,), (1,))]))
    with pytest.raises(ValueError, match="10 to 14"):
        check_model(network([IMAGE, IMAGE], [Step("LOGISTIC", (0,), (1,))]), runtime_version=9)


def coral(shared_data: Path, name: str) -> bytes:
    return split_files((shared_data / "models" / "coral" / name).read_bytes())[0]


def test_the_checker_agrees_with_what_google_compiled(shared_data: Path) -> None:
    compared = 0
    for path in sorted((shared_data / "models" / "coral").glob("*_edgetpu.tflite")):
        report = check_model(coral(shared_data, path.name.replace("_edgetpu", "")))
        real = read_compiled(coral(shared_data, path.name))
        assert real is not None
        assert len(report.operators) - report.mapped == real.num_cpu_operators
        assert report.subgraphs == real.num_custom_operators
        assert report.parameter_bytes == pytest.approx(real.cached_bytes, rel=0.03)
        assert (report.memory, report.streamed_bytes) == ("fits", real.streamed_bytes)
        compared += 1
    assert compared >= 2


def test_a_network_of_2018_is_mapped_as_a_whole(shared_data: Path) -> None:
    report = check_model(coral(shared_data, "mobilenet_v2_1.0_224_quant.tflite"))
    assert (report.mapped, len(report.operators), report.refusals, report.warnings) == (66, 66, (), ())


def test_large_models_stream() -> None:
    def dense(width: int) -> EdgeTpuReport:
        values = [Value((1, width)), Value((width, width), data=1), Value((1, width))]
        return check_model(network(values, [Step("FULLY_CONNECTED", (0, 1), (2,))]))

    assert (dense(256).parameter_bytes, dense(256).memory) == (65 << 10, "fits")
    assert dense(2700).memory == "may stream"
    assert dense(4096).memory == "streams"
    assert dense(4096).cached_bytes + dense(4096).streamed_bytes == dense(4096).parameter_bytes


@given(st.integers(0, 1 << 20), st.integers(0, 7))
def test_a_flipped_bit_ends_in_a_report_or_an_integrity_error(place: int, bit: int) -> None:
    steps = [Step("CONV_2D", (0, 1, 2), (3,), 3, CONV), Step("MEAN", (3, 4), (5,)), Step("SOFTMAX", (5,), (6,))]
    model = bytearray(network([IMAGE, FILTER, BIAS, IMAGE, AXES_XY, FLAT, FLAT], steps))
    model[place % len(model)] ^= 1 << bit
    try:
        graph = Graph.parse(bytes(model))
        check_graph(graph)
    except ModelIntegrityError:
        return


def test_inspect_tells_what_the_compiler_would_say(shared_data: Path, model_file: Path) -> None:
    def inspect(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "edgecnn", "inspect", "--edgetpu", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout

    text = inspect(shared_data / "models" / "coral" / "mobilenet_v1_0.25_128_quant.tflite")
    assert "31 of 31 operators mapped, 1 subgraph(s), about 557.2 KiB of parameters on the chip (fits)" in text
    assert any(line.split() == f"DEPTHWISE_CONV_2D 13 {MAPPED}".split() for line in text.splitlines())
    checked = json.loads(inspect(model_file, "--json"))["edgetpu_check"]
    assert (checked["mapped"], len(checked["operators"]), checked["refusals"]) == (13, 13, [])
    assert "one weight scale per channel" in checked["warnings"][0]


def test_a_report_has_a_line_for_each_place_that_is_not_mapped() -> None:
    steps = [Step("LOGISTIC", (0,), (1,)), Step("LEAKY_RELU", (1,), (2,)), Step("GELU", (2,), (3,), 2)]
    lines = describe_report(check_model(network([IMAGE] * 4, steps)), lambda position: f"layer {position}")
    assert lines[0].startswith("Edge TPU, predicted: 0 of 3 operators mapped, 0 subgraph(s)")
    assert "  layer 1 (LEAKY_RELU): Operation not supported: the Edge TPU does not have it; use ReLU6" in "\n".join(
        lines
    )
    assert any(line.startswith("  refused: layer 2: GELU version 2 is newer") for line in lines)


# What single Keras layers become: (mapped all, words among the refusals, status among the operators).
BATTERY: dict[str, tuple[bool, str, str]] = {
    "swish": (True, "", MAPPED),
    "prelu_shared": (True, "", MAPPED),
    "conv_transpose": (True, "", MAPPED),
    "upsample_bilinear": (True, "", MAPPED),
    "gelu": (False, "builtin_code out of range: 150", NOT_SUPPORTED),
    "grouped_conv": (False, "'CONV_2D' version '6'", LIMITED),
    "upsample_nearest": (False, "'TILE' version '3'", RANK),
    "leaky_relu": (False, "", NOT_SUPPORTED),
    "elu": (False, "", DATA_TYPE),
}


@pytest.mark.slow
def test_keras_layers_are_judged_as_their_converted_form_deserves(repository: Path) -> None:
    command = [sys.executable, str(repository / "tools" / "edgetpu_layers.py"), "--json", *BATTERY]
    done = subprocess.run(command, check=True, capture_output=True, timeout=300)
    found = json.loads(done.stdout)
    for name, (all_mapped, words, status) in BATTERY.items():
        statuses = [entry[1] for entry in found[name]["statuses"]]
        assert (set(statuses) == {MAPPED}) == all_mapped, name
        assert status in statuses, name
        assert words in " ".join(found[name]["refusals"]), name
        assert bool(words) == bool(found[name]["refusals"]), name
