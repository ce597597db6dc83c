import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data.similarity import HASH_BITS, NEAR_BITS, group_near, hash_pixels
from edgecnn.imaging import resize

Hashes = NDArray[np.bool_]


def random_hashes(num: int, seed: int = 0) -> Hashes:
    return np.random.default_rng(seed).random((num, HASH_BITS)) < 0.5


def flip(hashes: Hashes, num_bits: int, seed: int) -> Hashes:
    """Return the hashes with so many bits of each changed."""
    random = np.random.default_rng(seed)
    changed = hashes.copy()
    for row in changed:
        row[random.choice(HASH_BITS, num_bits, replace=False)] ^= True
    return changed


def group_all_pairs(hashes: Hashes) -> list[list[int]]:
    """Compare each with each."""
    distances = (hashes[:, None] != hashes[None]).sum(2)
    groups = connected_components(distances <= NEAR_BITS, directed=False)[1]
    found = [np.flatnonzero(groups == group).tolist() for group in range(groups.max() + 1)]
    return sorted(members for members in found if len(members) > 1)


def test_a_picture_and_its_smaller_darker_copy_are_near_and_others_are_not() -> None:
    pictures = [synthetic_picture(index, 120, 90) for index in range(2)]
    copy = (resize(pictures[0], (70, 50)) * 0.8).astype(np.uint8)
    first, second, third = (hash_pixels(picture[np.newaxis])[0] for picture in (*pictures, copy))
    assert np.count_nonzero(first != third) <= NEAR_BITS
    assert np.count_nonzero(first != second) > NEAR_BITS


def test_brightness_alone_hashes_like_colour_of_that_brightness() -> None:
    grey = resize(np.random.default_rng(0).integers(0, 256, (9, 9, 1), np.uint8), (64, 64)).reshape(1, 64, 64)
    np.testing.assert_array_equal(hash_pixels(grey), hash_pixels(np.repeat(grey[..., None], 3, axis=3)))


@pytest.mark.parametrize("num_bits", [0, 1, 12, 23, 24])
def test_every_pair_within_the_limit_is_found(num_bits: int) -> None:
    hashes = random_hashes(200)
    groups = group_near(np.concatenate([hashes, flip(hashes, num_bits, 1)]))
    assert [members.tolist() for members in groups] == [[index, index + 200] for index in range(200)]


def test_one_bit_more_is_another_picture() -> None:
    hashes = random_hashes(200)
    assert group_near(np.concatenate([hashes, flip(hashes, NEAR_BITS + 1, 1)])) == []


@given(st.integers(2, 60), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_groups_are_those_that_comparing_each_with_each_finds(num: int, num_sources: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    hashes = random_hashes(num_sources, seed)[random.integers(0, num_sources, num)]
    hashes ^= random.random(hashes.shape) < 0.05
    assert [members.tolist() for members in group_near(hashes)] == group_all_pairs(hashes)


def test_thousands_of_frames_of_one_scene_are_one_group() -> None:
    hashes = np.repeat(random_hashes(1), 5000, axis=0) ^ (np.random.default_rng(1).random((5000, HASH_BITS)) < 0.02)
    assert [len(members) for members in group_near(hashes)] == [5000]


def test_no_pictures_have_no_groups() -> None:
    assert group_near(np.empty((0, HASH_BITS), np.bool_)) == []
    assert group_near(random_hashes(1)) == []
