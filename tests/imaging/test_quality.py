import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.errors import DatasetError
from edgecnn.imaging import decode_brightness, decode_picture, ends_in_fill, measure_blur, measure_levels

RANDOM = np.random.default_rng(0)
PATCHES = cv2.resize(RANDOM.integers(0, 256, (12, 12), np.uint8), (96, 96), interpolation=cv2.INTER_NEAREST)


def blurred(sigma_px: float) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = cv2.GaussianBlur(PATCHES, (0, 0), sigma_px)
    return picture


def test_the_more_a_picture_is_blurred_the_higher_the_measure() -> None:
    values = [measure_blur(picture) for picture in (PATCHES, blurred(1), blurred(2), blurred(4))]
    assert values == sorted(values)
    assert values[0] < 0.5 < 0.75 < values[-1] <= 1


def test_motion_along_one_direction_counts() -> None:
    assert measure_blur(cv2.blur(PATCHES, (15, 1))) > measure_blur(PATCHES) + 0.2
    assert measure_blur(cv2.blur(PATCHES, (1, 15))) > measure_blur(PATCHES) + 0.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (96, 96)])
def test_an_even_picture_has_nothing_to_be_blurred(shape: tuple[int, int]) -> None:
    assert measure_blur(np.full(shape, 70, np.uint8)) == 0
    assert measure_levels(np.full(shape, 70, np.uint8)) == (70, 0.0)


def test_one_bright_spot_does_not_make_a_dark_picture_bright() -> None:
    picture = np.full((96, 96), 5, np.uint8)
    picture[:5, :5] = 255
    assert measure_levels(picture)[0] == 5


def test_a_jpeg_that_was_cut_and_closed_ends_in_fill() -> None:
    data = cv2.imencode(".jpg", PATCHES)[1].tobytes()
    assert not ends_in_fill(decode_brightness(data, "whole"))
    assert ends_in_fill(decode_brightness(data[: len(data) // 2] + b"\xff\xd9", "cut"))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_brightness_is_that_of_the_decoded_picture(suffix: str) -> None:
    picture = cv2.resize(RANDOM.integers(0, 256, (6, 6, 3), np.uint8), (80, 60))
    data = cv2.imencode(suffix, picture)[1].tobytes()
    colours = decode_picture(data, "picture").pixels
    luma = decode_brightness(data, "picture")
    assert (luma.shape, luma.dtype) == ((60, 80), np.uint8)
    difference = luma.astype(int) - cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY)
    assert np.abs(difference).max() <= (6 if suffix == ".jpg" else 0)  # a JPEG's colours leave 0 to 255 and are cut


def test_what_cannot_be_decoded_has_no_brightness() -> None:
    with pytest.raises(DatasetError, match="x is not a picture"):
        decode_brightness(b"text", "x")
