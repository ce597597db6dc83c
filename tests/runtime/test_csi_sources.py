import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.imaging import decode
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.sources.csi import CsiSource
from edgecnn.runtime.streams import CaptureRequest
from edgecnn.testing.boards import FakePicamera2, write_picamera2, write_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these boards run Linux")
LEVELS = {0, 64, 128, 255}


@pytest.fixture
def raspberry(tmp_path):
    return board(tmp_path, "Raspberry Pi 5 Model B Rev 1.0\0")


@pytest.fixture
def jetson(tmp_path):
    return board(tmp_path, "NVIDIA Jetson Orin Nano Developer Kit\0")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is all of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A folder from which modules are imported."""
    folder = tmp_path / "lib"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("picamera2", None)
    assert not FakePicamera2.open_cameras


def board(folder, model):
    path = folder / "model"
    path.write_text(model)
    return path


def camera(model_file, place="0", **request):
    source = CsiSource(place, model_file=model_file)
    source.request = CaptureRequest(**request)
    source.said = []
    source.say = source.said.append
    return source


def take(source, num):
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == num:
            return frames
    return frames


def test_a_raspberry_pi_camera_comes_through_picamera2(raspberry, programs, library):
    write_picamera2(library)
    with camera(raspberry, size_wh=(640, 480), frame_rate=50.0) as source:
        frames = take(source, 8)
        assert source.said == []
        assert source.frame_rate == 50.0
    assert {frame.pixels.shape for frame in frames} == {(480, 640, 3)}
    assert {int(frame.pixels[0, 0, 0]) for frame in frames} == LEVELS
    assert {frame.camera for frame in frames} == {"csi:0"}


def test_what_picamera2_calls_rgb_has_blue_first(raspberry, programs, library):
    write_picamera2(library)
    with camera(raspberry, frame_rate=50.0) as source:
        frame = take(source, 1)[0]
    assert frame.color_order == "bgr"
    assert int(frame.pixels[0, 0, 0]) == 255 - int(frame.pixels[0, 0, 2])
    assert frame.pixels.flags.c_contiguous


def test_the_time_of_a_picture_is_that_of_the_sensor(raspberry, programs, library):
    write_picamera2(library)
    with camera(raspberry, frame_rate=50.0) as source:
        frame = take(source, 1)[0]
    assert 0.1 <= (time.monotonic_ns() - frame.captured_ns) / 1e9 < 2.0


def test_a_picamera2_that_stalls_is_lost_and_opened_again(raspberry, programs, library):
    write_picamera2(library, num_pictures=3)
    events = []
    with camera(raspberry, frame_rate=50.0) as source:
        source.on_event = events.append
        take(source, 5)
    assert [event.kind for event in events] == ["camera_lost", "camera_back"]


def test_a_picamera2_that_fails_is_lost_with_its_reason(raspberry, programs, library):
    write_picamera2(library, num_pictures=3, damage="error")
    source = camera(raspberry, frame_rate=50.0)
    source.lost_timeout_s = 0.0
    with pytest.raises(SourceLostError, match="frontend has timed out"), source:
        take(source, 5)


def test_without_picamera2_the_camera_comes_through_rpicam_vid_and_why_is_said(raspberry, programs, tmp_path):
    log = tmp_path / "log"
    write_program(programs, "rpicam-vid", log=log)
    with camera(raspberry, place="0", size_wh=(640, 480), frame_rate=50.0) as source:
        frames = take(source, 8)
        assert len(source.said) == 1
        assert "through rpicam-vid" in source.said[0]
        assert "python3-picamera2" in source.said[0]
    assert {decode(frame).pixels.shape for frame in frames} == {(480, 640, 3)}
    assert "--camera 0 --width 640 --height 480" in log.read_text()
    assert "--framerate 50" in log.read_text()


def test_raw_pictures_of_rpicam_vid_keep_their_darkest_and_brightest(raspberry, programs):
    write_program(programs, "rpicam-vid")
    with camera(raspberry, frame_rate=50.0) as source:
        frames = [decode(frame) for frame in take(source, 8)]
    levels = {round(float(frame.pixels.mean())) for frame in frames}
    assert all(min(abs(level - known) for known in LEVELS) <= 1 for level in levels)
    assert {min(levels), max(levels)} == {0, 255}


@pytest.mark.parametrize("width", [320, 700, 1000])
def test_padding_of_rows_never_gets_into_a_picture(raspberry, programs, width):
    write_program(programs, "rpicam-vid")
    with camera(raspberry, size_wh=(width, 240), frame_rate=50.0) as source:
        frame = decode(take(source, 1)[0])
    assert np.ptp(frame.pixels) == 0
    assert frame.pixels.shape[1] >= width
    assert frame.pixels.shape[1] % 128 == 0


def test_the_old_name_of_rpicam_vid_serves_too(raspberry, programs):
    write_program(programs, "libcamera-vid")
    with camera(raspberry, frame_rate=50.0) as source:
        assert take(source, 1)


def test_a_picamera2_that_cannot_be_imported_is_passed_over(raspberry, programs, library):
    (library / "picamera2.py").write_text('raise ValueError("numpy.dtype size changed")')
    write_program(programs, "rpicam-vid")
    with camera(raspberry, frame_rate=50.0) as source:
        assert take(source, 1)
        assert "numpy.dtype size changed" in source.said[0]


def test_after_a_loss_the_way_that_worked_is_taken_at_once(raspberry, programs, tmp_path):
    log = tmp_path / "log"
    write_program(programs, "rpicam-vid", log=log, num_pictures=3, exit_code=1)
    events = []
    with camera(raspberry, frame_rate=50.0) as source:
        source.on_event = events.append
        take(source, 4)
        assert len(source.said) == 1
    assert [event.kind for event in events] == ["camera_lost", "camera_back"]
    assert "unplugged" in events[0].reason
    assert len(log.read_text().splitlines()) == 2


def test_a_camera_that_is_not_there_names_every_way_that_was_tried(raspberry, programs, library):
    write_picamera2(library, num_cameras=1)
    write_program(programs, "rpicam-vid", num_cameras=1)
    with pytest.raises(CameraMissingError) as caught, camera(raspberry, place="1"):
        pass
    assert "picamera2: it cannot start camera 1" in str(caught.value)
    assert "no cameras available" in str(caught.value)
    assert "nvargus" not in str(caught.value)


def test_on_a_pi_with_nothing_installed_the_message_says_what_to_install(raspberry, programs):
    with pytest.raises(CameraMissingError) as caught, camera(raspberry):
        pass
    assert "apt install python3-picamera2" in str(caught.value)
    assert "apt install rpicam-apps-lite" in str(caught.value)


def test_a_jetson_camera_comes_through_gst_launch_if_opencv_has_no_gstreamer(jetson, programs, tmp_path):
    log = tmp_path / "log"
    write_program(programs, "gst-launch-1.0", log=log)
    with camera(jetson, size_wh=(640, 480), frame_rate=50.0) as source:
        frames = [decode(frame) for frame in take(source, 4)]
        assert "passed over: nvarguscamerasrc in OpenCV: " in source.said[0]
        assert source.frame_rate == 50.0
    assert {frame.pixels.shape for frame in frames} == {(480, 640, 3)}
    assert "sensor-id=0" in log.read_text()


def test_a_jetson_without_its_camera_says_so(jetson, programs):
    write_program(programs, "gst-launch-1.0", num_cameras=0)
    with pytest.raises(CameraMissingError, match="No cameras available"), camera(jetson):
        pass


def test_an_unknown_board_is_tried_for_everything(tmp_path, programs):
    with pytest.raises(CameraMissingError) as caught, camera(tmp_path / "no such file"):
        pass
    for way in ("picamera2:", "rpicam-vid:", "nvarguscamerasrc in OpenCV:", "nvarguscamerasrc in gst-launch-1.0:"):
        assert way in str(caught.value)


def test_the_address_must_be_a_number():
    with pytest.raises(SourceError, match="csi:0"):
        open_source("csi:front")


def test_a_v4l2_pixel_format_is_refused(raspberry):
    with pytest.raises(SourceError, match="--fourcc"), camera(raspberry, fourcc="MJPG"):
        pass


def test_no_program_is_left_behind(raspberry, programs):
    write_program(programs, "rpicam-vid")
    before = running("board_programs.py")
    with camera(raspberry, frame_rate=50.0) as source:
        take(source, 1)
        assert running("board_programs.py") - before
    assert not running("board_programs.py") - before


def running(word):
    """Return the numbers of the processes whose command line holds a word."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.add(path.parent.name)
        except OSError:
            continue
    return found
