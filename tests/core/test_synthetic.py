import hashlib

import numpy as np
import pytest

from edgecnn.core.synthetic import GENERATOR, synthetic_picture

# Golden vectors in files that are in the field were made from these bytes: they can never change.
DIGESTS = {
    (0, 224, 224): "05611fa01f966591a3bb071353dddb8d8c5415391291f57cae50b49a7ebed47a",
    (1, 96, 96): "ba4089c7a12955d4548b714b5e8f549f8f6662278f1060437c692b29724030c0",
    (7, 97, 33): "415188e7b85c4082d717373c6aadb930dd5954942628a9c675c90e320eac7ba3",
    (65535, 1, 1): "a468048f1fce46d88f885d7245dff76b1ad6eb9cbb8f82b5ec9b2c9d247a0990",
    (12345, 13, 64): "e37d728e9bf9e0d35e444691db36a31d966f41cc9699837254d14fdb32ce491b",
}


@pytest.mark.parametrize(("seed", "width", "height"), DIGESTS)
def test_a_synthetic_picture_has_the_same_bytes_for_ever(seed: int, width: int, height: int) -> None:
    assert GENERATOR == "waves-1"
    picture = synthetic_picture(seed, width, height)
    assert hashlib.sha256(picture.tobytes()).hexdigest() == DIGESTS[seed, width, height]


def test_a_synthetic_picture_is_rgb_pixels_of_the_size_asked_for() -> None:
    picture = synthetic_picture(3, 30, 20)
    assert (picture.shape, picture.dtype) == ((20, 30, 3), np.uint8)


def test_every_seed_is_another_picture() -> None:
    assert len({synthetic_picture(seed, 32, 32).tobytes() for seed in range(200)}) == 200


def test_the_pictures_use_most_of_the_range_of_a_pixel() -> None:
    pictures = np.stack([synthetic_picture(seed, 96, 96) for seed in range(8)])
    assert pictures.min() < 30
    assert pictures.max() > 225
    assert pictures.std() > 30
