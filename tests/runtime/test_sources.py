import os
import re
import threading
import time

import cv2
import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.errors import CameraMissingError, SourceError
from edgecnn.imaging import decode
from edgecnn.runtime.loop import RunOptions, run
from edgecnn.runtime.sources.camera import CameraSource
from edgecnn.runtime.sources.devices import list_devices
from edgecnn.runtime.sources.pictures import MAX_WARNINGS, FolderSource, ImageSource
from edgecnn.runtime.sources.video import VideoSource
from edgecnn.testing import CollectSink, FakeClassifier, grey_of, write_clip

LABELS = ("a", "b")


def classifier():
    return FakeClassifier(LABELS, lambda pixels: [0.25, 0.75])


def write_picture(path, level, size_wh=(12, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size_wh[1], size_wh[0], 3), level, np.uint8))


def levels(frames):
    return [round(float(decode(frame).pixels.mean())) for frame in frames]


def test_a_clip_gives_every_frame_in_order(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 40)
    with VideoSource(str(clip)) as source:
        frames = list(source)
        assert source.frame_rate == pytest.approx(30)
    assert levels(frames) == pytest.approx([grey_of(index) for index in range(40)], abs=2)
    assert [frame.index for frame in frames] == list(range(40))
    assert {(frame.encoding, frame.camera) for frame in frames} == {("jpeg", f"video:{clip}")}
    assert not source.live
    assert source.dropped == 0


def test_the_frames_of_a_clip_say_when_and_how_long(tmp_path):
    before_ns = time.monotonic_ns()
    with VideoSource(str(write_clip(tmp_path / "clip.avi", 5))) as source:
        frames = list(source)
    stamps = [frame.captured_ns for frame in frames]
    assert before_ns < stamps[0] < stamps[-1] < time.monotonic_ns()
    assert stamps == sorted(stamps)
    assert all(frame.read_ms > 0 for frame in frames)


def test_frames_stay_as_they_were_when_the_next_one_comes(tmp_path):
    with VideoSource(str(write_clip(tmp_path / "clip.avi", 3))) as source:
        first, *_ = list(source)
    assert levels([first]) == pytest.approx([grey_of(0)], abs=2)


def test_a_clip_that_breaks_off_gives_what_it_has(tmp_path):
    data = write_clip(tmp_path / "whole.avi", 60).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: len(data) // 2])
    sink = CollectSink()
    stats = run(VideoSource(str(cut)), classifier(), [sink])
    assert 10 < stats.frames < 60
    assert sink.stats == stats


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.mp4", b"hello, this is no clip\n" * 50, "is not a video that OpenCV can read"),
        ("noise.mp4", bytes(range(256)) * 200, "is not a video that OpenCV can read"),
        ("empty.avi", b"", "is not a video that OpenCV can read"),
        ("frame001.txt", b"x", "is not a video that OpenCV can read"),
    ],
)
def test_a_file_that_is_no_clip_is_explained_without_noise(tmp_path, capfd, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"{re.escape(name)} {message}"):
        VideoSource(str(tmp_path / name)).open()
    assert capfd.readouterr() == ("", "")


def test_a_clip_that_begins_with_a_damaged_frame_gives_the_others(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 6)
    data = clip.read_bytes()
    at = data.index(b"\xff\xd8\xff")
    clip.write_bytes(data[:at] + b"\0\0\0" + data[at + 3 :])
    sink = CollectSink()
    stats = run(VideoSource(str(clip)), classifier(), [sink])
    assert [prediction.frame_index for prediction in sink.predictions] == [1, 2, 3, 4, 5]
    assert stats.unreadable == 1


def test_a_clip_without_one_good_frame_is_explained_without_noise(tmp_path, capfd):
    data = bytearray(write_clip(tmp_path / "clip.avi", 20).read_bytes())
    position = 0
    while (position := data.find(b"\xff\xd8\xff", position)) >= 0:  # the start of every JPEG
        data[position : position + 200] = bytes(200)
    (tmp_path / "clip.avi").write_bytes(data)
    with pytest.raises(SourceError, match="not one frame can be decoded"):
        VideoSource(str(tmp_path / "clip.avi")).open()
    assert capfd.readouterr() == ("", "")


def test_a_missing_clip_and_a_folder_are_explained(tmp_path):
    with pytest.raises(SourceError, match=r"nothing.avi does not exist; give a video file"):
        VideoSource(str(tmp_path / "nothing.avi")).open()
    with pytest.raises(SourceError, match="is a folder, not a clip"):
        VideoSource(str(tmp_path)).open()


def test_a_clip_is_closed_while_another_thread_reads_it(tmp_path):
    source = VideoSource(str(write_clip(tmp_path / "clip.avi", 300)))
    source.open()
    frames = []
    reader = threading.Thread(target=lambda: frames.extend(source))
    reader.start()
    source.close()
    reader.join(5)
    assert not reader.is_alive()


