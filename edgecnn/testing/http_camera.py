"""A network camera that speaks HTTP."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Sequence
from io import BufferedReader

from edgecnn.testing.camera_server import CameraServer, read_request, reason

BOUNDARY = "edgecnn"


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


def _head(status: int, kind: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.0 {status} {reason(status)}", "Server: edgecnn", f"Content-Type: {kind}"]
    lines += ["Cache-Control: no-store", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if status == 401:
        lines.append('WWW-Authenticate: Basic realm="camera"')
    return "\r\n".join([*lines, "", ""]).encode()
