"""Damage model files in ways that a FlatBuffer verifier lets pass, and see whether anything crashes.

    python tools/fuzz_model_files.py FILE... --count 2000 [--seed 0] [--seconds 60] [--keep FOLDER] [--unchecked]

Every mutant is a valid FlatBuffer whose network is wrong: an operator without its input, a scale of zero, a
stride of zero, a constant that is too short. It has no manifest, so no digest saves anybody. The exit code is 1 if
one of them ended with a signal, with a foreign exception or not at all; --keep writes those into a folder.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from judge_model_files import judge

from edgecnn.modelfile.archive import split_files

WILD_INTEGERS = (0, -1, 1, 2, 3, 7, 64, 1000, -128, 65535, 1 << 20, (1 << 31) - 1, -(1 << 31))
WILD_FLOATS = (0.0, -1.0, math.nan, math.inf, 1e-40, 1e-30, 1e-12, 1e-8, 1e-5, 1e-3, 1.0, 2.0, 1e3, 1e6, 1e30, 3e38)
NUM_BUILTINS = 210
NUM_TYPES = 20
CHANGE_BYTES = "change_bytes"

Model = Any  # the object API of the schema has no types


def main() -> None:
    """Parse the command line, damage, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=2000, help="mutants of every file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--keep", type=Path, help="folder for the mutants that crash")
    parser.add_argument("--only", choices=[*MUTATIONS, CHANGE_BYTES], nargs="+", help="damages to choose from")
    parser.add_argument("--unchecked", action="store_true", help="give the mutants to LiteRT without any check")
    arguments = parser.parse_args()
    originals = [read_network(file) for file in arguments.files]
    outcomes: Counter[str] = Counter()
    unsafe: list[dict[str, Any]] = []
    until = time.monotonic() + arguments.seconds
    for number in range(arguments.count):
        for file, original in zip(arguments.files, originals, strict=True):
            if time.monotonic() > until:
                break
            name = f"{file.stem}-{arguments.seed}-{number}"
            mutant, changes = mutate(original, random.Random(name), arguments.only or [*MUTATIONS, CHANGE_BYTES])
            verdict = judge(mutant, unchecked=arguments.unchecked)
            outcomes[verdict.outcome] += 1
            if not verdict.is_safe:
                unsafe.append({"name": name, "changes": changes, "outcome": verdict.outcome, "reason": verdict.reason})
                print(json.dumps(unsafe[-1]), file=sys.stderr, flush=True)
                if arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    (arguments.keep / f"{name}.tflite").write_bytes(mutant)
    print(json.dumps({"mutants": outcomes.total(), **outcomes, "unsafe": unsafe}))
    sys.exit(1 if unsafe else 0)


