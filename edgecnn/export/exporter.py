"""The path from a run to model files: convert, check, measure, repair, record, write."""

from __future__ import annotations

import platform
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn import __version__
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import PixelSet, list_unknown, load_pixels
from edgecnn.errors import DatasetError, EdgecnnError, ExportError
from edgecnn.evaluate.onnx_model import onnx_candidate
from edgecnn.export.calibration import choose_calibration
from edgecnn.export.calibration_look import open_calibration
from edgecnn.export.calibration_source import CalibrationSource
from edgecnn.export.config import INTEGER_VARIANTS, ExportConfig, Output
from edgecnn.export.convert import KerasProcess
from edgecnn.export.drafts import check_draft, contract_of, make_draft
from edgecnn.export.edgetpu import (
    check_for_edgetpu,
    command_elsewhere,
    compile_model,
    compiled_path,
    complete_compiled,
    describe_check,
    describe_verdict,
    find_compiler,
    predicted_part,
)
from edgecnn.export.float_network import FloatNetwork, measure_float_network
from edgecnn.export.gate import Gate, Measured, check_gate, describe, doubt, measure
from edgecnn.export.golden import record_golden
from edgecnn.export.int8 import Int8Job, Int8Model, make_int8
from edgecnn.export.onnx_file import finish_onnx
from edgecnn.export.quantize.ladder import Judged, check_edgetpu_takes, find_rung
from edgecnn.export.quantize.material import Settings, Tuned
from edgecnn.export.quantize.qat import QatConfig, fine_tune
from edgecnn.export.quantize.recipe import read_recipe
from edgecnn.export.quantize.rungs import rungs_with
from edgecnn.export.recording import build_manifest, write_proved
from edgecnn.export.rejection import describe_confidence, fit_confidence
from edgecnn.export.report import ReportMaterial, check_report_path, write_report
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.modelfile.manifest import EdgeTpuPart, RecipePart
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.runtime.classifier import Classifier
from edgecnn.train.run_folder import RunFolder

_NUM_FAMILIAR = 256
_MAX_UNKNOWN = 1000
_QUANTIZERS = {
    "int16x8": "TFLiteConverter: min/max ranges, 8-bit weights per channel, 16-bit activations",
    "dynamic": "TFLiteConverter: 8-bit weights per channel, float activations",
    "fp16": "TFLiteConverter: weights of half precision",
    "float32": "none",
}


def export(
    run: RunFolder, outputs: Sequence[Output], config: ExportConfig, progress: Progress | None = None
) -> list[ModelFile]:
    """Write the run's model as model files, each if it is as good as the Keras model.

    Args:
        run: a training run.
        outputs: what to write.
        config: see ``ExportConfig``.
        progress: told of every step.

    Returns:
        The files, opened again from the disk.

    Raises:
        AccuracyGateError: a file lost more than ``max_drop_points``; it was not written.
        CalibrationError: the calibration pictures are not what the model was trained on.
        UnsupportedOpError: the model has an operator that LiteRT does not have.
        ExportError: conversion or writing failed.
        DatasetError: the run's pictures are gone.
    """
    if config.report is not None:
        check_report_path(config.report)
    with (
        _writing(outputs),
        tempfile.TemporaryDirectory(prefix="edgecnn-export-") as work,
        KerasProcess(run.path, work_folder=Path(work), log_path=log_path_of(outputs[0].path)) as keras,
    ):
        session = _Export(run, keras, Path(work), config, progress or SilentProgress(), log_path_of(outputs[0].path))
        files = []
        for output in outputs:
            files.append(session.write(output, config.report if output is outputs[0] else None))
            if config.edgetpu and output.kind == "int8":
                compiled = session.compile(files[-1])
                files += [compiled] if compiled else []
        if config.onnx is not None:
            session.write_onnx(config.onnx)
        return files


