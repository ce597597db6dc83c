import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.core.frame import Frame
from edgecnn.errors import SourceError, SourceLostError
from edgecnn.imaging import decode
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.sources.pipe import PipeSource
from edgecnn.runtime.streams import CaptureRequest

SIZE_WH = (64, 48)
BGR = (40, 90, 200)


def command(code, *arguments):
    """Return a command that runs some Python, in which ``put`` writes bytes at once."""
    head = "import os, signal, subprocess, sys, time\ndef put(data):\n    os.write(1, data)\n"
    return shlex.join([sys.executable, "-S", "-c", head + code, *map(str, arguments)])


def write(folder, *pictures):
    """Return a command that writes these pictures, one every 20 ms, and ends well."""
    for index, picture in enumerate(pictures):
        (folder / f"{index:03}").write_bytes(picture)
    code = "for path in sys.argv[1:]:\n put(open(path, 'rb').read())\n time.sleep(.02)"
    return command(code, *sorted(folder.iterdir()))


def grey_frame(level):
    return bytes([level]) * (64 * 48)


def jpeg(level, *, thumbnail=b""):
    picture = cv2.imencode(".jpg", np.full((SIZE_WH[1], SIZE_WH[0], 3), level, np.uint8))[1].tobytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail if thumbnail else b""
    return picture[:2] + segment + picture[2:]


def take(source, num):
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == num:
            break
    return frames


def running(word):
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def patiently(condition, patience_s=5.0):
    until_s = time.monotonic() + patience_s
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.01)
    return condition()


def test_raw_frames_come_in_order_and_a_command_that_ends_well_ends_the_source(tmp_path):
    levels = [10, 60, 110, 160, 210]
    with PipeSource(f"gray,64x48:{write(tmp_path, *map(grey_frame, levels))}") as source:
        frames = list(source)
    assert [int(decode(frame).pixels[0, 0, 0]) for frame in frames] == levels
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert all(0 <= frame.read_ms < 1000 and frame.captured_ns for frame in frames)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bgr24", bytes(BGR) * 3072),
        ("rgb24", bytes(BGR[::-1]) * 3072),
        ("yuyv422", bytes([117, 90, 117, 180]) * 1536),
        ("uyvy422", bytes([90, 117, 180, 117]) * 1536),
        ("nv12", bytes([117]) * 3072 + bytes([90, 180]) * 768),
        ("yuv420p", bytes([117]) * 3072 + bytes([90]) * 768 + bytes([180]) * 768),
        ("yuvj420p", bytes([117]) * 3072 + bytes([84]) * 768 + bytes([187]) * 768),
    ],
)
def test_every_format_gives_the_same_colour(tmp_path, name, data):
    with PipeSource(f"{name},64x48:{write(tmp_path, data)}") as source:
        frame = decode(take(source, 1)[0])
    blue_first = frame.pixels if frame.color_order == "bgr" else frame.pixels[:, :, ::-1]
    assert blue_first.shape == (48, 64, 3)
    assert np.abs(blue_first.astype(int) - BGR).max() <= 2


def test_packed_pixels_are_not_encoded_and_nobody_can_write_into_them(tmp_path):
    with PipeSource(f"bgr24,64x48:{write(tmp_path, bytes(BGR) * 3072)}") as source:
        frame = take(source, 1)[0]
    assert isinstance(frame, Frame)
    assert not frame.pixels.flags.writeable


def test_the_size_may_be_asked_for_instead_of_stated(tmp_path):
    source = PipeSource(f"gray:{write(tmp_path, grey_frame(9))}")
    source.request = CaptureRequest(size_wh=SIZE_WH, frame_rate=25.0)
    with source:
        assert decode(take(source, 1)[0]).pixels.shape == (48, 64, 3)
        assert source.frame_rate == 25.0


def test_a_frame_rate_can_be_stated(tmp_path):
    with PipeSource(f"gray,64x48,12.5:{write(tmp_path, grey_frame(9))}") as source:
        assert source.frame_rate == 12.5


@pytest.mark.parametrize("prefix", ["mjpeg:", ""])
def test_jpeg_files_in_a_row_are_told_apart_though_small_pictures_stand_inside_them(tmp_path, prefix):
    pictures = [jpeg(level, thumbnail=jpeg(250)) for level in (30, 90, 150)]
    with PipeSource(f"{prefix}{write(tmp_path, *pictures)}") as source:
        frames = list(source)
    assert [frame.data for frame in frames] == pictures
    assert {frame.encoding for frame in frames} == {"jpeg"}


