"""A file, or standard output, without a buffer: what is written is out."""

from __future__ import annotations

import sys
from io import FileIO
from typing import Protocol

from edgecnn.errors import SinkError


class _Bytes(Protocol):
    """A file without a buffer."""

    def write(self, data: bytes, /) -> int | None:
        """Write some of the data and return how much."""

    def close(self) -> None:
        """Close the file."""


class Output:
    """Where a sink that writes lines writes them, each of them at once.

    Args:
        scheme: name of the sink, for messages.
        place: the file, which is replaced, or ``-`` for standard output.

    Raises:
        SinkError: there is no place.
    """

    def __init__(self, scheme: str, place: str) -> None:
        if not place:
            raise SinkError(f"the sink {scheme} needs a file; give {scheme}:FILE, or {scheme}:- for standard output")
        self._scheme, self._place = scheme, place
        self._file: _Bytes | None = None

    def open(self) -> None:
        """Open the file.

        Raises:
            SinkError: it cannot be written.
        """
        if self._place == "-":
            # No buffer: a line is out when write() returns, and nothing is left to fail at exit.
            self._file = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            return
        try:
            self._file = FileIO(self._place, "wb")
        except (OSError, ValueError) as exc:
            raise SinkError(f"cannot write {self._place}: {getattr(exc, 'strerror', None) or exc}") from exc

    def write(self, data: bytes) -> None:
        """Write all of the data.

        Raises:
            SinkError: they could not be written.
            BrokenPipeError: the reader has left.
        """
        assert self._file is not None, "open() comes before write()"
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise SinkError(f"cannot write to {self._scheme}:{self._place}: {exc.strerror}") from exc

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._file is not None and self._place != "-":
            self._file.close()


def as_text(name: str) -> str:
    """Return a file name as valid Unicode; Linux allows names that are none."""
    return name.encode("utf-8", "replace").decode("utf-8")
