"""Learning from a teacher's scores: the loss that compares two networks.

Reference:
    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.train.backend import keras, tf
from edgecnn.train.recipe import Distillation

# The smallest score whose logarithm and gradient are finite in single precision, with room to spare.
MIN_SCORE = 1e-30
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """A teacher's part in a lesson.

    Attributes:
        log_scores: takes row numbers, int64 (B,), and the epoch; gives the natural logarithms of the teacher's
            scores for what the network sees of these rows in this epoch, float32 (B, C).
        distillation: how the network learns from them.
    """

    log_scores: Callable[[Rows, int], Floats]
    distillation: Distillation

    def soft_labels(self, rows: Rows, epoch: int) -> Floats:
        """Return the teacher's scores at the temperature: float32 (B, C), every row with the sum 1."""
        return soften(self.log_scores(rows, epoch), self.distillation.temperature)

    def measures(self, num_classes: int, label_smoothing: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the loss and the accuracy of a network that is held against labels and soft labels side by side."""

        def accuracy(targets: Any, scores: Any) -> Any:
            return keras.metrics.categorical_accuracy(targets[:, :num_classes], scores)

        return teaching_loss(num_classes, self.distillation, label_smoothing), accuracy


def soften(log_scores: Floats, temperature: float) -> Floats:
    """Return the scores that a network would give if its logits were divided by a temperature.

    Args:
        log_scores: float32, shape (B, C), natural logarithms of scores; they are logits up to a constant of each row.
        temperature: above 0.
    """
    divided = log_scores / np.float32(temperature)
    powers = np.exp(divided - divided.max(axis=1, keepdims=True))
    softened: Floats = powers / powers.sum(axis=1, keepdims=True)
    return softened


def teaching_loss(num_classes: int, distillation: Distillation, label_smoothing: float) -> Callable[[Any, Any], Any]:
    """Return the loss of a network that ends in softmax: part labels, part teacher.

    It is (1 - w) H(label, score) + w T² KL(teacher ‖ student), both of the latter at temperature T; the factor T²
    keeps its gradient as large as without temperature. It takes labels and soft labels side by side, float32
    (B, 2 C), and scores (B, C), and gives float32 (B,), in nats.
    """
    temperature, weight = distillation.temperature, distillation.weight

    def loss(targets: Any, scores: Any) -> Any:
        labels, teacher = targets[:, :num_classes], targets[:, num_classes:]
        hard = keras.losses.categorical_crossentropy(labels, scores, label_smoothing=label_smoothing)
        student = tf.nn.log_softmax(tf.math.log(tf.maximum(scores, MIN_SCORE)) / temperature)
        soft = tf.reduce_sum(teacher * (tf.math.log(tf.maximum(teacher, MIN_SCORE)) - student), axis=1)
        return (1.0 - weight) * hard + weight * temperature**2 * soft

    return loss
