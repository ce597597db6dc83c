"""One training, from the folder of pictures to the run on disk."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import SPLIT_NAMES, UNKNOWN_FOLDER, ImageFolder, PixelSet, split_pictures
from edgecnn.errors import MissingExtraError, RunError
from edgecnn.evaluate.metrics import Metrics
from edgecnn.train.class_weights import balance_classes
from edgecnn.train.config import TrainConfig
from edgecnn.train.material import Material, Outcome
from edgecnn.train.reading import check_classes, check_recordable, read_split
from edgecnn.train.run_folder import RUN_FORMAT, RUN_VERSION, RunConfig, RunFolder, SkippedPicture
from edgecnn.train.run_writer import RunPlace, reserve_run

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun:
    """A finished training.

    Attributes:
        run: what it left on disk.
        val: figures over the validation pictures.
        test: figures over the test pictures; None when the folder gives none.
        seconds: duration of everything.
    """

    run: RunFolder
    val: Metrics
    test: Metrics | None
    seconds: float


def train(config: TrainConfig, progress: Progress | None = None) -> TrainedRun:
    """Train a classifier and write a run folder.

    Ctrl-C (KeyboardInterrupt) ends training and keeps the best weights once an epoch is finished. The
    test pictures are not decoded before training has ended.

    Args:
        config: all options.
        progress: told about every step.

    Raises:
        DatasetError: the pictures cannot be used.
        RunError: the run cannot be written, or the loss went to infinity.
        MissingExtraError: TensorFlow, Keras or matplotlib is not installed.
        KeyboardInterrupt: the user ended training before there was anything to keep; nothing is left behind.
    """
    require_tensorflow()
    started = time.monotonic()
    check_recordable(config.data.absolute())
    check_recordable(config.run or Path())
    folder = ImageFolder.scan(config.data)
    with reserve_run(config.run, config.data, overwrite=config.overwrite) as place:
        session = _Session(config, folder, place, progress or SilentProgress())
        try:
            run, val, test = session.run()
        except OSError as exc:
            raise RunError(f"cannot write the run to {place.folder.parent}: {exc.strerror or exc}") from exc
    return TrainedRun(run=run, val=val, test=test, seconds=round(time.monotonic() - started, 1))


def require_tensorflow() -> None:
    """Raise MissingExtraError unless everything that training needs is installed; imports none of it."""
    missing = [name for name in ("tensorflow", "keras", "matplotlib") if not _is_installed(name)]
    if missing:
        raise MissingExtraError(f"training needs {' and '.join(missing)}; run: pip install 'edgecnn[train]'")


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a broken or blocked installation
        return False


class _Session:
    """The steps of one training, in order."""

    def __init__(self, config: TrainConfig, folder: ImageFolder, place: RunPlace, progress: Progress) -> None:
        self._config, self._folder, self._place, self._progress = config, folder, place, progress
        self._splits = split_pictures(folder, config.seed)
        self._pictures: dict[str, PixelSet] = {}
        self._skipped: dict[str, tuple[SkippedPicture, ...]] = {}

    def run(self) -> tuple[RunFolder, Metrics, Metrics | None]:
        """Read, train, judge, write; return the run and the figures over validation and test."""
        splits = self._splits
        self._progress.say(
            f"{len(self._folder.labels)} classes; {len(splits.train)} pictures to train, "
            f"{len(splits.val)} to validate, {len(splits.test)} kept aside to test"
        )
        if self._folder.unknown:
            self._progress.say(
                f"{len(self._folder.unknown)} pictures in {UNKNOWN_FOLDER} show none of them: training does not look "
                "at them, export tries on them how unknown things are recognized"
            )
        for split in ("train", "val"):
            check_classes(split, self._read(split), self._folder)
        weights = self._weigh_classes()
        # TensorFlow takes seconds to load: only now, when nothing simple is wrong any more.
        from edgecnn.train.learning import learn

        material = Material(
            train=self._pictures["train"],
            val=self._pictures["val"],
            class_weights=weights,
            config=self._config,
            work_folder=self._place.folder / "work",
            progress=self._progress,
        )
        model, outcome = learn(material, len(self._folder.labels))
        try:
            val, test = self._finish(model, outcome, weights)
        except KeyboardInterrupt:
            if outcome.interrupted:
                raise
            # Training was over: the first Ctrl-C costs nothing but the seconds to write it down again.
            val, test = self._finish(model, outcome, weights)
        return RunFolder.open(self._place.commit()), val, test

    def _finish(self, model: Any, outcome: Outcome, weights: Weights | None) -> tuple[Metrics, Metrics | None]:
        from edgecnn.train.finishing import RunContent, judge, write_run

        if outcome.interrupted:
            self._progress.say("interrupted: the best weights so far are kept and judged (Ctrl-C again gives up)")
        labels = self._folder.labels
        self._read("test")
        val, test = (
            judge(model, self._pictures[name], labels, self._progress, f"scoring {name} pictures")
            for name in ("val", "test")
        )
        assert val is not None
        content = RunContent(
            model=model,
            labels=labels,
            config=self._describe(outcome, weights),
            pictures=self._pictures,
            outcome=outcome,
            val=val,
            test=test,
        )
        write_run(self._place.folder, content)
        return val, test

    def _describe(self, outcome: Outcome, weights: Weights | None) -> RunConfig:
        from edgecnn.train.finishing import list_tools

        config, labels = self._config, self._folder.labels
        return RunConfig(
            format=RUN_FORMAT,
            version=RUN_VERSION,
            tools=list_tools(),
            architecture=config.architecture,
            input=config.contract,
            options=config,
            schedule=config.schedule,
            data_root=str(self._folder.root.resolve()),
            has_given_splits=self._folder.has_splits,
            seed=config.seed,
            class_weights=None if weights is None else dict(zip(labels, weights.tolist(), strict=True)),
            skipped=tuple(skipped for split in SPLIT_NAMES for skipped in self._skipped[split]),
            interrupted=outcome.interrupted,
            stages=outcome.stages,
        )

    def _read(self, split: str) -> PixelSet:
        loaded, skipped = read_split(
            self._folder.root, split, self._splits.select(split), self._config.contract, self._progress
        )
        self._pictures[split], self._skipped[split] = loaded, skipped
        return loaded

    def _weigh_classes(self) -> Weights | None:
        labels = self._folder.labels
        weights = balance_classes(self._pictures["train"].label_indices, len(labels), self._config.class_weights)
        if weights is not None:
            listed = ", ".join(f"{label} {weight:.2f}" for label, weight in zip(labels[:20], weights, strict=False))
            self._progress.say(f"rare classes count more: {listed}{', …' if len(labels) > 20 else ''}")
        return weights
