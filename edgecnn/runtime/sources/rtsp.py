"""``rtsp://HOST/PATH``: the newest picture of an IP camera."""

from __future__ import annotations

import socket
import time

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import CameraMissingError, MissingExtraError, SourceError, SourceLostError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.ffmpeg import Capture, open_video
from edgecnn.runtime.live import Grabber
from edgecnn.runtime.sources.capture import frame_of, shoot, size_of
from edgecnn.runtime.sources.http_login import authorization
from edgecnn.runtime.sources.message_head import MAX_HEAD_BYTES, Head, read_head, refusal
from edgecnn.runtime.sources.network import NetworkAddress, connect
from edgecnn.runtime.sources.network_source import NetworkSource

PROBE_TIMEOUT_S = 3.0
# A larger picture is too much for one core of a small board.
_MAX_PIXELS_PER_THREAD = 1920 * 1088
# Without them FFmpeg watches 20 pictures to guess their rate, and then hands them out before those of now.
_OPTIONS = "rtsp_transport;tcp|fflags;nobuffer|fpsprobesize;0"


class RtspSource(NetworkSource):
    """An IP camera that speaks RTSP, decoded by OpenCV's FFmpeg.

    The options in ``OPENCV_FFMPEG_CAPTURE_OPTIONS`` are used as they are where the variable is set;
    else the stream comes over TCP and with as little delay as FFmpeg can.

    Args:
        place: what stands behind ``rtsp:``, such as ``//user:password@host:554/stream``.
        scheme: ``rtsp`` or ``rtsps``.

    Raises:
        SourceError: this is no such address.
    """

    # A camera may let a viewer wait for its next whole picture, on which all others build.
    first_frame_timeout_s = 10.0

    def __init__(self, place: str, *, scheme: str = "rtsp") -> None:
        super().__init__(f"{scheme}:{place}")

    def make_grabber(self) -> Grabber:
        """Return a connection to the camera."""
        # FFmpeg never recovers from a read that timed out: the watch of the source must come first.
        return _RtspGrabber(self._target, self._url, self.patience_s + 1.0)


def rtsps(place: str) -> RtspSource:
    """Return the source for an address that begins with ``rtsps:``."""
    return RtspSource(place, scheme="rtsps")


class _RtspGrabber(Grabber):
    """A stream opened by OpenCV's FFmpeg.

    Args:
        target: where the camera is.
        url: the same in full, with its password.
        timeout_s: how long a picture may take.
    """

    def __init__(self, target: NetworkAddress, url: str, timeout_s: float) -> None:
        self._target, self._url = target, url
        self._timeout_s = timeout_s
        self._capture: Capture | None = None

    def open(self) -> None:
        if cv2.CAP_FFMPEG not in cv2.videoio_registry.getStreamBackends():
            raise MissingExtraError(
                "this OpenCV was built without FFmpeg, which RTSP needs; run: pip install opencv-python-headless, or "
                "give gst:rtspsrc location=… as the camera"
            )
        _probe(self._target)
        capture = self._play(num_threads=1)
        width, height = size_of(capture)
        if width * height > _MAX_PIXELS_PER_THREAD:
            capture.release()
            capture = self._play(num_threads=0)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"{self._target.shown} answers, but FFmpeg cannot play its stream; is it video, and does the camera "
                "send it over TCP?"
            )
        self._capture = capture

    def grab(self) -> AnyFrame | None:
        assert self._capture is not None, "open() comes before grab()"
        shot = shoot(self._capture)
        if shot is None:
            raise SourceLostError(f"{self._target.shown} stopped sending pictures")
        return frame_of(shot, None, (0, 0))

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()

    def _play(self, num_threads: int) -> Capture:
        """Open the stream.

        Args:
            num_threads: each thread of FFmpeg's decoder after the first holds one picture back; 0 takes all cores.
        """
        timeout_ms = round(1e3 * self._timeout_s)
        settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
        if hasattr(cv2, "CAP_PROP_N_THREADS"):  # not before OpenCV 4.8
            settings += [cv2.CAP_PROP_N_THREADS, num_threads]
        return open_video(self._url, options=_OPTIONS, settings=settings)


def _probe(target: NetworkAddress) -> None:
    """Ask the camera for its stream, only to learn why it would not give it: FFmpeg keeps that to itself.

    Raises:
        CameraMissingError: nobody answers, or there is nothing at this path.
        SourceError: the camera refuses, or does not speak RTSP.
    """
    until_s = time.monotonic() + PROBE_TIMEOUT_S
    with connect(target, until_s) as connection:
        if target.scheme == "rtsps":
            return
        uri = f"rtsp://{target.place}{target.path}"
        head, login = Head(0, "", {}), ""
        try:
            for number in (1, 2):
                lines = [f"DESCRIBE {uri} RTSP/1.0", f"CSeq: {number}", "Accept: application/sdp"]
                lines += [f"Authorization: {login}"] if login else []
                connection.sendall("\r\n".join([*lines, "", ""]).encode())
                head, body = read_head(target, connection, "RTSP", until_s)
                if head.status != 401 or target.user is None:
                    break
                _skip_body(connection, head, body)
                challenges = head.headers.get("www-authenticate", "").split("\n")
                login = authorization(challenges, "DESCRIBE", uri, target.user, target.password) or ""
        except TimeoutError as exc:
            raise CameraMissingError(
                f"{target.shown} accepts connections but does not answer; is it the right port, and not too busy?"
            ) from exc
        except ConnectionError as exc:
            raise CameraMissingError(f"{target.shown} broke off while it was asked: {exc.strerror or exc}") from exc
    if head.status >= 400:
        raise refusal(target, head)


def _skip_body(connection: socket.socket, head: Head, body: bytes) -> None:
    missing = (head.body_bytes or 0) - len(body)
    while missing > 0 and (data := connection.recv(min(missing, MAX_HEAD_BYTES))):
        missing -= len(data)
