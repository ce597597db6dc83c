import contextlib
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.imaging import decode
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.several import SeveralSources
from edgecnn.runtime.sinks.video import VideoSink
from edgecnn.runtime.sources.http_login import authorization
from edgecnn.runtime.sources.multipart import MultipartStream
from edgecnn.runtime.sources.network import parse_address
from edgecnn.runtime.streams import CaptureRequest
from edgecnn.testing import CollectSink, FakeClassifier, MjpegServer, RtspServer

PIXELS = [np.full((48, 64, 3), 20 + 10 * number, np.uint8) for number in range(20)]


def jpeg(pixels, quality=90):
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


PICTURES = [jpeg(pixels) for pixels in PIXELS]


def http_server(pictures=PICTURES, **options):
    return MjpegServer(pictures, **{"frame_rate": 50.0, **options})


def rtsp_server(**options):
    return RtspServer(PIXELS, **{"frame_rate": 50.0, **options})


SERVERS = pytest.mark.parametrize("make_server", [http_server, rtsp_server])


def classifier():
    return FakeClassifier(("night", "day"), lambda pixels: (1.0, 0.0))


def number_of(frame):
    return round((float(decode(frame).pixels.mean()) - 20) / 10)


@contextlib.contextmanager
def answering(*answers, context=None):
    """A server that gives raw answers, one to each connection and the last one again and again."""
    requests, stop = [], threading.Event()

    def serve():
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), client:  # a client may leave, or not trust us
                talk(client if context is None else context.wrap_socket(client, server_side=True))

    def talk(client):
        with client:
            requests.append(client.recv(65536).decode())
            answer = answers[min(len(requests), len(answers)) - 1]
            for piece in [answer] if isinstance(answer, bytes) else answer:
                client.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def head(status="200 OK", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


MULTIPART = head(Content_Type="multipart/x-mixed-replace; boundary=x")


def part(picture):
    return b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture)


def opening_error(address):
    began_s = time.monotonic()
    with pytest.raises(SourceError) as caught:
        open_source(address).open()
    assert time.monotonic() - began_s < 15
    return caught.value


def first_frames(source, num):
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == num:
            return frames
    return frames


class Watched:
    """A source that is open, its events, and its frames read in a thread."""

    def __init__(self, address, **settings):
        self.source = open_source(address)
        for name, value in settings.items():
            setattr(self.source, name, value)
        self.events, self.frames, self.error = [], [], None
        self.source.on_event = self.events.append
        self._thread = threading.Thread(target=self._read)

    @property
    def kinds(self):
        return [event.kind for event in self.events]

    def __enter__(self):
        self.source.open()
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.source.close()
        self._thread.join()

    def wait_for(self, condition, timeout_s=60):
        until_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < until_s, (self.events, len(self.frames))
            time.sleep(0.01)

    def wait_for_frames(self, num=5):
        there = len(self.frames)
        self.wait_for(lambda: len(self.frames) >= there + num)

    def _read(self):
        try:
            for frame in self.source:
                self.frames.append(frame)
        except SourceError as exc:
            self.error = exc


@SERVERS
def test_the_pictures_of_a_network_camera_arrive_in_order(make_server):
    with make_server() as server, open_source(server.url) as source:
        frames = first_frames(source, 8)
    numbers = [number_of(frame) for frame in frames]
    steps = [(after - before) % 20 for before, after in pairwise(numbers)]
    assert all(1 <= step < 10 for step in steps)
    assert [frame.camera for frame in frames] == [server.url] * 8
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})


@SERVERS
def test_a_slow_reader_gets_the_picture_of_now_not_what_the_network_kept(make_server):
    with make_server(frame_rate=10.0) as server, open_source(server.url) as source:
        frames = iter(source)
        for _ in range(3):
            next(frames)
            time.sleep(0.55)
        frame = next(frames)
        late = (server.num_shown - 1 - number_of(frame)) % 20
        assert late <= 2
        assert source.dropped >= 8


