import contextlib
import itertools
import socket
import threading
import time
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest
from opencv_client import gives_up, watching

from edgecnn.testing import MjpegServer

LEVELS = range(20, 240, 20)
PATIENCE_S = 5.0


def picture(level):
    return cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes()


PICTURES = [picture(level) for level in LEVELS]


@pytest.fixture
def camera():
    with MjpegServer(PICTURES, frame_rate=100.0) as server:
        yield server
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edgecnn-camera")]


def request(url, **headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE_S)


def status(url, **headers):
    with pytest.raises(urllib.error.HTTPError) as caught:
        request(url, **headers)
    with caught.value as answer:
        return answer.code


def parts(response, num):
    """Read so many parts of a stream whose parts say their lengths."""
    found = []
    while len(found) < num:
        line = response.readline()
        assert line, "the stream has ended"
        if line.startswith(b"Content-Length:"):
            assert response.readline() == b"\r\n"
            found.append(response.read(int(line.split()[1])))
    return found


def drain(client):
    while client.recv(100_000):
        pass


def steps(positions):
    return [(after - before) % len(PICTURES) for before, after in itertools.pairwise(positions)]


def levels(capture, num):
    """Return the levels of pictures, None for those that could not be read."""
    read = [capture.read()[1] for _ in range(num)]
    return [None if pixels is None else LEVELS[round(float(pixels.mean()) / 20) - 1] for pixels in read]


def test_a_client_gets_the_pictures_in_turn_from_the_first_one_on(camera):
    with request(camera.url) as response:
        assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=edgecnn"
        positions = [PICTURES.index(part) for part in parts(response, 25)]
    assert positions[0] == 0
    assert 1 in steps(positions)
    assert 0 not in steps(positions)
    assert camera.num_shown >= 25


def test_several_clients_watch_the_same_pictures(camera):
    with request(camera.url) as first, request(camera.url) as second:
        seen = [parts(first, 30), parts(second, 30)]
    assert all(set(each) <= set(PICTURES) for each in seen)
    assert camera.num_connections == 2


@pytest.mark.parametrize("boundary", ["edgecnn", "--edgecnn", '"edgecnn"', '"--edgecnn"'])
@pytest.mark.parametrize("with_lengths", [True, False])
def test_opencv_plays_whatever_way_a_camera_divides_its_stream(camera, boundary, with_lengths):
    camera.boundary_in_header, camera.with_lengths = boundary, with_lengths
    with watching(camera.url) as capture:
        assert len({level for level in levels(capture, 6) if level}) > 3


