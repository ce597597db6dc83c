"""Bytes as they come in, cut into pictures: raw frames of one size, JPEG files in a row, YUV4MPEG2."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from edgecnn.core.frame import AnyFrame, ColorOrder, EncodedFrame, Encoding, Frame
from edgecnn.errors import SourceError
from edgecnn.imaging.raw import num_raw_bytes
from edgecnn.runtime.sources.jpeg_split import JpegSplitter

_READ_BYTES = 1 << 18
_MAX_LINE = 1024
_MIN_LINE = len(b"FRAME\n")
_LINE_STARTS = (b"FRAME", b"YUV4M")
_MAX_SIDE_PX = 1 << 15


class PixelFormat(NamedTuple):
    """How raw frames are laid out; either pixels in an order or an encoding."""

    color_order: ColorOrder | None = None
    encoding: Encoding | None = None
    full_range: bool = False


# By the names that FFmpeg's -pix_fmt gives them.
PIXEL_FORMATS = {
    "bgr24": PixelFormat(color_order="bgr"),
    "rgb24": PixelFormat(color_order="rgb"),
    "gray": PixelFormat(encoding="gray"),
    "yuyv422": PixelFormat(encoding="yuyv"),
    "uyvy422": PixelFormat(encoding="uyvy"),
    "nv12": PixelFormat(encoding="nv12"),
    "yuv420p": PixelFormat(encoding="i420"),
    "yuvj420p": PixelFormat(encoding="i420", full_range=True),
}


class PictureStream(ABC):
    """Takes bytes and gives pictures, without times, number and camera.

    Attributes:
        wanted: how many bytes to give it next, at most.
        room: bytes of a picture, where that is known; 0 where not.
        frame_rate: pictures per second, if the stream says it; else 0.
    """

    wanted: int = _READ_BYTES
    room: int = _READ_BYTES
    frame_rate: float = 0.0

    @property
    @abstractmethod
    def is_inside(self) -> bool:
        """Whether a picture has begun and not ended."""

    @abstractmethod
    def feed(self, data: bytes) -> list[AnyFrame]:
        """Take the next bytes and return the pictures that they complete.

        Raises:
            SourceError: these are no such pictures.
        """


class RawStream(PictureStream):
    """Frames of one format and size, without anything between them.

    Args:
        pixel_format: their layout.
        size_wh: width and height in pixels.

    Raises:
        SourceError: there can be no such frame.
    """

    def __init__(self, pixel_format: PixelFormat, size_wh: tuple[int, int]) -> None:
        columns, rows = size_wh
        if not (0 < columns <= _MAX_SIDE_PX and 0 < rows <= _MAX_SIDE_PX):
            raise SourceError(f"frames of {columns} x {rows} pixels cannot be read; at most {_MAX_SIDE_PX} a side can")
        encoding = pixel_format.encoding
        if encoding not in (None, "gray") and (columns % 2 or rows % 2):
            raise SourceError(f"frames of {columns} x {rows} pixels in {encoding} need an even width and height")
        self._format, self._size_wh = pixel_format, size_wh
        self.room = columns * rows * 3 if encoding is None else num_raw_bytes(encoding, size_wh)
        self.wanted = self.room
        self._chunks: list[bytes] = []

    @property
    def is_inside(self) -> bool:
        """Whether a frame has begun."""
        return self.wanted < self.room

    def feed(self, data: bytes) -> list[AnyFrame]:
        """Take at most ``wanted`` bytes."""
        self._chunks.append(data)
        self.wanted -= len(data)
        if self.wanted:
            return []
        whole = b"".join(self._chunks)
        self._chunks, self.wanted = [], self.room
        return [self._frame(whole)]

    def _frame(self, data: bytes) -> AnyFrame:
        color_order, encoding, full_range = self._format
        if color_order is not None:
            columns, rows = self._size_wh
            return Frame(pixels=np.frombuffer(data, np.uint8).reshape(rows, columns, 3), color_order=color_order)
        assert encoding is not None, "a format is one or the other"
        return EncodedFrame(data=data, encoding=encoding, size_wh=self._size_wh, full_range=full_range)


class JpegStream(PictureStream):
    """JPEG files one after the other."""

    def __init__(self) -> None:
        self._splitter = JpegSplitter()

    @property
    def is_inside(self) -> bool:
        """Whether a file has begun."""
        return self._splitter.is_inside

    def feed(self, data: bytes) -> list[AnyFrame]:
        """Take any number of bytes."""
        return [EncodedFrame(data=picture, encoding="jpeg") for picture in self._splitter.feed(data)]


class Y4mStream(PictureStream):
    """YUV4MPEG2, which ``ffmpeg -f yuv4mpegpipe`` and GStreamer's ``y4menc`` write: it says its own size."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._frames: RawStream | None = None
        self._in_frame = False
        self.wanted = _MIN_LINE

    @property
    def is_inside(self) -> bool:
        """Whether a frame or its header has begun."""
        return self._in_frame or bool(self._line)

    def feed(self, data: bytes) -> list[AnyFrame]:
        """Take at most ``wanted`` bytes, which never reach beyond the end of a line or a frame."""
        frames = self._feed(data)
        self.wanted = self._frames.wanted if self._in_frame and self._frames else max(1, _MIN_LINE - len(self._line))
        return frames

    def _feed(self, data: bytes) -> list[AnyFrame]:
        if self._in_frame and self._frames:
            frames = self._frames.feed(data)
            self._in_frame = not frames
            return frames
        self._line += data
        if self._line.endswith(b"\n"):
            words = self._line.decode("ascii", "replace").split()
            self._line.clear()
            self._begin(words)
        elif len(self._line) > _MAX_LINE or (len(self._line) >= _MIN_LINE and self._line[:5] not in _LINE_STARTS):
            self._begin([])
        return []

    def _begin(self, words: list[str]) -> None:
        if words[:1] == ["YUV4MPEG2"]:
            self._frames = self._read_header({word[0]: word[1:] for word in reversed(words[1:])}, words)
            self.room = self._frames.room
        elif words[:1] == ["FRAME"] and self._frames:
            self._in_frame = True
        else:
            raise SourceError("the YUV4MPEG2 stream is out of step: no frame begins where one should")

    def _read_header(self, fields: dict[str, str], words: list[str]) -> RawStream:
        layout = fields.get("C", "420")
        if layout != "mono" and layout not in ("420", "420jpeg", "420mpeg2", "420paldv"):
            raise SourceError(f"the YUV4MPEG2 stream has the pixels {layout!r}; give 420 (-pix_fmt yuv420p) or mono")
        try:
            size_wh = int(fields["W"]), int(fields["H"])
        except (KeyError, ValueError) as exc:
            raise SourceError(f"the YUV4MPEG2 stream does not say its size: {' '.join(words)!r}") from exc
        rate = re.fullmatch(r"([0-9]+):([1-9][0-9]*)", fields.get("F", ""))
        self.frame_rate = int(rate[1]) / int(rate[2]) if rate else 0.0
        full_range = "XCOLORRANGE=FULL" in words
        name = "gray" if layout == "mono" else "yuvj420p" if full_range else "yuv420p"
        return RawStream(PIXEL_FORMATS[name], size_wh)
