"""The exponential moving average of a network's weights, which is often the better network.

Keras's own (``use_ema`` of an optimizer) has no warm-up and leaves out the statistics of batch normalization.

Reference:
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; the warm-up is that of
    ``tf.train.ExponentialMovingAverage``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgecnn.train.backend import tf


class WeightAverage:
    """The average of all weights that a network had so far, the statistics of batch normalization included."""

    def __init__(self, network: Any, decay: float) -> None:
        """Begin with the network's weights.

        Args:
            network: a ``keras.Model``.
            decay: the highest one, above 0 and below 1; that of the first steps is lower.
        """
        self._decay, self._num_updates = decay, 0
        self._weights = [weight.value for weight in network.weights]
        self._averages = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self._move = tf.function(
            self._move_towards_weights, input_signature=[tf.TensorSpec((), tf.float32)], jit_compile=False
        )

    def update(self) -> None:
        """Take in the weights after a step: average = d * average + (1 - d) * weight.

        d is the decay, or (1 + n) / (10 + n) after n steps where that is less.
        """
        self._move(1.0 - min(self._decay, (1 + self._num_updates) / (10 + self._num_updates)))
        self._num_updates += 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the network its averaged weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _move_towards_weights(self, share: Any) -> None:
        for average, weight in zip(self._averages, self._weights, strict=True):
            if weight.dtype.is_floating:
                # In this form a weight that never changes keeps its value to the last bit.
                average.assign_add(tf.cast(share, weight.dtype) * (weight - average))
            else:
                average.assign(weight)

    def _swap(self) -> None:
        for average, weight in zip(self._averages, self._weights, strict=True):
            kept = weight.numpy()
            weight.assign(average)
            average.assign(kept)
