"""Runs the live view beside a test and asks it what a browser would ask."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain import Network
from edgecnn.explain.live import LiveStats, serve
from edgecnn.runtime.streams import Source

_TIMEOUT_S = 40.0


class Message(NamedTuple):
    """What came back: the object and the bytes behind it."""

    about: dict[str, Any]
    jpeg: bytes
    codes: NDArray[np.uint8]
    heat: NDArray[np.float32]


class LiveView:
    """A live view that runs in a thread; once it has ended ``stats`` or ``error`` is there."""

    def __init__(self, network: Network, source: Source, **options: Any) -> None:
        self.said: list[str] = []
        self.stats: LiveStats | None = None
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(network, source, options), daemon=True)
        self._thread.start()
        until(lambda: self.said or not self._thread.is_alive())
        if self.error is not None:
            raise self.error
        self.url = self.said[0].split()[0]
        self.address = urlsplit(self.url).hostname or "", urlsplit(self.url).port or 0

    def end(self) -> LiveStats:
        """Stop it as Ctrl-C does."""
        self._stop.set()
        self._thread.join(_TIMEOUT_S)
        assert not self._thread.is_alive(), "it does not end"
        if self.error is not None:
            raise self.error
        assert self.stats is not None
        return self.stats

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
        """Status, body and headers of one address."""
        connection = http.client.HTTPConnection(*self.address, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): one for name, one in headers.items()})
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def send(self, data: bytes) -> bytes:
        """What comes back on a bare connection until the other side hangs up."""
        with socket.create_connection(self.address, _TIMEOUT_S) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def look(self, viewer: str = "0123abcd", **fields: Any) -> Message:
        """Ask for a picture: the newest one, with eight maps of layer 1, if nothing else is said."""
        query = urlencode({"viewer": viewer, "after": -1, "layer": 1, "maps": 8, **fields})
        status, body, _ = self.get("/look?" + query)
        assert status == 200, body
        return unpack(body)

    def _run(self, network: Network, source: Source, options: dict[str, Any]) -> None:
        try:
            self.stats = serve(network, source, stop=self._stop, say=self.said.append, **{"port": 0, **options})
        except BaseException as exc:
            self.error = exc


@contextmanager
def live_view(network: Network, source: Source, **options: Any) -> Iterator[LiveView]:
    """A live view for the length of a ``with`` statement."""
    view = LiveView(network, source, **options)
    try:
        yield view
    finally:
        view.end()


def unpack(body: bytes) -> Message:
    """Take a message apart as the page does."""
    start = 4 + int.from_bytes(body[:4], "little")
    about = json.loads(body[4:start])
    blobs = []
    for size in about["blobs"]:
        blobs.append(body[start : start + size])
        start += size
    assert start == len(body)
    if about["kind"] != "picture":
        return Message(about, b"", np.empty(0, np.uint8), np.empty(0, np.float32))
    codes = np.frombuffer(blobs[1], np.uint8).reshape(about["maps"]["shape"])
    heat = np.frombuffer(blobs[2], "<f4").reshape(about["heat"].get("shape", 0))
    return Message(about, blobs[0], codes, heat)


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is so, and return it."""
    until_s = time.monotonic() + _TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < until_s, "it does not come to that"
        time.sleep(0.01)
    return found
