import numpy as np
import pytest

from edgecnn.export.strange import KINDS, make_strange

RANDOM = np.random.default_rng(0)
PICTURES = [RANDOM.integers(0, 256, (40, 56, 3), np.uint8) for _ in range(3)]


@pytest.mark.parametrize("shape", [(40, 56, 3), (224, 224, 3), (1, 1, 3), (5, 3, 3), (33, 18, 3)])
def test_every_kind_keeps_shape_and_dtype_at_any_size(shape: tuple[int, ...]) -> None:
    picture = RANDOM.integers(0, 256, shape, np.uint8)
    before = picture.copy()
    made = make_strange([picture], seed=0)
    assert list(made) == list(KINDS)
    for pictures in made.values():
        assert [one.shape for one in pictures] == [shape]
        assert pictures[0].dtype == np.uint8
    assert np.array_equal(picture, before)


def test_the_same_seed_makes_the_same_pictures_and_another_one_others() -> None:
    first, again, other = make_strange(PICTURES, 1), make_strange(PICTURES, 1), make_strange(PICTURES, 2)
    for kind in KINDS:
        assert np.array_equal(first[kind], again[kind])
    assert not np.array_equal(first["shuffled"], other["shuffled"])


def test_shuffling_keeps_the_pixels_and_moves_them() -> None:
    shuffled = make_strange(PICTURES, 0)["shuffled"][0]
    assert np.array_equal(np.sort(shuffled, axis=None), np.sort(PICTURES[0], axis=None))
    assert not np.array_equal(shuffled, PICTURES[0])


def test_the_negative_of_the_negative_is_the_picture_and_a_plain_one_has_its_mean_colour() -> None:
    made = make_strange(PICTURES, 0)
    assert np.array_equal(255 - made["inverted"][1], PICTURES[1])
    assert np.array_equal(np.unique(made["plain"][1].reshape(-1, 3), axis=0), np.rint([PICTURES[1].mean(axis=(0, 1))]))
