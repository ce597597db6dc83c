"""How a network gets from its last maps to its classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.arithmetic import activation_range
from edgecnn.explain.layer import PICTURE, Layer
from edgecnn.explain.maps import biases, filters
from edgecnn.explain.network import Look, Network

_WEIGHTED = frozenset({"dense", "convolution"})
_AVERAGES = frozenset({"global_average", "average_pool"})
_LARGEST = frozenset({"global_max", "max_pool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a network.

    Attributes:
        logits: layer whose output becomes scores; its own output where nothing follows it.
        steps: layers from ``logits`` backwards that were followed, each a sum of its inputs with weights.
        last: the last layer with weights among them; None where there is none.
        maps: layer that made the last maps, with more than one place; None where the way there cannot be
            followed, because branches meet on it or a layer is no such sum.
    """

    logits: Layer
    steps: tuple[Layer, ...]
    last: Layer | None
    maps: Layer | None


class Votes(NamedTuple):
    """What the last maps say for one class, in one picture.

    Attributes:
        positions: float64, shape (rows, columns): each place's part of the logit.
        bias: what the layers add to it by themselves.
    """

    positions: NDArray[np.float64]
    bias: float


def find_head(network: Network) -> Head:
    """Follow a network from its scores back to its last maps."""
    layer = _at_logits(network)
    logits, steps = layer, []
    while True:
        if layer.is_map and layer.output_shape[:2] != (1, 1):
            maps: Layer | None = layer
            break
        if not _is_followed(layer) or layer.sources[0] == PICTURE:
            maps = None
            break
        steps.append(layer)
        layer = network.layers[layer.sources[0]]
    last = next((step for step in steps if step.kind in _WEIGHTED), None)
    return Head(logits=logits, steps=tuple(steps), last=last, maps=maps)


def trace_votes(look: Look, head: Head, class_index: int) -> Votes:
    """Return each place's part of a class's logit: exact, since every step is a sum once the picture is known.

    A ReLU lets its input through, or gives a constant, and which of the two is known for the picture.

    Args:
        look: the picture in the network.
        head: of that network, with maps.
        class_index: which class.
    """
    assert head.maps is not None
    pull = np.zeros(head.logits.output_shape)
    pull.reshape(-1)[class_index] = 1.0
    bias = 0.0
    for step in head.steps:
        pull, constant = _through_activation(look, step, pull)
        pull, added = _through(look, step, pull)
        bias += constant + added
    positions: NDArray[np.float64] = (pull * look.values(head.maps)).sum(axis=2)
    return Votes(positions, bias)


def _at_logits(network: Network) -> Layer:
    """Return the layer before softmax or the logistic function, else the last one."""
    made_by = {layer.output: layer for layer in network.layers}
    layer = made_by.get(network.file.graph.outputs[0], network.layers[-1])
    last = layer
    while layer.sources[0] != PICTURE:
        before = network.layers[layer.sources[0]]
        if layer.kind == "softmax" or layer.operator in ("LOGISTIC", "LOG_SOFTMAX"):
            return before
        if layer.kind not in ("conversion", "reshape"):
            break
        layer = before
    return last


def _is_followed(layer: Layer) -> bool:
    if len(layer.sources) != 1:
        return False
    if layer.kind in ("reshape", "conversion", "dense", "global_average", "global_max"):
        return activation_range(layer.activation) is not None
    if layer.kind == "activation":
        return activation_range(layer.activation) is not None
    if layer.kind in ("convolution", "average_pool", "max_pool"):
        return _covers_all(layer) and activation_range(layer.activation) is not None
    return False


def _covers_all(layer: Layer) -> bool:
    """Whether a window has a single place, on all of its input."""
    if layer.window is None or layer.output_shape[:2] != (1, 1):
        return False
    return layer.window.before_hw == (0, 0) and layer.window.size_hw == layer.input_shape[:2]


def _through_activation(look: Look, step: Layer, pull: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return what is left of a pull before an activation, and what the cut off values add."""
    low, high = activation_range(step.activation) or (-np.inf, np.inf)
    if not step.activation:
        return pull, 0.0
    values = look.values(step)
    constant = np.where(values <= low, low, np.where(values >= high, high, 0.0))
    is_cut = (values <= low) | (values >= high)
    return np.where(is_cut, 0.0, pull), float((pull * np.where(is_cut, constant, 0.0)).sum())


def _through(look: Look, step: Layer, pull: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the pull on a step's input, and what its bias adds."""
    if step.kind in _WEIGHTED:
        flat = pull.reshape(-1)
        pulled = np.flatnonzero(flat)  # of a thousand classes it is one
        back = np.tensordot(flat[pulled], filters(look.network, step)[pulled].astype(np.float64), axes=1)
        return back.reshape(step.input_shape), float(flat @ biases(look.network, step))
    if step.kind in _AVERAGES:
        rows, columns, _ = step.input_shape
        return np.broadcast_to(pull.reshape(1, 1, -1) / (rows * columns), step.input_shape), 0.0
    if step.kind in _LARGEST:
        return _to_largest(look.input_values(step), pull.reshape(-1)), 0.0
    return pull.reshape(step.input_shape), 0.0


def _to_largest(values: NDArray[np.float32], pull: NDArray[np.float64]) -> NDArray[np.float64]:
    back = np.zeros((values.shape[0] * values.shape[1], values.shape[2]))
    winners = values.reshape(back.shape).argmax(axis=0)
    back[winners, np.arange(len(winners))] = pull
    return back.reshape(values.shape)
