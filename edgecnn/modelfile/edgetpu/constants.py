"""Constants in a graph, also where they lie outside of the FlatBuffer."""

from __future__ import annotations

import numpy as np

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Graph, Tensor

_DATA, _OFFSET, _SIZE = 0, 1, 2


def is_out_of_line(graph: Graph, tensor: Tensor) -> bool:
    """Whether the values lie behind the FlatBuffer, where readers before 2023 do not look."""
    return _buffer(graph, tensor).integer(_OFFSET, "Q") > 1


def num_stored_bytes(graph: Graph, tensor: Tensor) -> int:
    """Return how many bytes of values the file has for a tensor; 0 for one that is made at run time."""
    table = _buffer(graph, tensor)
    if table.integer(_OFFSET, "Q") > 1:
        return table.integer(_SIZE, "Q")
    data = table.array(_DATA, np.uint8)
    return 0 if data is None else data.size


def integers_of(graph: Graph, tensor: Tensor) -> list[int] | None:
    """Return the values of a constant int32 or int64 tensor, flat; None if it is none."""
    if tensor.dtype not in ("int32", "int64"):
        return None
    data = _buffer(graph, tensor).array(_DATA, np.uint8)
    if data is None or data.size % np.dtype(tensor.dtype).itemsize:
        return None
    return [int(value) for value in np.frombuffer(data.tobytes(), np.dtype(tensor.dtype).newbyteorder("<"))]


def _buffer(graph: Graph, tensor: Tensor) -> Table:
    if not 0 <= tensor.buffer < len(graph.buffers):
        raise ModelIntegrityError(f"buffer {tensor.buffer} is asked for, but the file has {len(graph.buffers)}")
    return graph.buffers[tensor.buffer]
