"""One hostile network for each rule of the format, as a file from elsewhere: no digest saves anybody."""

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecnn.errors import ModelFileError
from edgecnn.modelfile import ModelFile

Model = Any  # the object API of the schema has no types
Damage = Callable[[Model], None]
Operator = schema.BuiltinOperator
LABELS = ("a", "b", "c", "d")


def operator(model: Model, kind: int, number: int = 0) -> Any:
    """Return one of the operators of a kind."""
    found = [op for op in model.subgraphs[0].operators if model.operatorCodes[op.opcodeIndex].builtinCode == kind]
    return found[number]


def tensor(model: Model, index: int) -> Any:
    return model.subgraphs[0].tensors[index]


def conv_input(model: Model) -> Any:
    return tensor(model, operator(model, Operator.CONV_2D, 1).inputs[0])


def conv_filter(model: Model) -> Any:
    return tensor(model, operator(model, Operator.CONV_2D, 1).inputs[1])


def conv_bias(model: Model) -> Any:
    return tensor(model, operator(model, Operator.CONV_2D, 1).inputs[2])


def conv_output(model: Model) -> Any:
    return tensor(model, operator(model, Operator.CONV_2D, 1).outputs[0])


def ints(*values: int) -> Any:
    return np.array(values, np.int32)


def become(model: Model, op: Any, kind: int, options: Any = None, options_type: int = 0) -> None:
    """Make an operator one of another kind."""
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 1
    model.operatorCodes.append(code)
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.builtinOptions, op.builtinOptionsType = options, options_type


def split_in_seven(model: Model) -> None:
    options = schema.SplitOptionsT()
    options.numSplits = 7
    op = operator(model, Operator.MAX_POOL_2D)
    become(model, op, Operator.SPLIT, options, schema.BuiltinOptions.SplitOptions)
    op.inputs = ints(operator(model, Operator.MEAN).inputs[1], op.inputs[0])


def options_of_another_operator(model: Model) -> None:
    op, other = operator(model, Operator.CONV_2D), operator(model, Operator.MAX_POOL_2D)
    op.builtinOptions, op.builtinOptionsType = other.builtinOptions, other.builtinOptionsType


def set_option(kind: int, name: str, value: int) -> Damage:
    def damage(model: Model) -> None:
        setattr(operator(model, kind).builtinOptions, name, value)

    return damage


def set_inputs(kind: int, change: Callable[[list[int]], list[int]]) -> Damage:
    def damage(model: Model) -> None:
        op = operator(model, kind)
        op.inputs = ints(*change(op.inputs.tolist()))

    return damage


def set_outputs(kind: int, change: Callable[[list[int]], list[int]]) -> Damage:
    def damage(model: Model) -> None:
        op = operator(model, kind)
        op.outputs = ints(*change(op.outputs.tolist()))

    return damage


def set_scale(which: Callable[[Model], Any], scale: float) -> Damage:
    def damage(model: Model) -> None:
        scales = which(model).quantization.scale
        which(model).quantization.scale = np.full_like(scales, scale)

    return damage


def set_field(which: Callable[[Model], Any], name: str, value: Any) -> Damage:
    def damage(model: Model) -> None:
        setattr(which(model), name, value)

    return damage


def set_quantization(which: Callable[[Model], Any], name: str, value: Any) -> Damage:
    def damage(model: Model) -> None:
        setattr(which(model).quantization, name, value)

    return damage


def graph(model: Model) -> Any:
    return model.subgraphs[0]


def softmax_of_a_filter(model: Model) -> None:
    operator(model, Operator.SOFTMAX).inputs = ints(operator(model, Operator.CONV_2D, 1).inputs[1])


def weights_outside(model: Model) -> None:
    buffer = model.buffers[conv_filter(model).buffer]
    buffer.data, buffer.offset, buffer.size = None, 64, 1000


