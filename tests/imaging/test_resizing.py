import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgecnn.core.contract import AspectRule, InputContract
from edgecnn.core.frame import Frame
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.imaging import FIT_FILL, decode_picture, encode_png, resize, shrink, to_input, warp

Pixels = NDArray[np.uint8]


def checkerboard(width: int, height: int) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    return np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=-1)


def zone_plate(width: int, height: int) -> Pixels:
    """Rings that become finer towards the edge, up to a wave of two pixels."""
    y, x = np.mgrid[0:height, 0:width]
    squared = (x - width / 2) ** 2 + (y - height / 2) ** 2
    rings = np.cos(np.pi * squared / max(width, height))
    return np.repeat(np.rint(127.5 + 127.5 * rings).astype(np.uint8)[..., None], 3, axis=-1)


def scenery(seed: int, width: int, height: int) -> Pixels:
    """Return a picture whose details are some sixteen pixels wide, as in a photograph."""
    small = synthetic_picture(seed, width // 16, height // 16)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def frame(pixels: Pixels) -> Frame:
    return Frame(pixels=pixels, color_order="rgb")


def prepare(
    pixels: Pixels, width: int, height: int, aspect: AspectRule = "squash", crop_fraction: float = 1.0
) -> Pixels:
    contract = InputContract(width=width, height=height, aspect=aspect, crop_fraction=crop_fraction)
    return to_input(frame(pixels), contract)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 120), st.integers(1, 120)),
    st.integers(0, 255),
)
def test_a_plain_picture_stays_plain_at_any_size(from_wh: tuple[int, int], to_wh: tuple[int, int], grey: int) -> None:
    resized = resize(np.full((from_wh[1], from_wh[0], 3), grey, np.uint8), to_wh)
    assert resized.shape == (to_wh[1], to_wh[0], 3)
    assert resized.dtype == np.uint8
    assert (resized == grey).all()


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)), st.sampled_from(["squash", "crop", "fit"]), st.floats(0.05, 1)
)
def test_every_picture_becomes_an_input_of_the_contract(
    size_wh: tuple[int, int], aspect: AspectRule, crop_fraction: float
) -> None:
    made = prepare(synthetic_picture(1, *size_wh), 48, 32, aspect, crop_fraction)
    assert (made.shape, made.dtype, made.flags.c_contiguous) == ((32, 48, 3), np.uint8, True)


@settings(max_examples=30)
@given(st.integers(30, 400), st.integers(30, 400))
def test_no_picture_becomes_brighter_or_darker(width: int, height: int) -> None:
    picture = synthetic_picture(5, width, height)
    assert abs(resize(picture, (24, 24)).mean() - picture.mean()) < 3.0


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    picture = synthetic_picture(0, 96, 64)
    np.testing.assert_array_equal(resize(picture, (96, 64)), picture)
    np.testing.assert_array_equal(prepare(picture, 96, 64), picture)


def test_the_same_picture_in_either_order_of_colours_gives_the_same_input() -> None:
    picture = synthetic_picture(3, 333, 222)
    contract = InputContract(width=96, height=96)
    turned = Frame(pixels=np.ascontiguousarray(picture[..., ::-1]), color_order="bgr")
    np.testing.assert_array_equal(to_input(turned, contract), to_input(frame(picture), contract))


def test_a_picture_of_one_pixel_fills_the_input() -> None:
    for aspect in ("squash", "crop", "fit"):
        assert (prepare(np.full((1, 1, 3), 77, np.uint8), 20, 20, aspect) == 77).all()


@pytest.mark.parametrize("size_px", [96, 128, 160, 224])
def test_a_fine_checkerboard_at_1080p_becomes_mid_grey(size_px: int) -> None:
    board = checkerboard(1920, 1080)
    ours = resize(board, (size_px, size_px)).astype(int)
    assert np.abs(ours - 128).max() <= 2


def test_a_zone_plate_at_1080p_does_not_alias_where_plain_bilinear_does() -> None:
    plate = zone_plate(1920, 1080)
    ours = resize(plate, (96, 96)).astype(int)
    antialiased = np.asarray(Image.fromarray(plate).resize((96, 96), Image.Resampling.BILINEAR)).astype(int)
    naive = cv2.resize(plate, (96, 96), interpolation=cv2.INTER_LINEAR).astype(int)
    # Away from the wide rings in the middle everything is finer than the result can show.
    edge = np.ones((96, 96), bool)
    edge[16:80, 16:80] = False
    assert np.abs(ours - 128)[edge].mean() < 2
    assert np.abs(naive - 128)[edge].mean() > 25
    assert np.abs(ours - antialiased).mean() < 4
    assert np.abs(naive - antialiased).mean() > 25


def test_a_photograph_is_resized_much_as_pillow_does_it() -> None:
    picture = scenery(2, 1280, 960)
    expected = np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resize(picture, (224, 224)) - expected).mean() < 0.6


