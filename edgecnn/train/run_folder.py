"""A training run on disk: what it holds, and how it is read without TensorFlow.

RUN/
├── model.keras     raw RGB pixels (float32, 0 to 255) to scores
├── labels.txt      one class a line, in the order of the scores
├── config.json     how it was made: RunConfig
├── split.json      {"train": […], "val": […], "test": […]}, paths relative to the data root
├── history.json    one HistoryRow per epoch
├── metrics.json    {"val": {…}, "test": {…} or null}
├── candidates.json what the architectures reached: CandidatesRecord; only where ``auto`` chose among them
├── architecture.py the user's own program that built the network; only where it did
├── report.html     how good it is and what to do next, as a page; see edgecnn.train.report
├── report.json     the same as data
├── ablation.json   what augmentation and pooling were worth: AblationRecord; only where the user asked for it
└── plots/          curves.png, confusion.png, and what augmentation made of a few training pictures:
                    augmentation.png, one row for each of the first classes, the picture itself at its left;
                    missing where nothing was changed
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from edgecnn.core.contract import InputContract
from edgecnn.core.labels import decode_labels
from edgecnn.data import SPLIT_NAMES, Picture, Splits
from edgecnn.errors import RunError
from edgecnn.train.architectures import Ingredient, Schedule
from edgecnn.train.config import TrainConfig
from edgecnn.train.recipe import Distillation, Recipe

RUN_FORMAT = "edgecnn-run"
RUN_VERSION = 1
MODEL_FILE = "model.keras"
LABELS_FILE = "labels.txt"
CONFIG_FILE = "config.json"
SPLIT_FILE = "split.json"
HISTORY_FILE = "history.json"
METRICS_FILE = "metrics.json"
PLOTS_FOLDER = "plots"
CODE_FILE = "architecture.py"
SHEET_FILE = "plots/augmentation.png"

_T = TypeVar("_T")


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One epoch.

    Attributes:
        stage: ``scratch``, or ``head`` and ``fine-tuning``.
        epoch: from 1 in each stage.
        loss: mean over the training pictures as they were seen: augmented, mixed, weighted, held against smoothed
            labels and what a teacher says.
        accuracy: share of them that were recognized, 0 to 1; of a mixture, by what it shows most of.
        val_loss: mean cross-entropy over the validation pictures, in nats.
        val_accuracy: share of them that were recognized, 0 to 1.
        learning_rate: at the end of the epoch.
        seconds: duration of the epoch with its validation.
    """

    stage: str
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


class StageRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of training.

    Attributes:
        name: as in the history.
        seconds: duration, with everything that was computed for it.
        epochs: finished ones.
        best_epoch: whose weights the stage ended with, from 1.
        kept: whether the model has this stage's weights.
    """

    name: str
    seconds: float
    epochs: int
    best_epoch: int
    kept: bool


class SkippedPicture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that had to be left out, and one sentence that says why."""

    split: str
    path: str
    reason: str


class TeacherRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model whose scores a network learnt from.

    Attributes:
        name: of its run's folder or of its file.
        sha256: of ``model.keras`` or of the file, in hexadecimal.
    """

    name: str
    sha256: str


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run was made.

    Attributes:
        format: always ``edgecnn-run``.
        version: of this format.
        tools: versions of edgecnn, tensorflow, keras and python.
        architecture: name of the network; the one that ``auto`` chose.
        input: what the model wants to see.
        options: as the user gave them, with the chosen architecture in the place of ``auto``.
        schedule: what they came to, with the architecture's own values where none were given.
        recipe: the same of the rules of learning; None in runs that are older than the choice.
        teacher: whose scores it learnt from; None: nobody's.
        distillation: how; None without a teacher.
        ingredients: files that the network was made of and that did not come with the package.
        data_root: absolute path of the pictures when the run was made.
        has_given_splits: whether the folder itself said which picture was for what.
        seed: of every random choice.
        class_weights: by label, or None where all pictures counted the same.
        skipped: files that were left out.
        interrupted: whether the user ended training early.
        stages: in order.
    """

    format: str
    version: int
    tools: dict[str, str]
    architecture: str
    input: InputContract
    options: TrainConfig
    schedule: Schedule
    data_root: str
    has_given_splits: bool
    seed: int
    class_weights: dict[str, float] | None
    skipped: tuple[SkippedPicture, ...]
    interrupted: bool
    stages: tuple[StageRecord, ...]
    recipe: Recipe | None = None
    teacher: TeacherRecord | None = None
    distillation: Distillation | None = None
    ingredients: tuple[Ingredient, ...] = ()


