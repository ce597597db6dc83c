"""What 8 bits make of a float32 graph: activations with one common scale, activations with a scale by rule.

Reference: LiteRT 8-bit quantization specification, https://ai.google.dev/edge/litert/models/quantization_spec.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.modelfile.graph import Graph

# In 8 bits these keep the scale of what they read.
SAME_SCALE = frozenset({"AVERAGE_POOL_2D", "CONCATENATION", "EXPAND_DIMS", "MAX_POOL_2D", "PAD", "RESHAPE", "SQUEEZE"})
_FIXED = {"SOFTMAX": (0.0, 255 / 256), "LOGISTIC": (0.0, 255 / 256), "TANH": (-1.0, 127 / 128)}


def group_by_scale(graph: Graph) -> dict[int, int]:
    """Return for every activation the one that stands for all those with its scale: tensor index -> tensor index."""
    leader = {graph.inputs[0]: graph.inputs[0]}
    for operator in graph.operators:
        output = operator.outputs[0]
        leader[output] = output
        if operator.name in SAME_SCALE:
            tied = {leader[index] for index in operator.inputs if index in leader}
            leader = {index: output if group in tied else group for index, group in leader.items()}
    return leader


def fixed_ranges(graph: Graph, contract: InputContract, groups: dict[int, int]) -> dict[int, tuple[float, float]]:
    """Return lowest and highest value of the groups that follow no pictures: representative -> range."""
    fixed = {groups[op.outputs[0]]: _FIXED[op.name] for op in graph.operators if op.name in _FIXED}
    fixed[groups[graph.inputs[0]]] = (-contract.mean / contract.std, (255.0 - contract.mean) / contract.std)
    return fixed


def read_constant(graph: Graph, index: int) -> NDArray[Any]:
    """Return a copy of a constant, with its own shape and dtype."""
    tensor = graph.tensors[index]
    values: NDArray[Any] = graph.buffer(tensor.buffer).view(np.dtype(tensor.dtype).newbyteorder("<"))
    return values.reshape(tensor.shape).copy()
