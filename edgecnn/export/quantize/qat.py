"""Quantization-aware fine-tuning: the network learns to live with 8 bits, for a few epochs.

It starts from the float32 FlatBuffer of a run's network and gives one back that differs in nothing
but its weights and biases, with the ranges that its activations then have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

from edgecnn.core.progress import Progress
from edgecnn.data import Picture
from edgecnn.errors import DatasetError, ExportError, MissingExtraError, RunError, UnsupportedOpError
from edgecnn.export.quantize.qat_pictures import draw_pool
from edgecnn.export.quantize.requantize import Ranges
from edgecnn.export.quantize.trainable import check_trainable
from edgecnn.modelfile.graph import Graph
from edgecnn.train.run_folder import HistoryRow, RunFolder

_ERRORS = {kind.__name__: kind for kind in (DatasetError, ExportError, MissingExtraError, RunError, UnsupportedOpError)}


@dataclass(frozen=True, slots=True, kw_only=True)
class QatConfig:
    """How long and how boldly a network is fine-tuned.

    Attributes:
        epochs: passes; the one that validation likes best is kept.
        learning_rate: the highest one, as a share of what the weights of a channel are like; it warms up
            to there and falls along a cosine. 0 chooses: 0.01 where 8 bits cost more than 5 points of
            accuracy at the start, so that there is far to go, else 0.0003.
        batch_size: pictures per step.
        pictures: training pictures per epoch at most; another epoch may see others.
        seed: of every draw and change.
        distillation: weight of likeness to the float network's scores beside the labels; 0 for labels alone.
    """

    epochs: int = 4
    learning_rate: float = 0.0
    batch_size: int = 32
    pictures: int = 1000
    seed: int = 0
    distillation: float = 10.0

    def __post_init__(self) -> None:
        for name, low, high in (("epochs", 1, 1000), ("batch_size", 1, 4096), ("pictures", 1, 10_000_000)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be {low} to {high}, got {getattr(self, name)}")
        if not 0.0 <= self.learning_rate <= 1.0:
            raise ValueError(f"learning_rate must be 0 to 1, got {self.learning_rate}")
        if not 0.0 <= self.distillation <= 1000.0:
            raise ValueError(f"distillation must be 0 to 1000, got {self.distillation}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be 0 to 4294967295, got {self.seed}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> QatConfig:
        """Return the settings of a rung that concern fine-tuning."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned:
    """What fine-tuning came to.

    Attributes:
        float_model: the float32 FlatBuffer with its new weights; nothing else in it changed.
        ranges: of every activation, on the grid of its 256 codes.
        rows: the state before, as epoch 0 with the figures of validation only, and one per epoch; accuracy
            and loss are those of the network rounded to 8 bits. The best by validation was kept.
    """

    float_model: bytes
    ranges: Ranges
    rows: tuple[HistoryRow, ...]


def fine_tune(
    float_model: bytes,
    run: RunFolder,
    data_root: Path,
    config: QatConfig,
    *,
    work_folder: Path,
    log_path: Path,
    progress: Progress,
    layers: Sequence[str] = (),
) -> FineTuned:
    """Fine-tune a run's network for 8 bits, on the training pictures as its own training changed them.

    Args:
        float_model: the network behind its normalization, in float32, for one picture, batch
            normalization folded: as ``TFLiteConverter`` writes it.
        run: whose network it is; its splits, labels, class weights and changes of pictures are used.
        data_root: the folder of pictures.
        config: how.
        work_folder: for files between the two processes; the caller removes it.
        log_path: where TensorFlow's words go; it is added to.
        progress: told of every step.
        layers: names of the Keras layers, to name the one that is to blame.

    Raises:
        UnsupportedOpError: the network has an operator that cannot be trained here.
        DatasetError: there are no readable pictures.
        RunError: the loss is not finite any more.
        ExportError: it failed in another way; the message names the log.
        MissingExtraError: TensorFlow is not installed.
    """
    check_trainable(Graph.parse(float_model), layers)
    (work_folder / "float.tflite").write_bytes(float_model)
    pool = draw_pool(run.splits.train, config.epochs * config.pictures, config.seed)
    job = {
        "run": str(run.path),
        "data_root": str(data_root),
        "train": _listed(pool),
        "val": _listed(run.splits.val),
        "config": asdict(config),
        "work_folder": str(work_folder),
    }
    job_path = work_folder / "qat.json"
    job_path.write_text(json.dumps(job), "utf-8")
    command = [sys.executable, "-m", "edgecnn.export.quantize.qat_process", str(job_path)]
    environment = {**os.environ, "TMPDIR": str(work_folder.resolve())}  # for what TensorFlow would leave behind
    with (
        log_path.open("ab") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            is_done = _follow(map(json.loads, process.stdout), log_path, progress)
        except BaseException:
            process.kill()
            raise
    if process.returncode or not is_done:
        raise ExportError(f"fine-tuning died with exit code {process.returncode}; its last words are in {log_path}")
    ranges = json.loads((work_folder / "ranges.json").read_text("utf-8"))
    return FineTuned(
        float_model=(work_folder / "tuned.tflite").read_bytes(),
        ranges={name: (low, high) for name, (low, high) in ranges.items()},
        rows=msgspec.json.decode((work_folder / "history.json").read_bytes(), type=tuple[HistoryRow, ...]),
    )


def _listed(pictures: Sequence[Picture]) -> list[tuple[str, int]]:
    return [(picture.path, picture.label_index) for picture in pictures]


def _follow(events: Iterator[dict[str, Any]], log_path: Path, progress: Progress) -> bool:
    """Pass the other process's events on until it ends, and tell whether it came to its end."""
    event: dict[str, Any] = {}
    for event in events:
        _raise_error(event, log_path)
        if "say" in event:
            progress.say(event["say"])
        elif "begin" in event:
            with progress.task(event["begin"], event["total"]) as task:
                for inner in events:
                    _raise_error(inner, log_path)
                    if "end" in inner:
                        break
                    task.advance(inner.get("advance", 0), inner.get("note", ""))
    return "done" in event


def _raise_error(event: dict[str, Any], log_path: Path) -> None:
    if "error" in event:
        kind = _ERRORS.get(event["kind"], ExportError)
        raise kind(f"{event['error']} (the process's own words: {log_path})")
