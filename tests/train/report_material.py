"""Material for training reports, made without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.data import Picture, PixelSet
from edgecnn.train.config import TrainConfig
from edgecnn.train.report import Judged, Known, ReportMaterial
from edgecnn.train.run_folder import RUN_FORMAT, RUN_VERSION, HistoryRow, RunConfig, StageRecord

SIZES = {"train": 40, "val": 12, "test": 12}


def draw_set(split: str, per_class: int, num_classes: int, names: tuple[str, ...] | None = None) -> PixelSet:
    """Pictures of one colour a class, noisy so that no two are alike."""
    rng = np.random.default_rng(len(split))
    truths = np.repeat(np.arange(num_classes), per_class)
    colours = np.random.default_rng(5).integers(60, 196, (num_classes, 3))
    noise = rng.integers(-60, 60, (len(truths), 8, 8, 3)).repeat(4, 1).repeat(4, 2)
    pixels = np.clip(colours[truths][:, None, None] + noise, 0, 255).astype(np.uint8)
    pictures = tuple(
        Picture(f"{split}/{names[index % len(names)] if names else truth}/{index}.png", int(truth), split)
        for index, truth in enumerate(truths)
    )
    return PixelSet(pixels=pixels, label_indices=truths.astype(np.int64), pictures=pictures)


def clusters(truths: NDArray[np.int64], spread: float, seed: int = 0) -> NDArray[np.float32]:
    """Features of pictures: one place a class, at distances of about 6, and ``spread`` around it."""
    places = np.random.default_rng(99).normal(0, 1.5, (int(truths.max()) + 1, 8))
    noise = np.random.default_rng(seed).normal(0, spread, (len(truths), 8))
    return (places[truths] + noise).astype(np.float32)


def answers(truths: NDArray[np.int64], num_classes: int, wrong: dict[int, int]) -> NDArray[np.float32]:
    """Scores that are right but for some pictures, which get the class that is named, with 0.9."""
    scores = np.full((len(truths), num_classes), 0.2 / num_classes, np.float32)
    scores[np.arange(len(truths)), truths] = 0.8
    for row, answer in wrong.items():
        scores[row] = 0.1 / num_classes
        scores[row, answer] = 0.9
    return scores / scores.sum(axis=1, keepdims=True)


def describe_run(architecture: str = "lite0", **changes: Any) -> RunConfig:
    """What a finished run says of itself."""
    options = TrainConfig(data=Path("pictures"), architecture=architecture)
    facts: dict[str, Any] = {
        "format": RUN_FORMAT,
        "version": RUN_VERSION,
        "tools": {},
        "architecture": architecture,
        "input": options.contract,
        "options": options,
        "schedule": options.schedule,
        "data_root": "pictures",
        "has_given_splits": True,
        "seed": 0,
        "class_weights": None,
        "skipped": (),
        "interrupted": False,
        "stages": (
            StageRecord(
                name="scratch" if architecture == "tiny" else "head", seconds=1, epochs=3, best_epoch=2, kept=True
            ),
        ),
    }
    return RunConfig(**(facts | changes))


def make_history(num: int = 3) -> tuple[HistoryRow, ...]:
    """Epochs that get better."""
    return tuple(
        HistoryRow(
            stage="head",
            epoch=epoch,
            loss=1 / epoch,
            accuracy=1 - 0.5 / epoch,
            val_loss=1 / epoch,
            val_accuracy=1 - 0.6 / epoch,
            learning_rate=0.001,
            seconds=1.0,
        )
        for epoch in range(1, num + 1)
    )


def make_material(
    labels: tuple[str, ...] = ("glass", "metal", "paper"),
    *,
    spread: float = 1.0,
    sizes: dict[str, int] | None = None,
    wrong: dict[int, int] | None = None,
    names: tuple[str, ...] | None = None,
    **changes: Any,
) -> ReportMaterial:
    """A finished training; ``wrong`` are answers to test pictures."""
    num_classes = len(labels)
    pictures = {split: draw_set(split, num, num_classes, names) for split, num in (sizes or SIZES).items()}
    scores = {
        split: answers(pictures[split].label_indices, num_classes, (wrong or {}) if split == "test" else {})
        for split in ("val", "test")
        if split in pictures
    }
    truths = np.concatenate([pictures["train"].label_indices, pictures["val"].label_indices])
    facts: dict[str, Any] = {
        "name": "run-1",
        "labels": labels,
        "config": describe_run(),
        "history": make_history(),
        "confusion": {split: count(pictures[split], scores[split]) for split in scores},
        "pictures": pictures,
        "judged": {split: Judged(pictures=pictures[split], scores=scores[split]) for split in scores},
        "known": Known(
            features=clusters(truths, spread),
            num_train=len(pictures["train"]),
            rows=tuple((split, row) for split in ("train", "val") for row in range(len(pictures[split]))),
            label_indices=truths,
        ),
    }
    return ReportMaterial(**(facts | changes))


def count(pictures: PixelSet, scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """The confusion matrix."""
    counts = np.zeros((scores.shape[1], scores.shape[1]), np.int64)
    np.add.at(counts, (pictures.label_indices, scores.argmax(axis=1)), 1)
    return counts
