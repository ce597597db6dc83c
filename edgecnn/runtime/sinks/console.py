"""``console``: what the camera sees, for a person to read."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections import deque
from typing import TextIO

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.runtime.stats import RunStats
from edgecnn.runtime.streams import Sink, Source

NOTHING = "(nothing above the threshold)"
NOT_YET = "(not decided yet)"
_RATE_WINDOW = 30
_REDRAW_NS = 50_000_000
_FALLBACK_COLUMNS = 80


class ConsoleSink(Sink):
    """On a terminal one line that is written over; elsewhere a line whenever a label changes.

    The line holds all cameras. Pictures out of files that have names get a line each.

    Args:
        place: must be empty.
        stream: text stream to write to, standard output by default.
    """

    def __init__(self, place: str = "", *, stream: TextIO | None = None) -> None:
        if place:
            raise SinkError(f"the sink console takes no place, got {place!r}; give just: console")
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()
        self._output_ns: dict[str, deque[int]] = {}
        self._drawn_ns = 0
        self._line = ""
        self._num_cameras = 1
        self._is_live = False
        self._latest: dict[str, str] = {}
        self._last_labels: dict[str, str] = {}

    def open(self, source: Source) -> None:
        """Note how many cameras there are to tell apart, and whether they are cameras."""
        self._num_cameras, self._is_live = source.num_cameras, source.live

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Show the best category, the age of the picture and the rate of results."""
        now_ns = prediction.captured_ns + round(prediction.age_ms * 1e6)
        self._output_ns.setdefault(prediction.camera, deque(maxlen=_RATE_WINDOW)).append(now_ns)
        if prediction.name and not self._is_live:
            self._put(self._describe(prediction) + "\n")
            return
        if self._is_terminal:
            self._latest[prediction.camera] = self._describe(prediction)
            self._line = "  |  ".join(self._latest.values())
            if now_ns - self._drawn_ns >= _REDRAW_NS:
                self._draw()
                self._drawn_ns = now_ns
            return
        label = prediction.headline[0] if prediction.headline else _nothing(prediction)
        if label != self._last_labels.get(prediction.camera):
            self._put(self._describe(prediction) + "\n")
            self._last_labels[prediction.camera] = label

    def finish(self, stats: RunStats) -> None:
        """Draw the last result, which may have come too soon after the one before, and leave the line."""
        if self._line:
            self._draw()
            self._leave_line()

    def close(self) -> None:
        """Leave the line."""
        if self._line:
            self._leave_line()

    def _leave_line(self) -> None:
        self._line = ""
        self._put("\n")

    def _describe(self, prediction: Prediction) -> str:
        headline = prediction.headline
        what = f"{headline[0]}  {headline[1]:.0%}" if headline else _nothing(prediction)
        camera = prediction.camera if self._num_cameras > 1 else ""
        name = " ".join(part for part in (camera, prediction.name) if part)
        name = f"{name}: " if name else ""
        return printable(f"{name}{what}  {prediction.age_ms:.0f} ms old  {self._fps(prediction.camera):.0f} fps")

    def _fps(self, camera: str) -> float:
        output_ns = self._output_ns[camera]
        elapsed_ns = output_ns[-1] - output_ns[0]
        return (len(output_ns) - 1) * 1e9 / elapsed_ns if elapsed_ns > 0 else 0.0

    def _draw(self) -> None:
        self._put(f"\r{cut_to_columns(self._line, self._columns() - 1)}\x1b[K")

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _FALLBACK_COLUMNS
        except (OSError, ValueError):
            return _FALLBACK_COLUMNS

    def _put(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise SinkError(f"cannot write to the console: {exc.strerror}") from exc


def _nothing(prediction: Prediction) -> str:
    return NOTHING if prediction.decision is None else NOT_YET


def printable(text: str) -> str:
    """Replace what a terminal could take for a command, such as an escape in a file name."""
    return "".join(character if character.isprintable() else "?" for character in text)


def cut_to_columns(text: str, num_columns: int) -> str:
    """Return the longest beginning of ``text`` that fits; Chinese and the like take two columns."""
    used = 0
    for position, character in enumerate(text):
        used += _width(character)
        if used > num_columns:
            return text[:position]
    return text


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
