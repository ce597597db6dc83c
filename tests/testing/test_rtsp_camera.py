import contextlib
import itertools
import socket
import threading
import time

import cv2
import numpy as np
import pytest
from opencv_client import gives_up, watching

from edgecnn.testing import RtspServer, grey_of, write_clip

LEVELS = range(20, 240, 20)
FRAMES = [np.full((48, 64, 3), level, np.uint8) for level in LEVELS]
PATIENCE_S = 5.0
CAPTURE_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# Without this FFmpeg looks at twenty pictures to find the frame rate before it gives the first one.
AT_ONCE = "rtsp_transport;tcp|fpsprobesize;0"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setenv(CAPTURE_OPTIONS, AT_ONCE)


@pytest.fixture
def camera():
    with RtspServer(FRAMES, frame_rate=100.0) as server:
        yield server
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edgecnn-camera")]


def levels(capture, num):
    """Return the levels of pictures, None for those that could not be read."""
    read = [capture.read()[1] for _ in range(num)]
    return [None if pixels is None else LEVELS[round(float(pixels.mean()) / 20) - 1] for pixels in read]


def steps(levels):
    positions = [LEVELS.index(level) for level in levels]
    return [(after - before) % len(LEVELS) for before, after in itertools.pairwise(positions)]


class Talk:
    """A client that writes its requests out."""

    def __init__(self, camera):
        self.socket = socket.create_connection(("127.0.0.1", camera.port), timeout=PATIENCE_S)
        self.stream = self.socket.makefile("rb")
        self.url = camera.url

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()
        self.socket.close()

    def ask(self, method, *headers, target=None):
        """Return status, headers and body of the answer."""
        lines = [f"{method} {target or self.url} RTSP/1.0", "CSeq: 7", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        while (begin := self.stream.read(1)) == b"$":
            self.packet(begin)
        status = int((begin + self.stream.readline()).split()[1])
        answer = {}
        while line := self.stream.readline().decode().strip():
            name, _, value = line.partition(": ")
            answer[name] = value
        assert answer["CSeq"] == "7"
        return status, answer, self.stream.read(int(answer.get("Content-Length", 0))).decode()

    def packet(self, begin=None):
        assert (begin or self.stream.read(1)) == b"$"
        head = self.stream.read(3)
        return self.stream.read(int.from_bytes(head[1:], "big"))

    def play(self):
        assert self.ask("SETUP", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")[0] == 200
        assert self.ask("PLAY")[0] == 200


def test_opencv_plays_the_pictures_in_turn(camera):
    with watching(camera.url) as capture:
        read = levels(capture, 25)
    assert read[0] == LEVELS[0]
    assert 1 in steps(read)
    assert 0 not in steps(read)


@pytest.mark.parametrize("options", [None, "rtsp_transport;tcp", "fflags;nobuffer"])
def test_opencv_plays_it_whichever_transport_it_asks_for_first(camera, monkeypatch, options):
    monkeypatch.setenv(CAPTURE_OPTIONS, options) if options else monkeypatch.delenv(CAPTURE_OPTIONS)
    with watching(camera.url) as capture:
        assert None not in levels(capture, 5)


def test_pictures_come_in_their_own_size_and_colours():
    with RtspServer([np.full((120, 200, 3), (200, 100, 50), np.uint8)]) as camera, watching(camera.url) as capture:
        read, pixels = capture.read()
    assert read
    assert pixels.shape == (120, 200, 3)
    assert pixels.reshape(-1, 3).mean(axis=0) == pytest.approx((200, 100, 50), abs=4)


def test_a_picture_of_many_packets_arrives_whole():
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    large = cv2.resize(noise, (1280, 720))
    with RtspServer([large]) as camera, watching(camera.url) as capture:
        read, pixels = capture.read()
    assert read
    assert np.abs(pixels.astype(int) - large).mean() < 6


def test_jpeg_files_and_clips_are_shown_too(tmp_path):
    files = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in FRAMES]
    with RtspServer(files) as camera, watching(camera.url) as capture:
        assert levels(capture, 1) == [LEVELS[0]]
    with RtspServer(write_clip(tmp_path / "clip.avi", 5)) as camera, watching(camera.url) as capture:
        assert capture.read()[1].mean() == pytest.approx(grey_of(0), abs=3)


def test_several_clients_watch_the_same_pictures(camera):
    with watching(camera.url) as first, watching(camera.url) as second:
        assert None not in levels(first, 10) + levels(second, 10)
    assert camera.num_connections == 2


def test_it_says_what_it_can_and_what_it_shows(camera):
    with Talk(camera) as client:
        status, answer, _ = client.ask("OPTIONS", target="*")
        assert (status, "GET_PARAMETER" in answer["Public"]) == (200, True)
        status, answer, description = client.ask("DESCRIBE", "Accept: application/sdp")
        assert (status, answer["Content-Type"]) == (200, "application/sdp")
        assert "m=video 0 RTP/AVP 26" in description
        assert client.ask("GET_PARAMETER")[0] == 200
        assert client.ask("ANNOUNCE")[0] == 405
        assert client.ask("DESCRIBE", target=camera.url + "x")[0] == 404
        assert client.ask("SETUP", "Transport: RTP/AVP;unicast;client_port=5000-5001")[0] == 461


def test_a_client_may_ask_and_report_while_it_watches(camera):
    with Talk(camera) as client:
        client.play()
        packets = [client.packet() for _ in range(4)]
        client.socket.sendall(b"$\1\0\4abcd")
        assert client.ask("GET_PARAMETER")[0] == 200
        assert client.ask("TEARDOWN")[0] == 200
        with contextlib.suppress(ConnectionError):
            assert len(client.stream.read()) < 1_000_000
    numbers = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert numbers == [0, 1, 2, 3]


def test_while_it_pauses_no_picture_comes_and_the_connection_stays(camera):
    with Talk(camera) as client:
        client.play()
        client.packet()
        camera.pause()
        assert client.ask("GET_PARAMETER")[0] == 200
        shown = camera.num_shown
        time.sleep(0.1)
        assert camera.num_shown == shown
        camera.resume()
        client.packet()
    assert camera.num_shown > shown


def test_opencv_gives_up_when_the_camera_pauses(camera):
    with watching(camera.url, patience_ms=1000) as capture:
        assert capture.read()[0]
        camera.pause()
        assert gives_up(capture)


def test_a_frozen_camera_sends_one_picture_again_and_again(camera):
    camera.freeze()
    with watching(camera.url) as capture:
        assert levels(capture, 5) == [LEVELS[0]] * 5
        camera.resume()
        assert len(set(levels(capture, 10))) > 3


def test_the_pace_changes_at_once(camera):
    camera.frame_rate = 0.05
    with Talk(camera) as client:
        client.play()
        client.packet()
        camera.frame_rate = 100.0
        for _ in range(5):
            client.packet()


def test_a_request_can_be_refused(camera):
    camera.status = 503
    with watching(camera.url) as capture:
        assert not capture.isOpened()
    with Talk(camera) as client:
        assert client.ask("DESCRIBE")[0] == 503


def test_only_who_knows_the_password_gets_in(camera):
    camera.user, camera.password = "anna", "pw"
    for name in ("", "anna:wrong@"):
        with watching(camera.url.replace("//", f"//{name}")) as capture:
            assert not capture.isOpened()
    with watching(camera.url.replace("//", "//anna:pw@")) as capture:
        assert capture.read()[0]


def test_closing_breaks_every_connection_even_of_one_who_does_not_read():
    noise = np.random.default_rng(3).integers(0, 256, (1080, 1920, 3), np.uint8)
    with RtspServer([noise], frame_rate=1000.0) as camera, Talk(camera) as reader, Talk(camera) as sleeper:
        reader.play()
        sleeper.play()
        reader.packet()
        began_s = time.monotonic()
        camera.close()
        assert time.monotonic() - began_s < 1
        with contextlib.suppress(ConnectionError):
            while reader.stream.read(1_000_000):
                pass
        with pytest.raises(ConnectionRefusedError):
            Talk(camera)
        camera.close()


def test_a_camera_comes_back_where_it_was():
    with RtspServer(FRAMES) as first, watching(first.url) as capture:
        assert capture.read()[0]
        first.close()
        assert gives_up(capture)
        with RtspServer(FRAMES, port=first.port) as second:
            assert second.url == first.url
            with watching(second.url) as again:
                assert levels(again, 1) == [LEVELS[0]]


def test_a_client_that_leaves_or_talks_nonsense_disturbs_nobody(camera, capfd):
    for words in (b"", b"$", b"$\0\0", b"$\0\0\4ab", b"nonsense\r\n\r\n", b"PLAY x RTSP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", camera.port), timeout=PATIENCE_S) as client:
            client.sendall(words)
    with Talk(camera) as client:
        client.play()
        client.packet()
    with Talk(camera) as client:
        client.play()
        for _ in range(10):
            client.packet()
    camera.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([], "at least one picture"),
        ("no-such-clip.avi", "at least one picture"),
        ([b"no picture"], "frame 0 is no picture"),
        ([b""], "frame 0 is no picture"),
        ([np.zeros((48, 64), np.uint8)], "must be uint8 of shape"),
        ([np.zeros((48, 64, 3))], "got float64"),
        ([np.zeros((50, 64, 3), np.uint8)], "not 64, 50"),
        ([np.zeros((48, 2048, 3), np.uint8)], "not 2048, 48"),
    ],
)
def test_frames_that_cannot_be_sent_are_refused(frames, reason):
    with pytest.raises(ValueError, match=reason):
        RtspServer(frames)
