"""Which features voted for a class and which against it, and where they stood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.clamp import clamped
from edgecnn.explain.head import find_head, trace_votes
from edgecnn.explain.layer import Layer
from edgecnn.explain.maps import biases, filters
from edgecnn.explain.network import Look, Network
from edgecnn.explain.tensors import step_of
from edgecnn.explain.tolerance import tolerance_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """The sum that makes a class's logit.

    Attributes:
        class_index: which class.
        features: float32, shape (D,): what the last layer with weights reads.
        weights: float32, shape (D,): its weights for the class.
        values: float64, shape (D,): ``features * weights``, each feature's vote with its sign.
        bias: what the layer adds.
        total: the votes and the bias together.
        logit: what the file itself computed.
        rest: ``logit - total``: what the file's rounding made of it.
        step: distance of two neighbouring logits that the file can write down; 0 in a float file.
        tolerance: how large ``rest`` may be by rounding alone: the step, or what float sums may be off.
        agrees: whether it is no larger, once ``total`` was cut off where the file's codes end.
        logits: float32, shape (C,): of all classes, from the file.
        scores: float32, shape (C,): of all classes, from the file.
        layer: the layer that the features come from; None where they are the picture.
        shape: of the features before they were made flat: (D,), or (rows, columns, channels).
        positions: float32, shape (rows, columns): the votes of places on the last maps; None where the way
            from there cannot be followed.
        positions_bias: what all layers on that way add by themselves.
        positions_rest: ``logit`` minus the sum of all positions and their bias: what the file's rounding
            between the last maps and the logit made of it, the averages' included.
    """

    class_index: int
    features: NDArray[np.float32]
    weights: NDArray[np.float32]
    values: NDArray[np.float64]
    bias: float
    total: float
    logit: float
    rest: float
    step: float
    tolerance: float
    agrees: bool
    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    layer: Layer | None
    shape: tuple[int, ...]
    positions: NDArray[np.float32] | None
    positions_bias: float
    positions_rest: float

    @property
    def order(self) -> NDArray[np.int64]:
        """Indices of the features, the strongest vote in either direction first: int64, shape (D,)."""
        strongest: NDArray[np.int64] = np.argsort(-np.abs(self.values), kind="stable")
        return strongest


def contributions(look: Look, class_index: int | None = None) -> Contributions:
    """Return the votes of the last features for a class.

    Args:
        look: the picture in the network.
        class_index: which class; None takes the file's answer.

    Raises:
        ModelFileError: the network does not end in a dense layer, or in a convolution that stands for one.
        ValueError: there is no such class.
    """
    network, wanted = look.network, look.class_or_best(class_index)
    head = find_head(network)
    if head.last is None:
        raise ModelFileError(
            f"{network.file.path}: the scores come from {head.logits.name} ({head.logits.operator}), not from a "
            "dense layer, so there are no votes to count; see where it looked instead"
        )
    last = head.last
    weights = filters(network, last)[wanted].reshape(-1)
    features = look.input_values(last)
    values = weights.astype(np.float64) * features.reshape(-1)
    bias = float(biases(network, last)[wanted])
    total = float(values.sum()) + bias
    logits = look.values(head.logits).reshape(-1)
    logit = float(logits[wanted])
    tolerance = tolerance_of(look, last, values, weights, bias)
    votes = trace_votes(look, head, wanted) if head.maps else None
    return Contributions(
        class_index=wanted,
        features=features.reshape(-1),
        weights=weights,
        values=values,
        bias=bias,
        total=total,
        logit=logit,
        rest=logit - total,
        step=step_of(network.file.graph.tensors[head.logits.output]),
        tolerance=tolerance,
        agrees=abs(logit - float(clamped(network, last, np.asarray(total)))) <= tolerance,
        logits=logits,
        scores=look.scores,
        layer=network.layers[last.sources[0]] if last.sources[0] >= 0 else None,
        shape=_shape_before(network, last),
        positions=votes.positions.astype(np.float32) if votes else None,
        positions_bias=votes.bias if votes else 0.0,
        positions_rest=logit - float(votes.positions.sum()) - votes.bias if votes else 0.0,
    )


def class_activation_map(look: Look, class_index: int | None = None) -> NDArray[np.float32]:
    """Return how much each place of the last maps adds to a class's logit.

    With a global average and a dense layer at the end this is class activation mapping; a flattened map
    and several dense layers are followed the same way. With the layers' biases it sums to the logit.

    Args:
        look: the picture in the network.
        class_index: which class; None takes the file's answer.

    Returns:
        float32, shape (rows, columns) of the last maps: positive where the place speaks for the class.

    Raises:
        ModelFileError: the end of the network does not allow it; ``occlusion_map`` works for every network.
        ValueError: there is no such class.

    Reference:
        Zhou et al., "Learning Deep Features for Discriminative Localization", arXiv:1512.04150, equation 2.
    """
    wanted, head = look.class_or_best(class_index), find_head(look.network)
    if head.maps is None:
        raise ModelFileError(
            f"{look.network.file.path}: the way from the last maps to the classes is more than averages and dense "
            "layers, so no class activation map can be drawn; take an occlusion map"
        )
    return trace_votes(look, head, wanted).positions.astype(np.float32)


def has_class_activation_map(network: Network) -> bool:
    """Whether the end of a network allows a class activation map."""
    return find_head(network).maps is not None


def _shape_before(network: Network, last: Layer) -> tuple[int, ...]:
    """Return the shape that a layer's input had before it was flattened."""
    shape, source = last.input_shape, last.sources[0]
    while source >= 0 and network.layers[source].kind in ("reshape", "conversion"):
        shape, source = network.layers[source].input_shape, network.layers[source].sources[0]
    return shape
