from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.progress import SilentProgress
from edgecnn.errors import RunError
from edgecnn.train.backend import keras, make_repeatable
from edgecnn.train.fitting import FitResult, fit
from edgecnn.train.learning_rate import learning_rate_at
from edgecnn.train.lesson import FitPlan, Lesson
from edgecnn.train.recipe import Recipe

NUM_ROWS = 48
PLAN = FitPlan(stage="scratch", epochs=8, learning_rate=0.05, batch_size=10, patience=8, seed=0)
LABELS = np.arange(NUM_ROWS) % 3
POINTS = np.random.default_rng(0).normal(LABELS[:, None], 0.3, (NUM_ROWS, 4)).astype(np.float32)


def small_network() -> Any:
    make_repeatable(0)
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax")])


def lesson(
    inputs: Callable[[NDArray[np.int64], int], NDArray[Any]] = lambda rows, epoch: POINTS[rows],
    weights: NDArray[np.float64] | None = None,
) -> Lesson:
    return Lesson(
        inputs=inputs, label_indices=LABELS, class_weights=weights, val_inputs=POINTS, val_label_indices=LABELS
    )


def without_seconds(result: FitResult) -> list[Any]:
    return [(row.loss, row.accuracy, row.val_loss, row.val_accuracy, row.learning_rate) for row in result.rows]


def test_two_fits_with_one_seed_are_equal_to_the_last_bit() -> None:
    first, second = (fit(small_network(), lesson(), PLAN, SilentProgress()) for _ in range(2))
    assert without_seconds(first) == without_seconds(second)
    assert first.rows[-1].loss < first.rows[0].loss


