"""What a camera gives and is asked for, as far as that needs no camera; the rest is in tests/hardware."""

import struct

import cv2
import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import Frame
from edgecnn.errors import DatasetError
from edgecnn.imaging import decode
from edgecnn.runtime.sources.capture import Shot, driver_time_ns, frame_of, v4l2_name
from edgecnn.runtime.sources.device_grabber import difference
from edgecnn.runtime.sources.devices import lasting_path
from edgecnn.runtime.sources.v4l2 import PixelFormat, can_capture, delivers_planes, is_padded, read_format
from edgecnn.runtime.streams import CaptureRequest


def picture(size_wh=(640, 480)):
    coarse = np.random.default_rng(5).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)


def jpeg(pixels):
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def without_huffman_tables(data):
    """Cut the tables out of a JPEG, as cameras do that use the standard ones."""
    kept, position = data[:2], 2
    while data[position + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, position + 2)
        if data[position + 1] != 0xC4:
            kept += data[position : position + 2 + length]
        position += 2 + length
    return kept + data[position:]


def shot_of(data):
    """Return a shot as OpenCV gives the compressed bytes of a camera: one row of them."""
    return Shot(np.frombuffer(data, np.uint8)[None], captured_ns=7, read_ms=1.5, decode_ms=0.25)


@pytest.mark.parametrize("strip", [bytes, without_huffman_tables])
@pytest.mark.parametrize("padding", [b"", b"\0", bytes(50_000)])
@pytest.mark.parametrize(("side", "divisor"), [(None, 1), (400, 1), (224, 2), (112, 4), (48, 8)])
def test_a_jpeg_of_a_camera_is_decoded_without_tables_and_with_zeros_behind_it(strip, padding, side, divisor):
    whole = jpeg(picture())
    stripped = strip(whole)
    assert (len(stripped) < len(whole)) == (strip is without_huffman_tables)
    contract = InputContract(width=side, height=side) if side else None
    frame = frame_of(shot_of(stripped + padding), "jpeg", (640, 480))
    pixels = decode(frame, contract).pixels
    assert pixels.shape == (480 // divisor, 640 // divisor, 3)
    np.testing.assert_array_equal(pixels, decode(frame_of(shot_of(whole), "jpeg", (640, 480)), contract).pixels)
    assert (frame.captured_ns, frame.read_ms) == (7, 1.5)


def test_a_jpeg_that_a_camera_broke_off_is_no_picture():
    whole = jpeg(picture())
    frame = frame_of(shot_of(whole[: len(whole) // 2] + bytes(1000)), "jpeg", (640, 480))
    with pytest.raises(DatasetError, match="cut short or damaged"):
        decode(frame)


@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_raw_pixels_keep_the_order_of_their_colours(order):
    pixels = picture((8, 6))
    frame = frame_of(Shot(pixels, 7, 1.5, 0.25), order, (8, 6))
    assert isinstance(frame, Frame)
    assert frame.color_order == order
    np.testing.assert_array_equal(frame.pixels, pixels)


def test_nothing_that_came_is_no_frame():
    assert frame_of(Shot(np.zeros((1, 100), np.uint8), 0, 0.0, 0.0), "bgr", (8, 6)) is None
    assert frame_of(Shot(None, 0, 0.0, 0.0), "jpeg", (8, 6)) is None
    assert frame_of(Shot(np.zeros((1, 0), np.uint8), 0, 0.0, 0.0), "jpeg", (8, 6)) is None


@pytest.mark.parametrize(
    ("stamp_ms", "expected_ns"),
    [
        (99_990.0, 99_990_000_000),
        (100_000.0, 100_000_000_000),
        (0.0, 100_000_000_000),
        (100_001.0, 100_000_000_000),
        (1.7e12, 100_000_000_000),
        (94_000.0, 100_000_000_000),
    ],
)
def test_the_time_of_a_driver_is_believed_unless_its_clock_is_another_one(stamp_ms, expected_ns):
    assert driver_time_ns(stamp_ms, 100_000_000_000) == expected_ns


@pytest.mark.parametrize(
    ("form", "padded"),
    [
        (PixelFormat("YUYV", (640, 480), 1280), False),
        (PixelFormat("YUYV", (600, 400), 1216), True),
        (PixelFormat("NV12", (640, 480), 640), False),
        (PixelFormat("NV12", (600, 400), 640), True),
        (PixelFormat("XR24", (640, 480), 2560), False),
        (PixelFormat("RGBP", (600, 400), 1216), True),
        (PixelFormat("MJPG", (600, 400), 0), False),
        (PixelFormat("MJPG", (600, 400), 1216), False),
        (PixelFormat("GREY", (640, 480), 0), False),
        (PixelFormat("", (0, 0), 0), False),
    ],
)
def test_rows_with_padding_are_recognized(form, padded):
    assert is_padded(form) == padded


@pytest.mark.parametrize(
    ("request_", "form", "rate", "expected"),
    [
        (CaptureRequest(), PixelFormat("YUYV", (640, 480), 1280), 30.0, ""),
        (CaptureRequest((640, 480), 30.0, "YUYV"), PixelFormat("YUYV", (640, 480), 1280), 29.97, ""),
        (CaptureRequest(fourcc="YUY2"), PixelFormat("YUYV", (640, 480), 1280), 30.0, ""),
        (CaptureRequest(fourcc="Y16 "), PixelFormat("Y16", (640, 480), 1280), 30.0, ""),
        (CaptureRequest(frame_rate=30.0), PixelFormat("YUYV", (640, 480), 1280), 0.0, ""),
        (CaptureRequest((640, 480)), PixelFormat("MJPG", (640, 360), 0), 30.0, "640x360 instead of 640x480"),
        (
            CaptureRequest((1280, 720), 60.0, "NV12"),
            PixelFormat("YUYV", (640, 360), 1280),
            7.5,
            "640x360, 7.5 fps, YUYV instead of 1280x720, 60 fps, NV12",
        ),
    ],
)
def test_what_is_given_instead_is_told(request_, form, rate, expected):
    assert difference(request_, form, rate) == expected


def test_other_names_of_a_format_are_understood():
    assert [v4l2_name(name) for name in ("YUY2", "I420", "NV12", "")] == ["YUYV", "YU12", "NV12", ""]


@pytest.mark.parametrize("name", ["/dev/null", "missing"])
def test_what_is_no_video_device_says_nothing_about_its_format(name, tmp_path):
    path = str(tmp_path / name)  # an absolute name stays as it is
    assert read_format(path) is None
    assert can_capture(path) is None
    assert not delivers_planes(path)


def test_a_link_that_somebody_chose_is_what_is_opened_again(tmp_path):
    link = tmp_path / "front-door"
    link.symlink_to("/dev/null")
    assert lasting_path(str(link)) == str(link)
    assert lasting_path("/dev/null") == "/dev/null"
