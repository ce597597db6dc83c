"""The path from a run to a model file: convert, check, measure, record, write."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecnn import __version__
from edgecnn.core.labels import digest_labels
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import Picture
from edgecnn.errors import EdgecnnError, ExportError
from edgecnn.evaluate.evaluator import Evaluation, evaluate, scorer
from edgecnn.export.calibration import choose_calibration, describe_calibration
from edgecnn.export.convert import Conversion, convert
from edgecnn.export.gate import check_gate, compare_with_float, describe
from edgecnn.export.golden import record_golden
from edgecnn.export.integer_check import check_integer_only, check_pixel_input
from edgecnn.export.rejection import fit_rejection
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.manifest import (
    SCHEMA,
    AccuracyPart,
    CalibrationPart,
    ConfidencePart,
    GoldenPart,
    InputPart,
    LabelsPart,
    Manifest,
    ModelPart,
    RecipePart,
)
from edgecnn.modelfile.metadata import attach_metadata, build_metadata
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.modelfile.structure import check_structure
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.verification import verify
from edgecnn.train.run_folder import RunFolder

MAX_CALIBRATION = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """How a run is exported.

    Attributes:
        max_drop_points: accuracy that the file may lose against the Keras model, in percentage points.
        num_calibration: pictures of the training split that set the ranges.
        seed: of their draw.
        num_golden_pictures: validation pictures to put into the file as further golden vectors;
            0 by default, because they may be private.
        name: what the model calls itself; None takes the run's name.
        description: one sentence for the file.
        data_root: where the pictures are; None takes the folder that the run remembers.
    """

    max_drop_points: float = 1.0
    num_calibration: int = 500
    seed: int = 0
    num_golden_pictures: int = 0
    name: str | None = None
    description: str = ""
    data_root: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.num_calibration <= MAX_CALIBRATION:
            raise ValueError(f"num_calibration must be 1 to {MAX_CALIBRATION}, got {self.num_calibration}")
        if not 0 <= self.num_golden_pictures <= 16:
            raise ValueError(f"num_golden_pictures must be 0 to 16, got {self.num_golden_pictures}")
        if not -100 <= self.max_drop_points <= 100:
            raise ValueError(f"max_drop_points must be -100 to 100, got {self.max_drop_points}")


def export_int8(run: RunFolder, output: Path, config: ExportConfig, progress: Progress | None = None) -> ModelFile:
    """Write the run's model as a full-integer model file, if it is as good as the Keras model.

    Args:
        run: a training run.
        output: the final name; it is given only to a file that passed everything.
        config: see ``ExportConfig``.
        progress: told of every step.

    Returns:
        The file, opened again from the disk.

    Raises:
        AccuracyGateError: the file lost more than ``max_drop_points``; nothing was written.
        UnsupportedOpError: the model has an operator that full-integer LiteRT does not have.
        ExportError: conversion or writing failed; nothing was written.
        DatasetError: the run's pictures are gone.
    """
    return _Export(run, output, config, progress or SilentProgress()).run_all()


class _Export:
    """One export: the values that every step needs, and the steps in their order."""

    def __init__(self, run: RunFolder, output: Path, config: ExportConfig, progress: Progress) -> None:
        self._run, self._output, self._config, self._progress = run, output, config, progress
        self._root = config.data_root or run.data_root
        self._name = config.name or run.path.resolve().name

    def run_all(self) -> ModelFile:
        with _writing(self._output), tempfile.TemporaryDirectory(prefix="edgecnn-export-") as work:
            calibration, conversion = self._convert(Path(work))
            draft = self._check(conversion)
            classifier = Classifier(draft)
            measured = self._measure(classifier)
            accuracy = compare_with_float(
                conversion.float_scores, measured, self._run.labels, self._config.max_drop_points
            )
            self._progress.say(describe(accuracy))
            check_gate(accuracy)
            golden, files = record_golden(draft, classifier, self._root, self._golden_pictures(measured))
            manifest = self._manifest(
                draft.model, conversion, calibration, accuracy, golden, fit_rejection(measured.scores)
            )
            return self._write(pack_model_file(draft.model, self._run.labels, manifest, files))

    def _convert(self, work: Path) -> tuple[CalibrationPart, Conversion]:
        run, config = self._run, self._config
        chosen = choose_calibration(run.splits.train, config.num_calibration, config.seed)
        part = describe_calibration(self._root, chosen, run.labels, config.seed)
        conversion = convert(
            run.path,
            data_root=self._root,
            calibration=chosen,
            evaluation=run.splits.val,
            work_folder=work,
            log_path=log_path_of(self._output),
            progress=self._progress,
        )
        return part, conversion

    def _check(self, conversion: Conversion) -> ModelFile:
        """Read the converter's graph back, add the metadata, and return it as a file in memory."""
        run = self._run
        payload = build_metadata(name=self._name, description=self._config.description, contract=run.contract)
        model = attach_metadata(conversion.model, payload)
        graph = Graph.parse(model)
        check_structure(graph)
        check_integer_only(graph, conversion.layers)
        check_pixel_input(graph, run.contract)
        self._progress.say(f"read back: {len(graph.operators)} operators, all in integers, all of fixed size")
        return ModelFile(
            path=self._output,
            model=model,
            graph=graph,
            labels=run.labels,
            contract=run.contract,
            manifest=None,
            files={},
            num_bytes=len(model),
        )

    def _measure(self, classifier: Classifier) -> Evaluation:
        return evaluate(
            scorer(classifier),
            self._root,
            self._run.splits.val,
            contract=self._run.contract,
            labels=self._run.labels,
            progress=self._progress,
            title="measuring the int8 file",
        )

    def _golden_pictures(self, measured: Evaluation) -> Sequence[Picture]:
        num = min(self._config.num_golden_pictures, len(measured.pictures))
        return random.Random(self._config.seed).sample(measured.pictures, num)

    def _manifest(
        self,
        model: bytes,
        conversion: Conversion,
        calibration: CalibrationPart,
        accuracy: AccuracyPart,
        golden: GoldenPart,
        confidence: ConfidencePart,
    ) -> Manifest:
        run = self._run
        return Manifest(
            schema=SCHEMA,
            name=self._name,
            description=self._config.description,
            created=_now(),
            tools={"edgecnn": __version__, "python": platform.python_version(), **conversion.tools},
            input=InputPart(**asdict(run.contract)),
            labels=LabelsPart(num=len(run.labels), sha256=digest_labels(run.labels)),
            model=ModelPart(
                num_bytes=len(model),
                sha256=hashlib.sha256(model).hexdigest(),
                architecture=run.architecture,
                run=run.path.resolve().name,
            ),
            recipe=RecipePart(kind="int8", quantizer="TFLiteConverter: min/max ranges, weights per channel"),
            calibration=calibration,
            accuracy=accuracy,
            golden=golden,
            confidence=confidence,
        )

    def _write(self, data: bytes) -> ModelFile:
        """Prove the file as its reader will see it, and only then give it its name."""
        written = ModelFile.from_bytes(data, path=self._output)
        if not verify(written).passed:
            raise ExportError("the file does not repeat its own golden vectors on this machine; nothing was written")
        write_atomically(self._output, data)
        return ModelFile.open(self._output)


def log_path_of(output: Path) -> Path:
    """Return where the converter's own words go: beside the exported file."""
    return output.with_suffix(".export.log")


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Say before the work starts, and not after it, that the file cannot be written there."""
    if output.is_dir() or not output.parent.is_dir():
        what = "is a folder" if output.is_dir() else f"cannot be written: there is no folder {output.parent}"
        raise ExportError(f"{output} {what}; give the name of a file with -o")
    if output.suffix != ".tflite":
        raise ExportError(f"{output} must end in .tflite, by which every runtime knows such files")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
        yield
    except OSError as exc:
        if not isinstance(exc, EdgecnnError):
            raise ExportError(f"cannot write {output}: {exc.strerror or exc}; nothing was left behind") from exc
        raise


def _now() -> str:
    """Return the time of the export, UTC; a fixed one where SOURCE_DATE_EPOCH asks for it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = (
        datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        if epoch
        else datetime.datetime.now(datetime.timezone.utc)
    )
    return moment.isoformat(timespec="seconds")
