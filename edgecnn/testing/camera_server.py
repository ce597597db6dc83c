"""What every camera of this package that is a server has in common."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from io import BufferedReader
from types import TracebackType
from typing import NamedTuple, TypeVar

Server = TypeVar("Server", bound="CameraServer")

HOST = "127.0.0.1"
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


def _interval_s(frame_rate: float) -> float:
    if not frame_rate > 0:
        raise ValueError(f"a camera takes more than 0 pictures per second, got {frame_rate}; pause() stops it")
    return 1 / frame_rate