@pytest.mark.parametrize("prefix", ["y4m:", ""])
def test_yuv4mpeg2_says_its_size_and_rate_itself(tmp_path, prefix):
    header = b"YUV4MPEG2 W64 H48 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL\n"
    frames = [b"FRAME\n" + bytes([level]) * 3072 + bytes([128]) * 1536 for level in (0, 128, 255)]
    with PipeSource(f"{prefix}{write(tmp_path, header, *frames)}") as source:
        taken = [decode(frame) for frame in source]
        assert source.frame_rate == pytest.approx(29.97, abs=0.001)
    assert [int(frame.pixels[5, 5, 1]) for frame in taken] == [0, 128, 255]


def test_yuv4mpeg2_may_change_its_size_in_the_middle(tmp_path):
    small = b"YUV4MPEG2 W32 H16 Cmono\nFRAME\n" + bytes(512)
    large = b"YUV4MPEG2 W64 H48 Cmono\nFRAME Ip\n" + bytes(3072)
    with PipeSource(f"y4m:{write(tmp_path, small, large)}") as source:
        assert [frame.size_wh for frame in source] == [(32, 16), (64, 48)]


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (b"YUV4MPEG2 W64 H48 C444\n", "420"),
        (b"YUV4MPEG2 W65 H48 C420\n", "even"),
        (b"YUV4MPEG2 H48 C420\n", "size"),
        (b"YUV4MPEG2 W99999 H48 C420\n", "99999"),
        (b"YUV4MPEG2 W64 H48 Cmono\nnonsense" + bytes(4000), "out of step"),
        (b"YUV4MPEG2 " + b"X" * 2000, "out of step"),
    ],
)
def test_yuv4mpeg2_that_cannot_be_read_says_why(tmp_path, stream, complaint):
    with pytest.raises(SourceError, match=complaint), PipeSource(f"y4m:{write(tmp_path, stream)}"):
        pass


def test_a_command_without_a_picture_fails_with_its_last_words():
    code = "sys.stderr.write('starting\\nno such camera, try another\\n\\n'); sys.exit(3)"
    with pytest.raises(SourceError, match=r"exit code 3 without a picture: no such camera, try another$"):
        open_once(f"gray,64x48:{command(code)}")


def test_a_command_that_prints_half_a_frame_fails_with_that():
    with pytest.raises(SourceError, match="exit code 0, after less than one picture and said nothing"):
        open_once(f"gray,64x48:{command('put(bytes(1000))')}")


def test_a_command_that_is_not_there_is_named():
    with pytest.raises(SourceError, match="there is no program 'no-such-program'"):
        open_once("gray,64x48:no-such-program --fast")


def test_a_file_that_is_no_program_is_named(tmp_path):
    (tmp_path / "data").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"cannot run .*data"):
        open_once(f"gray,64x48:{tmp_path / 'data'}")


def test_a_command_that_dies_is_lost_and_started_again():
    code = "put(bytes([os.getpid() % 200]) * 3072)\ntime.sleep(.05)\nsys.exit('the lens fell off')"
    events = []
    with PipeSource(f"gray,64x48:{command(code)}") as source:
        source.on_event = events.append
        frames = take(source, 2)
    assert [event.kind for event in events] == ["camera_lost", "camera_back"]
    assert "exit code 1: the lens fell off" in events[0].reason
    assert [frame.index for frame in frames] == [0, 1]


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("put(bytes(100))", "in the middle of a picture"), ("os.kill(os.getpid(), 9)", "ended by signal 9")],
)
def test_half_a_frame_and_a_killed_command_are_losses_and_no_end(ending, reason):
    code = f"put(bytes(3072))\ntime.sleep(.05)\n{ending}"
    source = PipeSource(f"gray,64x48:{command(code)}")
    source.lost_timeout_s = 0.0
    with pytest.raises(SourceLostError, match=reason), source:
        take(source, 2)


