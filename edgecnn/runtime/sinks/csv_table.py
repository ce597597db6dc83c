"""``csv:FILE`` or ``csv:-``: one row per result, for a spreadsheet."""

from __future__ import annotations

import csv
from io import StringIO

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.runtime.sinks.output import Output, as_text
from edgecnn.runtime.streams import Sink, Source

COLUMNS = (
    "index",
    "camera",
    "name",
    "captured_ns",
    "age_ms",
    "label",
    "score",
    "top_label",
    "top_score",
    "decision",
    "read_ms",
    "decode_ms",
    "resize_ms",
    "invoke_ms",
    "dropped",
    "familiarity",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class CsvSink(Sink):
    """A header and one row per result, written at once: UTF-8, commas, quotes where needed.

    ``label`` and ``score`` are what the run shows: the decision, or in a run without rules the
    best category; empty when there is none. ``decision`` is the label of the decision alone, and
    ``familiarity`` is empty with a model that goes by scores alone.
    Text that a spreadsheet would take for a formula gets an apostrophe in front: labels come
    with a model, and names with pictures, of which somebody else may be the author.

    Args:
        place: the file, which is replaced, or ``-`` for standard output.
    """

    def __init__(self, place: str) -> None:
        self._output = Output("csv", place)

    def open(self, source: Source) -> None:
        """Open the file and write the header.

        Raises:
            SinkError: it cannot be written.
        """
        self._output.open()
        try:
            self._put(COLUMNS)
        except BaseException:
            self._output.close()
            raise

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Write one row."""
        times, decision = prediction.stages_ms, prediction.decision
        label, score = prediction.headline or ("", None)
        top = prediction.top
        self._put(
            (
                prediction.frame_index,
                _cell(prediction.camera),
                _cell(prediction.name),
                prediction.captured_ns,
                round(prediction.age_ms, 3),
                _cell(label),
                _rounded(score),
                _cell(top.label if top else ""),
                _rounded(top.score if top else None),
                _cell(decision.label if decision else ""),
                *(round(time_ms, 3) for time_ms in (times.read, times.decode, times.resize, times.invoke)),
                prediction.dropped,
                _rounded(prediction.familiarity),
            )
        )

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._output.close()

    def _put(self, row: tuple[object, ...]) -> None:
        line = StringIO()
        csv.writer(line).writerow(row)
        self._output.write(line.getvalue().encode("utf-8"))


def _cell(text: str) -> str:
    text = as_text(text)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)