class _Header(msgspec.Struct, frozen=True):
    format: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A finished run.

    Attributes:
        path: the folder.
        labels: in the order of the model's scores.
        contract: what the model wants to see.
        architecture: name of the network.
        data_root: where the pictures were; they may have moved since.
        splits: which picture was for what; broken ones are not among them.
        config: everything else that was recorded.
    """

    path: Path
    labels: tuple[str, ...]
    contract: InputContract
    architecture: str
    data_root: Path
    splits: Splits
    config: RunConfig

    @property
    def model_path(self) -> Path:
        """The Keras model."""
        return self.path / MODEL_FILE

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Read a run; the model itself stays on disk.

        Raises:
            RunError: the folder is not a run, or something in it is missing or damaged.
        """
        config = _read_config(path)
        if not (path / MODEL_FILE).is_file():
            raise RunError(
                f"{path} has no {MODEL_FILE}; train again with: edgecnn train PICTURES -o {path} --overwrite"
            )
        try:
            labels = decode_labels(_read(path, LABELS_FILE))
        except ValueError as exc:
            raise _damaged(path / LABELS_FILE, exc) from exc
        return cls(
            path=path,
            labels=labels,
            contract=config.input,
            architecture=config.architecture,
            data_root=Path(config.data_root),
            splits=_read_splits(path, labels, config.has_given_splits),
            config=config,
        )

    def read_history(self) -> tuple[HistoryRow, ...]:
        """Return one row per epoch, in order."""
        return self.read_record(HISTORY_FILE, tuple[HistoryRow, ...])

    def read_record(self, name: str, kind: type[_T]) -> _T:
        """Return what one of the run's JSON files holds; RunError unless it is there and of that kind."""
        return _decode(self.path / name, _read(self.path, name), kind)


def is_run(path: Path) -> bool:
    """Tell whether a folder was made by training, whole or damaged."""
    try:
        header = msgspec.json.decode((path / CONFIG_FILE).read_bytes(), type=_Header)
    except (OSError, msgspec.DecodeError):
        return False
    return header.format == RUN_FORMAT


def encode_json(value: Any) -> bytes:
    """Return a value as JSON for people: indented, UTF-8, paths as text."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2) + b"\n"


def _read_config(path: Path) -> RunConfig:
    if not (path / CONFIG_FILE).is_file():
        what = "does not exist" if not path.exists() else f"holds no {CONFIG_FILE}" if path.is_dir() else "is a file"
        raise RunError(f"{path} is not a training run: it {what}; make one with: edgecnn train PICTURES -o {path}")
    data = _read(path, CONFIG_FILE)
    header = _decode(path / CONFIG_FILE, data, _Header)
    if header.format != RUN_FORMAT:
        raise RunError(f"{path} is not a training run: {CONFIG_FILE} says {header.format!r}, not {RUN_FORMAT!r}")
    if header.version != RUN_VERSION:
        raise RunError(
            f"{path} is a training run of format {header.version}, this edgecnn reads format {RUN_VERSION}; "
            "run: pip install --upgrade edgecnn"
        )
    return _decode(path / CONFIG_FILE, data, RunConfig)


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except OSError as exc:
        raise RunError(f"{path} is not a whole training run: {name} cannot be read ({exc.strerror})") from exc


def _decode(path: Path, data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=lambda wanted, value: wanted(value))
    except (msgspec.DecodeError, ValueError, TypeError) as exc:
        raise _damaged(path, exc) from exc


def _damaged(path: Path, reason: Exception) -> RunError:
    return RunError(f"{path} is damaged: {reason}; restore it from a copy or train again with --overwrite")


def _read_splits(path: Path, labels: tuple[str, ...], has_given_splits: bool) -> Splits:
    listed = _decode(path / SPLIT_FILE, _read(path, SPLIT_FILE), dict[str, tuple[str, ...]])
    if set(listed) != set(SPLIT_NAMES):
        raise _damaged(path / SPLIT_FILE, ValueError(f"it lists {sorted(listed)}, expected {sorted(SPLIT_NAMES)}"))
    # Of two classes with one name the first, as everywhere.
    index_of = {label: index for index, label in reversed(list(enumerate(labels)))}
    depth = 1 if has_given_splits else 0

    def parse(text: str, split: str) -> Picture:
        parts = PurePosixPath(text).parts
        if text.startswith("/") or ".." in parts or len(parts) < depth + 2 or parts[depth] not in index_of:
            raise _damaged(path / SPLIT_FILE, ValueError(f"{text!r} is not a picture of one of the run's classes"))
        return Picture(text, index_of[parts[depth]], split if has_given_splits else "")

    return Splits(**{name: tuple(parse(text, name) for text in listed[name]) for name in SPLIT_NAMES})
