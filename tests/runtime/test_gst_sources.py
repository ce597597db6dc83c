import shutil
import time

import cv2
import numpy as np
import pytest

from edgecnn.errors import SourceError, SourceLostError
from edgecnn.imaging import decode
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.sources.gst import GstSource, OpenCvPipeline, error_in, opencv_has_gstreamer, opencv_pipeline
from edgecnn.runtime.streams import CaptureRequest
from edgecnn.testing import grey_of, write_clip

has_gst_launch = pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="gst-launch-1.0 is not installed")


def take(source, num):
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == num:
            break
    return frames


@has_gst_launch
def test_a_pipeline_gives_pictures_without_being_told_a_size():
    with GstSource(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=50/1"
    ) as source:
        frames = take(source, 5)
        assert source.frame_rate == 50.0
    assert {decode(frame).pixels.shape for frame in frames} == {(240, 320, 3)}


@has_gst_launch
@pytest.mark.parametrize("place", ["videotestsrc pattern={} ! jpegenc ! jpegdec", "videotestsrc pattern={}"])
@pytest.mark.parametrize(("pattern", "bgr"), [("red", (0, 0, 255)), ("white", (255, 255, 255)), ("black", (0, 0, 0))])
def test_colours_come_through_a_pipeline_whatever_range_it_uses(place, pattern, bgr):
    with GstSource(place.format(pattern)) as source:
        frame = decode(take(source, 1)[0])
    assert np.abs(frame.pixels.astype(int) - bgr).max() <= 4


@has_gst_launch
@pytest.mark.parametrize(("asked", "got"), [((320, 240), (320, 240)), ((642, 481), (640, 480))])
def test_a_pipeline_is_scaled_to_the_size_that_is_asked_for(asked, got):
    source = GstSource("videotestsrc")
    source.request = CaptureRequest(size_wh=asked, frame_rate=20.0)
    with source:
        frames = take(source, 3)
        assert source.frame_rate == 20.0
    assert {frame.size_wh for frame in frames} == {got}


@has_gst_launch
def test_rows_of_an_odd_size_are_not_taken_for_padded_ones():
    with GstSource("videotestsrc pattern=blue ! video/x-raw,width=331,height=241") as source:
        frame = decode(take(source, 2)[1])
    assert np.ptp(frame.pixels, axis=(0, 1)).max() <= 2


@has_gst_launch
def test_a_pipeline_that_ends_ends_the_source():
    with GstSource("videotestsrc num-buffers=10") as source:
        assert list(source)[-1].index == 9


@has_gst_launch
def test_a_clip_in_a_pipeline_plays_at_its_own_speed(tmp_path):
    clip = write_clip(tmp_path / "my clip.avi", 90, frame_rate=30.0)
    with GstSource(f'filesrc location="{clip}" ! avidemux ! jpegdec') as source:
        began_s = time.monotonic()
        frames = list(source)
    assert frames[-1].index == 89
    # Three seconds, of which one may come at once.
    assert 1.5 < time.monotonic() - began_s < 10.0


@has_gst_launch
@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("nosuchsrc", 'no element "nosuchsrc"; run: sudo apt install'),
        ("v4l2src device=/dev/video999", "Cannot identify device '/dev/video999'"),
        ("videotestsrc !! nothing", "syntax error"),
        ("videotestsrc foo='", "split"),
    ],
)
def test_a_pipeline_that_cannot_run_says_why(place, complaint):
    with pytest.raises(SourceError, match=complaint), GstSource(place):
        pass


@pytest.mark.parametrize(
    ("place", "complaint"), [("", "no pipeline"), ("videotestsrc ! autovideosink", "sink of its own")]
)
def test_pipelines_that_make_no_sense_are_refused_at_once(place, complaint):
    with pytest.raises(SourceError, match=complaint):
        open_source(f"gst:{place}")


def test_without_gstreamer_the_message_says_what_to_install(tmp_path, monkeypatch):
    if opencv_has_gstreamer(cv2.getBuildInformation()):
        pytest.skip("this OpenCV runs pipelines itself")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"apt install gstreamer1.0-tools"), GstSource("videotestsrc"):
        pass


@pytest.mark.parametrize(("answer", "has"), [("YES (1.20.3)", True), ("NO", False)])
def test_whether_opencv_runs_pipelines_is_read_from_its_build_information(answer, has):
    text = f"  Video I/O:\n    DC1394:      NO\n    GStreamer:                   {answer}\n    v4l/v4l2: YES\n"
    assert opencv_has_gstreamer(text) is has


def test_inside_opencv_only_the_newest_picture_of_a_pipeline_is_kept():
    text = opencv_pipeline("v4l2src", CaptureRequest(size_wh=(640, 480), frame_rate=15.0))
    assert text.startswith("v4l2src ! videorate ! video/x-raw,framerate=15000/1000 ! videoconvert ! videoscale ! ")
    assert "format=BGR,width=640,height=480 ! appsink drop=true max-buffers=1" in text


def test_a_pipeline_inside_opencv_gives_bgr_pictures_and_says_when_they_stop(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 3)
    grabber = OpenCvPipeline("gst:x", str(clip), open_capture=cv2.VideoCapture)
    grabber.open()
    frames = [grabber.grab() for _ in range(3)]
    with pytest.raises(SourceLostError, match="stopped"):
        grabber.grab()
    grabber.close()
    assert [round(float(frame.pixels.mean())) for frame in frames] == pytest.approx(list(map(grey_of, range(3))), abs=2)


def test_a_pipeline_that_opencv_cannot_start_says_how_to_see_why(tmp_path):
    grabber = OpenCvPipeline("gst:x", f"{tmp_path} ! appsink", open_capture=cv2.VideoCapture)
    with pytest.raises(SourceError, match=r"see why with: gst-launch-1.0 .* ! fakesink"):
        grabber.open()


def test_of_several_errors_of_gstreamer_the_first_is_told():
    lines = [
        "ERROR: from element /GstPipeline:p/GstV4l2Src:s: Cannot open.",
        "Additional debug info:",
        "ERROR: no preroll",
    ]
    assert error_in(lines) == "Cannot open."
    assert error_in(["something else"]) == "something else"