def read_network(path: Path) -> Model:
    """Return the network of a model file as objects that can be changed, without what ties it to a manifest."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(split_files(path.read_bytes())[0], 0))
    for entry in model.metadata or []:
        # The word by which edgecnn would see that its manifest was cut off.
        buffer = model.buffers[entry.buffer]
        text = bytes(bytearray(buffer.data)).replace(b"edgecnn.json", b"other---json")
        buffer.data = np.frombuffer(text, np.uint8)
    return model


def pack(model: Model) -> bytes:
    """Return the FlatBuffer of a network."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def mutate(original: Model, rng: random.Random, names: Sequence[str]) -> tuple[bytes, list[str]]:
    """Return a copy with one to three damages out of ``names``, and what they were."""
    while True:
        model = copy.deepcopy(original)
        changes = [rng.choice(names) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        try:
            details = [f"{name}: {MUTATIONS[name](model, rng)}" for name in changes if name != CHANGE_BYTES]
            data = pack(model)
        except (IndexError, TypeError, ValueError, OverflowError, AttributeError, AssertionError, struct.error):
            continue  # this network has nothing of that kind, or the value does not fit its field
        if CHANGE_BYTES in changes:
            data, where = change_bytes(data, rng)
            details.append(where)
        return data, details


def change_bytes(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Replace one to eight bytes, which may leave no valid FlatBuffer."""
    damaged = bytearray(data)
    places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 2, 8)))]
    for place in places:
        damaged[place] = rng.randrange(256)
    return bytes(damaged), f"{CHANGE_BYTES}: at {places}"


def _graph(model: Model) -> Any:
    return model.subgraphs[0]


def _operator(model: Model, rng: random.Random) -> Any:
    return rng.choice(_graph(model).operators)


def _tensor(model: Model, rng: random.Random) -> Any:
    return rng.choice(_graph(model).tensors)


def _wild_index(model: Model, rng: random.Random) -> int:
    num = len(_graph(model).tensors)
    return rng.choice((rng.randrange(num), rng.randrange(num), -1, 1 << 20))


def _ints(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _change_list(values: Any, model: Model, rng: random.Random) -> tuple[Any, str]:
    """Return a damaged list of tensor indices."""
    indices = _ints(values)
    how = rng.choice(("delete", "minus one", "replace", "append", "shuffle", "repeat", "empty"))
    if how == "delete":
        del indices[rng.randrange(len(indices))]
    elif how == "minus one":
        indices[rng.randrange(len(indices))] = -1
    elif how == "replace":
        indices[rng.randrange(len(indices))] = _wild_index(model, rng)
    elif how == "append":
        indices.append(_wild_index(model, rng))
    elif how == "shuffle":
        rng.shuffle(indices)
    elif how == "repeat":
        indices *= 2
    else:
        indices = []
    return np.array(indices, np.int32), f"{how} -> {indices}"


def change_inputs(model: Model, rng: random.Random) -> str:
    """Damage an operator's inputs."""
    operator = _operator(model, rng)
    operator.inputs, how = _change_list(operator.inputs, model, rng)
    return how


def change_outputs(model: Model, rng: random.Random) -> str:
    """Damage an operator's outputs."""
    operator = _operator(model, rng)
    operator.outputs, how = _change_list(operator.outputs, model, rng)
    return how


def change_graph_ends(model: Model, rng: random.Random) -> str:
    """Damage the inputs or outputs of the graph."""
    graph = _graph(model)
    if rng.random() < 0.5:
        graph.inputs, how = _change_list(graph.inputs, model, rng)
        return "inputs " + how
    graph.outputs, how = _change_list(graph.outputs, model, rng)
    return "outputs " + how


def change_opcode_index(model: Model, rng: random.Random) -> str:
    """Let an operator be another one of the file."""
    operator = _operator(model, rng)
    operator.opcodeIndex = rng.choice([*range(len(model.operatorCodes)), 1000])
    return str(operator.opcodeIndex)


def change_builtin(model: Model, rng: random.Random) -> str:
    """Let an operator code mean another builtin operator or another version."""
    code = rng.choice(model.operatorCodes)
    if rng.random() < 0.3:
        code.version = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 10, 100, -1))
        return f"version {code.version}"
    code.builtinCode = rng.randrange(NUM_BUILTINS)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    return f"builtin {code.builtinCode}"


def change_option(model: Model, rng: random.Random) -> str:
    """Set a number among an operator's options to something wild."""
    operator = _operator(model, rng)
    options = vars(operator.builtinOptions)
    name = rng.choice(sorted(options))
    value = options[name]
    if isinstance(value, float):
        options[name] = rng.choice(WILD_FLOATS)
    elif isinstance(value, bool):
        options[name] = not value
    elif isinstance(value, int):
        options[name] = rng.choice(WILD_INTEGERS)
    else:
        options[name] = np.array([rng.choice(WILD_INTEGERS) for _ in range(rng.randrange(10))], np.int32)
    return f"{name} {options[name]}"


