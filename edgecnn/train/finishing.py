"""The last steps of a training: judge the model, draw, and write the files of the run."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn import __version__
from edgecnn.core.labels import encode_labels
from edgecnn.core.progress import Progress
from edgecnn.data import SPLIT_NAMES, PixelSet
from edgecnn.evaluate.metrics import Metrics, evaluate_scores
from edgecnn.imaging import encode_png
from edgecnn.train import run_folder
from edgecnn.train.backend import keras, tf
from edgecnn.train.candidates import CANDIDATES_FILE, CandidatesRecord
from edgecnn.train.contact_sheet import draw_sheet, first_of_each_class
from edgecnn.train.keras_model import KerasScorer
from edgecnn.train.material import Outcome
from edgecnn.train.plots import plot_confusion, plot_curves
from edgecnn.train.run_folder import RunConfig, encode_json


def judge(model: Any, pictures: PixelSet, labels: Sequence[str], progress: Progress, title: str) -> Metrics | None:
    """Return a model's figures over pictures; None when there are none."""
    if not len(pictures):
        return None
    scores = KerasScorer(model).scores(pictures.pixels, progress=progress, title=title)
    return evaluate_scores(scores, pictures.label_indices, labels)


def list_tools() -> dict[str, str]:
    """Return the versions of everything that decides what a training comes to."""
    return {
        "edgecnn": __version__,
        "tensorflow": str(tf.__version__),
        "keras": str(keras.__version__),
        "python": platform.python_version(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContent:
    """Everything that a run folder holds.

    Attributes:
        model: a ``keras.Model`` from raw pixels to scores.
        labels: in the order of the scores.
        config: how it was made.
        pictures: the readable ones of each split, by the split's name.
        outcome: every epoch.
        code: the user's own program that built the network; empty where there is none.
        candidates: what ``auto`` chose from, if it did.
        val: figures over the validation pictures.
        test: figures over the test pictures, if there are any.
    """

    model: Any
    labels: tuple[str, ...]
    config: RunConfig
    pictures: dict[str, PixelSet]
    outcome: Outcome
    val: Metrics
    test: Metrics | None
    code: bytes = b""
    candidates: CandidatesRecord | None = None


def write_run(folder: Path, content: RunContent) -> None:
    """Write the files of a run into a folder that exists."""
    metrics = {"val": content.val.to_json(), "test": content.test.to_json() if content.test else None}
    splits = {name: [picture.path for picture in content.pictures[name].pictures] for name in SPLIT_NAMES}
    content.model.save(folder / run_folder.MODEL_FILE)
    (folder / run_folder.LABELS_FILE).write_bytes(encode_labels(content.labels))
    (folder / run_folder.CONFIG_FILE).write_bytes(encode_json(content.config))
    (folder / run_folder.SPLIT_FILE).write_bytes(encode_json(splits))
    (folder / run_folder.HISTORY_FILE).write_bytes(encode_json(content.outcome.rows))
    (folder / run_folder.METRICS_FILE).write_bytes(encode_json(metrics))
    if content.code:
        (folder / run_folder.CODE_FILE).write_bytes(content.code)
    if content.candidates:
        (folder / CANDIDATES_FILE).write_bytes(encode_json(content.candidates))
    plots = folder / run_folder.PLOTS_FOLDER
    plot_curves(content.outcome.rows, plots / "curves.png")
    judged, name = (content.test, "test") if content.test else (content.val, "validation")
    plot_confusion(judged, f"{judged.num} {name} pictures, {judged.top1:.1%} right", plots / "confusion.png")
    options, train = content.config.options, content.pictures["train"]
    if options.augments:
        examples = {row: train.pixels[row] for row in first_of_each_class(train.label_indices)}
        (folder / run_folder.SHEET_FILE).write_bytes(encode_png(draw_sheet(examples, options.augment, options.seed)))
