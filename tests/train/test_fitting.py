from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.progress import SilentProgress
from edgecnn.errors import RunError
from edgecnn.train.backend import keras, make_repeatable
from edgecnn.train.fitting import FitPlan, FitResult, Lesson, fit, learning_rate_at

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


def test_the_learning_rate_warms_up_for_a_tenth_and_falls_to_nothing() -> None:
    rates = [learning_rate_at(step, 100, 1e-3) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-6