def test_a_folder_gives_its_pictures_sorted_and_nested(tmp_path):
    for name, level in (("b.png", 20), ("a.png", 10), ("sub/deeper/c.bmp", 30), ("sub/a.png", 40)):
        write_picture(tmp_path / name, level)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes(b"not one either")
    with FolderSource(str(tmp_path)) as source:
        frames = list(source)
    assert [frame.name for frame in frames] == ["a.png", "b.png", "sub/a.png", "sub/deeper/c.bmp"]
    assert levels(frames) == [10, 20, 40, 30]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert all(frame.captured_ns > 0 and frame.decode_ms > 0 for frame in frames)


def test_a_broken_picture_is_passed_over_named_and_counted(tmp_path):
    write_picture(tmp_path / "a.png", 10)
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    write_picture(tmp_path / "c.png", 30)
    said, sink = [], CollectSink()
    source = FolderSource(str(tmp_path))
    source.say = said.append
    stats = run(source, classifier(), [sink])
    assert [prediction.name for prediction in sink.predictions] == ["a.png", "c.png"]
    assert [prediction.frame_index for prediction in sink.predictions] == [0, 1]
    assert (stats.frames, stats.unreadable) == (2, 1)
    assert len(said) == 1
    assert "b.jpg is a JPEG file that is cut short or damaged" in said[0]


def test_no_more_than_ten_broken_pictures_are_named(tmp_path):
    write_picture(tmp_path / "a.png", 10)
    for index in range(15):
        (tmp_path / f"z{index:02}.png").write_bytes(b"broken")
    said = []
    source = FolderSource(str(tmp_path))
    source.say = said.append
    stats = run(source, classifier(), [])
    assert stats.unreadable == 15
    assert len(said) == MAX_WARNINGS + 1
    assert "only counted" in said[-1]


def test_a_folder_without_a_readable_picture_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"none of the 1 pictures under .* can be read"):
        run(FolderSource(str(tmp_path)), classifier(), [])


def test_an_empty_folder_a_missing_one_and_a_file_are_explained(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(SourceError, match="holds no pictures"):
        FolderSource(str(tmp_path)).open()
    with pytest.raises(SourceError, match="nowhere does not exist"):
        FolderSource(str(tmp_path / "nowhere")).open()
    with pytest.raises(SourceError, match="is a file, not a folder"):
        FolderSource(str(tmp_path / "notes.txt")).open()


def test_pictures_are_decoded_no_larger_than_the_model_needs(tmp_path):
    write_picture(tmp_path / "large.jpg", 90, (1600, 1200))
    source = ImageSource(str(tmp_path / "large.jpg"))
    source.contract = InputContract(width=96, height=96)
    with source:
        (frame,) = source
    assert frame.pixels.shape == (150, 200, 3)
    assert frame.name == "large.jpg"


def test_an_image_that_is_missing_or_broken_is_explained(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"broken.png is not a picture"):
        run(ImageSource(str(tmp_path / "broken.png")), classifier(), [])
    with pytest.raises(SourceError, match=r"missing.png does not exist"):
        ImageSource(str(tmp_path / "missing.png")).open()
    with pytest.raises(SourceError, match="is a folder, not a picture"):
        ImageSource(str(tmp_path)).open()


def test_a_missing_camera_is_told_at_once_with_the_cameras_there_are(capfd):
    start = time.monotonic()
    with pytest.raises(CameraMissingError) as caught:
        run(CameraSource("97"), classifier(), [], RunOptions(max_frames=1))
    assert time.monotonic() - start < 3
    message = str(caught.value)
    assert message.startswith("there is no camera /dev/video97; ")
    devices = list_devices()
    for device in devices:
        assert f"{device.path} ({device.name})" in message
    if not devices:
        assert message.endswith("there is no camera on this machine")
    assert capfd.readouterr() == ("", "")


def test_a_device_that_is_no_camera_is_judged_by_the_frame_it_does_not_give(capfd):
    start = time.monotonic()
    with pytest.raises(CameraMissingError, match="camera:/dev/null is there but gives no picture"):
        CameraSource("/dev/null").open()
    assert time.monotonic() - start < 3
    assert capfd.readouterr() == ("", "")
    assert "edgecnn-camera" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may open everything")
def test_a_camera_that_may_not_be_opened_says_what_to_do(tmp_path):
    locked = tmp_path / "video0"
    locked.touch(mode=0)
    with pytest.raises(CameraMissingError, match=r"no permission to open the camera .*usermod -aG video"):
        CameraSource(str(locked)).open()


def test_a_camera_that_is_neither_number_nor_device_is_explained():
    with pytest.raises(CameraMissingError, match="camera:front is neither a number nor a device"):
        CameraSource("front").open()


def test_a_camera_is_live():
    assert CameraSource("0").live
