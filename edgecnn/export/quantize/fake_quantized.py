"""A float32 LiteRT graph as a Keras layer that computes as its int8 file will, and can be trained.

Weights and activations are rounded to the values that 8 bits can hold, at the places where the int8
file holds 8 bits, and the gradient passes through the rounding as if it were not there. Batch
normalization is no part of it: the converter has folded it into the weights.

Reference:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", arXiv:1712.05877, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.export.quantize.float_operators import apply_operator
from edgecnn.export.quantize.requantize import Ranges, choose_codes
from edgecnn.export.quantize.rounding import extremes, round_activation, round_bias, round_weights
from edgecnn.export.quantize.scale_groups import SAME_SCALE, fixed_ranges, group_by_scale, read_constant
from edgecnn.export.quantize.trainable import WEIGHTED
from edgecnn.export.quantize.units import bias_units, weight_units
from edgecnn.modelfile.graph import Graph, Operator
from edgecnn.train.backend import keras, tf

_MIN_WIDTH = 1e-6
_MOMENTUM = 0.95


class FakeQuantized(keras.layers.Layer):  # type: ignore[misc]  # Keras has no hints
    """From raw pixels, float32 (N, h, w, 3), 0 to 255, to scores, float32 (N, C).

    While it is trained, the ranges of the activations follow a moving average of the lowest and the
    highest value of each batch; after ``freeze_after`` steps they stay, and the weights settle in them.
    """

    def __init__(self, graph: Graph, contract: InputContract, *, freeze_after: int, distillation: float) -> None:
        """Take over the graph's weights.

        Args:
            graph: the network behind its normalization, for one picture.
            contract: what that normalization is.
            freeze_after: steps of training after which the ranges stay.
            distillation: weight of the cross-entropy to the float network's scores, beside the labels'.
        """
        super().__init__(name="fake_quantized")
        self._graph, self._contract = graph, contract
        self._freeze_after, self._distillation = freeze_after, distillation
        self._constants = {
            index: read_constant(graph, index)
            for index in sorted({index for operator in graph.operators for index in operator.inputs if index >= 0})
            if graph.is_constant(graph.tensors[index])
        }
        self._groups = group_by_scale(graph)
        self._fixed = fixed_ranges(graph, contract, self._groups)
        members = sorted(set(self._groups.values()) - self._fixed.keys())
        self._row_of = {leader: row for row, leader in enumerate(members)}
        # Keyed by buffer: two tensors that share one share their training.
        self._variables: dict[int, Any] = {}
        self._units: dict[int, NDArray[np.float32]] = {}
        for operator in graph.operators:
            if operator.name in WEIGHTED:
                self._add_variables(operator)
        self._ranges = self.add_weight(
            name="ranges", shape=(max(1, len(members)), 2), initializer="zeros", trainable=False
        )
        self._steps = self.add_weight(name="steps", shape=(), initializer="zeros", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Compute the scores; in training, follow the ranges and add the loss against the float network."""
        values = self._normalize(inputs)
        scores, seen = self._run(values, quantized=True, training=training)
        if training:
            self._follow(seen)
            if self._distillation:
                wanted = tf.stop_gradient(self.float_scores(inputs))
                likeness = tf.reduce_sum(wanted * tf.math.log(tf.maximum(scores, 1e-7)), axis=-1)
                self.add_loss(-self._distillation * tf.reduce_mean(likeness))
        return scores

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Return (N, C)."""
        return input_shape[0], self._graph.tensors[self._graph.outputs[0]].shape[-1]

    def float_scores(self, pixels: Any) -> Any:
        """Return the scores of the network as it came, in float32, for pixels as ``call`` takes them."""
        return self._run(self._normalize(pixels), quantized=False, training=False)[0]

    def measure(self, batches: Iterator[NDArray[Any]]) -> None:
        """Set the ranges to the lowest and highest values that pixels give in the float network."""

        @tf.function(reduce_retracing=True, jit_compile=False)  # type: ignore[untyped-decorator]  # no hints
        def measured(batch: Any) -> Any:
            return self._run(self._normalize(batch), quantized=False, training=False)[1]

        found = np.stack([measured(tf.constant(batch, tf.float32)).numpy() for batch in batches])
        self._ranges.assign(np.stack([found[..., 0].min(axis=0), found[..., 1].max(axis=0)], axis=-1))

    def trained_weights(self) -> dict[int, NDArray[np.float32]]:
        """Return what was trained: tensor index -> values in LiteRT's layout."""
        return {
            index: self._trained(index).numpy()
            for index, tensor in enumerate(self._graph.tensors)
            if tensor.buffer in self._variables and index in self._constants
        }

    def activation_ranges(self) -> Ranges:
        """Return the range of every activation by its name, laid on the grid of its 256 codes."""
        rows = self._ranges.numpy()
        ranges: Ranges = {}
        for index, leader in self._groups.items():
            low, high = self._fixed[leader] if leader in self._fixed else rows[self._row_of[leader]].tolist()
            scale, zero_point = choose_codes(low, max(high, low + _MIN_WIDTH))
            ranges[self._graph.tensors[index].name] = (scale * (-128 - zero_point), scale * (127 - zero_point))
        return ranges

    def _add_variables(self, operator: Operator) -> None:
        at_weights, at_bias = (*operator.inputs, -1)[1:3]
        weights = self._constants[at_weights]
        self._add_variable("weights", at_weights, weight_units(weights, operator.name))
        if at_bias >= 0:  # the optimizer decays nothing that is called a bias
            self._add_variable("bias", at_bias, bias_units(self._constants[at_bias], weights, operator.name))

    def _add_variable(self, name: str, index: int, unit: NDArray[np.float32]) -> None:
        buffer = self._graph.tensors[index].buffer
        if buffer not in self._variables:
            start = (self._constants[index] / unit).astype(np.float32)
            self._units[buffer] = unit
            self._variables[buffer] = self.add_weight(
                name=f"{name}_{index}",
                shape=start.shape,
                initializer=lambda shape, dtype=None: tf.constant(start, dtype),
            )

    def _trained(self, index: int) -> Any:
        buffer = self._graph.tensors[index].buffer
        return tf.convert_to_tensor(self._variables[buffer]) * self._units[buffer]

    def _normalize(self, pixels: Any) -> Any:
        return (tf.cast(pixels, tf.float32) - self._contract.mean) / self._contract.std

    def _run(self, values: Any, *, quantized: bool, training: bool) -> tuple[Any, Any]:
        """Return the scores, and the extremes of each group of activations: float32 (groups, 2)."""
        graph = self._graph
        made: dict[int, Any] = {graph.inputs[0]: values}
        seen: dict[int, list[Any]] = {leader: [] for leader in self._row_of}
        for operator in graph.operators:
            inputs = [made.get(index, self._constants.get(index)) for index in operator.inputs]
            output = apply_operator(operator, self._rounded(operator, inputs) if quantized else inputs)
            index = operator.outputs[0]
            leader = self._groups[index]
            if leader in seen and operator.name not in SAME_SCALE:
                seen[leader].append(tf.stop_gradient(output))
            # Scores at 1/256 have no gradient where they are smallest, which is where it is needed.
            is_last = index == graph.outputs[0]
            made[index] = (
                round_activation(output, *self._range(leader)) if quantized and not (training and is_last) else output
            )
        return made[graph.outputs[0]], tf.stack([extremes(values) for values in seen.values()] or [tf.zeros(2)])

    def _rounded(self, operator: Operator, inputs: list[Any]) -> list[Any]:
        """Return an operator's inputs with weights, bias and other constants rounded."""
        if operator.name in WEIGHTED:
            trained = [self._trained(index) for index in operator.inputs[1:] if index >= 0]
            weights, step = round_weights(trained[0], operator.name)
            low, high = self._range(self._groups[operator.inputs[0]])
            return [inputs[0], weights, *(round_bias(bias, step * (high - low) / 255.0) for bias in trained[1:])]
        return [
            round_activation(values, min(float(values.min()), 0.0), max(float(values.max()), 0.0))
            if isinstance(values, np.ndarray) and values.dtype == np.float32
            else values
            for values in inputs
        ]

    def _range(self, leader: int) -> tuple[Any, Any]:
        if leader in self._fixed:
            return self._fixed[leader]
        row = tf.convert_to_tensor(self._ranges)[self._row_of[leader]]
        return row[0], row[1]

    def _follow(self, seen: Any) -> None:
        pace = tf.where(tf.convert_to_tensor(self._steps) < self._freeze_after, 1.0 - _MOMENTUM, 0.0)
        ranges = tf.convert_to_tensor(self._ranges)
        self._ranges.assign(ranges + pace * (seen - ranges))
        self._steps.assign(tf.convert_to_tensor(self._steps) + 1.0)
