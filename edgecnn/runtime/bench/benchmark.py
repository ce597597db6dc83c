"""All measurements of ``edgecnn bench``, one after the other."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame
from edgecnn.core.progress import Progress
from edgecnn.imaging import decode, to_input
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.bench.backends import Backend, choose_backends
from edgecnn.runtime.bench.condition import Condition, read_condition
from edgecnn.runtime.bench.endtoend import RunPlan, Sample, measure_end_to_end
from edgecnn.runtime.bench.machine import ROOT, read_machine
from edgecnn.runtime.bench.memory import give_back_memory, read_memory_mb
from edgecnn.runtime.bench.pictures import SyntheticClip, take_frames
from edgecnn.runtime.bench.remarks import remark
from edgecnn.runtime.bench.results import (
    BenchResult,
    Best,
    Conditions,
    InferenceRow,
    LoadTimes,
    Memory,
    ModelFacts,
    PreprocessingRow,
    SkippedBackend,
)
from edgecnn.runtime.bench.soak import memory_slope, summarize_soak
from edgecnn.runtime.bench.stages import choose_best, measure_inference, measure_load, measure_preprocessing
from edgecnn.runtime.bench.threads import usable_thread_counts
from edgecnn.runtime.interpreter import MAX_THREADS, default_num_threads
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.streams import NOTHING_ASKED, CaptureRequest, Source

_END_TO_END_FACTOR = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """What to measure.

    Attributes:
        model_path: the model file.
        labels_path: a labels file, for a model from elsewhere that brings none.
        source: address of the source; None takes a synthetic clip.
        request: what the source is asked for, if it is a camera.
        backend: what runs the model, see ``choose_backends``.
        thread_counts: numbers of threads to compare, each 1 to 64; empty for 1, 2, … up to the usable cores,
            at most 8.
        seconds: counted time of each measurement, above 0; the run end to end takes five times as long.
        soak_s: how long the run end to end takes instead, above 0; None makes it no soak.
        root: folder in which ``proc``, ``sys`` and ``etc`` are looked for.
    """

    model_path: Path
    labels_path: Path | None = None
    source: str | None = None
    request: CaptureRequest = NOTHING_ASKED
    backend: str = "auto"
    thread_counts: tuple[int, ...] = ()
    seconds: float = 1.0
    soak_s: float | None = None
    root: Path = ROOT

    def __post_init__(self) -> None:
        for count in self.thread_counts:
            if not 1 <= count <= MAX_THREADS:
                raise ValueError(f"threads must be 1 to {MAX_THREADS}, got {count}")
        if not 0.0 < self.seconds <= 3600.0:
            raise ValueError(f"seconds must be above 0 and at most 3600, got {self.seconds}")
        if self.soak_s is not None and not 0.0 < self.soak_s < float("inf"):
            raise ValueError(f"soak must be above 0 minutes, got {self.soak_s / 60:g}")
        if self.source is None and self.request != NOTHING_ASKED:
            raise ValueError("--size, --fps and --fourcc are for a camera; give one with --camera")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What was measured before the run end to end."""

    file: ModelFile
    before: Condition
    runtime: str
    load: LoadTimes
    before_load_mb: float
    loaded_mb: float
    backends: Sequence[Backend]
    inference: Sequence[InferenceRow]
    skipped: Sequence[SkippedBackend]
    best: Best
    preprocessing: Sequence[PreprocessingRow]


