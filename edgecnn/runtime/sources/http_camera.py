"""``http://HOST/PATH``: the newest picture of a Motion JPEG stream, or of a picture that is fetched again and again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from edgecnn.core.frame import AnyFrame, EncodedFrame
from edgecnn.errors import SourceError, SourceLostError
from edgecnn.runtime.live import Grabber
from edgecnn.runtime.sources.http_client import Answer, fetch
from edgecnn.runtime.sources.multipart import MAX_PART_BYTES, MultipartStream
from edgecnn.runtime.sources.network import NetworkAddress, time_left_s
from edgecnn.runtime.sources.network_source import NetworkSource

OPEN_TIMEOUT_S = 4.0
_GRAB_TIMEOUT_S = 1.0
_READ_TIMEOUT_S = 0.5
_STILL_RATE = 1.0
_NO_PICTURES = {"text", "audio", "application/json", "application/vnd.apple.mpegurl", "application/dash+xml"}


class HttpSource(NetworkSource):
    """A camera that speaks HTTP; its pictures stay as they are, JPEG.

    Args:
        place: what stands behind ``http:``, such as ``//user:password@host:8080/stream``.
        scheme: ``http`` or ``https``.

    Raises:
        SourceError: this is no such address.
    """

    def __init__(self, place: str, *, scheme: str = "http") -> None:
        super().__init__(f"{scheme}:{place}")
        self._told_still = False

    def make_grabber(self) -> Grabber:
        """Return a connection to the camera."""
        return _HttpGrabber(self._target, self.request.frame_rate, self._note_still)

    def _note_still(self, interval_s: float) -> None:
        # Whoever polls a picture expects to see it unchanged now and then.
        self.may_stand_still = True
        if not self._told_still:
            self._told_still = True
            self.say(
                f"{self.address} is one picture, not a stream; it is fetched again every {interval_s:g} s, "
                "unless --fps says otherwise"
            )


def https(place: str) -> HttpSource:
    """Return the source for an address that begins with ``https:``."""
    return HttpSource(place, scheme="https")


class _HttpGrabber(Grabber):
    """One answer that goes on, or one request for each picture.

    Args:
        target: what to ask for.
        frame_rate: how often to ask for a single picture, per second; 0 for once.
        on_still: is told the interval when it is a single picture.
    """

    def __init__(self, target: NetworkAddress, frame_rate: float, on_still: Callable[[float], None]) -> None:
        self._target = target
        self._interval_s = 1.0 / (frame_rate or _STILL_RATE)
        self._on_still = on_still
        self._answer: Answer | None = None
        self._stream: MultipartStream | None = None
        self._pictures: deque[bytes] = deque()
        self._due_s = 0.0

    def open(self) -> None:
        self._answer = fetch(self._target, time.monotonic() + OPEN_TIMEOUT_S)
        kind, boundary = _content_type(self._answer.head.headers.get("content-type", ""))
        if kind in _NO_PICTURES or kind.partition("/")[0] in _NO_PICTURES:
            self.close()
            raise SourceError(
                f"{self._target.shown} is no stream of pictures but {kind}; open it in a browser, and copy the address "
                "of the moving picture in it"
            )
        if kind.startswith("image/"):
            self._on_still(self._interval_s)
        else:
            self._stream = MultipartStream(boundary)

    def grab(self) -> AnyFrame | None:
        start_ns = time.monotonic_ns()
        picture = self._next_still() if self._stream is None else self._next_of_stream(self._stream)
        if picture is None:
            return None
        now_ns = time.monotonic_ns()
        return EncodedFrame(data=picture, encoding="jpeg", captured_ns=now_ns, read_ms=(now_ns - start_ns) / 1e6)

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _next_of_stream(self, stream: MultipartStream) -> bytes | None:
        assert self._answer is not None, "open() comes before grab()"
        until_s = time.monotonic() + _GRAB_TIMEOUT_S
        while not self._pictures and time.monotonic() < until_s:
            data = self._answer.read(_READ_TIMEOUT_S)
            try:
                self._pictures += stream.feed(data)
            except SourceError as exc:
                raise SourceError(f"{self._target.shown} gives no stream of JPEG pictures: {exc}") from exc
            if self._answer.ended and not self._pictures:
                raise SourceLostError(f"{self._target.shown} ended its stream")
        return self._pictures.popleft() if self._pictures else None

    def _next_still(self) -> bytes | None:
        wait_s = self._due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, _READ_TIMEOUT_S))
            if wait_s > _READ_TIMEOUT_S:
                return None
        until_s = time.monotonic() + OPEN_TIMEOUT_S
        self._due_s = time.monotonic() + self._interval_s
        answer, self._answer = self._answer or fetch(self._target, until_s), None
        try:
            return self._read_whole(answer, until_s)
        finally:
            answer.close()

    def _read_whole(self, answer: Answer, until_s: float) -> bytes:
        data = bytearray()
        while not answer.ended:
            if time.monotonic() > until_s:
                raise SourceLostError(f"{self._target.shown} does not send its picture to the end")
            data += answer.read(time_left_s(until_s))
            if len(data) > MAX_PART_BYTES:
                raise SourceError(f"{self._target.shown} is a picture of more than {MAX_PART_BYTES >> 20} MB")
        return bytes(data)


def _content_type(header: str) -> tuple[str, str]:
    """Return the type in small letters, and the boundary that comes with it, if one does."""
    kind, *parameters = header.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "boundary":
            return kind.strip().lower(), value.strip()
    return kind.strip().lower(), ""
