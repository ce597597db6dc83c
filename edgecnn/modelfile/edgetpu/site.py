"""One operator with what lies around it in the graph."""

from __future__ import annotations

from edgecnn.modelfile.edgetpu.constants import integers_of, num_stored_bytes
from edgecnn.modelfile.graph import Graph, Operator, Tensor


class Site:
    """One operator with what lies around it."""

    def __init__(self, graph: Graph, operator: Operator, runtime_version: int) -> None:
        self.graph, self.operator, self.runtime_version = graph, operator, runtime_version

    def input(self, position: int) -> Tensor | None:
        """Return an input; None where there is none."""
        inputs = self.operator.inputs
        return self.graph.tensors[inputs[position]] if position < len(inputs) and inputs[position] >= 0 else None

    def shape(self, position: int = 0) -> tuple[int, ...]:
        """Return the shape of an input, with 1 for a size that is open."""
        tensor = self.input(position)
        return tuple(abs(size) for size in tensor.shape) if tensor else ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the first output, with 1 for a size that is open."""
        return tuple(abs(size) for size in self.graph.tensors[self.operator.outputs[0]].shape)

    def integers(self, position: int) -> list[int]:
        """Return a constant input of integers; empty where it is none."""
        tensor = self.input(position)
        return (integers_of(self.graph, tensor) if tensor else None) or []

    def axes(self, position: int) -> set[int]:
        """Return the axes that a constant input names, counted from the front."""
        rank = len(self.shape())
        return {axis % rank for axis in self.integers(position)} if rank else set()

    def is_constant(self, position: int) -> bool:
        """Whether an input is there and constant."""
        tensor = self.input(position)
        return tensor is not None and num_stored_bytes(self.graph, tensor) > 0

    def option(self, field: int, default: int = 0, code: str = "i") -> int:
        """Return a field of the operator's options."""
        return self.operator.options.integer(field, code, default) if self.operator.options else default


def trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its leading ones."""
    first = next((place for place, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]
