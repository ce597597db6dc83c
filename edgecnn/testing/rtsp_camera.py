"""A network camera that speaks RTSP."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from io import BufferedReader

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging.opencv import cv2
from edgecnn.testing.camera_server import CameraServer, Request, read_request, reason

_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_SESSION = "20260101"
_TRACK = "trackID=0"
_PAYLOAD_TYPE = 26  # JPEG, RFC 3551
_CLOCK_HZ = 90_000
_MAX_DATA = 1400
_MAX_SIDE = 2040  # it is sent in units of 8, in one byte


class RtspServer(CameraServer):
    """An IP camera: an endless RTSP stream of Motion JPEG (RFC 2326 and 2435), over the TCP connection of the client.

    A client that asks for UDP is told to ask for something else, which FFmpeg then does.

    with RtspServer(frames, frame_rate=25.0) as camera:
        capture = cv2.VideoCapture(camera.url)
        camera.pause()

    Args:
        frames: what it shows in turn: pixels, uint8, shape (H, W, 3), BGR; or pictures as JPEG files; or the path
            of a clip that OpenCV reads. All of one size, whose sides are multiples of 8 up to 2040.
        frame_rate: pictures per second.
        port: 0 for a free one.
        user: name for basic authentication; None lets everybody in.
        password: that goes with it.
        quality: of the JPEG pictures that it makes of them all, 1 to 100.

    Raises:
        ValueError: there is no picture, or one that cannot be read or sent.
    """

    _scheme = "rtsp"

    def __init__(
        self,
        frames: Sequence[NDArray[np.uint8] | bytes] | str | os.PathLike[str],
        *,
        frame_rate: float = 25.0,
        port: int = 0,
        user: str | None = None,
        password: str = "",
        quality: int = 90,
    ) -> None:
        super().__init__("/live", frame_rate=frame_rate, port=port, user=user, password=password)
        self._pictures = [_Picture(pixels, quality) for pixels in _pixels_of(frames)]
        if not self._pictures:
            raise ValueError("a camera needs at least one picture")

    def _talk(self, client: socket.socket, stream: BufferedReader) -> None:
        with contextlib.closing(_Viewer(self, client)) as viewer:
            while True:
                _skip_reports(stream)
                request = read_request(stream)
                if request is None:
                    return
                viewer.send(self._answer(request))
                if request.method == "TEARDOWN":
                    return
                if request.method == "PLAY":
                    viewer.play()

    def _answer(self, request: Request) -> bytes:
        method = request.method
        status = 200 if method == "OPTIONS" else self._status_for(request)
        lines, body = [], b""
        if status == 200 and method not in _METHODS.split(", "):
            status = 405
        if status == 200 and method == "DESCRIBE" and request.target.rstrip("/") != self.url:
            status = 404
        if status == 401:
            lines.append('WWW-Authenticate: Basic realm="camera"')
        elif status == 200 and method == "OPTIONS":
            lines.append(f"Public: {_METHODS}")
        elif status == 200 and method == "DESCRIBE":
            body = self._description()
            lines += [f"Content-Base: {self.url}/", "Content-Type: application/sdp"]
        elif status == 200 and method == "SETUP":
            if "RTP/AVP/TCP" in request.headers.get("transport", "").upper():
                lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", f"Session: {_SESSION};timeout=60"]
            else:
                status = 461
        elif status == 200:
            lines.append(f"Session: {_SESSION}")
        head = [f"RTSP/1.0 {status} {reason(status)}", f"CSeq: {request.headers.get('cseq', '0')}", *lines]
        if body:
            head.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*head, "", ""]).encode() + body

    def _description(self) -> bytes:
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=edgecnn", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        lines += [f"m=video 0 RTP/AVP {_PAYLOAD_TYPE}", f"a=framerate:{self.frame_rate:g}", f"a=control:{_TRACK}"]
        return "\r\n".join([*lines, ""]).encode()


class _Viewer:
    """One client, to which one thread sends pictures while another one answers its requests."""

    def __init__(self, server: RtspServer, client: socket.socket) -> None:
        self._server = server
        self._client = client
        self._sending = threading.Lock()
        self._gone = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, message: bytes) -> None:
        with self._sending:
            self._client.sendall(message)

    def play(self) -> None:
        """Begin to send pictures, if that has not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._play, name="edgecnn-camera-player", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Send no more pictures."""
        self._server._leave(self._gone)
        if self._thread is not None:
            with contextlib.suppress(OSError):  # it may be waiting for the client to read
                self._client.shutdown(socket.SHUT_RDWR)
            self._thread.join()

    def _play(self) -> None:
        pictures, sequence = self._server._pictures, 0
        with contextlib.suppress(OSError), contextlib.closing(self._server._shots(self._gone)) as shots:
            for shot in shots:
                picture = pictures[shot.position % len(pictures)]
                packets = list(picture.packets(sequence, round(time.monotonic() * _CLOCK_HZ)))
                sequence += len(packets)
                self.send(b"".join(b"$\0" + len(packet).to_bytes(2, "big") + packet for packet in packets))


class _Picture:
    """A picture as RTP carries it: its tables, and what follows the head of the JPEG file."""

    def __init__(self, pixels: NDArray[np.uint8], quality: int) -> None:
        height, width = pixels.shape[:2]
        if pixels.shape[2:] != (3,) or pixels.dtype != np.uint8:
            raise ValueError(f"frames must be uint8 of shape (H, W, 3), got {pixels.dtype} of shape {pixels.shape}")
        if width % 8 or height % 8 or not 0 < max(width, height) <= _MAX_SIDE:
            raise ValueError(
                f"RTP carries JPEG pictures with sides of 8, 16 … {_MAX_SIDE} pixels, not {width}, {height}"
            )
        self._size_8 = bytes([width // 8, height // 8])
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
        jpeg = cv2.imencode(".jpg", pixels, options)[1].tobytes()
        self._tables, self._data = _dissect(jpeg)

    def packets(self, sequence: int, time_stamp: int) -> Iterator[bytes]:
        """Give its RTP packets.

        Args:
            sequence: number of the first one.
            time_stamp: in units of 1/90,000 s.
        """
        for begin in range(0, len(self._data), _MAX_DATA):
            data = self._data[begin : begin + _MAX_DATA]
            is_last = begin + len(data) == len(self._data)
            yield (
                struct.pack("!BBHII", 0x80, _PAYLOAD_TYPE | is_last << 7, sequence & 0xFFFF, time_stamp & 0xFFFFFFFF, 1)
                + struct.pack("!IBB", begin, 1, 255)  # 1: colours at half the size both ways; 255: tables come along
                + self._size_8
                + (struct.pack("!HH", 0, len(self._tables)) + self._tables if begin == 0 else b"")
                + data
            )
            sequence += 1


def _pixels_of(
    frames: Sequence[NDArray[np.uint8] | bytes] | str | os.PathLike[str],
) -> Iterator[NDArray[np.uint8]]:
    """Give the pictures of a clip or of a list: uint8, shape (H, W, 3), BGR."""
    if isinstance(frames, (str, os.PathLike)):
        capture = cv2.VideoCapture(os.fspath(frames))
        try:
            while (pixels := capture.read()[1]) is not None:
                yield pixels.astype(np.uint8, copy=False)
        finally:
            capture.release()
        return
    for number, frame in enumerate(frames):
        if isinstance(frame, bytes):
            decoded = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) if frame else None
            if decoded is None:
                raise ValueError(f"frame {number} is no picture that OpenCV can read")
            yield decoded.astype(np.uint8, copy=False)
        else:
            yield frame


def _dissect(jpeg: bytes) -> tuple[bytes, bytes]:
    """Return the quantization tables of a JPEG file from OpenCV, and its coded data."""
    tables, place = b"", 2
    while True:
        marker, length = struct.unpack_from("!HH", jpeg, place)
        segment = jpeg[place + 4 : place + 2 + length]
        place += 2 + length
        if marker == 0xFFDB:  # 64 bytes each, after one that numbers them
            tables += b"".join(segment[begin + 1 : begin + 65] for begin in range(0, len(segment), 65))
        elif marker == 0xFFDA:
            return tables, jpeg[place : jpeg.rindex(b"\xff\xd9")]


def _skip_reports(stream: BufferedReader) -> None:
    """Read over what the client reports about the pictures, between its requests."""
    while stream.peek(1)[:1] == b"$":
        head = stream.read(4)
        stream.read(int.from_bytes(head[2:], "big"))
