import itertools

import cv2
import numpy as np
import pytest

from edgecnn.errors import SourceError
from edgecnn.imaging import decode
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.streams import CaptureRequest


def take(address, num, **request):
    source = open_source(address)
    source.request = CaptureRequest(**request)
    with source:
        return list(itertools.islice(source, num)), source


def write_pictures(folder, *levels, size_wh=(60, 40), suffix="jpg"):
    for number, level in enumerate(levels):
        path = folder / f"class{number}" / f"one.{suffix}"
        path.parent.mkdir(parents=True)
        assert cv2.imwrite(str(path), np.full((size_wh[1], size_wh[0], 3), level, np.uint8))
    return folder


def test_the_test_card_is_live_and_moves():
    frames, source = take("synthetic:", 5)
    assert source.live
    assert source.frame_rate == 30.0
    assert {frame.pixels.shape for frame in frames} == {(480, 640, 3)}
    assert len({frame.pixels.tobytes() for frame in frames}) == 5
    assert {frame.camera for frame in frames} == {"synthetic:"}


def test_the_size_and_rate_of_the_test_card_can_be_stated():
    frames, source = take("synthetic:320x240@60", 2)
    assert frames[0].pixels.shape == (240, 320, 3)
    assert source.frame_rate == 60.0


def test_the_size_and_rate_of_the_test_card_can_be_asked_for():
    frames, source = take("synthetic:", 2, size_wh=(160, 120), frame_rate=120.0)
    assert frames[0].pixels.shape == (120, 160, 3)
    assert source.frame_rate == 120.0


def test_pictures_come_at_the_rate_that_is_stated():
    frames, source = take("synthetic:64x64@50", 26)
    took_s = (frames[-1].captured_ns - frames[0].captured_ns) / 1e9
    assert took_s >= 0.02 * (frames[-1].index - frames[0].index) - 0.03
    assert source.dropped < 26


def test_a_slow_rate_is_no_loss():
    frames, _ = take("synthetic:64x64@1", 2)
    assert [frame.index for frame in frames] == [0, 1]


def test_the_shapes_come_in_turn_and_a_network_that_knows_them_sees_what_the_names_say(exported):
    classifier = Classifier(exported)
    names, right = [], []
    with open_source("synthetic:320x240@50") as source:
        for frame in itertools.islice(source, 130):  # two and a half seconds
            label = classifier.classify(frame.pixels).top.label
            right.append({"Kreis ○": "circle"}.get(label, label) == frame.name)
            names.append(frame.name)
    assert [name for name, _ in itertools.groupby(names)] == ["circle", "square"]
    assert np.mean(right) >= 0.9


def test_pictures_of_a_folder_come_as_jpeg_files_in_turn_over_and_over(tmp_path):
    frames, source = take(f"synthetic:{write_pictures(tmp_path, 50, 200)}", 4)
    assert [frame.name for frame in frames] == ["class0/one.jpg", "class1/one.jpg"] * 2
    assert frames[0].data == (tmp_path / "class0" / "one.jpg").read_bytes()
    assert [round(float(decode(frame).pixels.mean())) for frame in frames] == pytest.approx([50, 200] * 2, abs=2)
    assert source.frame_rate == 30.0


@pytest.mark.parametrize("size_wh", [(60, 40), (40, 60), (1000, 20), (7, 7)])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pictures_of_a_folder_are_made_to_fill_the_size_that_is_asked_for(tmp_path, size_wh, suffix):
    folder = write_pictures(tmp_path, 90, size_wh=size_wh, suffix=suffix)
    frames, _ = take(f"synthetic:{folder}", 2, size_wh=(64, 48))
    assert decode(frames[0]).pixels.shape == (48, 64, 3)
    assert frames[0].encoding == "jpeg"
    assert np.abs(decode(frames[0]).pixels.astype(int) - 90).max() <= 3


def test_a_picture_that_cannot_be_read_is_passed_over_and_counted(tmp_path):
    write_pictures(tmp_path, 50, 200, suffix="png")
    (tmp_path / "class0" / "one.png").write_bytes(b"no picture")
    said = []
    source = open_source(f"synthetic:{tmp_path}", say=said.append)
    with source:
        frames = list(itertools.islice(source, 3))
    assert {frame.name for frame in frames} == {"class1/one.png"}
    assert source.unreadable == 1
    assert len(said) == 1
    assert "one.png" in said[0]


def test_a_folder_without_any_readable_picture_is_refused(tmp_path):
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="none of the pictures"):
        take(f"synthetic:{tmp_path}", 1)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="holds no pictures"):
        take(f"synthetic:{tmp_path}", 1)


@pytest.mark.parametrize(
    ("address", "request_", "complaint"),
    [
        ("synthetic:no/such/folder", {}, "no folder"),
        ("synthetic:640x480@0", {}, "per second"),
        ("synthetic:640x480@5000", {}, "per second"),
        ("synthetic:4x4", {}, "too small"),
        ("synthetic:640x480", {"size_wh": (320, 240)}, "another size"),
        ("synthetic:@30", {"frame_rate": 15.0}, "another size or frame rate"),
        ("synthetic:", {"fourcc": "MJPG"}, "--fourcc"),
    ],
)
def test_what_cannot_be_is_refused(address, request_, complaint):
    with pytest.raises(SourceError, match=complaint):
        take(address, 1, **request_)
