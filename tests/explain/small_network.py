"""Builds small .tflite networks operator by operator, in float32 or int8, with any weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecnn.core.contract import InputContract
from edgecnn.explain import Network
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph

TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "float16": schema.TensorType.FLOAT16,
}
FUSED = {"": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}


class SmallNetwork:
    """A graph under construction; the picture is tensor 0, and every method returns the tensor that it makes."""

    def __init__(self, height: int, width: int, dtype: str = "float32", scale: float = 1.0, zero: int = 0) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[Any] = []
        self._buffers = [schema.BufferT()]
        self._counts: dict[str, int] = {}
        self.shapes: list[tuple[int, ...]] = []
        self.hw = height, width
        quantization = None if dtype == "float32" else (scale, zero)
        self.picture = self._tensor("picture", (1, height, width, 3), dtype, quantization)

    def conv(self, source: int, weights: Any, bias: Any = None, **options: Any) -> int:
        """``weights`` float (out, h, w, in); options: stride, dilation, padding, activation, name, and for int8
        ``weight_scales`` (out,) and ``output`` (scale, zero)."""
        return self._sliding("CONV_2D", source, np.asarray(weights, np.float32), bias, 0, options)

    def depthwise(self, source: int, weights: Any, bias: Any = None, **options: Any) -> int:
        """``weights`` float (1, h, w, out)."""
        return self._sliding("DEPTHWISE_CONV_2D", source, np.asarray(weights, np.float32), bias, 3, options)

    def pool(self, source: int, size: tuple[int, int], *, kind: str = "MAX", **options: Any) -> int:
        stride = options.get("stride", size)
        padding = options.get("padding", "valid")
        made = schema.Pool2DOptionsT()
        made.filterHeight, made.filterWidth = size
        made.strideH, made.strideW = stride
        made.padding = 0 if padding == "same" else 1
        before = self.shapes[source]
        hw = _output_hw(before[1:3], size, stride, (1, 1), padding)
        return self._operator(f"{kind}_POOL_2D", [source], (1, *hw, before[3]), made, "Pool2DOptions", like=source)

    def dense(self, source: int, weights: Any, bias: Any = None, activation: str = "", **options: Any) -> int:
        weights = np.asarray(weights, np.float32)
        made = schema.FullyConnectedOptionsT()
        made.fusedActivationFunction = FUSED[activation]
        shape = (1, len(weights))
        inputs = self._weighted_inputs(source, weights, bias, 0, options)
        return self._operator("FULLY_CONNECTED", inputs, shape, made, "FullyConnectedOptions", **_output_of(options))

    def mean(self, source: int, **options: Any) -> int:
        """Option for int8: ``output`` (scale, zero), else as its input."""
        made = schema.ReducerOptionsT()
        axes = self.constant(np.array([1, 2], np.int32))
        _, _, _, channels = self.shapes[source]
        output = _output_of(options) if options else {"like": source}
        return self._operator("MEAN", [source, axes], (1, channels), made, "ReducerOptions", **output)

    def flatten(self, source: int) -> int:
        size = int(np.prod(self.shapes[source]))
        shape = self.constant(np.array([1, size], np.int32))
        return self._operator("RESHAPE", [source, shape], (1, size), None, "", like=source)

    def relu(self, source: int, name: str = "RELU") -> int:
        return self._operator(name, [source], self.shapes[source], None, "", like=source)

    def softmax(self, source: int) -> int:
        made = schema.SoftmaxOptionsT()
        made.beta = 1.0
        output = {"like": source} if self._dtype(source) == "float32" else {"quantization": (1 / 256, -128)}
        return self._operator("SOFTMAX", [source], self.shapes[source], made, "SoftmaxOptions", **output)

    def add(self, first: int, second: int) -> int:
        return self._operator(
            "ADD", [first, second], self.shapes[first], schema.AddOptionsT(), "AddOptions", like=first
        )

    def multiply(self, first: int, second: int) -> int:
        return self._operator(
            "MUL", [first, second], self.shapes[first], schema.MulOptionsT(), "MulOptions", like=first
        )

    def concatenate(self, first: int, second: int) -> int:
        made = schema.ConcatenationOptionsT()
        made.axis = 3
        shape = (*self.shapes[first][:3], self.shapes[first][3] + self.shapes[second][3])
        return self._operator("CONCATENATION", [first, second], shape, made, "ConcatenationOptions", like=first)

    def pad(self, source: int, above: int, below: int, left: int, right: int) -> int:
        rim = self.constant(np.array([[0, 0], [above, below], [left, right], [0, 0]], np.int32))
        _, height, width, channels = self.shapes[source]
        shape = (1, height + above + below, width + left + right, channels)
        return self._operator("PAD", [source, rim], shape, None, "", like=source)

    def reshape(self, source: int, sizes: int, shape: tuple[int, ...]) -> int:
        return self._operator("RESHAPE", [source, sizes], shape, None, "", like=source)

    def other(
        self, source: int, name: str, shape: tuple[int, ...], options: Any = None, kind: str = "", dtype: str = ""
    ) -> int:
        """Any operator of one input; ``CUSTOM name`` for one that nobody knows."""
        output = {"dtype": dtype} if dtype else {"like": source}
        return self._operator(name, [source], shape, options, kind, **output)

    def unpack(self, values: Any) -> int:
        """A float16 constant behind a DEQUANTIZE, as float16 files have their weights."""
        half = self.constant(np.asarray(values, np.float16))
        return self._operator("DEQUANTIZE", [half], np.shape(values), None, "", dtype="float32")

    def constant(self, values: Any, quantization: Any = None, axis: int = 0) -> int:
        values = np.ascontiguousarray(values)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        index = self._tensor(f"constant{len(self._tensors)}", values.shape, values.dtype.name, quantization, axis)
        self._tensors[index].buffer = len(self._buffers) - 1
        return index

    def shrink_last_weights(self) -> None:
        """Make the filters of the newest operator a table, which no converter does."""
        weights = self._tensors[self._operators[-1].inputs[1]]
        weights.shape = [weights.shape[0], int(np.prod(weights.shape[1:]))]

    def to_bytes(self, output: int, batch: int = 0) -> bytes:
        """``batch``: saved with so many pictures at a time, and made for any number."""
        for tensor in self._tensors:
            if batch and not tensor.buffer:
                tensor.shapeSignature = [-1, *tensor.shape[1:]]
                tensor.shape = [batch, *tensor.shape[1:]]
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [self.picture], [output]
        model = schema.ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.buffers, model.operatorCodes = self._buffers, self._codes
        builder = flatbuffers.Builder(1 << 12)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def file(self, output: int, path: Path = Path("small.tflite"), batch: int = 0) -> ModelFile:
        model = self.to_bytes(output, batch)
        labels = tuple(f"class {index}" for index in range(self.shapes[output][-1]))
        contract = InputContract(height=self.hw[0], width=self.hw[1], mean=0.0, std=1.0)
        return ModelFile(
            path=path, model=model, graph=Graph.parse(model), labels=labels, contract=contract, manifest=None,
            files={}, num_bytes=len(model),
        )  # fmt: skip

    def network(self, output: int) -> Network:
        return Network(self.file(output), num_threads=1)

    def _sliding(self, name: str, source: int, weights: Any, bias: Any, axis: int, options: dict[str, Any]) -> int:
        made = schema.Conv2DOptionsT() if name == "CONV_2D" else schema.DepthwiseConv2DOptionsT()
        stride, dilation = options.get("stride", (1, 1)), options.get("dilation", (1, 1))
        padding = options.get("padding", "valid")
        made.strideH, made.strideW = stride
        made.dilationHFactor, made.dilationWFactor = dilation
        made.padding = 0 if padding == "same" else 1
        made.fusedActivationFunction = FUSED[options.get("activation", "")]
        before = self.shapes[source]
        if name != "CONV_2D":
            made.depthMultiplier = weights.shape[3] // before[3]
        hw = _output_hw(before[1:3], weights.shape[1:3], stride, dilation, padding)
        inputs = self._weighted_inputs(source, weights, bias, axis, options)
        kind = "Conv2DOptions" if name == "CONV_2D" else "DepthwiseConv2DOptions"
        shape = (1, *hw, weights.shape[axis])
        return self._operator(name, inputs, shape, made, kind, title=options.get("name"), **_output_of(options))

    def _weighted_inputs(self, source: int, weights: Any, bias: Any, axis: int, options: dict[str, Any]) -> list[int]:
        num_out = weights.shape[axis]
        bias = np.zeros(num_out, np.float32) if bias is None else np.asarray(bias, np.float32)
        if options.get("half"):
            return [source, self.unpack(weights), self.unpack(bias)]
        if "weight_scales" not in options:
            return [source, self.constant(weights), self.constant(bias)]
        scales = np.asarray(options["weight_scales"], np.float64)
        along = [1] * weights.ndim
        along[axis] = -1
        codes = np.clip(np.rint(weights / scales.reshape(along)), -127, 127).astype(np.int8)
        stored = self.constant(codes, (scales, [0] * len(scales)), axis)
        if self._dtype(source) == "float32":  # a dynamic-range file
            return [source, stored, self.constant(bias)]
        steps = scales * self._tensors[source].quantization.scale[0]
        sums = np.rint(bias / steps).astype(np.int32)
        return [source, stored, self.constant(sums, (steps, [0] * len(scales)))]

    def _dtype(self, tensor: int) -> str:
        return next(name for name, code in TYPES.items() if code == self._tensors[tensor].type)

    def _operator(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: Any,
        kind: str,
        *,
        like: int | None = None,
        dtype: str = "float32",
        quantization: Any = None,
        **naming: Any,
    ) -> int:
        if like is not None:
            dtype, old = self._dtype(like), self._tensors[like].quantization
            quantization = (old.scale, old.zeroPoint) if old else None
        elif quantization is not None:
            dtype = "int8"
        self._counts[name] = self._counts.get(name, 0) + 1
        title = naming.get("title") or f"net/{name.lower().replace(' ', '_')}_{self._counts[name]}x/{name}"
        output = self._tensor(title, tuple(shape), dtype, quantization)
        made = schema.OperatorT()
        made.opcodeIndex = self._code(name)
        made.inputs, made.outputs = list(inputs), [output]
        if options is not None:
            made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        self._operators.append(made)
        return output

    def _code(self, name: str) -> int:
        code = schema.OperatorCodeT()
        number = schema.BuiltinOperator.CUSTOM if name.startswith("CUSTOM ") else getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        if name == "CONV_2D" or name in ("DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MEAN", "SOFTMAX"):
            code.version = 5 if name == "CONV_2D" else 3 if name == "DEPTHWISE_CONV_2D" else 2
        if name.startswith("CUSTOM "):
            code.customCode = name.removeprefix("CUSTOM ")
        self._codes.append(code)
        return len(self._codes) - 1

    def _tensor(self, name: str, shape: Sequence[int], dtype: str, quantization: Any = None, axis: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), TYPES[dtype], 0
        if quantization is not None:
            scales, zeros = (np.atleast_1d(part) for part in quantization)
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.asarray(scales, np.float32)
            tensor.quantization.zeroPoint = np.asarray(zeros, np.int64)
            tensor.quantization.quantizedDimension = axis
        self._tensors.append(tensor)
        self.shapes.append(tuple(shape))
        return len(self._tensors) - 1


def _output_of(options: dict[str, Any]) -> dict[str, Any]:
    return {"quantization": options.get("output")}


def _output_hw(
    before: Sequence[int], size: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: str
) -> tuple[int, int]:
    reach = [(taps - 1) * apart + 1 for taps, apart in zip(size, dilation, strict=True)]
    sides = [
        -(-side // step) if padding == "same" else -(-(side - long + 1) // step)
        for side, long, step in zip(before, reach, stride, strict=True)
    ]
    return sides[0], sides[1]
