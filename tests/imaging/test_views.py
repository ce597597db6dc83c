"""The view of a camera: turned, flipped, cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import Frame
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.core.view import FLIPS, ROTATIONS, make_view
from edgecnn.imaging import region_px, to_input, upright


def seen(picture, contract, **view):
    return to_input(Frame(pixels=picture, color_order="rgb", view=make_view(**view)), contract)


@pytest.mark.parametrize("rotate", ROTATIONS)
@pytest.mark.parametrize("flip", FLIPS)
def test_a_view_turns_clockwise_and_then_flips(rotate, flip):
    picture = synthetic_picture(1, 60, 40)
    turned = np.rot90(picture, -rotate // 90)
    turned = {"": turned, "h": turned[:, ::-1], "v": turned[::-1]}[flip]
    contract = InputContract(width=turned.shape[1], height=turned.shape[0])
    np.testing.assert_array_equal(seen(picture, contract, rotate=rotate, flip=flip), turned)
    whole = Frame(pixels=picture, color_order="bgr", view=make_view(rotate=rotate, flip=flip))
    np.testing.assert_array_equal(upright(whole), turned)


def test_a_region_is_counted_in_the_upright_picture():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:20, :40] = 255  # the top left corner, which a quarter turn brings to the top right
    contract = InputContract(width=10, height=10)
    assert (seen(picture, contract, rotate=90, roi="0.8,0,0.2,0.2") == 255).all()
    assert (seen(picture, contract, rotate=90, roi="0,0,0.8,1") == 0).all()


@given(
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    width=st.floats(1e-6, 1),
    height=st.floats(1e-6, 1),
    columns=st.integers(1, 50),
    rows=st.integers(1, 50),
)
def test_a_region_always_holds_at_least_one_pixel_and_stays_inside(x, y, width, height, columns, rows):
    view = make_view(roi=f"{x * (1 - width):.9f},{y * (1 - height):.9f},{width:.9f},{height:.9f}")
    left, top, right, bottom = region_px(view.region, (columns, rows))
    assert 0 <= left < right <= columns
    assert 0 <= top < bottom <= rows


@pytest.mark.parametrize(
    "roi", ["0,0,1.1,1", "0.5,0,0.6,1", "-0.1,0,1,1", "0,0,0,1", "nan,0,1,1", "0,0,1", "a,b,c,d", "", "1,2,3,4,5"]
)
def test_a_region_outside_of_the_picture_is_refused(roi):
    with pytest.raises(ValueError, match=r"region of interest|roi must be"):
        make_view(roi=roi)


def test_a_turn_that_is_no_quarter_and_a_flip_that_is_none_are_refused():
    with pytest.raises(ValueError, match="rotate must be one of"):
        make_view(rotate=45)
    with pytest.raises(ValueError, match="flip must be"):
        make_view(flip="x")
