import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edgecnn.core.motion import DEFAULT_THRESHOLD, GRID_BLOCKS, MotionGate
from edgecnn.core.synthetic import synthetic_picture

Pixels = NDArray[np.uint8]

SIDE = 224
BLOCK = SIDE // GRID_BLOCKS

sides = st.integers(1, 50)
grey_levels = st.integers(0, 255)


def grey(level: int, height: int = SIDE, width: int = SIDE) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def with_noise(picture: Pixels, sigma: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@st.composite
def pictures(draw: st.DrawFn, max_side: int = 40) -> Pixels:
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    return draw(arrays(np.uint8, (height, width, 3), elements=grey_levels, fill=grey_levels))


@st.composite
def pairs_of_pictures(draw: st.DrawFn) -> tuple[Pixels, Pixels]:
    first = draw(pictures())
    step = draw(st.integers(-12, 12))
    second = np.clip(first.astype(np.int64) + step, 0, 255).astype(np.uint8)
    row, column = draw(st.integers(0, first.shape[0] - 1)), draw(st.integers(0, first.shape[1] - 1))
    second[row:, column:] = draw(grey_levels)
    return first, second


def greatest_difference_slowly(first: Pixels, second: Pixels) -> float:
    """Cut both pictures into blocks and compare their means, one block at a time."""
    height, width, _ = first.shape
    num_rows, num_columns = min(GRID_BLOCKS, height), min(GRID_BLOCKS, width)
    greatest = 0.0
    for i in range(num_rows):
        for j in range(num_columns):
            rows = slice(i * height // num_rows, (i + 1) * height // num_rows)
            columns = slice(j * width // num_columns, (j + 1) * width // num_columns)
            greatest = max(greatest, abs(float(second[rows, columns].mean()) - float(first[rows, columns].mean())))
    return greatest


@given(pairs_of_pictures(), st.floats(0.5, 255.0))
def test_a_picture_has_moved_when_the_mean_of_a_block_differs_by_the_threshold(
    pair: tuple[Pixels, Pixels], threshold: float
) -> None:
    first, second = pair
    gate = MotionGate(threshold)
    assert gate.moved(first)
    greatest = greatest_difference_slowly(first, second)
    if not math.isclose(greatest, threshold, rel_tol=1e-9):
        assert gate.moved(second) == (greatest > threshold)


@given(pictures())
def test_the_first_picture_has_moved_and_the_same_one_never_again(picture: Pixels) -> None:
    gate = MotionGate(1e-9)
    assert [gate.moved(picture) for _ in range(3)] == [True, False, False]


@given(sides, sides, st.data())
def test_every_pixel_belongs_to_a_block(height: int, width: int, data: st.DataObject) -> None:
    gate = MotionGate(0.1)
    picture = grey(0, height, width)
    gate.moved(picture)
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    picture[row, column, data.draw(st.integers(0, 2))] = 255
    assert gate.moved(picture)


@given(sides, sides, grey_levels, grey_levels, st.integers(1, 255))
def test_a_lamp_that_goes_on_or_off_counts_from_the_threshold_on(
    height: int, width: int, before: int, after: int, threshold: int
) -> None:
    gate = MotionGate(threshold)
    gate.moved(grey(before, height, width))
    assert gate.moved(grey(after, height, width)) == (abs(after - before) >= threshold)


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_the_sensor_is_no_motion(seed: int) -> None:
    scene = synthetic_picture(seed, SIDE, SIDE)
    gate = MotionGate()
    gate.moved(with_noise(scene, 10, seed))
    assert not any(gate.moved(with_noise(scene, 10, 1000 * seed + number)) for number in range(1, 6))


@settings(max_examples=40)
@given(st.integers(0, SIDE - SIDE // 8), st.integers(0, SIDE - SIDE // 8), st.sampled_from([-20, 20]))
def test_an_object_of_an_eighth_of_the_width_is_motion_wherever_it_appears_and_when_it_leaves(
    top: int, left: int, contrast: int
) -> None:
    scene = grey(100)
    with_object = scene.copy()
    with_object[top : top + SIDE // 8, left : left + SIDE // 8] += np.uint8(contrast % 256)
    gate = MotionGate()
    gate.moved(with_noise(scene, 10, 1))
    assert gate.moved(with_noise(with_object, 10, 2))
    assert not gate.moved(with_noise(with_object, 10, 3))
    assert gate.moved(with_noise(scene, 10, 4))


def test_a_change_of_one_block_is_motion() -> None:
    gate = MotionGate()
    picture = grey(100)
    gate.moved(picture)
    picture[5 * BLOCK : 6 * BLOCK, 9 * BLOCK : 10 * BLOCK] += np.uint8(DEFAULT_THRESHOLD)
    assert gate.moved(picture)


def test_a_slow_drift_adds_up_until_it_is_noticed() -> None:
    gate = MotionGate(5)
    moved = [gate.moved(grey(level)) for level in range(100, 116)]
    assert moved == [True, *[False] * 4] * 3 + [True]


@given(st.lists(grey_levels, max_size=30), st.integers(1, 100))
def test_a_picture_is_compared_with_the_last_one_that_had_moved(levels: list[int], threshold: int) -> None:
    gate = MotionGate(threshold)
    reference = None
    for level in levels:
        expected = reference is None or abs(level - reference) >= threshold
        assert gate.moved(grey(level, 3, 20)) == expected
        reference = level if expected else reference


@pytest.mark.parametrize("level", [0, 100])
def test_another_size_is_motion_and_so_is_the_way_back(level: int) -> None:
    gate = MotionGate()
    shapes = [(20, 30), (20, 30), (30, 20), (30, 20), (20, 30), (20, 31)]
    assert [gate.moved(grey(level, *shape)) for shape in shapes] == [True, False, True, False, True, True]


def test_after_a_reset_the_next_picture_has_moved() -> None:
    gate = MotionGate()
    gate.moved(grey(100))
    gate.reset()
    assert [gate.moved(grey(100)) for _ in range(2)] == [True, False]


def test_the_pixels_are_not_kept() -> None:
    gate = MotionGate()
    buffer = grey(100)
    gate.moved(buffer)
    buffer[:] = 200
    assert gate.moved(buffer)
    buffer.flags.writeable = False
    assert not gate.moved(buffer)


@given(pictures())
def test_the_layout_in_memory_and_the_order_of_colours_do_not_matter(picture: Pixels) -> None:
    gate = MotionGate(1e-9)
    gate.moved(picture)
    assert not gate.moved(np.asfortranarray(picture))
    assert not gate.moved(picture[:, :, ::-1])
    assert not gate.moved(np.repeat(picture, 2, axis=1)[:, ::2])


@pytest.mark.parametrize("threshold", [0.0, -1.0, 255.5, math.nan, math.inf])
def test_a_threshold_that_is_no_difference_of_brightness_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=f"threshold must be above 0 to 255 levels of brightness, got {threshold}"):
        MotionGate(threshold)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 4), (0, 4, 3), (4, 0, 3), (1, 4, 4, 3)])
def test_pixels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"pixels must have shape \(height, width, 3\), got \("):
        MotionGate().moved(np.zeros(shape, np.uint8))


def test_pixels_that_are_not_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="pixels must be a uint8 array of values 0 to 255, got float32"):
        MotionGate().moved(np.zeros((4, 4, 3), np.float32))
