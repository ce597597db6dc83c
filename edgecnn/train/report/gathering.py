"""The material of a run: of one that training has just left, and of one that lies on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.data import SPLIT_NAMES, PixelSet, load_pixels
from edgecnn.errors import EdgecnnError
from edgecnn.train.report.features import describe_pictures
from edgecnn.train.report.material import Judged, ReportMaterial, is_from_scratch
from edgecnn.train.report.writing import write_report
from edgecnn.train.run_folder import METRICS_FILE, RunFolder


class _Recorded(msgspec.Struct, frozen=True):
    """What every version has written of a split's figures; all others follow from it."""

    confusion: tuple[tuple[int, ...], ...]


def report_training(
    run: RunFolder,
    model: Any,
    pictures: Mapping[str, PixelSet],
    features: NDArray[np.float32] | None,
    progress: Progress,
) -> None:
    """Write the report of a training that has just ended; whatever happens to it, the run is whole.

    Args:
        run: on disk already.
        model: its ``keras.Model``.
        pictures: decoded, by split.
        features: see ``Outcome``.
        progress: told of every step.
    """
    again = f"write it again with: edgecnn report {run.path}"
    try:
        there = {split: part for split, part in pictures.items() if len(part)}
        write_report(run.path, make_material(run, there, model, progress, features=features))
    except EdgecnnError as exc:
        progress.say(f"{exc}; the run is whole without it; {again}")
    except KeyboardInterrupt:
        progress.say(f"interrupted: the run is whole, but it has no report; {again}")


def gather(run: RunFolder, progress: Progress) -> ReportMaterial:
    """Return what a report on a run needs; pictures that have vanished since are counted in ``missing``.

    Raises:
        RunError: something in the run is missing or damaged.
        MissingExtraError: TensorFlow or Keras is not installed.
    """
    pictures, missing = _read_pictures(run, progress)
    return make_material(run, pictures, _load(run) if pictures else None, progress, missing=missing)


def make_material(
    run: RunFolder,
    pictures: Mapping[str, PixelSet],
    model: Any,
    progress: Progress,
    *,
    features: NDArray[np.float32] | None = None,
    missing: tuple[str, ...] = (),
) -> ReportMaterial:
    """Return the material of a run whose pictures are at hand.

    Args:
        run: on disk.
        pictures: decoded, by split; no split is empty.
        model: its ``keras.Model``; may be None only if there are no pictures.
        progress: told of every step.
        features: see ``Outcome``; None: they are computed.
        missing: see ``ReportMaterial``.
    """
    from_scratch = is_from_scratch(run.config)
    scores = _score(model, pictures, SPLIT_NAMES if from_scratch else ("val", "test"), progress)
    recorded = run.read_record(METRICS_FILE, dict[str, _Recorded | None])
    return ReportMaterial(
        name=run.path.name,
        labels=run.labels,
        config=run.config,
        history=run.read_history(),
        confusion={split: np.array(one.confusion, np.int64) for split, one in recorded.items() if one},
        pictures=pictures,
        judged={split: Judged(pictures=pictures[split], scores=scores[split]) for split in scores if split != "train"},
        known=describe_pictures(
            pictures, run.contract, progress, given=features, own_network=model if from_scratch else None
        ),
        train_accuracy=float((scores["train"].argmax(axis=1) == pictures["train"].label_indices).mean())
        if "train" in scores
        else None,
        missing=missing,
        progress=progress,
    )


def _score(
    model: Any, pictures: Mapping[str, PixelSet], splits: Sequence[str], progress: Progress
) -> dict[str, NDArray[np.float32]]:
    if not pictures:
        return {}
    from edgecnn.train.keras_model import KerasScorer

    scorer = KerasScorer(model)
    return {
        split: scorer.scores(pictures[split].pixels, progress=progress, title=f"scoring {split} pictures again")
        for split in splits
        if split in pictures
    }


def _read_pictures(run: RunFolder, progress: Progress) -> tuple[dict[str, PixelSet], tuple[str, ...]]:
    pictures: dict[str, PixelSet] = {}
    missing = []
    for split in SPLIT_NAMES:
        listed = run.splits.select(split)
        if not listed:
            continue
        loaded = load_pixels(run.data_root, listed, run.contract, progress=progress, title=f"reading {split} pictures")
        if len(loaded):
            pictures[split] = loaded
        if loaded.unreadable:
            missing.append(
                f"{len(loaded.unreadable)} of {len(listed)} {split} pictures cannot be read any more "
                f"under {run.data_root}"
            )
    return pictures, tuple(missing)


def _load(run: RunFolder) -> Any:
    from edgecnn.train.keras_model import load_keras_model

    return load_keras_model(run)