def test_the_bytes_of_a_resized_picture_do_not_change() -> None:
    # OpenCV's bit-exact mode promises them on every processor; measured accuracies stand on it.
    assert resize(synthetic_picture(0, 8, 8), (3, 3))[..., 0].tolist() == [[42, 67, 90], [90, 96, 95], [66, 53, 46]]
    large = resize(synthetic_picture(0, 641, 479), (96, 96))
    assert (
        hashlib.sha256(large.tobytes()).hexdigest()
        == "d0e15d7ab9a9491d59583b8c9ddf4e0eb1ebf2ed068cf78eac7d7f89e8359aa5"
    )


def marked(width: int, height: int) -> Pixels:
    """Return a grey picture whose left and top edge are a tenth red and blue."""
    picture = np.full((height, width, 3), 100, np.uint8)
    picture[:, : width // 10] = (255, 0, 0)
    picture[: height // 10] = (0, 0, 255)
    return picture


def test_squash_keeps_everything_and_stretches_it() -> None:
    made = prepare(marked(400, 200), 100, 100)
    assert made[50, 4].tolist() == [255, 0, 0]
    assert made[4, 50].tolist() == [0, 0, 255]
    assert made[50, 95].tolist() == made[95, 50].tolist() == [100, 100, 100]


def test_crop_cuts_the_longer_side_evenly_at_both_ends() -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 200
    assert (prepare(wide, 50, 50, "crop") == 200).all()
    assert (prepare(wide.swapaxes(0, 1).copy(), 50, 50, "crop") == 200).all()


def test_crop_to_an_oblong_input_keeps_the_shape_of_things() -> None:
    square = np.zeros((300, 300, 3), np.uint8)
    square[75:225] = 200
    assert (prepare(square, 100, 50, "crop") == 200).all()


def test_a_crop_fraction_keeps_the_centre() -> None:
    picture = np.zeros((200, 100, 3), np.uint8)
    picture[50:150, 25:75] = 200
    assert (prepare(picture, 40, 40, "squash", 0.5) == 200).all()
    assert prepare(picture, 40, 40, "squash", 0.6).min() == 0


def test_fit_keeps_everything_and_fills_the_rest_with_mid_grey() -> None:
    made = prepare(np.full((100, 200, 3), 255, np.uint8), 80, 80, "fit")
    assert (made[20:60] == 255).all()
    assert (made[:20] == FIT_FILL).all()
    assert (made[60:] == FIT_FILL).all()
    made = prepare(np.full((200, 100, 3), 255, np.uint8), 80, 80, "fit")
    assert (made[:, 20:60] == 255).all()
    assert (np.delete(made, np.s_[20:60], axis=1) == FIT_FILL).all()


@pytest.mark.parametrize("aspect", ["squash", "crop", "fit"])
def test_a_square_picture_is_the_same_under_every_aspect_rule(aspect: AspectRule) -> None:
    picture = synthetic_picture(9, 150, 150)
    np.testing.assert_array_equal(prepare(picture, 96, 96, aspect), prepare(picture, 96, 96))


@pytest.mark.parametrize("size_wh", [(1920, 1080), (1280, 960), (4000, 3000), (700, 2100)])
@pytest.mark.parametrize("aspect", ["squash", "crop", "fit"])
def test_a_jpeg_decoded_at_a_smaller_scale_looks_like_the_whole_one(
    size_wh: tuple[int, int], aspect: AspectRule
) -> None:
    contract = InputContract(width=96, height=96, aspect=aspect)
    _, encoded = cv2.imencode(".jpg", scenery(4, *size_wh), [cv2.IMWRITE_JPEG_QUALITY, 90])
    reduced = decode_picture(encoded.tobytes(), "picture", contract)
    whole = decode_picture(encoded.tobytes(), "picture")
    assert reduced.pixels.shape[0] < whole.pixels.shape[0]
    difference = np.abs(to_input(reduced, contract).astype(int) - to_input(whole, contract))
    # A crop begins at a whole pixel, of the smaller picture here: it may lie half of one, 0.35 of the input's, beside.
    assert difference.mean() < (5.0 if aspect == "crop" else 0.6)


def test_a_warp_that_moves_nothing_changes_nothing_and_a_shift_repeats_the_edge() -> None:
    picture = synthetic_picture(6, 40, 30)
    np.testing.assert_array_equal(warp(picture, np.eye(2, 3)), picture)
    shifted = warp(picture, np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(shifted[:, :-5], picture[:, 5:])
    np.testing.assert_array_equal(shifted[:, -5:], np.repeat(picture[:, -1:], 5, axis=1))


def test_golden_pictures_of_the_input_size_pass_through_a_png_unchanged() -> None:
    picture = synthetic_picture(11, 96, 96)
    decoded = decode_picture(encode_png(picture), "golden/0.png")
    np.testing.assert_array_equal(to_input(decoded, InputContract(width=96, height=96)), picture)


def test_a_picture_is_shrunk_in_its_own_shape_until_its_longest_side_fits() -> None:
    pixels = np.full((30, 400, 3), 7, np.uint8)
    assert shrink(pixels, 100).shape == (8, 100, 3)
    assert shrink(pixels[:1], 100).shape == (1, 100, 3)
    assert shrink(pixels, 400) is pixels
    assert (shrink(pixels, 100) == 7).all()
