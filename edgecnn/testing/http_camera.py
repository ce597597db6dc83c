"""A network camera that speaks HTTP, and what every camera of this package that is a server has in common."""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from io import BufferedReader
from types import TracebackType
from typing import NamedTuple, TypeVar

Server = TypeVar("Server", bound="CameraServer")

HOST = "127.0.0.1"
BOUNDARY = "edgecnn"
_STOP_TIMEOUT_S = 1.0
_POLL_S = 0.1
_MAX_LINE = 8192
_REASONS = {
    200: "OK",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    """What a client asks for.

    Attributes:
        method: such as ``GET``.
        target: a path or a whole URL, as the client wrote it.
        headers: by their names in small letters.
    """

    method: str
    target: str
    headers: Mapping[str, str]


class Shot(NamedTuple):
    """One moment at which the camera takes a picture.

    Attributes:
        number: of the moment, from 1.
        position: which picture is shown, from 0, endlessly; it stands still while the camera is frozen.
    """

    number: int
    position: int


class CameraServer(ABC):
    """A camera on this computer's own network, for use in a ``with`` statement; its faults are played while it runs.

    It takes pictures only while a client is watching, so that the first one to come sees the
    first picture first. A client that is too slow misses pictures.

    Args:
        path: where its stream is.
        frame_rate: pictures per second.
        port: 0 for a free one; the one of a server that was closed stands for a camera that comes back.
        user: name that a client must give; None lets everybody in.
        password: that goes with it.

    Attributes:
        port: where it listens, once the ``with`` statement has begun.
        status: what new requests are answered with if it is not 200, such as 401, 404 or 503.
        user: as given; may be changed.
        password: as given; may be changed.
        num_connections: how many connections were accepted so far.
    """

    _scheme = ""

    def __init__(self, path: str, *, frame_rate: float, port: int, user: str | None = None, password: str = "") -> None:
        self.port = port
        self.status = 200
        self.user, self.password = user, password
        self.num_connections = 0
        self._path = path
        self._interval_s = _interval_s(frame_rate)
        self._changed = threading.Condition()
        self._shot = Shot(0, -1)
        self._num_watching = 0
        self._paused = self._frozen = self._closed = False
        self._listener: socket.socket | None = None
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where the stream is; without user and password."""
        return self._url(self._path)

    @property
    def frame_rate(self) -> float:
        """Pictures per second, more than 0; a change takes effect at once."""
        return 1 / self._interval_s

    @frame_rate.setter
    def frame_rate(self, frame_rate: float) -> None:
        with self._changed:
            self._interval_s = _interval_s(frame_rate)
            self._changed.notify_all()

    @property
    def num_shown(self) -> int:
        """How many pictures were shown so far, a frozen one once; the newest is number ``num_shown - 1`` in turn."""
        return self._shot.position + 1

    def pause(self) -> None:
        """Send nothing more, though the connections stay open, as if the network stalled."""
        self._set(paused=True, frozen=self._frozen)

    def freeze(self) -> None:
        """Send the same picture again and again."""
        self._set(paused=self._paused, frozen=True)

    def resume(self) -> None:
        """Send picture after picture again, after a pause or a freeze."""
        self._set(paused=False, frozen=False)

    def close(self) -> None:
        """Break all connections and listen no longer, as if the plug were pulled; a second time it does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            threads = [*self._threads, *self._clients.values()]
            for each in (self._listener, *self._clients):
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_STOP_TIMEOUT_S)
        if self._listener is not None:
            self._listener.close()

    def __enter__(self: Server) -> Server:
        if self._listener is not None:
            raise RuntimeError("a server runs once; make another one with the port of this one")
        self._listener = socket.create_server((HOST, self.port))  # reuses an address in TIME_WAIT, except on Windows
        self._listener.settimeout(_POLL_S)
        self.port = self._listener.getsockname()[1]
        self._threads = [
            threading.Thread(target=self._accept, args=(self._listener,), name="edgecnn-camera-door", daemon=True),
            threading.Thread(target=self._take_pictures, name="edgecnn-camera-shutter", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _talk(self, client: socket.socket, stream: BufferedReader) -> None:
        """Serve one client until it leaves; an OSError means that it has left.

        Args:
            client: to write to.
            stream: to read from.
        """

    def _url(self, path: str) -> str:
        return f"{self._scheme}://{HOST}:{self.port}{path}"

    def _status_for(self, request: Request) -> int:
        """Return what the request deserves, were its target right."""
        if self.status != 200 or self.user is None:
            return self.status
        word, _, token = request.headers.get("authorization", "").partition(" ")
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return 200 if word.lower() == "basic" and token.strip() == expected else 401

    def _shots(self, gone: threading.Event | None = None) -> Generator[Shot, None, None]:
        """Give every moment from now on at which a picture is taken, or the newest one to a client that is late.

        Args:
            gone: whether the client has left; ``_leave`` sets it.
        """
        with self._changed:
            seen = self._shot.number
            self._num_watching += 1
            self._changed.notify_all()
        try:
            while True:
                with self._changed:
                    while not (ended := self._closed or (gone is not None and gone.is_set())):
                        if self._shot.number != seen:
                            break
                        self._changed.wait()
                    shot = self._shot
                if ended:
                    return
                seen = shot.number
                yield shot
        finally:
            with self._changed:
                self._num_watching -= 1

    def _leave(self, gone: threading.Event) -> None:
        with self._changed:
            gone.set()
            self._changed.notify_all()

    def _set(self, *, paused: bool, frozen: bool) -> None:
        with self._changed:
            self._paused, self._frozen = paused, frozen
            self._changed.notify_all()

    def _take_pictures(self) -> None:
        """Run in a thread: it is what makes the time pass for all clients."""
        taken_s = -float("inf")
        with self._changed:
            while not self._closed:
                now_s = time.monotonic()
                missing_s = taken_s + self._interval_s - now_s
                if missing_s > 0:
                    self._changed.wait(missing_s)
                elif self._paused or not self._num_watching:
                    self._changed.wait()
                else:
                    taken_s = now_s if missing_s < -self._interval_s else now_s + missing_s
                    number, position = self._shot
                    self._shot = Shot(number + 1, max(position + (not self._frozen), 0))
                    self._changed.notify_all()

    def _accept(self, listener: socket.socket) -> None:
        """Run in a thread: give each client a thread of its own."""
        while not self._closed:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:  # closed
                return
            with self._changed:
                if self._closed:
                    client.close()
                    return
                self.num_connections += 1
                thread = threading.Thread(target=self._serve, args=(client,), name="edgecnn-camera-client", daemon=True)
                self._clients[client] = thread
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client.makefile("rb") as stream, contextlib.suppress(OSError):
                self._talk(client, stream)
        finally:
            with self._changed:  # so that nobody shuts down a number that another file has by then
                client.close()
                del self._clients[client]


class MjpegServer(CameraServer):
    """An IP camera: an endless ``multipart/x-mixed-replace`` stream of JPEG pictures in turn.

    with MjpegServer(pictures, frame_rate=30.0) as camera:
        capture = cv2.VideoCapture(camera.url)
        camera.pause()

    Args:
        pictures: JPEG files, at least one.
        frame_rate: pictures per second.
        port: 0 for a free one.
        user: name for basic authentication; None lets everybody in.
        password: that goes with it.

    Attributes:
        garbage_every: every so many parts one consists of random bytes, with a right length; 0 for none.
        with_lengths: whether a part says its length, as not every camera does.
        boundary_in_header: how the header names the boundary; the parts are always divided by ``--edgecnn``. Cameras
            also write ``--edgecnn``, ``"edgecnn"`` and ``"--edgecnn"``, quotes included.
    """

    _scheme = "http"

    def __init__(
        self,
        pictures: Sequence[bytes],
        *,
        frame_rate: float = 30.0,
        port: int = 0,
        user: str | None = None,
        password: str = "",
    ) -> None:
        if not pictures:
            raise ValueError("a camera needs at least one picture")
        super().__init__("/stream.mjpg", frame_rate=frame_rate, port=port, user=user, password=password)
        self.garbage_every = 0
        self.with_lengths = True
        self.boundary_in_header = BOUNDARY
        self._pictures = [bytes(picture) for picture in pictures]

    @property
    def still_url(self) -> str:
        """Where the next picture is, alone: one JPEG file, no stream."""
        return self._url("/still.jpg")

    @property
    def page_url(self) -> str:
        """Where a page for people is, which many take for the stream."""
        return self._url("/page.html")

    def _talk(self, client: socket.socket, stream: BufferedReader) -> None:
        request = read_request(stream)
        if request is None:
            return
        path = request.target.partition("?")[0]
        status = self._status_for(request)
        if status == 200 and request.method not in ("GET", "HEAD"):
            status = 405
        if status == 200 and path == self._path:
            client.sendall(_head(200, f"multipart/x-mixed-replace; boundary={self.boundary_in_header}"))
            if request.method == "GET":
                self._stream(client)
            return
        kind, body = self._content(status, path)
        if body is None:
            status, kind, body = 404, "text/plain", b"not here\n"
        client.sendall(_head(status, kind, len(body)) + (body if request.method == "GET" else b""))

    def _content(self, status: int, path: str) -> tuple[str, bytes | None]:
        """Return the type and the bytes of what is no stream; None where there is nothing."""
        if status != 200:
            return "text/plain", b"no picture for you\n"
        if path == "/still.jpg":
            with contextlib.closing(self._shots()) as shots:
                return "image/jpeg", next((self._picture(shot.position) for shot in shots), None)
        if path in ("/", "/page.html"):
            return "text/html", f'<html><body><img src="{self._path}"></body></html>\n'.encode()
        return "", None

    def _stream(self, client: socket.socket) -> None:
        # The line that ends a part is sent with it, not with the next one: nobody has to wait to see it end.
        client.sendall(f"--{BOUNDARY}\r\n".encode())
        with contextlib.closing(self._shots()) as shots:
            for shot in shots:
                body = self._picture(shot.position)
                if self.garbage_every and shot.number % self.garbage_every == 0:
                    body = random.Random(shot.number).randbytes(len(body))
                length = f"Content-Length: {len(body)}\r\n" if self.with_lengths else ""
                head = f"Content-Type: image/jpeg\r\n{length}\r\n".encode()
                client.sendall(head + body + f"\r\n--{BOUNDARY}\r\n".encode())

    def _picture(self, position: int) -> bytes:
        return self._pictures[position % len(self._pictures)]


def read_request(stream: BufferedReader) -> Request | None:
    """Return what a client asks for, in HTTP or RTSP; None when it has left or makes no sense."""
    words = stream.readline(_MAX_LINE).decode("latin-1").split()
    if len(words) != 3:
        return None
    headers = {}
    while line := stream.readline(_MAX_LINE).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(stream.read(int(length))) < int(length):
        return None
    return Request(words[0].upper(), words[1], headers)


def reason(status: int) -> str:
    """Return the words that go with a status, such as ``Not Found`` with 404."""
    return _REASONS.get(status, "Unknown")


def _head(status: int, kind: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.0 {status} {reason(status)}", "Server: edgecnn", f"Content-Type: {kind}"]
    lines += ["Cache-Control: no-store", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if status == 401:
        lines.append('WWW-Authenticate: Basic realm="camera"')
    return "\r\n".join([*lines, "", ""]).encode()


def _interval_s(frame_rate: float) -> float:
    if not frame_rate > 0:
        raise ValueError(f"a camera takes more than 0 pictures per second, got {frame_rate}; pause() stops it")
    return 1 / frame_rate
