"""Raw samples of cameras against OpenCV's own encoders."""

import cv2
import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import ENCODINGS, EncodedFrame, Frame
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.core.view import make_view
from edgecnn.errors import DatasetError
from edgecnn.imaging import decode, to_input

CONTRACT = InputContract(width=96, height=96)


def scene(width, height):
    """Return a smooth colourful BGR picture: chroma that changes from pixel to pixel would be lost by any camera."""
    return cv2.resize(synthetic_picture(3, 24, 18), (width, height), interpolation=cv2.INTER_CUBIC)


def encode(picture, encoding):
    """Return what a camera would deliver for a BGR picture."""
    if encoding == "jpeg":
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    if encoding == "gray":
        return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).tobytes()
    if encoding in ("yuyv", "uyvy"):
        code = cv2.COLOR_BGR2YUV_YUY2 if encoding == "yuyv" else cv2.COLOR_BGR2YUV_UYVY
        return cv2.cvtColor(picture, code).tobytes()
    i420 = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    if encoding == "i420":
        return i420.tobytes()
    luma, chroma = np.split(i420, [picture.shape[0] * picture.shape[1]])
    return luma.tobytes() + chroma.reshape(2, -1).T.tobytes()


def encoded(picture, encoding, **fields):
    size_wh = (picture.shape[1], picture.shape[0])
    return EncodedFrame(data=encode(picture, encoding), encoding=encoding, size_wh=size_wh, **fields)


def expected(picture, encoding):
    if encoding == "gray":
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return picture


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_the_picture_that_went_into_it(encoding):
    picture = scene(320, 240)
    frame = decode(encoded(picture, encoding, captured_ns=5, index=7, camera="camera:0", name="cat", read_ms=1.5))
    difference = np.abs(frame.pixels.astype(int) - expected(picture, encoding))
    assert frame.pixels.shape == picture.shape
    assert difference.mean() < 2.5
    assert (frame.captured_ns, frame.index, frame.camera, frame.name, frame.read_ms) == (5, 7, "camera:0", "cat", 1.5)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size_wh", [(1920, 1080), (1280, 720), (640, 480), (648, 490), (96, 96), (64, 64)])
def test_a_frame_decoded_for_a_model_is_smaller_but_looks_the_same(encoding, size_wh):
    picture = scene(*size_wh)
    frame = encoded(picture, encoding)
    small, whole = decode(frame, CONTRACT), decode(frame)
    assert small.pixels.shape[0] <= whole.pixels.shape[0]
    assert min(small.pixels.shape[:2]) >= min(96, *size_wh), "never smaller than the model needs"
    if min(size_wh) >= 480 and size_wh[1] % 4 == 0:
        assert small.pixels.shape[0] <= size_wh[1] / 4
    difference = np.abs(to_input(small, CONTRACT).astype(int) - to_input(whole, CONTRACT))
    assert difference.mean() < 1.5
    assert (
        np.abs(
            to_input(small, CONTRACT)[..., ::-1].astype(int)
            - to_input(Frame(pixels=expected(picture, encoding), color_order="rgb"), CONTRACT)
        ).mean()
        < 4
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_region_of_interest_keeps_the_sharpness_that_the_model_needs(encoding):
    view = make_view(roi="0.25,0.25,0.25,0.25")
    whole, part = (decode(encoded(scene(1920, 1080), encoding, view=v), CONTRACT) for v in (make_view(), view))
    assert whole.pixels.shape[0] < part.pixels.shape[0]
    assert 1080 / part.pixels.shape[0] <= 1080 * 0.25 / 96


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "jpeg"])
@pytest.mark.parametrize("num_missing", [1, -1, 1000])
def test_half_a_frame_is_no_frame(encoding, num_missing):
    data = encode(scene(64, 48), encoding)
    data = data[:-num_missing] if num_missing > 0 else data + bytes(-num_missing)
    frame = EncodedFrame(data=data, encoding=encoding, size_wh=(64, 48), index=3, camera="pipe:x")
    with pytest.raises(DatasetError, match=r"frame 3 of pipe:x has \d+ bytes; 64 x 48 pixels of"):
        decode(frame)


def test_a_size_that_cannot_be_is_refused():
    with pytest.raises(DatasetError, match="needs an even width and height"):
        decode(EncodedFrame(data=bytes(3 * 4 * 2), encoding="yuyv", size_wh=(3, 4)))
    with pytest.raises(DatasetError, match="has 0 bytes"):
        decode(EncodedFrame(data=b"", encoding="gray", size_wh=(0, 0)))


def test_garbage_for_a_jpeg_is_told_with_the_frame_it_was():
    with pytest.raises(DatasetError, match="frame 9 of http://x is not a picture"):
        decode(EncodedFrame(data=b"\x00garbage" * 99, encoding="jpeg", index=9, camera="http://x"))
