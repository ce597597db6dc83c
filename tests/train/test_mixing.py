import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgecnn.train.mixing import Batch, mix
from edgecnn.train.recipe import Recipe

ALPHAS = st.floats(0.05, 4.0)
SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 24)
NUM_CLASSES = 3


def batch_of(num: int, height: int = 6, width: int = 9, weights: NDArray[np.float32] | None = None) -> Batch:
    """Return pictures whose every pixel is the number of their row."""
    inputs = np.ones((num, height, width, 3), np.float32) * np.arange(num, dtype=np.float32)[:, None, None, None]
    targets = np.eye(NUM_CLASSES, dtype=np.float32)[np.arange(num) % NUM_CLASSES]
    return Batch(inputs=inputs, targets=targets, weights=weights)


def test_without_mixup_and_cutmix_a_batch_stays_the_very_same() -> None:
    batch = batch_of(4)
    assert mix(batch, Recipe(), np.random.default_rng(0)) is batch


@given(num=st.integers(1, 12), mixup=st.just(0.0) | ALPHAS, cutmix=st.just(0.0) | ALPHAS, seed=SEEDS)
def test_labels_sum_to_one_and_are_never_negative(num: int, mixup: float, cutmix: float, seed: int) -> None:
    mixed = mix(batch_of(num), Recipe(mixup=mixup, cutmix=cutmix), np.random.default_rng(seed))
    np.testing.assert_allclose(mixed.targets.sum(axis=1), 1.0, rtol=1e-5)
    assert mixed.targets.min() >= 0.0
    assert mixed.inputs.dtype == mixed.targets.dtype == np.float32


@given(alpha=ALPHAS, seed=SEEDS)
def test_mixup_blends_labels_by_the_share_that_it_blends_pictures_by(alpha: float, seed: int) -> None:
    pictures = np.zeros((2, 4, 4, 3), np.float32)
    pictures[1] = 1.0
    batch = Batch(inputs=pictures, targets=np.eye(2, dtype=np.float32), weights=None)
    mixed = mix(batch, Recipe(mixup=alpha), np.random.default_rng(seed))
    # The second picture is 1 everywhere and the first one 0: a pixel is the share of the second.
    np.testing.assert_allclose(mixed.targets[:, 1], mixed.inputs[:, 0, 0, 0], atol=1e-6)
    assert (mixed.inputs == mixed.inputs[:, :1, :1, :1]).all()


@given(alpha=ALPHAS, seed=SEEDS, height=SIDES, width=SIDES)
def test_the_share_of_a_cutmix_label_is_the_share_of_its_area(alpha: float, seed: int, height: int, width: int) -> None:
    pictures = np.zeros((2, height, width, 3), np.float32)
    pictures[1] = 1.0
    batch = Batch(inputs=pictures, targets=np.eye(2, dtype=np.float32), weights=None)
    mixed = mix(batch, Recipe(cutmix=alpha), np.random.default_rng(seed))
    assert set(np.unique(mixed.inputs)) <= {0.0, 1.0}
    np.testing.assert_allclose(mixed.targets[:, 1], mixed.inputs[..., 0].mean(axis=(1, 2)), atol=1e-6)


def test_cutmix_pastes_one_box_at_any_place() -> None:
    rng, seen = np.random.default_rng(0), np.zeros((12, 12), np.bool_)
    for _ in range(200):
        pictures = np.zeros((2, 12, 12, 3), np.float32)
        pictures[1] = 1.0
        mixed = mix(Batch(inputs=pictures, targets=np.eye(2, dtype=np.float32), weights=None), Recipe(cutmix=1.0), rng)
        pasted = mixed.inputs[0, :, :, 0] > 0.0
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        assert pasted.sum() == rows.sum() * columns.sum()
        seen |= pasted
    assert seen.all()


def test_with_both_each_batch_is_mixed_by_one_of_them() -> None:
    pictures = np.zeros((2, 8, 8, 3), np.float32)
    pictures[1] = 1.0
    blended = 0
    for seed in range(200):
        batch = Batch(inputs=pictures, targets=np.eye(2, dtype=np.float32), weights=None)
        mixed = mix(batch, Recipe(mixup=1.0, cutmix=1.0), np.random.default_rng(seed))
        blended += bool(((mixed.inputs > 0.0) & (mixed.inputs < 1.0)).any())
    # Half of the pairs are a picture with itself, which shows nothing: a quarter of the batches can be told.
    assert 25 <= blended <= 80


def test_a_pair_counts_as_much_as_its_pictures_do() -> None:
    weights = np.array([4.0, 1.0, 0.25], np.float32)
    for seed in range(20):
        mixed = mix(batch_of(3, weights=weights), Recipe(mixup=0.4), np.random.default_rng(seed))
        assert mixed.weights is not None
        # Over the whole batch every class keeps the total that its weight gives it.
        np.testing.assert_allclose((mixed.targets * mixed.weights[:, None]).sum(axis=0), weights, rtol=1e-5)


def test_pictures_of_weight_zero_leave_no_trace_in_labels() -> None:
    weights = np.array([1.0, 0.0, 0.0], np.float32)
    for seed in range(20):
        mixed = mix(batch_of(3, weights=weights), Recipe(mixup=1.0), np.random.default_rng(seed))
        assert np.isfinite(mixed.targets).all()
        assert mixed.targets[:, 1:].max() == 0.0


def test_activations_of_any_shape_can_be_mixed() -> None:
    flat = Batch(inputs=np.eye(3, dtype=np.float32), targets=np.eye(3, dtype=np.float32), weights=None)
    mixed = mix(flat, Recipe(mixup=1.0), np.random.default_rng(1))
    np.testing.assert_allclose(mixed.inputs, mixed.targets, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_chance_mixes_the_same(seed: int) -> None:
    first, second = (mix(batch_of(8), Recipe(cutmix=1.0), np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.targets, second.targets)
