"""Running a network picture by picture and looking at every value that it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.modelfile.graph import Graph
from edgecnn.runtime.interpreter import InnerTensors


class Inner:
    """A network's tensors, as real values, for one picture after the other."""

    def __init__(self, model: bytes, contract: InputContract) -> None:
        """Load a float32 model of normalized pixels, or a quantized one of raw pixels."""
        self.graph = Graph.parse(model)
        self._tensors = InnerTensors(model)
        self._contract = contract
        self._input_dtype = self.graph.tensors[self.graph.inputs[0]].dtype

    def run(self, pixels: NDArray[np.uint8]) -> None:
        """Run the network on one picture: uint8, shape (height, width, 3), RGB."""
        self._tensors.run(self._prepare(pixels))

    def read(self, index: int) -> NDArray[np.float32]:
        """Return a tensor's real values after the newest run: float32, the tensor's shape."""
        tensor, values = self.graph.tensors[index], self._tensors.read(index)
        if tensor.dtype == "float32" or len(tensor.scales) != 1:
            return values.astype(np.float32, copy=False)
        zero_point = tensor.zero_points[0] if tensor.zero_points else 0
        real: NDArray[np.float32] = values.astype(np.float32)
        real -= np.float32(zero_point)
        real *= np.float32(tensor.scales[0])
        return real

    def _prepare(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        if self._input_dtype == "uint8":
            return pixels
        if self._input_dtype == "int8":
            return (pixels ^ 0x80).view(np.int8)
        return (pixels.astype(np.float32) - np.float32(self._contract.mean)) / np.float32(self._contract.std)


def activations(graph: Graph) -> Iterator[int]:
    """Yield the tensors that a run computes in floats or codes: the input and every operator's outputs."""
    yield from graph.inputs
    for operator in graph.operators:
        yield from (index for index in operator.outputs if graph.tensors[index].dtype in ("float32", "int8", "int16"))
