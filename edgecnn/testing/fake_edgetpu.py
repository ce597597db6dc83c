"""Stand-in for what the Edge TPU compiler writes, for tests without a compiler and without a device.

A fake file has the compiler's shape: one operator ``edgetpu-custom-op`` from the network's input to its
output. Where the compiler puts instructions for the device, it has ``FAKE_MAGIC`` and the whole network.
"""

from __future__ import annotations

from typing import Any

from edgecnn.errors import MissingExtraError, ModelIntegrityError
from edgecnn.modelfile.edgetpu.compiled import CUSTOM_OPERATOR, FAKE_MAGIC
from edgecnn.modelfile.graph import Graph, Tensor

DESCRIPTION = "FAKE: written by edgecnn's stand-in for edgetpu_compiler; no Edge TPU can run it"
_TYPE_CODES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}
_CUSTOM = 32
_SCHEMA_VERSION = 3
_ALIGNMENT = 16


def fake_compiled(model: bytes) -> bytes:
    """Return a file as the compiler would write it if it mapped everything, but FAKE.

    Args:
        model: the FlatBuffer of a model, without associated files behind it.
    """
    graph = Graph.parse(model)
    builder = _new_builder(len(model) + 4096)
    data = _payload(builder, FAKE_MAGIC + model)
    ends = (*graph.inputs, *graph.outputs)
    tensors = _offsets(builder, [_tensor(builder, graph.tensors[index]) for index in ends])
    inputs = _integers(builder, range(len(graph.inputs)))
    outputs = _integers(builder, range(len(graph.inputs), len(ends)))
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(1, inputs, 0)
    builder.PrependUOffsetTRelativeSlot(2, outputs, 0)
    builder.PrependUOffsetTRelativeSlot(5, data, 0)
    operators = _offsets(builder, [builder.EndObject()])
    subgraph_inputs = _integers(builder, range(len(graph.inputs)))
    subgraph_outputs = _integers(builder, range(len(graph.inputs), len(ends)))
    builder.StartObject(4)
    for field, offset in enumerate((tensors, subgraph_inputs, subgraph_outputs, operators)):
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    subgraphs = _offsets(builder, [builder.EndObject()])
    return _finish(builder, subgraphs)


def fake_payload(custom_options: bytes) -> bytes:
    """Return the network inside the data of a fake operator.

    Raises:
        ModelIntegrityError: it is not the stand-in's.
    """
    if not custom_options.startswith(FAKE_MAGIC):
        raise ModelIntegrityError("this is no FAKE Edge TPU payload: the stand-in did not write it")
    return custom_options[len(FAKE_MAGIC) :]


def _finish(builder: Any, subgraphs: int) -> bytes:
    name = builder.CreateString(CUSTOM_OPERATOR)
    builder.StartObject(4)
    builder.PrependInt8Slot(0, _CUSTOM, 0)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.PrependInt32Slot(2, 1, 1)
    builder.PrependInt32Slot(3, _CUSTOM, 0)
    codes = _offsets(builder, [builder.EndObject()])
    builder.StartObject(1)
    buffers = _offsets(builder, [builder.EndObject()])
    description = builder.CreateString(DESCRIPTION)
    builder.StartObject(5)
    builder.PrependUint32Slot(0, _SCHEMA_VERSION, 0)
    for field, offset in ((1, codes), (2, subgraphs), (3, description), (4, buffers)):
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    return bytes(builder.Output())


def _tensor(builder: Any, tensor: Tensor) -> int:
    shape = _integers(builder, [abs(size) for size in tensor.shape])
    name = builder.CreateString(tensor.name)
    quantization = _quantization(builder, tensor) if tensor.scales else None
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, shape, 0)
    builder.PrependInt8Slot(1, _TYPE_CODES[tensor.dtype], 0)
    builder.PrependUOffsetTRelativeSlot(3, name, 0)
    if quantization is not None:
        builder.PrependUOffsetTRelativeSlot(4, quantization, 0)
    offset: int = builder.EndObject()
    return offset


def _quantization(builder: Any, tensor: Tensor) -> int:
    builder.StartVector(4, len(tensor.scales), 4)
    for scale in reversed(tensor.scales):
        builder.PrependFloat32(scale)
    scales = builder.EndVector()
    builder.StartVector(8, len(tensor.zero_points), 8)
    for zero_point in reversed(tensor.zero_points):
        builder.PrependInt64(zero_point)
    zero_points = builder.EndVector()
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(2, scales, 0)
    builder.PrependUOffsetTRelativeSlot(3, zero_points, 0)
    offset: int = builder.EndObject()
    return offset


def _payload(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), _ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    offset: int = builder.EndVector()
    return offset


def _integers(builder: Any, values: Any) -> int:
    values = list(values)
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependInt32(value)
    offset: int = builder.EndVector()
    return offset


def _offsets(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end


def _new_builder(num_bytes: int) -> Any:
    try:
        import flatbuffers
    except ImportError as exc:
        raise MissingExtraError("writing model files needs flatbuffers; run: pip install 'edgecnn[train]'") from exc
    return flatbuffers.Builder(num_bytes)
