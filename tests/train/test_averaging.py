from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.train.averaging import WeightAverage
from edgecnn.train.backend import keras, make_repeatable

NUM_STEPS = 12


def network_of(*, trainable: bool = True) -> Any:
    make_repeatable(0)
    normalization = keras.layers.BatchNormalization()
    normalization.trainable = trainable
    return keras.Sequential([keras.layers.Input((4,)), normalization, keras.layers.Dense(2, "softmax")])


def with_random_weights(network: Any, rng: np.random.Generator) -> list[Any]:
    weights = [rng.normal(size=weight.shape).astype(np.float32) for weight in network.get_weights()]
    network.set_weights(weights)
    return weights


@settings(max_examples=10)
@given(decay=st.floats(0.01, 0.999), seed=st.integers(0, 99))
def test_it_is_the_average_that_paper_and_pencil_give(decay: float, seed: int) -> None:
    network, rng = network_of(), np.random.default_rng(seed)
    expected = with_random_weights(network, rng)
    average = WeightAverage(network, decay)
    for step in range(NUM_STEPS):
        weights = with_random_weights(network, rng)
        average.update()
        share = min(decay, (1 + step) / (10 + step))
        expected = [share * old + (1.0 - share) * new for old, new in zip(expected, weights, strict=True)]
    with average.in_place():
        averaged = network.get_weights()
    for got, wanted in zip(averaged, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_the_statistics_of_batch_normalization_are_averaged_too() -> None:
    network = network_of()
    average = WeightAverage(network, 0.5)
    network.layers[0].moving_mean.assign(np.full(4, 8.0, np.float32))
    average.update()
    with average.in_place():
        # The decay of the first step is 1/10, whatever the highest one is.
        assert network.layers[0].moving_mean.numpy() == pytest.approx(0.9 * 8.0)


def test_the_network_has_its_own_weights_again_afterwards_even_after_an_error() -> None:
    network = network_of()
    average = WeightAverage(network, 0.9)
    own = with_random_weights(network, np.random.default_rng(0))
    average.update()
    with suppress(KeyboardInterrupt), average.in_place():
        assert not np.array_equal(network.get_weights()[0], own[0])
        raise KeyboardInterrupt
    for got, wanted in zip(network.get_weights(), own, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_weight_that_never_changes_keeps_its_value_to_the_last_bit() -> None:
    network = network_of(trainable=False)
    own = with_random_weights(network, np.random.default_rng(3))
    average = WeightAverage(network, 0.998)
    for _ in range(200):
        average.update()
    with average.in_place():
        for got, wanted in zip(network.get_weights(), own, strict=True):
            np.testing.assert_array_equal(got, wanted)


class Counting(keras.layers.Layer):  # type: ignore[misc] # no hints
    """A layer with a whole number among its weights."""

    def build(self, input_shape: Any) -> None:
        self.count = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)

    def call(self, inputs: Any) -> Any:
        return inputs


def test_what_is_no_real_number_is_taken_as_it_is() -> None:
    network = keras.Sequential([keras.layers.Input((4,)), Counting(), keras.layers.Dense(2)])
    average = WeightAverage(network, 0.9)
    network.layers[0].count.assign(7)
    average.update()
    with average.in_place():
        assert int(network.layers[0].count.numpy()) == 7
