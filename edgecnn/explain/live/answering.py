"""What is answered to a browser's requests: three addresses, and plain words for everything else."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import sys
import threading
from collections.abc import Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

import msgspec

from edgecnn.explain.live.composing import pack_message
from edgecnn.explain.live.exchange import Exchange
from edgecnn.explain.live.page import live_page
from edgecnn.explain.live.viewers import MAX_VIEWERS, TooManyViewersError
from edgecnn.explain.live.wants import parse_want
from edgecnn.explain.network import Network

# A browser holds one or two.
MAX_CONNECTIONS = 4 * MAX_VIEWERS
_WAIT_S = 1.0
_IDLE_TIMEOUT_S = 30.0
_MAX_PATH = 2000

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PLAIN_WORDS = {
    400: "this is no request that a browser makes",
    404: "there is nothing at this address; the live view is at /",
    405: "this can only be read: ask with GET",
    408: "the request took too long",
    414: "this address is too long; the live view is at /",
    431: "the request's headers are too long",
    501: "this can only be read: ask with GET",
}


class Shown(NamedTuple):
    """What browsers can ask about.

    Attributes:
        network: what looks; only its fixed properties are read here.
        exchange: whom to ask for pictures.
        about: what the page has to know before its first picture; ``session`` is the name of this run.
    """

    network: Network
    exchange: Exchange
    about: dict[str, Any]


class LiveServer(ThreadingHTTPServer):
    """Has a thread for each of a limited number of connections.

    Attributes:
        shown: what it answers about.
        own_names: what this machine is called, in small letters.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, family: socket.AddressFamily, address: Any, shown: Shown, name: str) -> None:
        """Listen.

        Args:
            family: of the address.
            address: as ``socket.bind`` takes it.
            shown: what to answer about.
            name: what the address is called.
        """
        self.address_family = family
        self.shown = shown
        own = socket.gethostname().lower()
        self.own_names = {"localhost", own, f"{own}.local", name.lower()}
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a new connection is kept."""
        with self._lock:
            if len(self._connections) >= MAX_CONNECTIONS:
                return False
            self._connections.add(request)
            return True

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what went wrong here; a browser that goes away in the middle is nothing special."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End all connections."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgecnn", ""
    timeout = _IDLE_TIMEOUT_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer in plain words instead of with a page."""
        self._refuse(code, _PLAIN_WORDS.get(code) or HTTPStatus(code).phrase)

    def _serve(self) -> None:
        server = cast(LiveServer, self.server)
        if not is_own_name(self.headers.get("Host", ""), server.own_names):
            self._refuse(403, "this machine is not called so; open it by its number, as it stands in the terminal")
            return
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.send_error(400)
            return
        if len(self.path) > _MAX_PATH:
            self.send_error(414)
            return
        path, _, query = self.path.partition("?")
        if path == "/":
            page = live_page()
            self._send(200, "text/html; charset=utf-8", page.html, {"Content-Security-Policy": page.policy})
        elif path == "/network":
            self._send(200, "application/json", msgspec.json.encode(server.shown.about))
        elif path == "/look":
            self._look(server.shown, query)
        else:
            self.send_error(404)

    def _look(self, shown: Shown, query: str) -> None:
        if self.command != "GET":
            self.send_error(405)
            return
        # Any page may ask for any address, though it cannot read the answer: let it not take a place or time.
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            self._refuse(403, "pictures are for the live view's own page only")
            return
        try:
            want = parse_want(query, shown.network)
        except ValueError as exc:
            self._refuse(400, str(exc))
            return
        try:
            message = shown.exchange.ask(want, _WAIT_S)
        except TooManyViewersError:
            self._refuse(503, f"{MAX_VIEWERS} browsers are watching already; close one of them and try again")
            return
        if message is None:
            about = {"kind": "waiting", "session": shown.about["session"], "lost": shown.exchange.lost}
            message = pack_message(about)
        self._send(200, "application/octet-stream", message)

    def _refuse(self, code: int, words: str) -> None:
        self.close_connection = True  # what follows on it may make no sense
        self._send(code, "text/plain; charset=utf-8", f"{words}\n".encode("utf-8", "replace"), {"Connection": "close"})

    def _send(self, code: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def is_own_name(host_header: str, own_names: Collection[str]) -> bool:
    """Whether a browser asked for this machine by a number or one of its own names.

    A page from elsewhere can make its own name point here (DNS rebinding) and would read along; its
    requests then carry that name.
    """
    name = re.sub(r":[0-9]*$", "", host_header.strip()).lower()
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name.strip("[]"))
        return True
    return name in own_names
