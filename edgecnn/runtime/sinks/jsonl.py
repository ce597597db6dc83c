"""``jsonl:FILE`` or ``jsonl:-``: one JSON object per result, for a program to read."""

from __future__ import annotations

from typing import Any

import msgspec

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import UNDECIDED, Prediction
from edgecnn.runtime.sinks.output import Output, as_text
from edgecnn.runtime.stats import Percentiles, RunSetup, RunStats
from edgecnn.runtime.streams import Sink, Source


class JsonlSink(Sink):
    """One line per result, written at once; the last line holds the statistics.

    Args:
        place: the file, which is replaced, or ``-`` for standard output.
    """

    def __init__(self, place: str) -> None:
        self._output = Output("jsonl", place)

    def open(self, source: Source) -> None:
        """Open the file.

        Raises:
            SinkError: it cannot be written.
        """
        self._output.open()

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Write one result."""
        self._put(_prediction_object(prediction))

    def finish(self, stats: RunStats) -> None:
        """Write the line with the one key ``summary``."""
        self._put({"summary": _stats_object(stats)})

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._output.close()

    def _put(self, value: dict[str, Any]) -> None:
        self._output.write(msgspec.json.encode(value) + b"\n")


def _prediction_object(prediction: Prediction) -> dict[str, Any]:
    times = prediction.stages_ms
    value: dict[str, Any] = {
        "index": prediction.frame_index,
        "camera": as_text(prediction.camera),
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
    if prediction.familiarity is not None:
        value["familiarity"] = round(prediction.familiarity, 6)
    decision = prediction.decision
    if decision is not None:
        value["decision"] = (
            None
            if decision is UNDECIDED
            else {
                "index": decision.index,
                "label": decision.label,
                "score": round(decision.score, 6),
            }
        )
    if prediction.name:
        value["name"] = as_text(prediction.name)
    return value


def _stats_object(stats: RunStats) -> dict[str, Any]:
    return {
        **_setup_object(stats.setup),
        **stats.counts(),
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
        "model": as_text(setup.model),
        "name": setup.name,
        "num_classes": setup.num_classes,
        "backend": setup.backend,
        "source": as_text(setup.source),
    }


def _percentiles_object(percentiles: Percentiles) -> dict[str, float]:
    return {name: round(value, 3) for name, value in percentiles._asdict().items()}
