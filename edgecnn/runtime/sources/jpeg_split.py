"""JPEG files out of a stream, found by walking their markers.

The bytes that end a picture also stand inside the small picture that many cameras put into
its header, so that looking for them would cut a picture in two.

Reference:
    ITU-T T.81, annex B.
"""

from __future__ import annotations

import re

from edgecnn.errors import SourceError

_MAX_PICTURE_BYTES = 1 << 26
_MAX_SKIPPED_BYTES = 1 << 24
_START = b"\xff\xd8\xff"
_SOI, _EOI, _SOS, _TEM, _FILL, _STUFFED = 0xD8, 0xD9, 0xDA, 0x01, 0xFF, 0x00
_RESTARTS = range(0xD0, 0xD8)
# What ends the compressed part: a marker that is neither a stuffed 0xFF nor a restart.
_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


class JpegSplitter:
    """Takes bytes and gives whole JPEG files; what stands between them, and what is cut short, is passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0  # of the next marker; 0 while no picture has begun
        self._in_scan = False
        self._num_skipped = 0

    @property
    def is_inside(self) -> bool:
        """Whether a picture has begun and not ended."""
        return self._position > 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pictures that these bytes complete.

        Raises:
            SourceError: there is no JPEG in it, or one without an end.
        """
        self._buffer += data
        pictures = []
        while self._find_start():
            end = self._find_end()
            if end is None:
                break
            if end:
                pictures.append(bytes(self._buffer[:end]))
                self._num_skipped = 0
            # Of a damaged one everything that was walked goes, lest the small picture in it passes for one.
            self._drop(end or self._position)
        if len(self._buffer) > _MAX_PICTURE_BYTES:
            raise SourceError(f"a JPEG in the stream is larger than {_MAX_PICTURE_BYTES >> 20} MiB")
        return pictures

    def _find_start(self) -> bool:
        if self._position:
            return True
        start = self._buffer.find(_START)
        self._num_skipped += max(start, 0)
        if start < 0:
            useless = max(0, len(self._buffer) - len(_START) + 1)
            self._num_skipped += useless
            del self._buffer[:useless]
            if self._num_skipped > _MAX_SKIPPED_BYTES:
                raise SourceError(f"{self._num_skipped >> 20} MiB have come, and no JPEG begins in them")
            return False
        del self._buffer[:start]
        self._position = 2
        return True

    def _find_end(self) -> int | None:
        """Return where the picture ends, 0 if it is none, None if more bytes are needed."""
        while True:
            if self._in_scan and not self._skip_scan():
                return None
            head = self._buffer[self._position : self._position + 4]
            if len(head) < 2:
                return None
            marker = head[1]
            if head[0] != _FILL or marker in (_STUFFED, _SOI):
                return 0
            if marker == _EOI:
                return self._position + 2
            if marker == _FILL:
                self._position += 1
            elif marker == _TEM or marker in _RESTARTS:
                self._position += 2
            elif len(head) < 4:
                return None
            else:
                length = int.from_bytes(head[2:], "big")
                if length < 2:
                    return 0
                self._position += 2 + length
                self._in_scan = marker == _SOS

    def _skip_scan(self) -> bool:
        match = _AFTER_SCAN.search(self._buffer, self._position)
        if match is None:
            # An 0xFF at the very end may be the first half of a marker.
            self._position = max(self._position, len(self._buffer) - 1)
            return False
        self._position, self._in_scan = match.start(), False
        return True

    def _drop(self, num_bytes: int) -> None:
        del self._buffer[:num_bytes]
        self._position, self._in_scan = 0, False
