"""Weights, multiplications and memory: of each layer, and of a dense network in its place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgecnn.explain.layer import Layer
from edgecnn.explain.network import Network
from edgecnn.explain.tensors import stored

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCount:
    """What a layer costs; zeros for one without weights.

    Attributes:
        layer: the layer.
        weights: numbers that were learned, without biases.
        biases: numbers that are added.
        multiplications: for one picture.
        weight_bytes: of weights and biases in the file.
        output_bytes: of its output in memory.
        connections: inputs that one output sees, away from the borders.
        uses: times that each weight is used for one picture.
        dense_weights: what a dense layer from the same inputs to the same outputs would have.
    """

    layer: Layer
    weights: int
    biases: int
    multiplications: int
    weight_bytes: int
    output_bytes: int
    connections: int
    uses: int
    dense_weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSize:
    """A dense layer on all numbers of a picture: its multiplications are as many as its weights.

    Attributes:
        height: rows of pixels.
        width: columns of pixels.
        channels: numbers of a pixel.
        hidden_units: units, each of which is connected to every number.
    """

    height: int
    width: int
    channels: int
    hidden_units: int

    @property
    def inputs(self) -> int:
        """Numbers of the picture."""
        return self.height * self.width * self.channels

    @property
    def weights(self) -> int:
        """One for each pair of a number and a unit; biases are not counted."""
        return self.inputs * self.hidden_units

    @property
    def num_bytes(self) -> int:
        """Memory of the weights as 32-bit floats."""
        return self.weights * _FLOAT_BYTES

    @property
    def sum(self) -> str:
        """The multiplication, written out."""
        return (
            f"{self.width:,} x {self.height:,} x {self.channels} = {self.inputs:,} numbers; "
            f"x {self.hidden_units:,} units = {self.weights:,} weights"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseEquivalent:
    """A network beside a dense layer on the same picture.

    Attributes:
        dense: the dense layer.
        weights: that the network has, biases not counted.
        multiplications: that the network does for one picture.
        num_bytes: of all weights and biases in the file.
        largest_output_bytes: memory of the largest output among its layers.
    """

    dense: DenseSize
    weights: int
    multiplications: int
    num_bytes: int
    largest_output_bytes: int


# The picture and the number of units of the article that this part of edgecnn follows.
ARTICLE = DenseSize(height=2031, width=3082, channels=3, hidden_units=10_000_000)


def layer_counts(network: Network) -> tuple[LayerCount, ...]:
    """Return what each layer costs, in the network's order."""
    return tuple(_count(network, layer) for layer in network.layers)


def dense_equivalent(network: Network, hidden_units: int | None = None) -> DenseEquivalent:
    """Return what a dense layer on the same picture would cost, beside what the network does.

    Args:
        network: the network.
        hidden_units: units of the dense layer, from 1; None takes as many as the network's first
            convolution has outputs, which is the fair exchange for it.

    Raises:
        ValueError: there would be no units.
    """
    if hidden_units is not None and hidden_units < 1:
        raise ValueError(f"a dense layer has at least one unit, not {hidden_units}")
    contract, counts = network.file.contract, layer_counts(network)
    units = hidden_units or math.prod(network.convolutions[0].output_shape)
    return DenseEquivalent(
        dense=DenseSize(height=contract.height, width=contract.width, channels=3, hidden_units=units),
        weights=sum(count.weights for count in counts),
        multiplications=sum(count.multiplications for count in counts),
        num_bytes=sum(count.weight_bytes for count in counts),
        largest_output_bytes=max(count.output_bytes for count in counts),
    )


def _count(network: Network, layer: Layer) -> LayerCount:
    graph = network.file.graph
    output_bytes = graph.tensors[layer.output]._replace(shape=(1, *layer.output_shape)).num_bytes or 0
    outputs = math.prod(layer.output_shape)
    if layer.weights is None:
        return LayerCount(
            layer=layer, weights=0, biases=0, multiplications=0, weight_bytes=0, output_bytes=output_bytes,
            connections=0, uses=0, dense_weights=0,
        )  # fmt: skip
    shape = graph.tensors[layer.weights].shape
    weights = math.prod(shape)
    # Each filter, or unit, makes one channel of the output; what it is made of are its connections.
    filters = layer.output_shape[-1]
    uses = outputs // filters
    constants = [stored(graph, index) for index in (layer.weights, layer.bias) if index is not None]
    return LayerCount(
        layer=layer,
        weights=weights,
        biases=filters if layer.bias is not None else 0,
        multiplications=weights * uses,
        weight_bytes=sum(graph.buffer(graph.tensors[index].buffer).size for index in constants),
        output_bytes=output_bytes,
        connections=weights // filters,
        uses=uses,
        dense_weights=math.prod(layer.input_shape) * outputs,
    )
