"""Cross-layer equalization: channels that differ much in range share one scale badly.

A channel that is divided by s when it is made and multiplied by s when it is used gives the same
network, if all that lies between is linear or a ReLU. So the factors are free, and are chosen so that
the channels of a tensor become alike while the weights that use them do not become too unlike.

Reference:
    Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
    arXiv:1906.04721, section 4.1; with weights that have a scale per channel, the activation's range
    stands for the first layer's weights, as in Xiao et al., "SmoothQuant", arXiv:2211.10438, equation 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.quantize.links import Link, find_links
from edgecnn.export.quantize.requantize import WEIGHTS, read_floats
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph

Vector = NDArray[np.float64]

# A factor beyond this would only chase channels that are as good as dead.
_MAX_FACTOR = 10_000.0
# How much of a clamp's room (6 for ReLU6) a channel may fill on the calibration pictures after it was
# made larger: others may show it more, and must not be cut.
_CLAMP_SHARE = 0.25


def equalize(float_model: bytes, peaks: dict[int, Vector], strength: float) -> bytes:
    """Return the same network with channels of more equal range.

    A channel behind a ReLU6 is made larger only where the calibration pictures leave it so small that
    it stays at a quarter of the clamp or below, and never where the clamp cut it.

    Args:
        float_model: float32 file.
        peaks: what ``channel_peaks`` found.
        strength: 0 to 1; 1 makes all channels equal and lets the weights bear it, 0.5 shares it evenly.
    """
    graph = Graph.parse(float_model)
    changed = _Weights(graph)
    for link in find_links(graph):
        factors = _factors(link, peaks, changed, strength)
        for operator in link.producers:
            changed.scale_outputs(operator, 1.0 / factors)
        for operator in link.consumers:
            changed.scale_inputs(operator, factors)
    return changed.write(float_model)


def channel_peaks(
    float_model: bytes, contract: InputContract, pixels: NDArray[np.uint8], progress: Progress | None = None
) -> dict[int, Vector]:
    """Return the largest magnitude in every channel that can be scaled: tensor index -> float64, shape (C,).

    Args:
        float_model: float32 file; its input are normalized pixels.
        contract: mean and standard deviation of the input.
        pixels: uint8, shape (N, height, width, 3), RGB, N from 1.
        progress: told of every picture.
    """
    inner = Inner(float_model, contract)
    tensors = inner.graph.tensors
    scaled = [index for link in find_links(inner.graph) for index in link.tensors]
    peaks = {index: np.zeros(tensors[index].shape[-1]) for index in scaled}
    with (progress or SilentProgress()).task("measuring the range of every channel", len(pixels)) as task:
        for picture in pixels:
            inner.run(picture)
            for index, peak in peaks.items():
                values = inner.read(index)
                values = values.reshape(-1, values.shape[-1])
                np.maximum(peak, np.maximum(values.max(axis=0), -values.min(axis=0)), out=peak)
            task.advance()
    return peaks


@dataclass(slots=True)
class _Weights:
    """Weights and biases of a graph, changed here and written at the end."""

    graph: Graph
    values: dict[int, Vector] = field(default_factory=dict)

    def of(self, tensor: int) -> Vector:
        if tensor not in self.values:
            self.values[tensor] = read_floats(self.graph, tensor)
        return self.values[tensor]

    def scale_outputs(self, operator: int, factors: Vector) -> None:
        name, inputs = self.graph.operators[operator].name, self.graph.operators[operator].inputs
        at_weights, at_bias = WEIGHTS[name]
        weights = self.of(inputs[at_weights])
        along = -1 if name == "DEPTHWISE_CONV_2D" else 0
        self.values[inputs[at_weights]] = weights * _along(factors, weights.ndim, along)
        if len(inputs) > at_bias and inputs[at_bias] >= 0:
            self.values[inputs[at_bias]] = self.of(inputs[at_bias]) * factors

    def scale_inputs(self, operator: int, factors: Vector) -> None:
        tensor = self.graph.operators[operator].inputs[WEIGHTS[self.graph.operators[operator].name][0]]
        weights = self.of(tensor)
        self.values[tensor] = weights * _along(factors, weights.ndim, -1)

    def input_shares(self, operators: Iterable[int], num: int) -> Vector:
        """Return how large the weights of each input channel are beside the largest of the same output.

        Depthwise layers do not count: each of their channels has a scale of its own.
        """
        shares = np.zeros(num)
        for index in operators:
            operator = self.graph.operators[index]
            if operator.name == "DEPTHWISE_CONV_2D":
                continue
            weights = np.abs(self.of(operator.inputs[WEIGHTS[operator.name][0]]))
            flat = weights.reshape(weights.shape[0], -1, num).max(axis=1)
            largest = flat.max(axis=1, keepdims=True) if operator.name != "FULLY_CONNECTED" else flat.max()
            np.maximum(shares, (flat / np.maximum(largest, 1e-30)).max(axis=0), out=shares)
        return shares

    def write(self, model: bytes) -> bytes:
        editor = Editor(model)
        for tensor, values in self.values.items():
            editor.set_values(tensor, values.astype(np.float32))
        return editor.finish()


def _factors(link: Link, peaks: dict[int, Vector], weights: _Weights, strength: float) -> Vector:
    """Return what every channel is divided by: float64, shape (C,), 1 for channels that stay as they are."""
    peak = np.max([peaks[tensor] for tensor in link.tensors], axis=0)
    shares = weights.input_shares(link.consumers, len(peak))
    alive = peak > 0
    factors = np.ones(len(peak))
    if shares.any():
        alive &= shares > 0
        factors[alive] = peak[alive] ** strength / shares[alive] ** (1.0 - strength)
    else:
        factors[alive] = peak[alive]
    if not alive.any():
        return factors
    # Only the proportions matter; this leaves the widest channel as it is.
    factors[alive] /= factors[alive][np.argmax(peak[alive])]
    factors = np.clip(factors, 1.0 / _MAX_FACTOR, _MAX_FACTOR)
    for tensor, clamp in link.clamps:
        room = _CLAMP_SHARE * clamp
        factors = np.where(peaks[tensor] < room, np.maximum(factors, peaks[tensor] / room), 1.0)
        factors = np.minimum(factors, 1.0)
    return factors


def _along(factors: Vector, ndim: int, axis: int) -> Vector:
    shape = [1] * ndim
    shape[axis] = len(factors)
    return factors.reshape(shape)