@SERVERS
def test_a_server_that_is_killed_and_started_again_is_found_again(make_server):
    with make_server() as server, Watched(server.url) as watched:
        watched.wait_for_frames()
        server.close()
        watched.wait_for(lambda: watched.kinds == ["camera_lost"])
        with make_server(port=server.port):
            watched.wait_for(lambda: "camera_back" in watched.kinds)
            watched.wait_for_frames()
        indexes = [frame.index for frame in watched.frames]
        assert indexes == sorted(set(indexes))


@SERVERS
def test_a_camera_that_stalls_is_lost_and_comes_back_when_it_goes_on(make_server):
    with make_server() as server, Watched(server.url) as watched:
        watched.wait_for_frames()
        server.pause()
        watched.wait_for(lambda: watched.kinds == ["camera_lost"])
        assert "no picture for" in watched.events[0].reason
        server.resume()
        watched.wait_for(lambda: "camera_back" in watched.kinds)
        watched.wait_for_frames()


def test_a_frozen_picture_is_a_loss_and_a_still_scene_afterwards():
    with http_server() as server, Watched(server.url) as watched:
        watched.wait_for_frames()
        server.freeze()
        watched.wait_for(lambda: watched.kinds == ["camera_lost", "camera_back"])
        assert "the very same picture" in watched.events[0].reason
        began_s = time.monotonic()
        while time.monotonic() - began_s < 3:
            watched.wait_for_frames(1)
        assert watched.kinds == ["camera_lost", "camera_back"]


@SERVERS
def test_a_camera_that_stays_away_ends_the_run(make_server):
    sink = CollectSink()
    with make_server() as server:
        source = open_source(server.url)
        source.lost_timeout_s = 1.0
        threading.Timer(0.5, server.close).start()
        with pytest.raises(SourceLostError, match=r"stayed lost for 1 s: .*nothing listens at port"):
            run(source, classifier(), [sink])
    assert sink.stats.frames == len(sink.predictions) > 0


def test_garbage_among_the_pictures_is_counted_and_the_run_goes_on():
    said, sink = [], CollectSink()
    with http_server() as server:
        server.garbage_every = 3
        source = open_source(server.url, say=said.append)
        stats = run(source, classifier(), [sink], RunOptions(max_frames=40))
    assert stats.frames == 40
    assert 10 <= stats.unreadable <= 30
    assert len(said) == 11
    assert "passed over" in said[0]


def test_pictures_may_change_their_size_in_the_middle():
    sizes = [(48, 64), (96, 128)]
    pictures = [jpeg(np.full((*sizes[number % 2], 3), 10 * number, np.uint8)) for number in range(20)]
    with http_server(pictures) as server, open_source(server.url) as source:
        shapes = {decode(frame).pixels.shape[:2] for frame in first_frames(source, 20)}
    assert shapes == set(sizes)


@pytest.mark.parametrize("boundary", ["edgecnn", "--edgecnn", '"edgecnn"', '"--edgecnn"', "another", ""])
@pytest.mark.parametrize("with_lengths", [True, False])
def test_every_way_to_divide_a_stream_gives_whole_pictures_at_once(boundary, with_lengths):
    with http_server() as server:
        server.boundary_in_header, server.with_lengths = boundary, with_lengths
        with open_source(server.url) as source:
            frames = iter(source)
            for _ in range(10):
                frame = next(frames)
                assert frame.data in PICTURES
                assert (server.num_shown - 1 - PICTURES.index(frame.data)) % 20 <= 10


def test_a_picture_alone_is_fetched_again_and_again_and_may_stand_still():
    said = []
    with http_server() as server:
        source = open_source(server.still_url, say=said.append)
        source.request = CaptureRequest(frame_rate=20.0)
        with source:
            frames = first_frames(source, 5)
        assert server.num_connections >= 5
    assert all(frame.data in PICTURES for frame in frames)
    assert len(said) == 1
    assert "one picture, not a stream; it is fetched again every 0.05 s" in said[0]
    assert source.may_stand_still


