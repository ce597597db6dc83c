"""``jsonl:FILE`` or ``jsonl:-``: one JSON object per result, for a program to read."""

from __future__ import annotations

import sys
from io import FileIO
from typing import Any, Protocol

import msgspec

from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.runtime.stats import Percentiles, RunSetup, RunStats
from edgecnn.runtime.streams import Sink, Source


class _Bytes(Protocol):
    """A file without a buffer."""

    def write(self, data: bytes, /) -> int | None:
        """Write some of the data and return how much."""

    def close(self) -> None:
        """Close the file."""


class JsonlSink(Sink):
    """One line per result, written at once; the last line holds the statistics.

    Args:
        place: the file, which is replaced, or ``-`` for standard output.
    """

    def __init__(self, place: str) -> None:
        if not place:
            raise SinkError("the sink jsonl needs a file; give jsonl:FILE, or jsonl:- for standard output")
        self._place = place
        self._file: _Bytes | None = None

    def open(self, source: Source) -> None:
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

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Write one result."""
        self._put(_prediction_object(prediction))

    def finish(self, stats: RunStats) -> None:
        """Write the line with the one key ``summary``."""
        self._put({"summary": _stats_object(stats)})

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._file is not None and self._place != "-":
            self._file.close()

    def _put(self, value: dict[str, Any]) -> None:
        assert self._file is not None, "open() comes before write()"
        line = msgspec.json.encode(value) + b"\n"
        try:
            while line:
                line = line[self._file.write(line) or 0 :]
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise SinkError(f"cannot write to jsonl:{self._place}: {exc.strerror}") from exc


def _prediction_object(prediction: Prediction) -> dict[str, Any]:
    times = prediction.stages_ms
    value: dict[str, Any] = {
        "index": prediction.frame_index,
        "camera": _text(prediction.camera),
        "captured_ns": prediction.captured_ns,
        "age_ms": round(prediction.age_ms, 3),
        "categories": [
            {"index": category.index, "label": category.label, "score": round(category.score, 6)}
            for category in prediction.categories
        ],
        "stages_ms": {
            "read": round(times.read, 3),
            "decode": round(times.decode, 3),
            "resize": round(times.resize, 3),
            "invoke": round(times.invoke, 3),
        },
        "dropped": prediction.dropped,
    }
    if prediction.name:
        value["name"] = _text(prediction.name)
    return value


def _stats_object(stats: RunStats) -> dict[str, Any]:
    return {
        **_setup_object(stats.setup),
        "frames": stats.frames,
        "dropped": stats.dropped,
        "unreadable": stats.unreadable,
        "wall_s": round(stats.wall_s, 3),
        "fps": round(stats.fps, 2),
        "stages_ms": {
            "read": _percentiles_object(stats.read_ms),
            "decode": _percentiles_object(stats.decode_ms),
            "resize": _percentiles_object(stats.resize_ms),
            "invoke": _percentiles_object(stats.invoke_ms),
        },
        "age_ms": _percentiles_object(stats.age_ms),
    }


def _setup_object(setup: RunSetup | None) -> dict[str, Any]:
    if setup is None:
        return {}
    return {
        "model": _text(setup.model),
        "name": setup.name,
        "num_classes": setup.num_classes,
        "backend": setup.backend,
        "source": _text(setup.source),
    }


def _percentiles_object(percentiles: Percentiles) -> dict[str, float]:
    return {name: round(value, 3) for name, value in percentiles._asdict().items()}


def _text(name: str) -> str:
    """Return a file name as valid Unicode; Linux allows names that are none."""
    return name.encode("utf-8", "replace").decode("utf-8")
