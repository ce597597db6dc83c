"""What a classifier's network knows before it names its classes: the logits and the features below them."""

from __future__ import annotations

from typing import NamedTuple

from edgecnn.modelfile.graph import Graph

_CHANGES_NUMBERS_ONLY = frozenset({"QUANTIZE", "DEQUANTIZE"})


class Head(NamedTuple):
    """Two inner values of a classifier, as indices of tensors.

    Attributes:
        logits: what softmax makes scores of, C values.
        features: what the last dense layer makes logits of, D values.
    """

    logits: int
    features: int


def find_head(graph: Graph) -> Head | None:
    """Return where logits and features are in a network that ends in a dense layer and softmax, else None."""
    made_by = {index: operator for operator in graph.operators for index in operator.outputs}
    at = graph.outputs[0]
    while at in made_by and made_by[at].name in _CHANGES_NUMBERS_ONLY:
        at = made_by[at].inputs[0]
    softmax = made_by.get(at)
    if softmax is None or softmax.name != "SOFTMAX":
        return None
    dense = made_by.get(softmax.inputs[0])
    if dense is None or dense.name != "FULLY_CONNECTED":
        return None
    head = Head(softmax.inputs[0], dense.inputs[0])
    return head if all(_is_one_vector(graph, index) for index in head) else None


def _is_one_vector(graph: Graph, index: int) -> bool:
    """Whether a tensor is made at run time, of one known row and readable as numbers."""
    tensor = graph.tensors[index]
    is_plain = tensor.dtype == "float32" or (tensor.dtype in ("int8", "uint8", "int16") and len(tensor.scales) == 1)
    return is_plain and len(tensor.shape) == 2 and tensor.shape[0] in (1, -1) and tensor.shape[1] >= 1