def measure_parts(settings: BenchSettings, progress: Progress) -> Parts:
    """Measure loading, inference and the preparation of pictures, each on its own.

    Raises:
        ModelFileError: the file is damaged or is not a classifier.
        BackendUnavailableError: nothing here can run it.
        MissingExtraError: LiteRT is not installed.
        SourceError: the source cannot be read.
    """
    before, before_load_mb = read_condition(root=settings.root), read_memory_mb(settings.root)[0]
    load, classifier = measure_load(settings.model_path, settings.labels_path, settings.backend)
    loaded_mb, file, runtime = read_memory_mb(settings.root)[0], classifier.file, classifier.runtime
    taken = _take_frames(settings, file.contract, progress)
    pictures = [to_input(decode(frame, file.contract), file.contract) for frame in taken]
    counts = settings.thread_counts or usable_thread_counts()
    backends = choose_backends(file, settings.backend)
    rows, skipped = measure_inference(file, backends, pictures, sorted(set(counts)), settings.seconds, progress)
    return Parts(
        file=file,
        before=before,
        runtime=runtime,
        load=load,
        before_load_mb=before_load_mb,
        loaded_mb=loaded_mb,
        backends=backends,
        inference=rows,
        skipped=skipped,
        best=choose_best(rows),
        preprocessing=measure_preprocessing(file.contract, taken, settings.seconds / 2, progress),
    )


def measure_whole(settings: BenchSettings, parts: Parts, progress: Progress, stop: threading.Event) -> BenchResult:
    """Run the loop end to end, as a soak if that is wanted, and put everything together.

    Args:
        settings: what to measure.
        parts: what was measured before.
        progress: is told how far it is.
        stop: set it to end the run early; what was measured until then counts.

    Raises:
        SourceError: the source cannot be read, or was lost.
    """
    give_back_memory(settings.root)
    end_to_end, samples = measure_end_to_end(parts.file, _plan(settings, parts, progress), progress, stop)
    conditions = Conditions(before=parts.before, after=read_condition(root=settings.root))
    soak = None if settings.soak_s is None else summarize_soak(samples, settings.soak_s)
    memory = _memory(parts, samples, settings)
    return BenchResult(
        model=_facts(parts.file),
        machine=read_machine(runtime=parts.runtime, root=settings.root),
        conditions=conditions,
        load=parts.load,
        inference=parts.inference,
        skipped=parts.skipped,
        best=parts.best,
        preprocessing=parts.preprocessing,
        end_to_end=end_to_end,
        memory=memory,
        soak=soak,
        remarks=remark(conditions, parts.inference, parts.best, end_to_end, soak),
    )


def _take_frames(settings: BenchSettings, contract: InputContract, progress: Progress) -> list[AnyFrame]:
    if settings.source is None:
        return []
    return take_frames(open_source(settings.source, contract=contract, request=settings.request, say=progress.say))


def _plan(settings: BenchSettings, parts: Parts, progress: Progress) -> RunPlan:
    address = settings.source

    def make_source() -> Source:
        if address is None:
            return SyntheticClip()
        return open_source(address, contract=parts.file.contract, request=settings.request, say=progress.say)

    return RunPlan(
        make_source=make_source,
        backend=next(backend for backend in parts.backends if backend.name == parts.best.backend),
        num_threads=parts.best.num_threads,
        num_lanes=max(settings.thread_counts, default=default_num_threads()),
        seconds=settings.soak_s or settings.seconds * _END_TO_END_FACTOR,
        title="end to end" if settings.soak_s is None else "soak",
        root=settings.root,
    )


def _memory(parts: Parts, samples: Sequence[Sample], settings: BenchSettings) -> Memory:
    slope = None if settings.soak_s is None else memory_slope(samples)
    return Memory(
        before_load_mb=parts.before_load_mb,
        loaded_mb=parts.loaded_mb,
        rss_mb=samples[-1].rss_mb,
        peak_mb=read_memory_mb(settings.root)[1],
        slope_mb_per_hour=slope[0] if slope else None,
        slope_error_mb_per_hour=slope[1] if slope else None,
    )


def _facts(file: ModelFile) -> ModelFacts:
    return ModelFacts(
        name=file.manifest.name if file.manifest else file.path.stem,
        path=str(file.path),
        sha256=hashlib.sha256(file.path.read_bytes()).hexdigest(),
        num_bytes=file.num_bytes,
        input_wh=file.contract.size_wh,
        input_dtype=file.input.dtype,
        num_classes=len(file.labels),
    )
