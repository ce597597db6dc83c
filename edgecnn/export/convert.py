"""Runs the TensorFlow converter in a process of its own.

It prints hundreds of lines to stdout and stderr, takes gigabytes, and can abort: there, all of
that ends in a log file and an error message.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.data import Picture
from edgecnn.errors import ExportError, MissingExtraError, UnsupportedOpError

_ERRORS = {kind.__name__: kind for kind in (ExportError, MissingExtraError, UnsupportedOpError)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What came out of the converter.

    Attributes:
        model: the FlatBuffer.
        float_scores: float32, shape (N, C), of the Keras model on the evaluation pictures.
        layers: names of the Keras layers.
        tools: versions of what took part.
    """

    model: bytes
    float_scores: NDArray[np.float32]
    layers: tuple[str, ...]
    tools: dict[str, str]


def convert(
    run_path: Path,
    *,
    data_root: Path,
    calibration: Sequence[Picture],
    evaluation: Sequence[Picture],
    work_folder: Path,
    log_path: Path,
    progress: Progress,
) -> Conversion:
    """Convert the model of a run to full int8.

    Args:
        run_path: the run.
        data_root: the folder of pictures.
        calibration: pictures that set the ranges.
        evaluation: pictures that the Keras model shall score, too.
        work_folder: for files between the two processes; the caller removes it.
        log_path: where the converter's output goes.
        progress: told of every step.

    Raises:
        UnsupportedOpError: the model has an operator that full-integer LiteRT does not have.
        ExportError: the converter failed in another way; the message names the log.
        MissingExtraError: TensorFlow is not installed.
    """
    job = {
        "run": str(run_path),
        "data_root": str(data_root),
        "calibration": [picture.path for picture in calibration],
        "evaluation": [picture.path for picture in evaluation],
        "work_folder": str(work_folder),
    }
    job_path = work_folder / "job.json"
    job_path.write_text(json.dumps(job), "utf-8")
    command = [sys.executable, "-m", "edgecnn.export.converter_process", str(job_path)]
    with log_path.open("wb") as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
        try:
            outcome = _follow(process, len(evaluation), log_path, progress)
        except BaseException:
            process.kill()
            raise
    if process.returncode or "done" not in outcome:
        raise ExportError(f"the converter died with exit code {process.returncode}; its last words are in {log_path}")
    return Conversion(
        model=(work_folder / "model.tflite").read_bytes(),
        float_scores=np.load(work_folder / "float_scores.npy", allow_pickle=False),
        layers=tuple(outcome["layers"]),
        tools=outcome["tools"],
    )


def _follow(process: subprocess.Popen[bytes], num_scores: int, log_path: Path, progress: Progress) -> dict[str, Any]:
    """Pass the other process's events on, raise its error, and return its last event."""
    assert process.stdout is not None
    events = map(json.loads, process.stdout)
    event: dict[str, Any] = {}
    with progress.task("scoring the Keras model", num_scores) as task:
        for event in events:
            _raise_error(event, log_path)
            task.advance(event.get("scored", 0))
            if "scored_all" in event:
                break
    for event in events:
        _raise_error(event, log_path)
        if "say" in event:
            progress.say(event["say"])
    return event


def _raise_error(event: dict[str, Any], log_path: Path) -> None:
    if "error" in event:
        kind = _ERRORS.get(event["kind"], ExportError)
        raise kind(f"{event['error']} (the converter's own words: {log_path})")
