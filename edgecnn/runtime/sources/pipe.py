"""``pipe:nv12,1280x720:COMMAND``: the pictures that a program writes to its standard output."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import SourceError
from edgecnn.runtime.live import Grabber, LiveSource
from edgecnn.runtime.sources.asked import refuse_fourcc
from edgecnn.runtime.sources.picture_stream import (
    PIXEL_FORMATS,
    JpegStream,
    PictureStream,
    RawStream,
    Y4mStream,
)
from edgecnn.runtime.sources.pipe_grabber import PipeGrabber
from edgecnn.runtime.streams import without_password

_SELF_DESCRIBED: dict[str, Callable[[], PictureStream]] = {"mjpeg": JpegStream, "y4m": Y4mStream}
_NAMES = ", ".join([*_SELF_DESCRIBED, *PIXEL_FORMATS])
_PLACE = re.compile(r"([a-z0-9]+)(?:,([0-9]+)x([0-9]+))?(?:,([0-9]+(?:\.[0-9]+)?))?:(.*)", re.DOTALL)


class PipeSource(LiveSource):
    """A program that writes pictures, such as ``ffmpeg``, ``rpicam-vid`` or one of your own.

    It is run without a shell, again and again if it breaks down. If it ends with exit code 0
    after some pictures, that is the end of the source.

    Args:
        place: ``FORMAT[,WIDTHxHEIGHT][,FPS]:COMMAND``. FORMAT is ``mjpeg`` (JPEG files in a row),
            ``y4m`` (YUV4MPEG2) or a raw one by FFmpeg's name: bgr24, rgb24, gray, yuyv422,
            uyvy422, nv12, yuv420p, yuvj420p. The raw ones need a size, here or as a request.
            Without ``FORMAT:`` the output must be JPEG files or YUV4MPEG2.

    Raises:
        SourceError: the address makes no sense.
    """

    takes_request = True
    first_frame_timeout_s = 10.0

    def __init__(self, place: str) -> None:
        super().__init__(f"pipe:{without_password(place)}")
        self._pictures, self._command = _read_place(place)

    def start(self) -> None:
        """Begin to run the program.

        Raises:
            SourceError: the format needs a size that is not given, or the request contradicts it.
        """
        self._make_stream()
        super().start()

    def make_grabber(self) -> Grabber:
        """Return a run of the program."""
        return PipeGrabber(self.address, self._command, self._make_stream(), self._frame_rate())

    def _make_stream(self) -> PictureStream:
        refuse_fourcc(self.address, self.request)
        name, stated_wh, stated_rate = self._pictures
        size_wh = stated_wh or self.request.size_wh
        contradicted = stated_wh and self.request.size_wh not in (None, stated_wh)
        if contradicted or (stated_rate and self.request.frame_rate not in (0.0, stated_rate)):
            raise SourceError(f"{self.address} states another size or frame rate than --size and --fps do")
        if name in PIXEL_FORMATS:
            if size_wh is None:
                raise SourceError(f"{self.address} does not say its size; give it as in pipe:{name},1280x720:COMMAND")
            return RawStream(PIXEL_FORMATS[name], size_wh)
        if self.request.size_wh or stated_wh:
            raise SourceError(f"{self.address} tells its size itself; give none")
        return _SELF_DESCRIBED[name]() if name else _UnknownStream()

    def _frame_rate(self) -> float:
        return self._pictures.frame_rate or self.request.frame_rate


class _UnknownStream(PictureStream):
    """Finds out by the first bytes which kind of self-described pictures these are."""

    wanted = len(b"YUV4MPEG2")

    def __init__(self) -> None:
        self._head = b""
        self._stream: PictureStream | None = None

    @property
    def is_inside(self) -> bool:
        return self._stream.is_inside if self._stream else bool(self._head)

    def feed(self, data: bytes) -> list[AnyFrame]:
        if self._stream is None:
            self._head = data = self._head + data
            if len(data) < _UnknownStream.wanted:
                self.wanted = _UnknownStream.wanted - len(data)
                return []
            self._stream = self._recognize(data)
        frames = self._stream.feed(data)
        self.wanted, self.room, self.frame_rate = self._stream.wanted, self._stream.room, self._stream.frame_rate
        return frames

    def _recognize(self, head: bytes) -> PictureStream:
        if head == b"YUV4MPEG2":
            return Y4mStream()
        if head.startswith(b"\xff\xd8\xff"):
            return JpegStream()
        raise SourceError(
            "the command's output is neither JPEG files nor YUV4MPEG2; "
            f"say what it is as in pipe:nv12,1280x720:COMMAND, with one of: {_NAMES}"
        )


class _Pictures(NamedTuple):
    """What an address says about the pictures; an empty name says nothing."""

    name: str = ""
    size_wh: tuple[int, int] | None = None
    frame_rate: float = 0.0


def _read_place(place: str) -> tuple[_Pictures, list[str]]:
    pictures, command = _Pictures(), place
    match = _PLACE.fullmatch(place)
    if match and (match[1] in PIXEL_FORMATS or match[1] in _SELF_DESCRIBED):
        size_wh = (int(match[2]), int(match[3])) if match[2] else None
        pictures, command = _Pictures(match[1], size_wh, float(match[4] or 0.0)), match[5]
    elif match and (match[2] or match[4]):
        raise SourceError(f"there is no pixel format {match[1]!r} for pipe:{place}; give one of: {_NAMES}")
    try:
        arguments = shlex.split(command)
    except ValueError as exc:
        raise SourceError(f"the command in pipe:{place} cannot be split into words: {exc}") from exc
    if not arguments:
        raise SourceError("there is no command behind pipe: give one as in pipe:nv12,1280x720:COMMAND")
    return pictures, arguments