def test_every_row_is_seen_once_an_epoch_in_an_order_that_changes() -> None:
    seen: dict[int, list[int]] = {}

    def inputs(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        seen.setdefault(epoch, []).extend(rows.tolist())
        return POINTS[rows]

    fit(small_network(), lesson(inputs), replace(PLAN, epochs=2), SilentProgress())
    assert sorted(seen[1]) == sorted(seen[2]) == list(range(NUM_ROWS))
    assert seen[1] != seen[2]


def test_the_network_ends_with_the_weights_of_its_best_epoch() -> None:
    def spoil(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        return POINTS[rows] if epoch < 10 else -POINTS[rows]

    network = small_network()
    result = fit(network, lesson(spoil), replace(PLAN, epochs=20, patience=20), SilentProgress())
    scores = network.predict(POINTS, verbose=0)
    assert result.best.epoch < 20
    assert len(result.rows) == 20
    assert (scores.argmax(axis=1) == LABELS).mean() == pytest.approx(result.best.val_accuracy)
    assert result.best.val_accuracy == max(row.val_accuracy for row in result.rows)


def test_patience_ends_a_stage_that_no_longer_gets_better() -> None:
    def spoil(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        return POINTS[rows] if epoch < 3 else -POINTS[rows]

    result = fit(small_network(), lesson(spoil), replace(PLAN, epochs=50, patience=2), SilentProgress())
    assert len(result.rows) == result.best.epoch + 2
    assert not result.interrupted


def test_ctrl_c_keeps_the_best_of_the_finished_epochs() -> None:
    def press(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        if epoch == 3:
            raise KeyboardInterrupt
        return POINTS[rows]

    result = fit(small_network(), lesson(press), PLAN, SilentProgress())
    assert result.interrupted
    assert [row.epoch for row in result.rows] == [1, 2]


def test_ctrl_c_before_the_first_epoch_is_passed_on() -> None:
    def press(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(small_network(), lesson(press), PLAN, SilentProgress())


def test_a_loss_that_explodes_is_an_error_that_names_the_learning_rate() -> None:
    network = small_network()
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    with pytest.raises(RunError, match=r"not finite after epoch 1 .* --learning-rate below 0.05"):
        fit(network, lesson(), PLAN, SilentProgress())


def test_a_class_of_weight_zero_is_not_learnt() -> None:
    weights = np.array([1.5, 1.5, 0.0])
    network = small_network()
    fit(network, lesson(weights=weights), PLAN, SilentProgress())
    assert 2 not in network.predict(POINTS, verbose=0).argmax(axis=1)


def test_without_options_it_is_adamw_with_label_smoothing_and_a_cosine() -> None:
    weights = np.array([1.0, 0.5, 1.5])
    fitted, expected = small_network(), small_network()
    result = fit(fitted, lesson(weights=weights), replace(PLAN, epochs=1), SilentProgress())
    optimizer = keras.optimizers.AdamW(PLAN.learning_rate, weight_decay=1e-4)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    expected.compile(optimizer, keras.losses.CategoricalCrossentropy(label_smoothing=0.1), jit_compile=False)
    order = np.random.default_rng((0, 1)).permutation(NUM_ROWS)
    for step, start in enumerate(range(0, NUM_ROWS, PLAN.batch_size)):
        rows = order[start : start + PLAN.batch_size]
        optimizer.learning_rate = learning_rate_at(step, 5, PLAN.learning_rate)
        targets, counts = np.eye(3, dtype=np.float32)[LABELS[rows]], weights[LABELS[rows]].astype(np.float32)
        expected.train_on_batch(POINTS[rows], targets, sample_weight=counts)
    assert result.best.epoch == 1
    for got, wanted in zip(fitted.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(label_smoothing=0.0),
        Recipe(weight_decay=0.1),
        Recipe(ema=0.9),
        Recipe(mixup=0.4),
        Recipe(lr_schedule="constant"),
        Recipe(lr_schedule="linear"),
    ],
)
def test_every_option_changes_what_is_learnt_and_it_is_learnt_all_the_same(recipe: Recipe) -> None:
    plain, other = small_network(), small_network()
    fit(plain, lesson(), replace(PLAN, epochs=3), SilentProgress())
    result = fit(other, lesson(), replace(PLAN, epochs=3, recipe=recipe), SilentProgress())
    assert not np.array_equal(plain.get_weights()[0], other.get_weights()[0])
    assert result.rows[-1].val_loss < result.rows[0].val_loss


def test_with_cutmix_pictures_are_learnt_too() -> None:
    pictures = np.ones((NUM_ROWS, 6, 6, 1), np.float32) * (LABELS[:, None, None, None] - 1)
    lesson = Lesson(
        inputs=lambda rows, epoch: pictures[rows],
        label_indices=LABELS,
        class_weights=None,
        val_inputs=pictures,
        val_label_indices=LABELS,
    )
    make_repeatable(0)
    layers = keras.layers
    network = keras.Sequential(
        [layers.Input((6, 6, 1)), layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(3, "softmax")]
    )
    result = fit(network, lesson, replace(PLAN, epochs=20, recipe=Recipe(cutmix=1.0)), SilentProgress())
    assert result.best.val_accuracy == 1.0


def test_the_averaged_weights_are_judged_and_kept() -> None:
    steps: list[list[NDArray[np.float32]]] = []
    plain, averaged = small_network(), small_network()

    def record(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        steps.append(plain.get_weights())
        return POINTS[rows]

    plan = replace(PLAN, epochs=1)
    fit(plain, lesson(record), plan, SilentProgress())
    result = fit(averaged, lesson(), replace(plan, recipe=Recipe(ema=0.3)), SilentProgress())
    expected = steps[0]
    for step, weights in enumerate([*steps[1:], plain.get_weights()]):
        share = min(0.3, (1 + step) / (10 + step))
        expected = [share * old + (1 - share) * new for old, new in zip(expected, weights, strict=True)]
    for got, wanted in zip(averaged.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    scores = averaged.predict(POINTS, verbose=0)
    assert result.best.val_loss == pytest.approx(-np.log(scores[np.arange(NUM_ROWS), LABELS]).mean(), rel=1e-4)


def test_averaging_goes_on_from_the_weights_themselves_after_each_epoch() -> None:
    losses = [
        [row.loss for row in fit(small_network(), lesson(), replace(PLAN, recipe=recipe), SilentProgress()).rows]
        for recipe in (Recipe(), Recipe(ema=0.9))
    ]
    assert losses[0] == losses[1]


def test_the_learning_rate_warms_up_for_a_tenth_and_falls_to_nothing() -> None:
    rates = [learning_rate_at(step, 100, 1e-3) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-6


def test_after_the_warm_up_a_line_falls_evenly_and_a_constant_stays() -> None:
    linear = [learning_rate_at(step, 100, 1e-3, "linear") for step in range(100)]
    constant = [learning_rate_at(step, 100, 1e-3, "constant") for step in range(100)]
    assert linear[:10] == constant[:10] == [learning_rate_at(step, 100, 1e-3) for step in range(10)]
    np.testing.assert_allclose(np.diff(linear[10:]), -1e-3 / 90)
    assert linear[-1] == pytest.approx(1e-3 / 90)
    assert set(constant[10:]) == {1e-3}
