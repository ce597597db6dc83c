"""Float networks for tests, made out of an int8 file without a converter."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

QUANTIZE = schema.BuiltinOperator.QUANTIZE
FLOAT32 = schema.TensorType.FLOAT32
_DTYPES = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}


def unpack(model: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))


def pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def dequantize(int8_model: bytes) -> bytes:
    """The same network in float32; its weights are what the codes stand for, its input are normalized pixels."""
    model = unpack(int8_model)
    graph = model.subgraphs[0]
    conversions = [op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == QUANTIZE]
    graph.operators = [op for op in graph.operators if op not in conversions]
    graph.inputs, graph.outputs = [conversions[0].outputs[0]], [conversions[-1].inputs[0]]
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        scales = None if tensor.quantization is None else tensor.quantization.scale
        if scales is None or not len(scales):
            continue
        if data is not None and len(data):
            codes = np.asarray(data, np.uint8).view(_DTYPES[tensor.type]).reshape(tensor.shape)
            shape = [1] * codes.ndim
            shape[tensor.quantization.quantizedDimension] = len(scales)
            real = (codes * np.reshape(scales, shape)).astype(np.float32)
            model.buffers[tensor.buffer].data = np.frombuffer(real.tobytes(), np.uint8)
        tensor.type, tensor.quantization = FLOAT32, None
    for code in model.operatorCodes:
        code.version = 1
    model.metadata = model.signatureDefs = None
    return pack(model)


def take_raw_pixels(float_model: bytes, mean: float, std: float) -> bytes:
    """The same network with the normalization in the graph: MUL and ADD first, raw float pixels in."""
    model = unpack(float_model)
    graph = model.subgraphs[0]
    normalized = graph.inputs[0]
    raw = _add_tensor(model, "raw", graph.tensors[normalized].shape)
    scaled = _add_tensor(model, "scaled", graph.tensors[normalized].shape)
    factor, offset = (_add_tensor(model, name, [1], value) for name, value in (("k", 1 / std), ("b", -mean / std)))
    builtins, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    steps = (
        (builtins.MUL, kinds.MulOptions, schema.MulOptionsT(), [raw, factor], scaled),
        (builtins.ADD, kinds.AddOptions, schema.AddOptionsT(), [scaled, offset], normalized),
    )
    for builtin, kind, options, inputs, output in reversed(steps):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        graph.operators.insert(0, operator)
    graph.inputs = [raw]
    return pack(model)


def drop_filters(model_bytes: bytes, tensor_name: str) -> bytes:
    """The same network with every second filter of a convolution set to zero."""
    model = unpack(model_bytes)
    tensor = next(one for one in model.subgraphs[0].tensors if one.name.decode().endswith(tensor_name))
    buffer = model.buffers[tensor.buffer]
    weights = np.array(buffer.data, np.uint8).reshape(tensor.shape[0], -1)
    weights[::2] = 0
    buffer.data = weights.ravel()
    return pack(model)


def narrow_range(model_bytes: bytes, tensor_name: str, factor: float) -> bytes:
    """The same network, but the codes of one operator's output stand for smaller values."""
    model = unpack(model_bytes)
    named = [one for one in model.subgraphs[0].tensors if one.name.decode().endswith(tensor_name)]
    output = next(one for one in named if model.buffers[one.buffer].data is None)
    output.quantization.scale = [factor * one for one in output.quantization.scale]
    return pack(model)


def _add_tensor(model: Any, name: str, shape: Any, value: float | None = None) -> int:
    buffer = schema.BufferT()
    if value is not None:
        buffer.data = np.frombuffer(np.float32(value).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), FLOAT32
    tensor.buffer = len(model.buffers) - 1
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1
