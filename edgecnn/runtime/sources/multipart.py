"""Pictures out of an endless ``multipart/x-mixed-replace`` stream, however its sender divides it."""

from __future__ import annotations

import re

from edgecnn.errors import SourceError
from edgecnn.runtime.sources.jpeg_split import JpegSplitter

MAX_PART_BYTES = 64 << 20
MAX_HEADER_BYTES = 16 << 10
_JPEG_START = b"\xff\xd8\xff"
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class MultipartStream:
    """Divides a stream of bytes into pictures, each given as soon as it is complete.

    A part that announces its length ends there, whatever is in it. Where parts do not, or where
    the dividing lines are not the ones that were announced, JPEG pictures are found by their own
    markers; so nobody waits for the next part to see the end of this one.

    Args:
        boundary: of the ``Content-Type`` header, with quotes and leading dashes or without; empty if there is none.
    """

    def __init__(self, boundary: str = "") -> None:
        name = boundary.strip().strip('"').lstrip("-").encode("latin-1", "replace")
        self._divider = b"--" + name
        self._buffer = bytearray()
        self._length: int | None = None  # of the part that has begun
        self._splitter = None if name else JpegSplitter()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came, and return the pictures that are complete with them.

        Raises:
            SourceError: a part or its header is too large, or this is no stream of pictures.
        """
        pictures = []
        if self._splitter is None:
            self._buffer += data
            data = b""
            while self._has_begun() and self._length is not None and len(self._buffer) >= self._length:
                pictures.append(bytes(self._buffer[: self._length]))
                del self._buffer[: self._length]
                self._length = None
        return pictures if self._splitter is None else pictures + self._splitter.feed(data or self._take_buffer())

    def _has_begun(self) -> bool:
        """Move on to where a part begins; False when that has not come yet, or parts say no length."""
        if self._length is not None:
            return True
        at = self._buffer.find(self._divider)
        header_end = None if at < 0 else _HEADER_END.search(self._buffer, at)
        if header_end is None:
            if _JPEG_START in self._buffer:
                self._splitter = JpegSplitter()
            elif len(self._buffer) > MAX_HEADER_BYTES:
                raise SourceError(f"more than {MAX_HEADER_BYTES >> 10} kB have come, and no picture begins in them")
            return False
        length = _LENGTH.search(self._buffer, at, header_end.end())
        self._length = int(length[1][:20]) if length else 0
        del self._buffer[: header_end.end()]
        if self._length > MAX_PART_BYTES:
            raise SourceError(f"a picture of more than {MAX_PART_BYTES >> 20} MB is announced")
        if not self._length:
            self._splitter, self._length = JpegSplitter(), None
        return self._length is not None

    def _take_buffer(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data