def half_a_constant(model: Model) -> None:
    buffer = model.buffers[conv_filter(model).buffer]
    buffer.data = buffer.data[: len(buffer.data) // 2]


def swap_filters(model: Model) -> None:
    first, second = (operator(model, Operator.CONV_2D, number) for number in (1, 2))
    first.inputs, second.inputs = (
        ints(first.inputs[0], *second.inputs[1:]),
        ints(second.inputs[0], *first.inputs[1:]),
    )


def write_over_a_constant(model: Model) -> None:
    op = operator(model, Operator.CONV_2D)
    op.outputs = ints(op.inputs[1])


def another_bias(model: Model) -> None:
    bias = conv_bias(model)
    bias.shape, bias.quantization = ints(12, 4), None


def run_twice(model: Model) -> None:
    operators = graph(model).operators
    operators.insert(3, operators[2])


def whole_number_of_a_dequantize(model: Model) -> None:
    op = graph(model).operators[0]
    become(model, op, Operator.DEQUANTIZE)


def another_type_of_output(model: Model) -> None:
    op = operator(model, Operator.MAX_POOL_2D)
    tensor(model, op.outputs[0]).type = schema.TensorType.INT32


def keep_state(model: Model) -> None:
    become(model, graph(model).operators[0], Operator.ASSIGN_VARIABLE)


def branch(model: Model) -> None:
    become(model, operator(model, Operator.MAX_POOL_2D), Operator.WHILE)


def two_graphs(model: Model) -> None:
    model.subgraphs.append(graph(model))


HOSTILE: dict[str, tuple[Damage, str]] = {
    "two graphs": (two_graphs, "the file holds 2 graphs"),
    "no graph": (lambda model: setattr(model, "subgraphs", []), "the file holds no graph"),
    "no operators": (set_field(graph, "operators", []), "has no inputs, no outputs, no operators"),
    "no inputs": (set_field(graph, "inputs", ints()), "has no inputs"),
    "no outputs": (set_field(graph, "outputs", ints()), "has no inputs, no outputs"),
    "an input that is no tensor": (set_field(graph, "inputs", ints(1000)), "the graph's ends name tensor 1000"),
    "an output that is no tensor": (set_field(graph, "outputs", ints(-1)), "the graph's ends name tensor -1"),
    "two inputs": (set_field(graph, "inputs", ints(0, 0)), "has 2 inputs and 1 outputs"),
    "a constant as input": (set_field(graph, "inputs", ints(1)), "reads a tensor that nothing has computed"),
    "an output that nothing computes": (lambda m: graph(m).operators.pop(), "an output of the graph is never computed"),
    "operators in reverse": (lambda m: graph(m).operators.reverse(), "reads a tensor that nothing has computed yet"),
    "an operator that runs twice": (run_twice, "writes over an input, a constant or another result"),
    "a result over a constant": (write_over_a_constant, "writes over an input, a constant"),
    "an operator code that is not there": (
        set_field(lambda m: graph(m).operators[3], "opcodeIndex", 1000),
        "an operator has code number 1000",
    ),
    "an operator that keeps state": (keep_state, "has the operator ASSIGN_VARIABLE, which no picture classifier needs"),
    "an operator with a graph inside": (branch, "has the operator WHILE"),
    "an input deleted": (set_inputs(Operator.CONV_2D, lambda i: i[:1]), "CONV_2D has 1 inputs, not 3-3"),
    "a bias deleted": (set_inputs(Operator.CONV_2D, lambda i: i[:2]), "CONV_2D has 2 inputs"),
    "no inputs of an operator": (set_inputs(Operator.MEAN, lambda i: []), "MEAN has 0 inputs"),
    "an input too many": (set_inputs(Operator.SOFTMAX, lambda i: i * 2), "SOFTMAX has 2 inputs"),
    "an input of -1": (set_inputs(Operator.CONV_2D, lambda i: [i[0], -1, i[2]]), "CONV_2D lacks an input"),
    "a first input of -1": (set_inputs(Operator.SOFTMAX, lambda i: [-1]), "SOFTMAX lacks an input"),
    "an input of -2": (set_inputs(Operator.CONV_2D, lambda i: [-2, *i[1:]]), "operator CONV_2D name tensor -2"),
    "an input out of range": (set_inputs(Operator.MEAN, lambda i: [i[0], 1 << 30]), "MEAN name tensor 1073741824"),
    "no outputs of an operator": (set_outputs(Operator.MEAN, lambda o: []), "MEAN has no output"),
    "an output out of range": (set_outputs(Operator.MEAN, lambda o: [-1]), "MEAN name tensor -1"),
    "two outputs": (set_outputs(Operator.SOFTMAX, lambda o: [o[0], o[0]]), "SOFTMAX has 2 outputs, not 1"),
    "a split into more than there is": (split_in_seven, "SPLIT has 1 outputs, not 7"),
    "a stride of zero": (set_option(Operator.CONV_2D, "strideW", 0), "a stride, filter size or dilation of 0"),
    "a negative stride": (set_option(Operator.CONV_2D, "strideH", -1), "dilation of -1"),
    "a dilation of zero": (set_option(Operator.CONV_2D, "dilationHFactor", 0), "dilation of 0"),
    "a pool of zero": (set_option(Operator.MAX_POOL_2D, "filterWidth", 0), "dilation of 0"),
    "a pool without a stride": (set_option(Operator.MAX_POOL_2D, "strideH", 0), "dilation of 0"),
    "no options": (set_field(lambda m: operator(m, Operator.CONV_2D), "builtinOptions", None), "dilation of 0"),
    "options of another operator": (options_of_another_operator, "dilation of 0"),
    "a bias of another length": (another_bias, "a filter of shape"),
    "filters that changed places": (swap_filters, "LiteRT"),
    "another element type of output": (another_type_of_output, "MAX_POOL_2D gives int8 here"),
    "floats that are none": (whole_number_of_a_dequantize, "DEQUANTIZE gives float32 here"),
    "an unknown element type": (set_field(conv_input, "type", 100), "has the unknown element type 100"),
    "a size of zero": (set_field(conv_input, "shape", ints(1, 0, 48, 24)), "has the impossible shape"),
    "a negative size": (set_field(conv_input, "shape", ints(1, -2, 48, 24)), "has the impossible shape"),
    "nine dimensions": (set_field(conv_input, "shape", ints(*[1] * 9)), "has the impossible shape"),
    "a huge size": (set_field(conv_input, "shape", ints(1, 1 << 20, 1 << 10, 24)), "would take 24576 MiB"),
    "the largest sizes": (set_field(conv_input, "shape", ints(*[(1 << 31) - 1] * 4)), "would take"),
    "a shape and another signature": (
        set_field(lambda m: tensor(m, graph(m).outputs[0]), "shapeSignature", ints(1, 7)),
        r"has the shape \(1, 4\) and the signature \(1, 7\)",
    ),
    "half a constant": (half_a_constant, "bytes, but the file has"),
    "a constant that is not there": (set_field(conv_filter, "buffer", 1 << 20), "buffer 1048576 is asked for"),
    "weights outside of the file": (weights_outside, "the weights lie outside the FlatBuffer"),
    "a scale of zero": (set_scale(conv_input, 0.0), "a scale that is not a positive, normal number"),
    "a negative scale": (set_scale(conv_input, -1.0), "a scale that is not"),
    "a scale that is no number": (set_scale(conv_filter, math.nan), "a scale that is not"),
    "an infinite scale": (set_scale(conv_output, math.inf), "a scale that is not"),
    "a scale too small to divide by": (set_scale(conv_input, 1e-40), "a scale that is not"),
    "scales that are far apart": (set_scale(conv_output, 1e-12), "is far too small for what CONV_2D reads"),
    "no scale": (set_quantization(conv_input, "scale", None), "needs a scale for its 8-bit tensor"),
    "no quantization": (set_field(conv_input, "quantization", None), "needs a scale for its 8-bit tensor"),
    "two zero points": (set_quantization(conv_input, "zeroPoint", np.array([0, 0])), "has 1 scales and 2 zero points"),
    "a zero point out of range": (set_quantization(conv_input, "zeroPoint", np.array([128])), "outside of int8"),
    "scales along no axis": (set_quantization(conv_filter, "quantizedDimension", 4), "scales along axis 4"),
    "scales along another axis": (set_quantization(conv_filter, "quantizedDimension", 1), "scales along axis 1"),
    "an output of another shape": (softmax_of_a_filter, "LiteRT"),
}


@pytest.fixture(scope="module")
def damaged(bare_model: bytes) -> dict[str, bytes]:
    """The FlatBuffer of every hostile network."""

    def damage(change: Damage) -> bytes:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bare_model, 0))
        change(model)
        builder = flatbuffers.Builder(len(bare_model))
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    return {name: damage(change) for name, (change, _) in HOSTILE.items()}