def test_a_chunked_answer_is_put_together():
    stream = part(PICTURES[0]) + part(PICTURES[1]) + part(PICTURES[2])
    pieces = [stream[begin : begin + 500] for begin in range(0, len(stream), 500)]
    chunks = b"".join(b"%x;name=value\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    answer = head(Content_Type="multipart/x-mixed-replace; boundary=x", Transfer_Encoding="chunked") + chunks
    # One byte at a time: what belongs together may arrive in any pieces.
    with answering([answer[at : at + 1] for at in range(len(answer))]) as (url, _), open_source(url) as source:
        assert next(iter(source)).data in PICTURES


def test_a_length_that_is_none_is_passed_over():
    answer = head(Content_Type="image/jpeg", Content_Length="9" * 5000) + PICTURES[0]
    with answering(answer) as (url, _), open_source(url) as source:
        assert next(iter(source)).data == PICTURES[0]


def test_a_damaged_chunk_is_an_error():
    answer = head(Content_Type="multipart/x-mixed-replace; boundary=x", Transfer_Encoding="chunked") + b"5\r\n--x\r\n"
    with answering(answer + b"\r\nno number\r\n") as (url, _):
        assert "the length of a chunk is no number" in str(opening_error(url))


def test_of_two_cameras_one_may_be_lost_while_the_other_goes_on():
    events, frames = [], []
    with http_server() as first, rtsp_server() as second:
        source = SeveralSources([open_source(first.url), open_source(second.url)])
        source.on_event = events.append
        source.is_over = lambda: bool(events) and len(frames) > 40
        threading.Timer(0.5, second.close).start()
        with source:
            for frame in source:
                if events:
                    frames.append(frame)
    assert {(event.kind, event.camera) for event in events} == {("camera_lost", second.url)}
    assert {frame.camera for frame in frames} == {first.url}


def test_pictures_too_large_for_one_thread_are_decoded_by_all():
    pixels = [np.full((1200, 2040, 3), level, np.uint8) for level in (50, 150)]
    with RtspServer(pixels, frame_rate=10.0) as server, open_source(server.url) as source:
        assert {frame.pixels.shape for frame in first_frames(source, 3)} == {(1200, 2040, 3)}


@SERVERS
def test_a_user_and_a_password_are_given_when_they_are_asked_for(make_server):
    with make_server(user="ann", password="s3:c@t/") as server:
        address = server.url.replace("//", "//ann:s3%3Ac%40t%2F@")
        with open_source(address) as source:
            first_frames(source, 2)
            assert source.address == server.url
            assert "s3" not in repr(vars(source)["_target"])


@SERVERS
def test_without_or_with_a_wrong_password_the_camera_says_what_to_do(make_server):
    with make_server(user="ann", password="secret") as server:
        error = opening_error(server.url)
        assert f"give {server.url.replace('//', '//USER:PASSWORD@')}" in str(error)
        error = opening_error(server.url.replace("//", "//ann:wr0ng@"))
        assert "does not accept this user and password" in str(error)
        assert "wr0ng" not in str(error)


def test_a_password_is_hashed_where_the_camera_can_take_it_hashed():
    challenge = 'Digest realm="cam, era", nonce="abc", qop="auth,auth-int", opaque="x", algorithm=MD5'
    answer = authorization(["Basic realm=y", challenge], "GET", "/s?a=b", "ann", "secret")
    once = re.search('cnonce="([^"]+)"', answer)[1]

    def md5(*parts):
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    expected = md5(md5("ann", "cam, era", "secret"), "abc", "00000001", once, "auth", md5("GET", "/s?a=b"))
    assert f'response="{expected}"' in answer
    assert answer.startswith('Digest username="ann", realm="cam, era", nonce="abc", uri="/s?a=b"')
    assert "secret" not in answer


def test_a_camera_that_asks_for_a_hashed_password_gets_it():
    login = head("401 Unauthorized", WWW_Authenticate='Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256')
    with (
        answering(login, MULTIPART + part(PICTURES[0])) as (url, requests),
        open_source(url.replace("//", "//ann:secret@") + "/a?b=c") as source,
    ):
        assert next(iter(source)).data == PICTURES[0]
    assert 'Authorization: Digest username="ann", realm="r", nonce="n", uri="/a?b=c"' in requests[1]
    assert "secret" not in requests[1]


def test_a_login_of_an_unknown_kind_is_refused():
    assert authorization(["Negotiate"], "GET", "/", "ann", "secret") is None
    answer = head("401 Unauthorized", WWW_Authenticate="Negotiate")
    with answering(answer) as (url, _):
        assert "only Basic and Digest" in str(opening_error(url.replace("//", "//ann:secret@")))


@SERVERS
@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (404, CameraMissingError, "has nothing at this path"),
        (403, SourceError, "refuses with 403 Forbidden"),
        (503, SourceError, "refuses with 503 Service Unavailable; it may be busy"),
    ],
)
def test_a_refusal_says_what_the_camera_said(make_server, status, kind, message):
    with make_server() as server:
        server.status = status
        error = opening_error(server.url)
    assert isinstance(error, kind)
    assert message in str(error)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtsps"])
