"""A camera of the kernel's `vivid` driver, and what happens to it; run by tests/hardware/in_vm.sh as root."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.imaging import decode
from edgecnn.runtime.sources.camera import CameraSource
from edgecnn.runtime.streams import CaptureRequest

DRIVER = Path("/sys/bus/platform/drivers/vivid")
BY_PATH = Path("/dev/v4l/by-path")
ONE_CAMERA = ("n_devs=1", "node_types=0x1", "input_types=0x0", "num_inputs=1")
# Blue, green and red of vivid's bars at three quarters: white yellow cyan green magenta red blue black.
BARS = [(b, g, r) for g in (191, 0) for r, b in ((191, 191), (191, 0), (0, 191), (0, 0))]
SMALL = CaptureRequest((640, 360))
BACK_WITHIN_S = 15

pytestmark = pytest.mark.hardware
if os.environ.get("EDGECNN_VIVID") != "1":
    pytest.skip("loads and unloads the kernel's vivid driver: run tests/hardware/in_vm.sh", allow_module_level=True)


def load(*parameters):
    subprocess.run(["modprobe", "-r", "vivid"], check=True)
    subprocess.run(["modprobe", "vivid", *parameters], check=True)


def control(device=0, **values):
    names = ",".join(f"{name}={value}" for name, value in values.items())
    subprocess.run(["v4l2-ctl", "-d", str(device), "-c", names], check=True, capture_output=True)


def unplug():
    (DRIVER / "unbind").write_text("vivid.0")


def plug_in():
    (DRIVER / "bind").write_text("vivid.0")


@pytest.fixture
def measured(request):
    def put(**seconds):
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
        sys.stdout.write(f"\nmeasured: {request.node.name}: {numbers}\n")

    return put


class Watch:
    """Reads a source in a thread and remembers what came, and when."""

    def __init__(self, source, pause_s=0.0):
        self.source, self.pause_s = source, pause_s
        self.frames, self.ages_s, self.events, self.said, self.error = [], [], [], [], None
        self.over = threading.Event()
        source.on_event, source.is_over, source.say = self.events.append, self.over.is_set, self.said.append
        self.thread = threading.Thread(target=self.read, daemon=True)

    def read(self):
        try:
            for frame in self.source:
                self.ages_s.append((time.monotonic_ns() - frame.captured_ns) / 1e9)
                self.frames.append(frame)
                time.sleep(self.pause_s)
        except SourceError as exc:
            self.error = exc

    @property
    def kinds(self):
        return [event.kind for event in self.events]

    def wait(self, condition, timeout_s=BACK_WITHIN_S):
        """Return the seconds until the condition holds."""
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < timeout_s, (self.kinds, self.said, self.error, len(self.frames))
            time.sleep(0.01)
        return time.monotonic() - start

    def wait_for_more(self, number=3):
        wanted = len(self.frames) + number
        return self.wait(lambda: len(self.frames) >= wanted)


@contextmanager
def watching(place="0", request=SMALL, pause_s=0.0, lost_timeout_s=None):
    source = CameraSource(place)
    source.request, source.lost_timeout_s = request, lost_timeout_s
    watch = Watch(source, pause_s)
    with source:
        watch.thread.start()
        try:
            yield watch
        finally:
            watch.over.set()
            watch.thread.join(3)
    assert not watch.thread.is_alive()


def one_frame(request, place="0"):
    with watching(place, request) as watch:
        watch.wait_for_more(1)
    return watch.frames[0], watch.said


@contextmanager
def another_program(*command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_pictures_come_young_and_late_ones_are_dropped(measured):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more(20)
        fast = sorted(watch.ages_s[5:])
    with watching(pause_s=0.3) as slow:
        slow.wait_for_more(8)
        late = sorted(slow.ages_s[2:])
    measured(median_age=fast[len(fast) // 2], median_age_of_slow_reader=late[len(late) // 2])
    assert fast[len(fast) // 2] < 0.1
    assert late[len(late) // 2] < 0.2
    assert slow.source.dropped > 5
    indices = [frame.index for frame in slow.frames]
    assert indices == sorted(set(indices))
    stamps = [frame.captured_ns for frame in slow.frames]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("fourcc", "encoding"),
    [
        ("YUYV", "yuyv"),
        ("UYVY", "uyvy"),
        ("NV12", "nv12"),
        ("YU12", "i420"),
        ("GREY", "gray"),
        ("BGR3", None),
        ("RGB3", None),
        ("NV21", None),
        ("XR24", None),
        ("BA81", None),
        ("Y16 ", None),
    ],
)
@pytest.mark.parametrize("multiplanar", [1, 2])
def test_a_known_picture_has_its_colours_in_every_format(fourcc, encoding, multiplanar):
    load(*ONE_CAMERA, f"multiplanar={multiplanar}")
    control(osd_text_mode=2, test_pattern=0)
    frame, said = one_frame(CaptureRequest((640, 360), fourcc=fourcc))
    assert getattr(frame, "encoding", None) == (encoding if multiplanar == 1 else None)
    decoded = decode(frame)
    pixels = decoded.pixels if decoded.color_order == "bgr" else decoded.pixels[..., ::-1]
    assert pixels.shape == (360, 640, 3)
    assert said == []
    middles = pixels[60:300, 40::80].astype(int)
    wanted = np.array(BARS)
    if fourcc in ("GREY", "Y16 "):
        wanted = np.repeat(wanted @ [[0.0722], [0.7152], [0.2126]], 3, axis=1)
    assert np.abs(middles - wanted[None]).max() <= 6


@pytest.mark.skipif("EDGECNN_PAD_ROWS" not in os.environ, reason="needs pad_rows.c, compiled")
@pytest.mark.parametrize("fourcc", ["YUYV", "NV12", "YU12", "GREY", "BGR3", "RGB3", "XR24"])
def test_rows_with_padding_are_refused_and_not_sheared(fourcc):
    load(*ONE_CAMERA)
    script = (
        "from edgecnn.runtime.sources.camera import CameraSource, CaptureRequest\n"
        f"source = CameraSource('0'); source.request = CaptureRequest((640, 360), fourcc='{fourcc}'); source.open()"
    )
    preload = {"LD_PRELOAD": os.environ["EDGECNN_PAD_ROWS"], "PAD_ROWS": "64"}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env={**os.environ, **preload}, capture_output=True, text=True
    )
    assert f"SourceError: camera:0 pads the rows of its pictures of 640x360 {fourcc}, which OpenCV " in done.stderr


@pytest.mark.parametrize("fourcc", ["RGBP", "HSV3", "422P"])
def test_a_format_that_nobody_can_read_is_explained(fourcc):
    load(*ONE_CAMERA)
    with pytest.raises(SourceError, match=f"pictures of the format {fourcc} cannot be read; leave out --fourcc"):
        one_frame(CaptureRequest(fourcc=fourcc))


def test_what_is_given_instead_of_what_was_asked_for_is_said_once():
    load(*ONE_CAMERA)
    frame, said = one_frame(CaptureRequest())
    assert said == []
    frame, said = one_frame(CaptureRequest((640, 360), 30.0, "MJPG"))
    assert said == ["camera:0 gives BGR3 instead of MJPG"]
    frame, said = one_frame(CaptureRequest((1000, 700), 17.0))
    assert decode(frame).pixels.shape == (720, 1280, 3)
    assert said == ["camera:0 gives 1280x720, 12.5 fps instead of 1000x700, 17 fps"]
    with watching(request=CaptureRequest((1000, 700))) as watch:
        watch.wait_for_more()
        unplug()
        watch.wait(lambda: watch.kinds == ["camera_lost"])
        plug_in()
        watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
    assert watch.said == ["camera:0 gives 1280x720 instead of 1000x700"]


def test_an_unplugged_camera_is_told_and_comes_back(measured):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more()
        unplug()
        lost_s = watch.wait(lambda: watch.kinds == ["camera_lost"])
        time.sleep(2)
        plug_in()
        back_s = watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
        watch.wait_for_more()
    measured(lost=lost_s, back=back_s)
    assert lost_s < 2.5
    assert watch.events[0].reason == "camera:0 stopped giving pictures; is it still plugged in?"


def test_a_camera_that_says_it_was_disconnected_is_lost(measured):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more()
        control(disconnect=1)
        lost_s = watch.wait(lambda: watch.kinds == ["camera_lost"])
        unplug()
        plug_in()
        back_s = watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
    measured(lost=lost_s, back=back_s)


def test_a_camera_that_comes_back_as_another_number_is_found_by_its_socket(measured):
    load(*ONE_CAMERA)
    BY_PATH.mkdir(parents=True, exist_ok=True)
    link = BY_PATH / "platform-vivid.0-video-index0"
    link.unlink(missing_ok=True)
    link.symlink_to("/dev/video0")  # what udev does
    try:
        with watching() as watch, open("/dev/video0") as held:  # noqa: PTH123
            watch.wait_for_more()
            unplug()
            watch.wait(lambda: watch.kinds == ["camera_lost"])
            link.unlink()
            plug_in()
            assert not Path("/dev/video0").exists()
            assert Path("/dev/video1").exists()
            time.sleep(0.5)
            link.symlink_to("/dev/video1")
            back_s = watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
            watch.wait_for_more()
            assert held
    finally:
        link.unlink(missing_ok=True)
    measured(back=back_s)


def test_our_own_handle_does_not_keep_the_number_of_a_camera():
    load(*ONE_CAMERA)
    with watching() as watch:
        for turn in range(1, 4):
            watch.wait_for_more()
            unplug()
            watch.wait(lambda turn=turn: watch.kinds.count("camera_lost") == turn)
            time.sleep(0.3)
            plug_in()
            assert Path("/dev/video0").exists()
            watch.wait(lambda turn=turn: watch.kinds.count("camera_back") == turn)


def test_a_camera_that_hangs_is_told_and_comes_back(measured):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more()
        control(percentage_of_dropped_buffers=100)
        lost_s = watch.wait(lambda: watch.kinds == ["camera_lost"])
        num_frames = len(watch.frames)
        time.sleep(6)
        assert len(watch.frames) == num_frames
        control(percentage_of_dropped_buffers=0)
        back_s = watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
        watch.wait_for_more(10)
        assert max(watch.ages_s[-8:]) < 1.0
    measured(lost=lost_s, back=back_s)
    assert lost_s < 4
    assert watch.events[0].reason == "camera:0 gave no picture for 2 s"


def test_a_scene_that_stands_still_is_believed_after_one_opening(measured):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more()
        control(osd_text_mode=2, test_pattern=0)
        lost_s = watch.wait(lambda: watch.kinds == ["camera_lost"])
        back_s = watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
        time.sleep(6)
        assert watch.kinds == ["camera_lost", "camera_back"]
        watch.wait_for_more(10)
        control(osd_text_mode=0)
        time.sleep(3)
        assert watch.kinds == ["camera_lost", "camera_back"]
        watch.wait_for_more(10)
    measured(lost=lost_s, back=back_s)
    assert "the very same picture for 2 s: it is frozen" in watch.events[0].reason


@pytest.mark.parametrize("fault", ["inject_fatal_streaming_error", "inject_vidioc_qbuf_error"])
def test_an_error_of_the_driver_is_survived(measured, fault):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more()
        control(**{fault: 1})
        if fault == "inject_fatal_streaming_error":
            lost_s = watch.wait(lambda: "camera_lost" in watch.kinds)
            back_s = watch.wait(lambda: "camera_back" in watch.kinds)
            measured(lost=lost_s, back=back_s)
        watch.wait_for_more(10)


@pytest.mark.parametrize("fault", ["inject_vidioc_reqbufs_error", "inject_vidioc_streamon_error"])
def test_an_error_while_a_camera_comes_back_is_tried_again(measured, fault):
    load(*ONE_CAMERA)
    with watching() as watch:
        watch.wait_for_more()
        control(**{"inject_fatal_streaming_error": 1, fault: 1})
        back_s = watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
    measured(back=back_s)


def test_a_camera_in_use_is_explained():
    load(*ONE_CAMERA)
    with another_program("v4l2-ctl", "-d0", "--stream-mmap"):
        start = time.monotonic()
        with pytest.raises(CameraMissingError, match="camera:0 is there but gives no picture: another program is"):
            CameraSource("0").open()
        assert time.monotonic() - start < 3
    one_frame(CaptureRequest())


def test_a_device_for_metadata_is_no_camera():
    load("n_devs=1", "node_types=0x20001", "input_types=0x0", "num_inputs=1")
    with pytest.raises(CameraMissingError, match=r"camera:1 is a device that takes no pictures.*has /dev/video0 \("):
        CameraSource("1").open()


def test_auto_passes_over_what_gives_nothing(measured):
    load("n_devs=4", "node_types=0x20101,0x1,0x1,0x1", "num_inputs=1", "input_types=0x0", "num_outputs=1")
    names = {path.name: (path / "name").read_text() for path in Path("/sys/class/video4linux").iterdir()}
    cameras = sorted(name for name in names if "vid-cap" in names[name])
    assert len(cameras) == 4
    assert len(names) > 4
    hanging, busy, silent, good = (f"/dev/{name}" for name in cameras)
    control(hanging, percentage_of_dropped_buffers=100)
    with another_program("v4l2-ctl", "-d", busy, "--stream-mmap"):
        control(silent, inject_vidioc_streamon_error=1)
        start = time.monotonic()
        with watching("auto") as watch:
            found_s = time.monotonic() - start
            watch.wait_for_more()
            said = list(watch.said)
            control(good, inject_fatal_streaming_error=1)
            watch.wait(lambda: watch.kinds == ["camera_lost", "camera_back"])
    measured(found=found_s)
    assert [sentence.split(" (")[0] for sentence in said] == [
        *(f"camera:auto passes over {device}" for device in (hanging, busy, silent)),
        f"camera:auto is {good}",
    ]
    assert {frame.camera for frame in watch.frames} == {"camera:auto"}


def test_auto_without_any_good_camera_says_what_there_is():
    load(*ONE_CAMERA)
    control(percentage_of_dropped_buffers=100)
    with pytest.raises(CameraMissingError, match=r"camera:auto found no camera .*; this machine has /dev/video0 \("):
        CameraSource("auto").open()


def test_a_camera_that_stays_away_ends_the_source_with_an_error(measured):
    load(*ONE_CAMERA)
    with watching(lost_timeout_s=3.0) as watch:
        watch.wait_for_more()
        unplug()
        ended_s = watch.wait(lambda: watch.error is not None)
    measured(ended=ended_s)
    assert isinstance(watch.error, SourceLostError)
    assert 3 <= ended_s < 6


def start_edgecnn(folder, *options):
    (model,) = Path("models/imagenet-lite0").glob("*.tflite")
    command = [sys.executable, "-m", "edgecnn", "run", str(model), "--camera", "0"]
    command += ["--sink", f"jsonl:{folder}/results.jsonl", "--sink", f"events:{folder}/events.jsonl", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def run_edgecnn(folder, *options):
    process = start_edgecnn(folder, *options)
    until = time.monotonic() + 60
    while not ((folder / "results.jsonl").exists() and (folder / "results.jsonl").read_text().count("\n") > 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    return process


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_command_ends_with_code_4_when_a_camera_stays_lost(tmp_path, measured):
    load(*ONE_CAMERA)
    process = run_edgecnn(tmp_path, "--lost-timeout", "3")
    start = time.monotonic()
    unplug()
    _, told = process.communicate(timeout=30)
    measured(ended=time.monotonic() - start)
    assert process.returncode == 4, told
    assert "error: camera:0 stayed lost for 3 s: " in told
    assert "summary" in lines(tmp_path / "results.jsonl")[-1]
    assert [event["event"] for event in lines(tmp_path / "events.jsonl")][-2:] == ["camera_lost", "end"]


def test_the_command_ends_soon_when_it_is_told_to_while_the_camera_hangs(tmp_path, measured):
    load(*ONE_CAMERA)
    process = run_edgecnn(tmp_path)
    control(percentage_of_dropped_buffers=100)
    time.sleep(1.0)
    ages_ms = [line["age_ms"] for line in lines(tmp_path / "results.jsonl")]
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    ended_s = time.monotonic() - start
    measured(ended=ended_s, median_age_ms=sorted(ages_ms)[len(ages_ms) // 2])
    assert process.returncode == 0, told
    assert ended_s < 5
    assert "summary" in lines(tmp_path / "results.jsonl")[-1]
    assert lines(tmp_path / "events.jsonl")[-1]["event"] == "end"


def test_the_command_ends_soon_when_it_is_told_to_before_the_first_picture(tmp_path, measured):
    load(*ONE_CAMERA)
    control(percentage_of_dropped_buffers=100)
    process = start_edgecnn(tmp_path)
    until = time.monotonic() + 60
    while not any(os.path.realpath(path) == "/dev/video0" for path in Path(f"/proc/{process.pid}/fd").iterdir()):
        assert time.monotonic() < until
        time.sleep(0.05)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    measured(ended=time.monotonic() - start)
    assert process.returncode == 0, told
    assert time.monotonic() - start < 15  # most of it is the start of the program, without virtualization
    assert "summary" in lines(tmp_path / "results.jsonl")[-1]
