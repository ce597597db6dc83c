"""One training, from the folder of pictures to the run on disk."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import SPLIT_NAMES, UNKNOWN_FOLDER, ImageFolder, PixelSet, split_pictures
from edgecnn.errors import MissingExtraError, RunError
from edgecnn.evaluate.metrics import Metrics
from edgecnn.train.ablation_record import AblationRecord
from edgecnn.train.architectures import AUTO
from edgecnn.train.candidates import CandidatesRecord, list_candidates
from edgecnn.train.class_weights import balance_classes
from edgecnn.train.config import TrainConfig
from edgecnn.train.material import Material, Outcome
from edgecnn.train.reading import check_classes, check_copies, check_recordable, keep_together, read_split
from edgecnn.train.run_folder import RUN_FORMAT, RUN_VERSION, RunConfig, RunFolder, SkippedPicture
from edgecnn.train.run_writer import RunPlace, reserve_run
from edgecnn.train.teacher import Teacher, open_teacher

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun:
    """A finished training.

    Attributes:
        run: what it left on disk.
        val: figures over the validation pictures.
        test: figures over the test pictures; None when the folder gives none.
        ablation: the variants that were asked for; None where there are none.
        candidates: what ``auto`` chose from; None where the user named the architecture.
        seconds: duration of everything.
    """

    run: RunFolder
    val: Metrics
    test: Metrics | None
    ablation: AblationRecord | None = None
    candidates: CandidatesRecord | None = None
    seconds: float = 0.0


def train(config: TrainConfig, progress: Progress | None = None) -> TrainedRun:
    """Train a classifier and write a run folder.

    Ctrl-C (KeyboardInterrupt) ends training and keeps the best weights once an epoch is finished. A folder
    without splits is looked at for pictures that look the same, which stay on one side of the split. From then on the
    test pictures are not decoded before training has ended, and then at the size of the network that is kept; the
    variants of ``config.ablation`` do not see them.

    Args:
        config: all options.
        progress: told about every step.

    Raises:
        DatasetError: the pictures cannot be used.
        RunError: the run cannot be written, the loss went to infinity, or the teacher does not fit.
        ModelFileError: the teacher's file is not a model.
        MissingExtraError: TensorFlow, Keras or matplotlib is not installed.
        KeyboardInterrupt: the user ended training before there was anything to keep; nothing is left behind.
    """
    require_tensorflow()
    started = time.monotonic()
    check_recordable(config.data.absolute())
    for path in (config.run, config.weights, config.teacher, Path(config.architecture)):
        check_recordable(path or Path())
    folder = ImageFolder.scan(config.data)
    with reserve_run(config.run, config.data, overwrite=config.overwrite) as place:
        session = _Session(config, folder, place, progress or SilentProgress())
        try:
            trained = session.run()
        except OSError as exc:
            raise RunError(f"cannot write the run to {place.folder.parent}: {exc.strerror or exc}") from exc
    return replace(trained, seconds=round(time.monotonic() - started, 1))


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
        self._configs, self._left_out = list_candidates(config)
        # Looking at the pictures may take minutes: what a network is made of is looked at before.
        self._rows = {
            one.architecture: one.row.prepared(one.schedule.size_px, len(folder.labels)) for one in self._configs
        }
        self._splits = split_pictures(folder, config.seed, keep_together(folder, progress))
        self._pictures: dict[str, PixelSet] = {}
        self._skipped: dict[str, tuple[SkippedPicture, ...]] = {}
        self._candidates: CandidatesRecord | None = None
        self._teacher: Teacher | None = None

    def run(self) -> TrainedRun:
        """Read, train, judge, write, and train the variants if they are wanted."""
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
        if self._config.teacher:
            self._teacher = open_teacher(self._config.teacher, self._folder, splits, self._progress)
        for split in ("train", "val"):
            check_classes(split, self._read(split, self._configs[0].contract), self._folder)
        check_copies(self._pictures, self._folder, self._progress, refuse=True)
        weights = self._weigh_classes()
        model, outcome, material = self._learn(weights)
        self._config = material.config
        self._pictures = {"train": material.train, "val": material.val}
        try:
            val, test = self._finish(model, outcome, weights)
        except KeyboardInterrupt:
            if outcome.interrupted:
                raise
            # Training was over: the first Ctrl-C costs nothing but the seconds to write it down again.
            val, test = self._finish(model, outcome, weights)
        run = RunFolder.open(self._place.commit())
        trained = TrainedRun(run=run, val=val, test=test, candidates=self._candidates)
        from edgecnn.train.report.gathering import report_training

        report_training(trained.run, model, self._pictures, outcome.features, self._progress)
        if not self._config.ablation:
            return trained
        # Only now: the run is whole and has its name, whatever happens to the variants.
        from edgecnn.train.ablation import train_variants

        return replace(trained, ablation=train_variants(model, outcome, material, trained.run))

    def _learn(self, weights: Weights | None) -> tuple[Any, Outcome, Material]:
        """Train the network, or the candidates for it; return the one that is kept."""

        def gather(config: TrainConfig) -> Material:
            return self._gather(config, weights)

        # TensorFlow takes seconds to load: only now, when nothing simple is wrong any more.
        from edgecnn.train.choosing import choose
        from edgecnn.train.learning import learn

        if self._config.architecture != AUTO:
            material = gather(self._config)
            return *learn(material, len(self._folder.labels)), material
        choice = choose(self._configs, gather, len(self._folder.labels), self._left_out, self._progress)
        self._candidates = choice.record
        return choice.model, choice.outcome, choice.material

    def _gather(self, config: TrainConfig, weights: Weights | None) -> Material:
        """Return what a network learns from, with the pictures at its size."""
        for split in ("train", "val"):
            if self._pictures[split].pixels.shape[1:3] != config.contract.size_wh[::-1]:
                self._read(split, config.contract)
        return Material(
            train=self._pictures["train"],
            val=self._pictures["val"],
            class_weights=weights,
            config=config,
            work_folder=self._place.folder / "work",
            progress=self._progress,
            prepared=self._rows[config.architecture],
            teacher=self._teacher,
        )

    def _finish(self, model: Any, outcome: Outcome, weights: Weights | None) -> tuple[Metrics, Metrics | None]:
        from edgecnn.train.finishing import RunContent, judge, write_run

        if outcome.interrupted:
            self._progress.say("interrupted: the best weights so far are kept and judged (Ctrl-C again gives up)")
        labels = self._folder.labels
        self._read("test", self._config.contract)
        learnt_and_test = {name: self._pictures[name] for name in ("train", "test")}
        check_copies(learnt_and_test, self._folder, self._progress, refuse=False)
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
            code=self._rows[self._config.architecture].code,
            candidates=self._candidates,
        )
        write_run(self._place.folder, content)
        return val, test

    def _describe(self, outcome: Outcome, weights: Weights | None) -> RunConfig:
        from edgecnn.train.finishing import list_tools

        config, labels = self._config, self._folder.labels
        row = self._rows[config.architecture]
        return RunConfig(
            format=RUN_FORMAT,
            version=RUN_VERSION,
            tools=list_tools(),
            architecture=config.architecture_name,
            input=row.contract(config.schedule.size_px, config.aspect),
            options=config,
            schedule=config.schedule,
            data_root=str(self._folder.root.resolve()),
            has_given_splits=self._folder.has_splits,
            seed=config.seed,
            class_weights=None if weights is None else dict(zip(labels, weights.tolist(), strict=True)),
            skipped=tuple(skipped for split in SPLIT_NAMES for skipped in self._skipped[split]),
            interrupted=outcome.interrupted,
            stages=outcome.stages,
            ingredients=row.ingredients,
            recipe=config.recipe,
            teacher=self._teacher.record if self._teacher else None,
            distillation=config.distillation if self._teacher else None,
        )

    def _read(self, split: str, contract: InputContract) -> PixelSet:
        """Decode a split; a second time, at another size, only what could be read the first time."""
        before = self._pictures.get(split)
        pictures = before.pictures if before else self._splits.select(split)
        loaded, skipped = read_split(self._folder.root, split, pictures, contract, self._progress)
        self._pictures[split], self._skipped[split] = loaded, (*self._skipped.get(split, ()), *skipped)
        return loaded

    def _weigh_classes(self) -> Weights | None:
        labels = self._folder.labels
        weights = balance_classes(self._pictures["train"].label_indices, len(labels), self._config.class_weights)
        if weights is not None:
            listed = ", ".join(f"{label} {weight:.2f}" for label, weight in zip(labels[:20], weights, strict=False))
            self._progress.say(f"rare classes count more: {listed}{', …' if len(labels) > 20 else ''}")
        return weights