def test_a_stopped_command_is_noticed_by_time():
    code = "while True:\n put(os.urandom(3072)); time.sleep(.02)"
    events = []
    with PipeSource(f"gray,64x48:{command(code, 'stopped-one')}") as source:
        source.on_event = events.append
        frames = iter(source)
        next(frames)
        victim = running("stopped-one")
        for number in victim:
            os.kill(number, signal.SIGSTOP)
        assert next(frame for frame in frames if len(events) == 2)
    assert [event.kind for event in events] == ["camera_lost", "camera_back"]
    assert patiently(lambda: not running("stopped-one"))
    assert len(victim) == 1


def test_nothing_that_the_command_started_is_left_behind():
    child = command("time.sleep(600)", "grandchild-of-a-pipe")
    code = f"subprocess.Popen({shlex.split(child)!r})\nwhile True:\n put(os.urandom(3072)); time.sleep(.02)"
    with PipeSource(f"gray,64x48:{command(code)}") as source:
        take(source, 2)
        assert patiently(lambda: running("grandchild-of-a-pipe"))
    assert patiently(lambda: not running("grandchild-of-a-pipe"))
    assert not zombies()


def test_a_command_that_ignores_the_request_to_end_is_killed_in_time():
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n put(os.urandom(3072)); time.sleep(.02)"
    with PipeSource(f"gray,64x48:{command(code, 'stubborn-one')}") as source:
        take(source, 1)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2.0
    assert not running("stubborn-one")
    assert not zombies()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edgecnn-pipe")]


def test_a_flood_of_messages_neither_blocks_nor_grows():
    code = "for i in range(40):\n sys.stderr.write('noise ' * 20000)\n put(bytes([i]) * 3072)\n time.sleep(.001)"
    with PipeSource(f"gray,64x48:{command(code)}") as source:
        frames = list(source)
    assert frames[-1].index == 39


def test_a_fast_command_gives_its_newest_frame_and_the_others_are_counted():
    code = "for i in range(200):\n put(bytes([i]) * 3072)\ntime.sleep(1)\nput(bytes([200]) * 3072)"
    with PipeSource(f"gray,64x48:{command(code)}") as source:
        time.sleep(0.3)
        frames = list(source)
    assert frames[-1].index == 200
    assert source.dropped == 201 - len(frames)
    assert source.dropped > 100


def test_passwords_in_addresses_are_not_shown():
    code = "sys.exit('cannot open rtsp://me:secret@camera/1')"
    source = PipeSource(f"gray,64x48:{command(code, 'rtsp://me:secret@camera/1')}")
    assert "secret" not in source.address
    with pytest.raises(SourceError, match=r"rtsp://\*\*\*@camera/1") as caught, source:
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("", "no command"),
        ("gray,64x48:", "no command"),
        ("yuv444p,64x48:cat", "yuv444p.*nv12"),
        ("gray,64x48:cat 'half", "split"),
    ],
)
def test_addresses_that_make_no_sense_are_refused_at_once(place, complaint):
    with pytest.raises(SourceError, match=complaint):
        open_source(f"pipe:{place}")


@pytest.mark.parametrize(
    ("place", "request_", "complaint"),
    [
        ("nv12:cat", CaptureRequest(), "size"),
        ("nv12,65x48:cat", CaptureRequest(), "even"),
        ("nv12,0x0:cat", CaptureRequest(), "0 x 0"),
        ("nv12,99999x2:cat", CaptureRequest(), "99999"),
        ("nv12,64x48:cat", CaptureRequest(size_wh=(32, 32)), "another size"),
        ("nv12,64x48,30:cat", CaptureRequest(frame_rate=10.0), "another size or frame rate"),
        ("mjpeg:cat", CaptureRequest(size_wh=(32, 32)), "itself"),
        ("nv12,64x48:cat", CaptureRequest(fourcc="MJPG"), "--fourcc"),
    ],
)
def test_requests_that_contradict_the_address_are_refused(place, request_, complaint):
    source = PipeSource(place)
    source.request = request_
    with pytest.raises(SourceError, match=complaint), source:
        pass


def test_output_of_an_unknown_kind_asks_for_its_format():
    with pytest.raises(SourceError, match="pipe:nv12,1280x720:COMMAND"):
        open_once(command("put(bytes(9000)); time.sleep(1)"))


def test_a_stream_without_any_jpeg_is_not_read_for_ever():
    with pytest.raises(SourceError, match="no JPEG begins"):
        open_once(f"mjpeg:{command('while True: put(bytes(1 << 20))')}")


def open_once(place):
    with PipeSource(place):
        pass


def zombies():
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0