class _Export:
    """One export: the values that every variant needs, each made when it is first asked for."""

    def __init__(
        self, run: RunFolder, keras: KerasProcess, work: Path, config: ExportConfig, progress: Progress, log_path: Path
    ) -> None:
        self._run, self._keras, self._work, self._config, self._progress = run, keras, work, config, progress
        self._log_path = log_path
        self._root = config.data_root or run.data_root
        self._name = config.name or run.path.resolve().name
        self._compiler = find_compiler(config.edgetpu.compiler) if config.edgetpu else None
        self._recipe = read_recipe(config.recipe, rungs_with(config.num_calibration)) if config.recipe else None
        if self._recipe and config.edgetpu:
            check_edgetpu_takes(find_rung(self._recipe.rung))
        if config.calibration_folder is not None:
            _ = self._calibration  # a folder that will not do is told before any work
        self._edgetpu: EdgeTpuPart | None = None
        self._newest: tuple[int, Measured] | None = None

    def write(self, output: Output, report: Path | None) -> ModelFile:
        """Convert, measure and write one variant, and the page about it if a place for one is given."""
        kind = output.kind
        float_network, calibration = self._float_network, None
        float_model = float_network.model
        self._progress.say(f"converting to {kind}")
        if kind == "int8":
            int8 = self._make_int8(output)
            recipe, num, integer_only = int8.recipe, int8.num_calibration, int8.integer_only
            draft, float_model = self._draft(int8.model, output), int8.float_model
        else:
            recipe, num, integer_only = RecipePart(kind=kind, quantizer=_QUANTIZERS[kind]), 0, False
            pixels = None
            if kind in INTEGER_VARIANTS:
                num = self._config.num_calibration
                pixels = self._calibration.pixels(num)
            draft = self._draft(self._keras.convert(kind, pixels), output)
        if num:
            calibration = self._calibration.describe(num)
        self._progress.say(check_draft(draft, kind, self._keras.layers, integer_only=integer_only))

        classifier = Classifier(draft, backend="cpu")
        measured = self._measure(draft)
        accuracy = self._gate.judge(measured.scores)
        self._progress.say(describe(accuracy, kind))
        self._progress.say(_describe_speed(measured, float_network, classifier))
        check_gate(accuracy, kind)
        if warning := doubt(accuracy):
            self._progress.say(warning)
        confidence = fit_confidence(
            draft,
            train=self._familiar,
            val=self._validation.pixels,
            truths=self._validation.label_indices,
            unknown=self._unknown,
            temperature=float_network.temperature,
            seed=self._config.seed,
            known=measured.seen,
        )
        for sentence in describe_confidence(confidence.part):
            self._progress.say(sentence)
        golden, files = record_golden(draft, classifier, self._golden_pictures())
        manifest = build_manifest(
            draft,
            self._run,
            name=self._name,
            description=self._config.description,
            tools={"edgecnn": __version__, "python": platform.python_version(), **self._keras.tools},
            recipe=recipe,
            calibration=calibration,
            accuracy=accuracy,
            golden=golden,
            confidence=confidence.part,
            target=output.target,
            edgetpu=self._edgetpu if kind == "int8" else None,
        )
        data = pack_model_file(draft.model, draft.labels, manifest, {**files, **confidence.files})
        written = write_proved(output.path, data)
        if report is not None:
            self._write_report(report, written, measured, float_model)
        return written

    def compile(self, plain: ModelFile) -> ModelFile | None:
        """Compile an int8 file for the Edge TPU, if there is a compiler; else say how to do it elsewhere."""
        options, compiler = self._config.edgetpu, self._compiler
        assert options is not None
        if compiler is None:
            command = command_elsewhere(plain.path, runtime_version=options.runtime_version)
            path = compiled_path(plain.path)
            self._progress.say(
                f"checked for the Edge TPU, NOT compiled: there is no edgetpu_compiler here; where there is one, run: "
                f"{command}; then take its result in with: edgecnn export --adopt {path}"
            )
            return None
        self._progress.say(f"wrote {plain.path}; compiling it for the Edge TPU with {compiler}")
        compiled = compile_model(plain.model, compiler, runtime_version=options.runtime_version)
        for line in describe_verdict(compiled, self._edgetpu):
            self._progress.say(line)
        path = compiled_path(plain.path)
        write_atomically(path, complete_compiled(plain, compiled.model, compiled.part))
        return ModelFile.open(path)

    def write_onnx(self, path: Path) -> None:
        """Write the model as ONNX, if onnxruntime, where it is installed, finds it as good as the Keras model."""
        float_network = self._float_network
        self._progress.say("converting to ONNX")
        draft = self._work / "model.onnx"
        self._keras.write_onnx(draft)
        contract = contract_of("float32", self._run.contract)
        draft.write_bytes(finish_onnx(draft, self._run.labels, contract, self._config.description))
        if find_spec("onnxruntime"):
            accuracy = self._gate.judge(onnx_candidate(draft).score_batch(self._validation.pixels))
            self._progress.say(describe(accuracy, "ONNX"))
            check_gate(accuracy, "ONNX")
        else:
            self._progress.say("the ONNX file was checked but not measured: onnxruntime is not installed")
        del float_network  # asked for first, so that the ONNX file has calibrated scores, too
        write_atomically(path, draft.read_bytes())

    def _make_int8(self, output: Output) -> Int8Model:
        job = Int8Job(
            keras=self._keras,
            float_model=self._float_network.model,
            contract=self._run.contract,
            calibration=self._calibration,
            num_calibration=self._config.num_calibration,
            max_drop_points=self._config.max_drop_points,
            edgetpu=self._config.edgetpu is not None,
            tune=self._fine_tune,
            look=self._check_edgetpu,
        )

        def judge(model: bytes) -> Judged:
            scores = self._measure(self._draft(model, output)).scores
            accuracy = self._gate.judge(scores)
            return Judged(
                top1=accuracy.top1,
                agreement=accuracy.agreement,
                drop_points=accuracy.drop_points,
                distance=float(np.abs(scores - self._float_network.scores).mean()),
            )

        return make_int8(job, judge, self._recipe, self._progress)

    def _measure(self, draft: ModelFile) -> Measured:
        """Run a file over the validation pictures, once: the ladder's last file is the one that is written."""
        digest = hash(draft.model)
        if self._newest is None or self._newest[0] != digest:
            self._newest = digest, measure(draft, self._validation, self._progress, f"measuring {draft.path.name}")
        return self._newest[1]

    def _check_edgetpu(self, model: bytes) -> None:
        """Predict what the Edge TPU's compiler will say, before any work is spent on repairs."""
        if self._config.edgetpu is None:
            return
        layers, version = self._keras.layers, self._config.edgetpu.runtime_version
        report = check_for_edgetpu(model, layers, runtime_version=version)
        for line in describe_check(report, model, layers):
            self._progress.say(line)
        self._edgetpu = predicted_part(report)

    def _write_report(self, path: Path, file: ModelFile, measured: Measured, float_model: bytes) -> None:
        material = ReportMaterial(
            file=file,
            float_model=float_model,
            float_contract=self._run.contract,
            root=self._root,
            pictures=self._validation.pictures,
            float_scores=self._float_network.scores,
            scores=measured.scores,
            layers=self._keras.layers,
            warnings=self._calibration.warnings if file.manifest and file.manifest.calibration else (),
        )
        write_report(path, material, self._progress)

    def _fine_tune(self, settings: Settings, float_model: bytes) -> Tuned:
        tuned = fine_tune(
            float_model,
            self._run,
            self._root,
            QatConfig.of(settings),
            work_folder=self._work,
            log_path=self._log_path,
            progress=self._progress,
            layers=self._keras.layers,
        )
        return Tuned(float_model=tuned.float_model, ranges=tuned.ranges)

    def _draft(self, model: bytes, output: Output) -> ModelFile:
        return make_draft(
            model,
            path=output.path,
            labels=self._run.labels,
            contract=contract_of(output.kind, self._run.contract),
            name=self._name,
            description=self._config.description,
        )

    @cached_property
    def _validation(self) -> PixelSet:
        pictures = load_pixels(
            self._root,
            self._run.splits.val,
            self._run.contract,
            progress=self._progress,
            title="reading validation pictures",
            file=self._work / "validation.npy",
        )
        if not len(pictures):
            raise DatasetError(pictures.unreadable[0] if pictures.unreadable else "the run has no validation pictures")
        return pictures

    @cached_property
    def _float_network(self) -> FloatNetwork:
        def draft(model: bytes) -> ModelFile:
            run = self._run
            return make_draft(model, path=run.model_path, labels=run.labels, contract=run.contract)

        return measure_float_network(self._keras, draft, self._validation, self._progress)

    @cached_property
    def _gate(self) -> Gate:
        scores = self._float_network.scores
        return Gate(self._validation, scores, self._run.labels, self._config.max_drop_points)

    @cached_property
    def _calibration(self) -> CalibrationSource:
        def float_network() -> ModelFile:
            return self._float_network.draft

        return open_calibration(self._run, self._root, float_network, self._config, self._progress)

    @cached_property
    def _familiar(self) -> NDArray[np.uint8]:
        """Training pictures that show what is familiar to the model."""
        chosen = choose_calibration(self._run.splits.train, _NUM_FAMILIAR, self._config.seed)
        return load_pixels(self._root, chosen, self._run.contract).pixels

    @cached_property
    def _unknown(self) -> NDArray[np.uint8]:
        pictures = list_unknown(self._root)
        chosen = random.Random(self._config.seed).sample(pictures, min(_MAX_UNKNOWN, len(pictures)))
        return load_pixels(self._root, chosen, self._run.contract).pixels

    def _golden_pictures(self) -> NDArray[np.uint8]:
        pixels = self._validation.pixels
        num = min(self._config.num_golden_pictures, len(pixels))
        return pixels[sorted(random.Random(self._config.seed).sample(range(len(pixels)), num))]


def _describe_speed(measured: Measured, floats: FloatNetwork, classifier: Classifier) -> str:
    ratio = measured.ms_per_picture / floats.ms_per_picture
    return (
        f"one picture takes {measured.ms_per_picture:.1f} ms here with {classifier.backend}, "
        f"{ratio:.2g} times the {floats.ms_per_picture:.1f} ms of the float network"
    )


def log_path_of(output: Path) -> Path:
    """Return where the converter's own words go: beside the exported file."""
    return output.with_suffix(".export.log")


@contextmanager
def _writing(outputs: Sequence[Output]) -> Iterator[None]:
    """Say before the work starts, and not after it, that a file cannot be written there."""
    output = outputs[0].path
    try:
        for output in {output.path.parent: output.path for output in outputs}.values():
            with tempfile.TemporaryFile(dir=output.parent):
                pass
        yield
    except OSError as exc:
        if not isinstance(exc, EdgecnnError):
            place = exc.filename or f"{output} or a temporary file in {tempfile.gettempdir()}"
            raise ExportError(f"cannot write {place}: {exc.strerror or exc}; nothing was left behind") from exc
        raise
