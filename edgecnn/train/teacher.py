"""The larger model that teaches: opened, and checked against the classes and the splits of its student.

Importing this module loads no TensorFlow; the teacher's network is loaded by ``Teacher.load``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data import ImageFolder, Splits
from edgecnn.errors import RunError
from edgecnn.modelfile import ModelFile
from edgecnn.train.run_folder import RunFolder, TeacherRecord

_MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A model that may teach.

    Attributes:
        record: what the student's run says about it.
        contract: what it wants to see.
        columns: int64, shape (C,), where in its scores each of the student's classes stands.
        load: gives a function from pixels, uint8 (n, height, width, 3) RGB, to its scores, float32 (n, C).
    """

    record: TeacherRecord
    contract: InputContract
    columns: NDArray[np.int64]
    load: Callable[[], Callable[[NDArray[np.uint8]], NDArray[Any]]]


def open_teacher(path: Path, folder: ImageFolder, splits: Splits, progress: Progress) -> Teacher:
    """Open a run, or a ``.tflite`` file of floats, as the teacher of a network that learns from a folder.

    Args:
        path: the run or the file.
        folder: the student's pictures; their classes may stand in another order than the teacher's.
        splits: which of them is for what.
        progress: told where it cannot be seen whether the teacher knows pictures that judge its student.

    Raises:
        RunError: it has other classes, gives scores in 8 bits, or has learnt from pictures that judge its student.
        ModelFileError: the file is not a model.
    """
    if path.suffix == ".tflite":
        teacher = _open_file(path, folder.labels)
        progress.say(
            f"the teacher {path} does not say which pictures it learnt from; if those that validate or test here are "
            "among them, the figures will be too good"
        )
        return teacher
    run = RunFolder.open(path)
    columns = _match_labels(path, run.labels, folder.labels)
    _check_splits(run, folder, splits, progress)
    record = _record(path, run.model_path)

    def load() -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
        from edgecnn.train.keras_model import load_keras_scorer

        if _record(path, run.model_path) != record:
            raise RunError(f"the teacher {path} is another one than at the beginning of the training; train again")
        return load_keras_scorer(run).scores

    return Teacher(record=record, contract=run.contract, columns=columns, load=load)


def _open_file(path: Path, labels: tuple[str, ...]) -> Teacher:
    file = ModelFile.open(path)
    if file.output_quantization is not None:
        raise RunError(
            f"{path} cannot teach: it gives its scores in 8 bits, where the small ones, from which its student would "
            "learn, are 0; name the run that it was exported from, or a file of floats"
        )

    def load() -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
        from edgecnn.evaluate.evaluator import scorer
        from edgecnn.runtime.classifier import Classifier

        return scorer(Classifier(file, backend="cpu"))

    columns = _match_labels(path, file.labels, labels)
    return Teacher(record=_record(path, path), contract=file.contract, columns=columns, load=load)


def _record(path: Path, model: Path) -> TeacherRecord:
    return TeacherRecord(name=path.resolve().name, sha256=hashlib.sha256(model.read_bytes()).hexdigest())


def _match_labels(path: Path, known: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.int64]:
    if sorted(known) != sorted(wanted):
        odd = [repr(label) for label in sorted(set(known) ^ set(wanted))]
        listed = ", ".join(odd[:_MAX_NAMED]) + (f" and {len(odd) - _MAX_NAMED} more" if len(odd) > _MAX_NAMED else "")
        raise RunError(
            f"{path} cannot teach these classes: it knows {len(known)}, the pictures show {len(wanted)}, and on one "
            f"side only stand {listed or 'equal names'}; name a run that was trained on the same classes"
        )
    return np.array([known.index(label) for label in wanted], np.int64)


def _check_splits(run: RunFolder, folder: ImageFolder, splits: Splits, progress: Progress) -> None:
    """Raise RunError where a teacher has learnt from the pictures that will judge its student."""
    judging = {picture.path for name in ("val", "test") for picture in splits.select(name)}
    num_learnt = len(judging & {picture.path for picture in run.splits.train})
    if run.data_root == folder.root.resolve():
        if num_learnt:
            raise RunError(
                f"the teacher {run.path} has learnt from {num_learnt} of the {len(judging)} pictures that validate or "
                "test here, so that its student's figures would be too good; split as it did "
                f"(--seed {run.config.seed}), or train it again on these pictures"
            )
    elif num_learnt:
        progress.say(
            f"warning: {num_learnt} of the {len(judging)} pictures that validate or test here have names of pictures "
            f"that the teacher learnt from in {run.data_root}; if they are the same, the figures will be too good"
        )
    elif judging - {picture.path for name in ("val", "test") for picture in run.splits.select(name)}:
        progress.say(
            f"the teacher learnt from pictures in {run.data_root}; if some of them validate or test here, which cannot "
            "be told, the figures will be too good"
        )
