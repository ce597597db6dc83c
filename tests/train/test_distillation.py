from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edgecnn.core.progress import SilentProgress
from edgecnn.train.backend import keras, make_repeatable, tf
from edgecnn.train.distillation import Teaching, soften, teaching_loss
from edgecnn.train.fitting import fit
from edgecnn.train.lesson import FitPlan, Lesson
from edgecnn.train.recipe import Distillation, Recipe

NUM_CLASSES = 3
LOGITS = arrays(np.float32, (4, NUM_CLASSES), elements=st.floats(-20, 20, width=32))
TEMPERATURES = st.floats(1.0, 20.0)


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def apply(logits: NDArray[Any], teacher: NDArray[Any], distillation: Distillation, smoothing: float) -> Any:
    """Return the loss of a student with these logits whose labels are all class 0."""
    labels = np.tile(np.eye(NUM_CLASSES, dtype=np.float32)[:1], (len(logits), 1))
    soft = soften(log_softmax(teacher).astype(np.float32), distillation.temperature)
    loss = teaching_loss(NUM_CLASSES, distillation, smoothing)
    return loss(tf.constant(np.hstack([labels, soft])), tf.nn.softmax(logits))


@given(logits=LOGITS, temperature=TEMPERATURES)
def test_softened_scores_are_those_of_divided_logits(logits: NDArray[np.float32], temperature: float) -> None:
    softened = soften(log_softmax(logits).astype(np.float32), temperature)
    np.testing.assert_allclose(softened, np.exp(log_softmax(logits / temperature)), atol=1e-4)
    np.testing.assert_allclose(softened.sum(axis=1), 1.0, rtol=1e-5)


@given(student=LOGITS, teacher=LOGITS, temperature=TEMPERATURES, weight=st.floats(0.1, 1.0))
def test_the_loss_is_that_of_the_paper(
    student: NDArray[np.float32], teacher: NDArray[np.float32], temperature: float, weight: float
) -> None:
    got = apply(student, teacher, Distillation(temperature=temperature, weight=weight), 0.1)
    smoothed = np.full(NUM_CLASSES, 0.1 / NUM_CLASSES) + np.array([0.9, 0.0, 0.0])
    # Keras takes no score for less than 1e-7 where it has no logits.
    hard = -(smoothed * np.maximum(log_softmax(student), np.log(1e-7))).sum(axis=1)
    soft_teacher, soft_student = log_softmax(teacher / temperature), log_softmax(student / temperature)
    soft = (np.exp(soft_teacher) * (soft_teacher - soft_student)).sum(axis=1)
    np.testing.assert_allclose(got, (1 - weight) * hard + weight * temperature**2 * soft, rtol=0.01, atol=0.02)


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn_from_it() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (8, NUM_CLASSES)).astype(np.float32)
    np.testing.assert_allclose(apply(logits, logits, Distillation(weight=1.0), 0.0), 0.0, atol=1e-4)
    assert min(apply(logits, -logits, Distillation(weight=1.0), 0.0)) > 0.1


def test_scores_too_small_for_single_precision_still_have_a_finite_gradient() -> None:
    logits = tf.Variable(np.array([[300.0, 0.0, -300.0]], np.float32))
    targets = tf.constant([[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = teaching_loss(NUM_CLASSES, Distillation(), 0.1)(targets, tf.nn.softmax(logits))
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()


PLAN = FitPlan(stage="scratch", epochs=30, learning_rate=0.05, batch_size=10, patience=30, seed=0)
TRUTHS = np.arange(60) % NUM_CLASSES
POINTS = np.random.default_rng(0).normal(TRUTHS[:, None] * 2.0, 0.3, (60, 4)).astype(np.float32)


def fit_student(weight: float, recipe: Recipe) -> float:
    """Train on labels that say nothing, beside a teacher who knows better; return the share of truths known."""
    make_repeatable(0)
    network = keras.Sequential(
        [keras.layers.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(NUM_CLASSES, "softmax")]
    )
    known = np.log(np.full((60, NUM_CLASSES), 0.05) + 0.85 * np.eye(NUM_CLASSES)[TRUTHS]).astype(np.float32)
    lesson = Lesson(
        inputs=lambda rows, epoch: POINTS[rows],
        label_indices=np.random.default_rng(1).permutation(TRUTHS),
        class_weights=None,
        val_inputs=POINTS,
        val_label_indices=TRUTHS,
        teaching=Teaching(
            log_scores=lambda rows, epoch: known[rows], distillation=Distillation(temperature=2.0, weight=weight)
        ),
    )
    fit(network, lesson, replace(PLAN, recipe=recipe), SilentProgress())
    return float((network.predict(POINTS, verbose=0).argmax(axis=1) == TRUTHS).mean())


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(mixup=0.3), Recipe(ema=0.9)])
def test_a_network_learns_what_only_its_teacher_knows(recipe: Recipe) -> None:
    assert fit_student(1.0, recipe) == 1.0


def test_accuracy_in_training_is_held_against_the_labels() -> None:
    _, accuracy = Teaching(log_scores=lambda rows, epoch: POINTS, distillation=Distillation()).measures(2, 0.1)
    targets = np.array([[1, 0, 0, 1], [0, 1, 0, 1]], np.float32)
    np.testing.assert_array_equal(accuracy(targets, np.array([[0.8, 0.2], [0.9, 0.1]], np.float32)), [1.0, 0.0])
