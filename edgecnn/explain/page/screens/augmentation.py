"""Augmentation and overfitting: how training went, and what augmentation and pooling were worth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from edgecnn.explain.page.contents import Image
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens import augmentation_words as words
from edgecnn.explain.page.training import Epoch, Trained, TrainingRecord

_FIGURES = ("accuracy", "val_accuracy", "loss", "val_loss")


def gather(material: Material) -> dict[str, Any]:
    """Return the screen's data: ``training`` is None, and ``no_training`` says why, where no run was found.

    ``curves`` hold one float64 array (N,) for each figure of ``Epoch`` and the ``stages`` that these N epochs make up.
    """
    record = material.training
    return {
        "no_training": material.no_training or ("" if record else "It is not known what this file was trained in."),
        "training": None if record is None else _training(record),
    }


def _training(record: TrainingRecord) -> dict[str, Any]:
    sheet = None if record.sheet is None else Image(name="augmented pictures", pixels=record.sheet, quality=85)
    return {
        "run": record.run,
        "num_train": record.num_train,
        "num_val": record.num_val,
        "seed": record.seed,
        "from_scratch": record.from_scratch,
        "interrupted": record.interrupted,
        "changes": list(record.changes),
        "sheet": sheet,
        "sheet_labels": list(record.sheet_labels),
        "no_sheet": record.no_sheet,
        "curves": _curves(record.epochs),
        "kept": words.kept_index(record),
        "curve_words": words.describe_curves(record),
        "networks": [_network(one) for one in record.trained],
        "findings": words.describe_findings(record),
        "failed": [{"title": words.TITLES.get(name, name), "reason": reason} for name, reason in record.failed],
    }


def _curves(epochs: Sequence[Epoch]) -> dict[str, Any]:
    stages = [{"name": name, "epochs": len(list(rows))} for name, rows in groupby(epochs, lambda row: row.stage)]
    return {"stages": stages, **{name: np.array([getattr(row, name) for row in epochs]) for name in _FIGURES}}


def _network(one: Trained) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": words.TITLES.get(one.name, one.name),
        "change": one.change,
        "num_weights": one.num_weights,
        "num_multiplications": one.num_multiplications,
        "seconds": one.seconds,
        "train_accuracy": one.train_accuracy,
        "train_loss": one.train_loss,
        "val_accuracy": one.val_accuracy,
        "val_loss": one.val_loss,
        "gap_points": words.gap_points(one),
        "curves": _curves(one.epochs),
    }
