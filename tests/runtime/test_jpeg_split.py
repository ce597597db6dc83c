import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.runtime.sources.jpeg_split import JpegSplitter


def jpeg(level, *, thumbnail=b""):
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail if thumbnail else b""
    return picture[:2] + segment + picture[2:]


def split(stream, step):
    splitter = JpegSplitter()
    return [picture for at in range(0, len(stream), step) for picture in splitter.feed(stream[at : at + step])]


@given(step=st.integers(1, 3000), garbage=st.binary(max_size=20))
def test_pictures_are_the_same_however_the_bytes_come(step, garbage):
    garbage = garbage.replace(b"\xff", b"")
    pictures = [jpeg(level, thumbnail=jpeg(level + 5)) for level in (10, 100)]
    assert split(garbage.join([b"", *pictures, b""]), step) == pictures


@given(stream=st.binary(max_size=200), step=st.integers(1, 50))
def test_nonsense_gives_no_picture_that_is_not_one(stream, step):
    for picture in split(stream + jpeg(7), step):
        assert picture.startswith(b"\xff\xd8\xff")
        assert picture.endswith(b"\xff\xd9")


@pytest.mark.parametrize("progressive", [False, True])
def test_restart_markers_fill_bytes_and_several_scans_belong_to_a_picture(progressive):
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    picture = cv2.imencode(".jpg", cv2.resize(pixels, (256, 256)), options)[1].tobytes()
    picture = picture[:-2] + b"\xff\xff\xff\xd9"
    assert split(picture * 3, 1000) == [picture] * 3


def test_a_picture_that_is_cut_short_is_passed_over_with_the_small_one_in_it():
    whole = jpeg(50, thumbnail=jpeg(60))
    assert split(whole[:-30] + whole, 500) == [whole]
    assert split(whole[:-30] + b"\xff\xd8\xff" + whole, 500)[-1] == whole
