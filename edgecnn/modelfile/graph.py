"""The network inside a model file, read out of the FlatBuffer without running it.

Reference: ``tensorflow/compiler/mlir/lite/schema/schema.fbs``; the numbers below are its field numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.opcodes import CUSTOM, PLACEHOLDER_FOR_GREATER_OP_CODES, builtin_name

FILE_IDENTIFIER = b"TFL3"
# Code in the schema: name, bytes per element (0: not a fixed size).
_TENSOR_TYPES = (
    ("float32", 4), ("float16", 2), ("int32", 4), ("uint8", 1), ("int64", 8), ("string", 0), ("bool", 1), ("int16", 2),
    ("complex64", 8), ("int8", 1), ("float64", 8), ("complex128", 16), ("uint64", 8), ("resource", 0), ("variant", 0),
    ("uint32", 4), ("uint16", 2), ("int4", 0), ("bfloat16", 2), ("int2", 0), ("uint4", 0),
)  # fmt: skip
_ITEM_BYTES = dict(_TENSOR_TYPES)


# Tensors and operators are named tuples: a model has hundreds, and a frozen dataclass takes five times as long to make.
class Tensor(NamedTuple):
    """A value in the graph.

    Attributes:
        name: as the converter wrote it; it holds the names of the Keras layers.
        shape: sizes, batch first; -1 marks a size that is not fixed.
        dtype: numpy's name of the element type, or LiteRT's where numpy has none.
        buffer: index of its constant data; buffers of 0 bytes mean a value made at run time.
        scales: one scale for the whole tensor, or one per slice of ``axis``; empty if not quantized.
        zero_points: as many as scales.
        axis: the dimension that the scales run along.
        is_variable: kept from one invocation to the next.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    is_variable: bool

    @property
    def is_dynamic(self) -> bool:
        """Whether a size is known only at run time."""
        return min(self.shape, default=0) < 0

    @property
    def num_bytes(self) -> int | None:
        """Size of the data, or None when the element type has no fixed size or a dimension is open."""
        item = _ITEM_BYTES[self.dtype]
        return item * math.prod(self.shape) if item and not self.is_dynamic else None


class Operator(NamedTuple):
    """One step of the graph.

    Attributes:
        name: of the operator, as the schema has it.
        version: of the operator.
        inputs: tensor indices, with -1 for an optional input that is left out.
        outputs: tensor indices.
        options_type: which table of the schema's union ``BuiltinOptions`` the options are.
        options: strides and the like; None where there are none.
    """

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: Table | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The one subgraph of a model.

    Attributes:
        tensors: all values.
        operators: in the order in which they run.
        inputs: tensor indices.
        outputs: tensor indices.
        buffers: tables of the constant data.
        metadata: name and buffer index of what else travels in the FlatBuffer.
        num_subgraphs: 1 in every model that edgecnn can run.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    buffers: tuple[Table, ...]
    metadata: tuple[tuple[str, int], ...]
    num_subgraphs: int

    @classmethod
    def parse(cls, model: bytes) -> Graph:
        """Read the FlatBuffer of a model.

        Raises:
            ModelIntegrityError: it is not one, or an offset leads outside of it.
        """
        if model[4:8] != FILE_IDENTIFIER:
            raise ModelIntegrityError("the TFL3 mark of a .tflite file is missing")
        root = Table.root(model)
        codes = [_operator_code(table) for table in root.tables(1)]
        subgraphs = root.tables(2)
        if not subgraphs:
            raise ModelIntegrityError("the file holds no graph")
        main = subgraphs[0]
        return cls(
            tensors=tuple(_tensor(table) for table in main.tables(0)),
            operators=tuple(_operator(table, codes) for table in main.tables(3)),
            inputs=main.integers(1),
            outputs=main.integers(2),
            buffers=tuple(root.tables(4)),
            metadata=tuple((entry.text(0), entry.integer(1, "I")) for entry in root.tables(6)),
            num_subgraphs=len(subgraphs),
        )

    def buffer(self, index: int) -> NDArray[np.uint8]:
        """Return the bytes of a constant buffer; none for a value that is made at run time."""
        if not 0 <= index < len(self.buffers):
            raise ModelIntegrityError(f"buffer {index} is asked for, but the file has {len(self.buffers)}")
        table = self.buffers[index]
        if table.integer(1, "Q") > 1:
            raise ModelIntegrityError(
                "the weights lie outside the FlatBuffer, which older runtimes misread; "
                "write the model again with the quantizer's inline-weights setting"
            )
        data = table.array(0, np.uint8)
        return np.empty(0, np.uint8) if data is None else data.view(np.uint8)

    def find_metadata(self, name: str) -> bytes | None:
        """Return the metadata buffer of that name, or None."""
        index = dict(self.metadata).get(name)
        return None if index is None else self.buffer(index).tobytes()

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether the tensor's values stand in the file."""
        return self.buffer(tensor.buffer).size > 0

    def num_weights(self) -> int:
        """Return the number of constant values that are weights: everything but shapes and axes."""
        used = {index for operator in self.operators for index in operator.inputs if index >= 0}
        constants = (self.tensors[index] for index in used)
        return sum(math.prod(t.shape) for t in constants if self.is_constant(t) and (t.scales or "float" in t.dtype))


def _operator_code(table: Table) -> tuple[str, int]:
    deprecated, code = table.integer(0, "b"), table.integer(3, "i")
    # Codes up to 126 may stand in the old one-byte field alone.
    code = max(deprecated, code) if deprecated < PLACEHOLDER_FOR_GREATER_OP_CODES else code
    name = f"CUSTOM {table.text(1)}" if code == CUSTOM else builtin_name(code)
    return name, table.integer(2, "i", 1)


def _tensor(table: Table) -> Tensor:
    code = table.integer(1, "b")
    if not 0 <= code < len(_TENSOR_TYPES):
        raise ModelIntegrityError(f"tensor {table.text(3)!r} has the unknown element type {code}")
    quantization = table.table(4)
    scales = quantization.array(2, np.float32) if quantization else None
    return Tensor(
        name=table.text(3),
        shape=_shape(table),
        dtype=_TENSOR_TYPES[code][0],
        buffer=table.integer(2, "I"),
        scales=() if scales is None else tuple(scales.tolist()),
        zero_points=quantization.integers(3, np.int64) if quantization else (),
        axis=quantization.integer(6, "i") if quantization else 0,
        is_variable=bool(table.integer(5, "b")),
    )


def _shape(table: Table) -> tuple[int, ...]:
    """Return a tensor's shape, with -1 where the signature leaves a size open."""
    shape, signature = table.integers(0), table.integers(7)
    if not signature:
        return shape
    if len(signature) != len(shape) or any(s not in (-1, size) for size, s in zip(shape, signature, strict=True)):
        raise ModelIntegrityError(f"tensor {table.text(3)!r} has the shape {shape} and the signature {signature}")
    return signature


def _operator(table: Table, codes: list[tuple[str, int]]) -> Operator:
    index = table.integer(0, "I")
    if index >= len(codes):
        raise ModelIntegrityError(f"an operator has code number {index}, but the file lists {len(codes)}")
    name, version = codes[index]
    return Operator(
        name=name,
        version=version,
        inputs=table.integers(1),
        outputs=table.integers(2),
        options_type=table.integer(3, "B"),
        options=table.table(4),
    )