@pytest.fixture(scope="module")
def verdicts(damaged: dict[str, bytes], repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How each of them ended when it was opened, loaded and run in a process of its own."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork, so a crash would end the tests")
    folder = tmp_path_factory.mktemp("hostile")
    for name, data in damaged.items():
        (folder / f"{name}.tflite").write_bytes(data)
    command = [sys.executable, repository / "tools" / "judge_model_files.py", *sorted(folder.iterdir())]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=True)
    lines = map(json.loads, done.stdout.splitlines())
    return {Path(verdict["file"]).stem: verdict for verdict in lines}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_network_ends_in_a_sentence_and_never_in_a_signal(verdicts: dict[str, Any], name: str) -> None:
    verdict = verdicts[name]
    assert verdict["outcome"] == "refused", verdict["reason"]
    assert re.search(HOSTILE[name][1], verdict["reason"])


@pytest.mark.parametrize("name", [name for name, (_, message) in HOSTILE.items() if message != "LiteRT"])
def test_a_network_that_breaks_a_rule_is_refused_before_any_runtime_sees_it(
    damaged: dict[str, bytes], name: str
) -> None:
    with pytest.raises(ModelFileError, match=HOSTILE[name][1]):
        ModelFile.from_bytes(damaged[name], path=Path("model.tflite"), labels=LABELS)


def test_the_network_that_they_were_made_of_runs(bare_model: bytes, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "good.tflite").write_bytes(bare_model)
    command = [sys.executable, repository / "tools" / "judge_model_files.py", tmp_path / "good.tflite"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert json.loads(done.stdout)["outcome"] == "result"