def change_options(model: Model, rng: random.Random) -> str:
    """Take an operator's options away or give it those of another one."""
    operator, other = _operator(model, rng), _operator(model, rng)
    how = rng.choice(("none", "type only", "table only", "both"))
    if how in ("type only", "both"):
        operator.builtinOptionsType = other.builtinOptionsType if rng.random() < 0.7 else rng.randrange(1, 126)
    if how in ("table only", "both"):
        operator.builtinOptions = other.builtinOptions
    if how == "none":
        operator.builtinOptions, operator.builtinOptionsType = None, rng.choice((0, operator.builtinOptionsType))
    return how


def change_shape(model: Model, rng: random.Random) -> str:
    """Damage a tensor's shape."""
    tensor, other = _tensor(model, rng), _tensor(model, rng)
    shape = _ints(tensor.shape)
    how = rng.choice(("size", "size", "drop", "add", "swap", "empty", "reverse", "factor"))
    if how == "size":
        shape[rng.randrange(len(shape))] = rng.choice(WILD_INTEGERS)
    elif how == "drop":
        del shape[rng.randrange(len(shape))]
    elif how == "add":
        shape.insert(rng.randrange(len(shape) + 1), rng.choice((1, 1, 2, -1, 0)))
    elif how == "swap":
        tensor.shape, other.shape = other.shape, tensor.shape
        return how
    elif how == "empty":
        shape = []
    elif how == "reverse":
        shape.reverse()
    else:  # the same number of elements in another arrangement
        at = rng.randrange(len(shape))
        shape[at], shape[at - 1] = shape[at] * 2, max(1, shape[at - 1] // 2)
    tensor.shape = np.array(shape, np.int32)
    return f"{how} -> {shape}"


def change_signature_shape(model: Model, rng: random.Random) -> str:
    """Give a tensor a shape signature that is not its shape."""
    tensor = _tensor(model, rng)
    shape = _ints(tensor.shape)
    shape[rng.randrange(len(shape))] = rng.choice(WILD_INTEGERS)
    tensor.shapeSignature = np.array(shape[: rng.randrange(len(shape)) + 1] if rng.random() < 0.3 else shape, np.int32)
    return str(shape)


def change_type(model: Model, rng: random.Random) -> str:
    """Give a tensor another element type."""
    tensor = _tensor(model, rng)
    tensor.type = rng.choice((rng.randrange(NUM_TYPES), 0, 2, 3, 9))
    return str(tensor.type)


def change_tensor_buffer(model: Model, rng: random.Random) -> str:
    """Let a tensor have another constant, none, or one that is not there."""
    tensor = _tensor(model, rng)
    tensor.buffer = rng.choice((0, rng.randrange(len(model.buffers)), rng.randrange(len(model.buffers)), 1 << 20))
    return str(tensor.buffer)


def change_constant(model: Model, rng: random.Random) -> str:
    """Damage the bytes of a constant."""
    buffer = rng.choice([buffer for buffer in model.buffers if buffer.data is not None and len(buffer.data)])
    data = np.array(buffer.data, np.uint8)
    how = rng.choice(("cut", "grow", "empty", "noise", "integers", "integers"))
    if how == "cut":
        data = data[: rng.randrange(len(data))]
    elif how == "grow":
        data = np.concatenate([data, data])
    elif how == "empty":
        data = data[:0]
    elif how == "noise":
        data = np.array([rng.randrange(256) for _ in range(min(len(data), 4096))], np.uint8)
    else:
        small = [b for b in model.buffers if b.data is not None and 0 < len(b.data) <= 64 and len(b.data) % 4 == 0]
        buffer = rng.choice(small)
        words = np.frombuffer(np.array(buffer.data, np.uint8).tobytes(), np.int32).copy()
        words[rng.randrange(len(words))] = rng.choice(WILD_INTEGERS)
        data = words.view(np.uint8)
    buffer.data = data
    return how


def change_scale(model: Model, rng: random.Random) -> str:
    """Damage the scales of a tensor."""
    tensor = rng.choice([t for t in _graph(model).tensors if t.quantization and t.quantization.scale is not None])
    scales = np.array(tensor.quantization.scale, np.float32)
    how = rng.choice(("value", "value", "none", "all none", "fewer", "more", "one"))
    if how == "value":
        scales[rng.randrange(len(scales))] = rng.choice(WILD_FLOATS)
    elif how == "none":
        tensor.quantization.scale = None
        return how
    elif how == "all none":
        tensor.quantization = None
        return how
    elif how == "fewer":
        scales = scales[:-1]
    elif how == "more":
        scales = np.concatenate([scales, scales])
    else:
        scales = scales[:1]
    tensor.quantization.scale = scales
    return how


def change_zero_point(model: Model, rng: random.Random) -> str:
    """Damage the zero points of a tensor."""
    tensor = rng.choice([t for t in _graph(model).tensors if t.quantization and t.quantization.zeroPoint is not None])
    points = np.array(tensor.quantization.zeroPoint, np.int64)
    how = rng.choice(("value", "none", "fewer", "more"))
    if how == "value":
        points[rng.randrange(len(points))] = rng.choice((*WILD_INTEGERS, 1 << 40, -(1 << 62)))
    elif how == "fewer":
        points = points[:-1]
    elif how == "more":
        points = np.concatenate([points, points])
    tensor.quantization.zeroPoint = None if how == "none" else points
    return how


def change_quantization(model: Model, rng: random.Random) -> str:
    """Give a tensor the quantization of another one, or another axis."""
    tensor, other = _tensor(model, rng), _tensor(model, rng)
    if rng.random() < 0.5:
        tensor.quantization = copy.deepcopy(other.quantization)
        return "of another tensor"
    tensor.quantization.quantizedDimension = rng.choice(WILD_INTEGERS)
    return f"axis {tensor.quantization.quantizedDimension}"


def change_tensor(model: Model, rng: random.Random) -> str:
    """Let two tensors change places, or be one."""
    tensors = _graph(model).tensors
    first, second = rng.randrange(len(tensors)), rng.randrange(len(tensors))
    if rng.random() < 0.7:
        tensors[first], tensors[second] = tensors[second], tensors[first]
        return f"{first} and {second} change places"
    tensors[first] = tensors[second]
    return f"{first} is {second}"


def change_kind(model: Model, rng: random.Random) -> str:
    """Call a tensor a variable, or sparse, or of unknown rank."""
    tensor = _tensor(model, rng)
    how = rng.choice(("variable", "sparse", "rank"))
    if how == "variable":
        tensor.isVariable = not tensor.isVariable
    elif how == "rank":
        tensor.hasRank = not tensor.hasRank
    else:
        tensor.sparsity = schema.SparsityParametersT()
        order = [rng.choice(WILD_INTEGERS) for _ in range(rng.randrange(5))]
        tensor.sparsity.traversalOrder = np.array(order, np.int32)
        if rng.random() < 0.5:
            dimension = schema.DimensionMetadataT()
            dimension.format, dimension.denseSize = rng.choice((0, 1)), rng.choice(WILD_INTEGERS)
            tensor.sparsity.dimMetadata = [dimension] * rng.randrange(1, 5)
    return how


def change_order(model: Model, rng: random.Random) -> str:
    """Change the order of the operators, drop one or run one twice."""
    operators = _graph(model).operators
    first, second = rng.randrange(len(operators)), rng.randrange(len(operators))
    how = rng.choice(("swap", "drop", "twice", "reverse", "twice with other output"))
    if how == "swap":
        operators[first], operators[second] = operators[second], operators[first]
    elif how == "drop":
        del operators[first]
    elif how == "twice":
        operators.insert(second, operators[first])
    elif how == "reverse":
        operators.reverse()
    else:
        twin = copy.deepcopy(operators[first])
        twin.outputs = np.array([rng.randrange(len(_graph(model).tensors))], np.int32)
        operators.insert(first + 1, twin)
    return how


def change_subgraphs(model: Model, rng: random.Random) -> str:
    """Add a second graph or take the only one away."""
    if rng.random() < 0.7:
        model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
        return "two"
    model.subgraphs = []
    return "none"


def change_signatures(model: Model, rng: random.Random) -> str:
    """Damage the signatures, which name tensors by their index."""
    signature = rng.choice(model.signatureDefs or [schema.SignatureDefT()])
    model.signatureDefs = [signature]
    how = rng.choice(("graph", "input", "output", "name"))
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = rng.choice((None, b"", b"x")), rng.choice((0, 1 << 20, (1 << 32) - 1))
    if how == "graph":
        signature.subgraphIndex = rng.choice((1, 1000, (1 << 32) - 1))
    elif how == "input":
        signature.inputs = [entry]
    elif how == "output":
        signature.outputs = [entry]
    else:
        signature.signatureKey = rng.choice((None, b""))
    return how


def change_metadata(model: Model, rng: random.Random) -> str:
    """Damage the list of metadata."""
    entry = schema.MetadataT()
    entry.name = rng.choice((None, b"", b"min_runtime_version", b"TFLITE_METADATA", b"reduced_precision_support"))
    entry.buffer = rng.choice((0, rng.randrange(len(model.buffers)), 1 << 20, (1 << 32) - 1))
    model.metadata = [*(model.metadata or []), entry]
    if rng.random() < 0.3:
        model.metadataBuffer = np.array([rng.choice(WILD_INTEGERS)], np.int32)
    return f"{entry.name} {entry.buffer}"


def change_external_data(model: Model, rng: random.Random) -> str:
    """Say that constants or options lie outside of the FlatBuffer."""
    if rng.random() < 0.5:
        buffer = rng.choice(model.buffers)
        buffer.offset, buffer.size = rng.choice((1, 2, 64, 1 << 40)), rng.choice((1, 64, 1 << 40))
        if rng.random() < 0.7:
            buffer.data = None
        return f"buffer {buffer.offset} {buffer.size}"
    operator = _operator(model, rng)
    operator.largeCustomOptionsOffset = rng.choice((1, 2, 64, 1 << 40))
    operator.largeCustomOptionsSize = rng.choice((1, 64, 1 << 40))
    return "options"


def change_rest(model: Model, rng: random.Random) -> str:
    """Damage what is hardly ever there."""
    how = rng.choice(("model version", "intermediates", "mutating", "custom options", "external buffer", "options 2"))
    operator = _operator(model, rng)
    if how == "model version":
        model.version = rng.choice((0, 1, 2, 4, 1000))
    elif how == "intermediates":
        operator.intermediates = np.array([_wild_index(model, rng)], np.int32)
    elif how == "mutating":
        operator.mutatingVariableInputs = [True] * rng.randrange(5)
    elif how == "custom options":
        operator.customOptions = np.array([rng.randrange(256) for _ in range(20)], np.uint8)
    elif how == "external buffer":
        _tensor(model, rng).externalBuffer = rng.choice((1, 7, 1 << 20))
    else:
        operator.builtinOptions2Type = rng.randrange(1, 25)
    return how


MUTATIONS: dict[str, Callable[[Model, random.Random], str]] = {
    function.__name__: function
    for function in (
        change_inputs,
        change_outputs,
        change_graph_ends,
        change_opcode_index,
        change_builtin,
        change_option,
        change_options,
        change_shape,
        change_signature_shape,
        change_type,
        change_tensor_buffer,
        change_constant,
        change_scale,
        change_zero_point,
        change_quantization,
        change_tensor,
        change_kind,
        change_order,
        change_subgraphs,
        change_signatures,
        change_metadata,
        change_external_data,
        change_rest,
    )
}


if __name__ == "__main__":
    main()