def test_a_camera_that_cannot_be_reached_is_missing(scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = opening_error(f"{scheme}://ann:secret@127.0.0.1:{port}/live")
    assert isinstance(error, CameraMissingError)
    assert f"nothing listens at port {port}" in str(error)
    assert "secret" not in str(error)
    error = opening_error(f"{scheme}://no-such-host.invalid/live")
    assert isinstance(error, CameraMissingError)
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp"])
def test_a_server_that_accepts_and_is_silent_is_missing(scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = opening_error(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/live")
    assert re.search("does not answer|does not speak TLS", str(error))


def test_the_wrong_protocol_is_called_so():
    with http_server() as web, rtsp_server() as camera:
        assert "does not answer in RTSP" in str(opening_error(web.url.replace("http", "rtsp")))
        assert "does not answer in HTTP" in str(opening_error(camera.url.replace("rtsp", "http")))
        assert "does not speak TLS" in str(opening_error(web.url.replace("http", "https")))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_an_encrypted_stream_needs_a_certificate_that_is_trusted(tmp_path, monkeypatch):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=camera"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(MULTIPART + part(PICTURES[0]), context=context) as (url, _):
        url = url.replace("http", "https")
        assert "shows a certificate that cannot be trusted (self-signed certificate)" in str(opening_error(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with open_source(url) as source:
            assert next(iter(source)).data == PICTURES[0]


def test_a_page_is_no_stream():
    with http_server() as server:
        error = opening_error(server.page_url)
    assert "is no stream of pictures but text/html; open it in a browser" in str(error)


def test_a_redirection_is_followed_and_takes_no_password_to_strangers():
    login = head("401 Unauthorized", WWW_Authenticate="Basic realm=x")
    with answering(login, MULTIPART + part(PICTURES[0])) as (url, requests):
        moved = head("302 Found", Location=f"{url.replace('127.0.0.1', 'localhost')}/new")
        with answering(moved) as (first_url, first_requests):
            error = opening_error(first_url.replace("//", "//ann:secret@") + "/old")
    assert "give http://USER:PASSWORD@localhost" in str(error)
    assert first_requests[0].startswith("GET /old HTTP/1.1\r\n")
    assert requests[0].startswith("GET /new HTTP/1.1\r\n")
    assert not any("Authorization" in request for request in requests)


def test_a_redirection_on_the_same_host_keeps_the_password():
    answers = head("301 Moved Permanently", Location="/new"), head("401 No", WWW_Authenticate="Basic realm=x")
    with (
        answering(*answers, MULTIPART + part(PICTURES[0]) * 2) as (url, requests),
        open_source(url.replace("//", "//ann:secret@") + "/old") as source,
    ):
        assert next(iter(source)).data == PICTURES[0]
    assert "Authorization: Basic " in requests[2]


def test_redirections_in_a_circle_end():
    with answering(head("302 Found", Location="/again")) as (url, requests):
        assert "redirects again and again" in str(opening_error(url))
    assert len(requests) < 10


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ([b"--x\r\n"] + [b"Header: value\r\n"] * 5000, "no picture begins"),
        ([b"--x\r\nContent-Length: 99999999999\r\n\r\n"], "more than 64 MB"),
        ([b"--x\r\nContent-Length: 999999999999999999999999999999999999\r\n\r\n"], "more than 64 MB"),
        ([b"no divider and no picture " * 3000], "no picture begins"),
    ],
)
def test_a_stream_that_is_none_is_refused(stream, message):
    with answering([MULTIPART, *stream, b" " * 100]) as (url, _):
        assert message in str(opening_error(url))


@pytest.mark.parametrize(
    "answer", [b"", b"\0" * 100, b"HTTP/1.1 what\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99999]
)
def test_an_answer_that_is_none_is_refused(answer):
    with answering(answer) as (url, _):
        assert "does not answer in HTTP" in str(opening_error(url))


def test_parts_are_given_as_soon_as_they_are_complete():
    for size in (1, 7, 100, 100_000):
        stream, given = MultipartStream("x"), []
        data = part(PICTURES[0]) + part(b"no picture") + part(PICTURES[1])
        for at in range(0, len(data), size):
            given += stream.feed(data[at : at + size])
        assert given == [PICTURES[0], b"no picture", PICTURES[1]]


def test_parts_without_a_length_end_with_the_picture():
    stream = MultipartStream("x")
    assert stream.feed(b"\r\n--x\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURES[0]) == [PICTURES[0]]
    assert stream.feed(b"\r\n--x\r\n\r\n" + PICTURES[1] + b"\r\n--x") == [PICTURES[1]]


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("http://cam", "http://cam", "/"),
        (
            "http://ann:s@cam:8080/a/b?action=stream&pwd=s",
            "http://cam:8080/a/b?action=stream",
            "/a/b?action=stream&pwd=s",
        ),
        ("rtsp://ann@[::1]/live?channel=2", "rtsp://[::1]/live?channel=2", "/live?channel=2"),
    ],
)
def test_an_address_is_shown_without_secrets(url, shown, path):
    address = parse_address(url)
    assert (address.shown, address.path) == (shown, path)


@pytest.mark.parametrize(
    "url",
    [
        "http:",
        "http://",
        "rtsp:cam",
        "http://cam:port/",
        "http://[::1/",
        "http://a b/",
        "http://a\n/",
        "http://ann:pa/ss@cam/",
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(SourceError, match="no address of a camera in a network"):
        open_source(url)


@pytest.mark.parametrize("request_", [CaptureRequest(size_wh=(640, 480)), CaptureRequest(fourcc="MJPG")])
@SERVERS
def test_a_size_cannot_be_asked_for(make_server, request_):
    with make_server() as server:
        source = open_source(server.url)
        source.request = request_
        with pytest.raises(SourceError, match="itself decides on the size"):
            source.open()


def test_a_run_on_the_command_line_never_shows_the_password(run_edgecnn, model_file):
    with http_server(user="ann", password="geheim7") as server:
        address = server.url.replace("//", "//ann:geheim7@")
        result = run_edgecnn("run", model_file, "--camera", address, "--frames", "5", "--json")
    assert result.returncode == 0, result.stderr
    assert server.url in result.stdout
    assert "geheim7" not in result.stdout + result.stderr


@SERVERS
def test_a_run_that_is_stopped_while_the_camera_is_silent_ends_cleanly(make_server, run_edgecnn, model_file):
    with make_server() as server:
        threading.Timer(4.0, server.pause).start()
        result = run_edgecnn("run", model_file, "--camera", server.url, "--duration", "5", "--json")
    assert result.returncode == 0, result.stderr
    assert '"summary"' in result.stdout


def test_a_stream_leaves_the_clips_of_the_same_process_as_they_are(tmp_path):
    clip = tmp_path / "out.avi"
    before = dict(os.environ)
    with rtsp_server() as server:
        stats = run(open_source(server.url), classifier(), [VideoSink(str(clip))], RunOptions(max_frames=7))
    with open_source(str(clip)) as source:
        assert sum(1 for _ in source) == stats.frames == 7
    assert dict(os.environ) == before
