import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.train.augment import Augmentation
from edgecnn.train.config import AUGMENTATIONS

PIXELS = np.stack([synthetic_picture(seed, 40, 32) for seed in range(6)])
ROWS = np.arange(6)


def change(parts: tuple[str, ...], seed: int = 0, epoch: int = 1) -> NDArray[np.uint8]:
    return Augmentation(parts=parts).apply_batch(PIXELS, ROWS, seed, epoch)


@pytest.mark.parametrize("parts", [AUGMENTATIONS, *[(name,) for name in AUGMENTATIONS]])
def test_every_part_changes_pictures_and_keeps_their_shape(parts: tuple[str, ...]) -> None:
    changed = change(parts)
    assert changed.shape == PIXELS.shape
    assert changed.dtype == np.uint8
    assert (changed != PIXELS).any()


def test_without_parts_pictures_stay_as_they_are() -> None:
    np.testing.assert_array_equal(change(()), PIXELS)


def test_a_change_depends_on_seed_epoch_and_row_but_not_on_the_batch() -> None:
    whole = change(AUGMENTATIONS)
    alone = Augmentation().apply_batch(PIXELS, ROWS[3:4], 0, 1)
    np.testing.assert_array_equal(whole[3], alone[0])
    assert (whole != change(AUGMENTATIONS, epoch=2)).any()
    assert (whole != change(AUGMENTATIONS, seed=1)).any()


def test_flip_alone_gives_the_picture_or_its_mirror_image_exactly() -> None:
    flipped = [np.array_equal(after, before[:, ::-1]) for before, after in zip(PIXELS, change(("flip",)), strict=True)]
    same = [np.array_equal(after, before) for before, after in zip(PIXELS, change(("flip",)), strict=True)]
    assert [a or b for a, b in zip(flipped, same, strict=True)] == [True] * 6
    assert any(flipped)
    assert any(same)


def test_zoom_alone_keeps_the_centre_where_it_is() -> None:
    dot = np.zeros((1, 33, 33, 3), np.uint8)
    dot[0, 16, 16] = 255
    for epoch in range(10):
        zoomed = Augmentation(parts=("zoom",)).apply_batch(dot, np.array([0]), 0, epoch)[0, :, :, 0]
        assert np.unravel_index(zoomed.argmax(), zoomed.shape) == (16, 16)


def test_light_moves_grey_by_no_more_than_it_says() -> None:
    grey = np.full((1, 8, 8, 3), 128, np.uint8)
    for epoch in range(50):
        lit = Augmentation(parts=("light",)).apply_batch(grey, np.array([0]), 0, epoch)
        assert len(np.unique(lit)) == 1
        assert abs(int(lit[0, 0, 0, 0]) - 128) <= 32