def test_a_part_need_not_say_its_length(camera):
    camera.with_lengths = False
    with request(camera.url) as response:
        begin = response.read(2000)
    assert b"Content-Length" not in begin
    assert begin.startswith(b"--edgecnn\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURES[0] + b"\r\n--edgecnn\r\n")


def test_the_pace_changes_at_once(camera):
    camera.frame_rate = 0.05
    with request(camera.url) as response:
        parts(response, 1)
        camera.frame_rate = 200
        assert camera.frame_rate == pytest.approx(200)
        began_s = time.monotonic()
        parts(response, 5)
    assert time.monotonic() - began_s < PATIENCE_S


def test_while_it_pauses_nothing_comes_and_the_connection_stays(camera):
    with socket.create_connection(("127.0.0.1", camera.port), timeout=0.3) as client:
        client.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: camera\r\n\r\n")
        client.recv(10_000)
        camera.pause()
        with pytest.raises(TimeoutError):
            drain(client)
        shown = camera.num_shown
        camera.resume()
        client.settimeout(PATIENCE_S)
        assert client.recv(10_000)
    assert camera.num_shown > shown


def test_opencv_gives_up_when_the_camera_pauses(camera):
    with watching(camera.url, patience_ms=1000) as capture:
        assert capture.read()[0]
        camera.pause()
        assert gives_up(capture)


def test_a_frozen_camera_sends_one_picture_again_and_again(camera):
    camera.freeze()
    with request(camera.url) as response:
        assert parts(response, 5) == [PICTURES[0]] * 5
        camera.resume()
        assert len(set(parts(response, 10))) > 1


def test_every_third_part_is_damaged(camera):
    camera.garbage_every = 3
    with request(camera.url) as response:
        whole = [part in PICTURES for part in parts(response, 30)]
    assert whole[0]
    assert 3 < whole.count(False) < 20
    camera.garbage_every = 0
    with request(camera.url) as response:
        assert all(part in PICTURES for part in parts(response, 5))


def test_opencv_goes_on_after_a_damaged_part(camera):
    camera.garbage_every = 3
    with watching(camera.url) as capture:
        read = levels(capture, 12)
    assert None in read
    assert any(read[read.index(None) :])


@pytest.mark.parametrize("code", [401, 403, 404, 500, 503])
def test_a_request_can_be_refused(camera, code):
    camera.status = code
    assert {status(camera.url), status(camera.still_url), status(camera.page_url)} == {code}
    with watching(camera.url) as capture:
        assert not capture.isOpened()


def test_other_paths_are_not_there(camera):
    assert status(camera.url + "x") == 404


def test_other_methods_are_not_allowed(camera):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(camera.url, data=b"a body", timeout=PATIENCE_S)
    with caught.value as answer:
        assert answer.code == 405


def test_only_who_knows_the_password_gets_in(camera):
    camera.user, camera.password = "anna", "p:w"
    assert status(camera.url) == 401
    assert status(camera.url, Authorization="Basic bm9ib2R5Og==") == 401
    with request(camera.url, Authorization="Basic YW5uYTpwOnc=") as response:
        assert parts(response, 1)
    with watching(camera.url.replace("//", "//anna:wrong@")) as capture:
        assert not capture.isOpened()
    with watching(camera.url.replace("//", "//anna:p%3Aw@")) as capture:
        assert capture.read()[0]


def test_a_still_picture_is_another_one_each_time(camera):
    stills = []
    for _ in range(3):
        with request(camera.still_url) as response:
            assert response.headers["Content-Type"] == "image/jpeg"
            stills.append(response.read())
    assert len(set(stills)) == 3
    assert set(stills) <= set(PICTURES)


def test_a_page_is_no_picture(camera):
    with request(camera.page_url) as response:
        assert response.headers["Content-Type"] == "text/html"
        assert b"<img" in response.read()
    with watching(camera.page_url) as capture:
        assert not capture.isOpened()


def test_closing_breaks_every_connection_even_of_one_who_does_not_read():
    with MjpegServer([bytes(10_000_000)], frame_rate=1000.0) as camera, contextlib.ExitStack() as clients:
        reader, sleeper = (clients.enter_context(request(camera.url)) for _ in range(2))
        assert reader.read(100) == sleeper.read(100)
        began_s = time.monotonic()
        camera.close()
        assert time.monotonic() - began_s < 1
        while reader.read(1_000_000):
            pass
        with pytest.raises(urllib.error.URLError):
            request(camera.url)
        camera.close()


def test_a_paused_camera_can_be_closed(camera):
    with request(camera.url) as response:
        parts(response, 1)
        camera.pause()
        camera.close()
        while response.read(1_000_000):
            pass


def test_a_camera_comes_back_where_it_was():
    with MjpegServer(PICTURES) as first, watching(first.url) as capture:
        assert capture.read()[0]
        first.close()
        assert gives_up(capture)
        with MjpegServer(PICTURES, port=first.port) as second:
            assert second.url == first.url
            with watching(second.url) as again:
                assert levels(again, 1) == [LEVELS[0]]


def test_a_client_that_leaves_or_talks_nonsense_disturbs_nobody(camera, capfd):
    for words in (b"", b"\r\n", b"nonsense\r\n\r\n", b"GET /stream.mjpg HTTP/1.1\r\nContent-Length: -5\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", camera.port), timeout=PATIENCE_S) as client:
            client.sendall(words)
    for _ in range(3):
        with request(camera.url) as response:
            parts(response, 1)
    with request(camera.url) as response:
        parts(response, 10)
    camera.close()
    assert capfd.readouterr().err == ""


def test_a_camera_needs_pictures_and_a_pace():
    with pytest.raises(ValueError, match="at least one picture"):
        MjpegServer([])
    with pytest.raises(ValueError, match="more than 0 pictures per second, got 0"):
        MjpegServer(PICTURES, frame_rate=0)


def test_a_server_runs_once(camera):
    with pytest.raises(RuntimeError, match="runs once"), camera:
        pass
