"""The parts of a run, each on its own: loading, inference, preparation of pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.core.progress import Progress
from edgecnn.errors import BackendUnavailableError
from edgecnn.imaging import decode, to_input
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.bench.backends import Backend
from edgecnn.runtime.bench.pictures import camera_frames
from edgecnn.runtime.bench.results import Best, InferenceRow, LoadTimes, PreprocessingRow, SkippedBackend
from edgecnn.runtime.bench.threads import inference, model_pictures, smallest_near_fastest
from edgecnn.runtime.bench.timing import Timings, Work, interleave
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.engine import own_backend

T = TypeVar("T")

_NUM_LOADS = 5
_NUM_SYNTHETIC = 2


def measure_load(path: Path, labels_path: Path | None, backend: str = "auto") -> tuple[LoadTimes, Classifier]:
    """Load a model several times; return the times and what was loaded first.

    Args:
        path: the model file.
        labels_path: a labels file, for a model from elsewhere that brings none.
        backend: what runs it, see ``open_engine``; for a compiled file ``auto`` means the Edge TPU.

    Raises:
        ModelFileError: the file is damaged or is not a classifier.
        BackendUnavailableError: the runtime here cannot run it.
        MissingExtraError: LiteRT is not installed.
    """
    first_ms, classifier = _load(path, labels_path, backend)
    again = [_load(path, labels_path, backend)[0] for _ in range(_NUM_LOADS)]
    opening, making, answering = (median(times) for times in zip(*again, strict=True))
    times = LoadTimes(first_time_ms=sum(first_ms), open_ms=opening, interpreter_ms=making, first_ms=answering)
    return times, classifier


def measure_inference(
    file: ModelFile,
    backends: Sequence[Backend],
    pictures: Sequence[NDArray[np.uint8]],
    thread_counts: Sequence[int],
    seconds: float,
    progress: Progress,
) -> tuple[list[InferenceRow], list[SkippedBackend]]:
    """Measure steady inference for every backend and number of threads.

    Args:
        file: the model.
        backends: what to run it with.
        pictures: uint8, shape (height, width, 3), RGB; none for golden ones.
        thread_counts: numbers of threads, each 1 to 64.
        seconds: for each measurement.
        progress: is told how far it is.

    Raises:
        BackendUnavailableError: no backend can run the model here.
    """
    keys: list[tuple[str, int]] = []
    works: list[Work] = []
    skipped = []
    for backend in backends:
        try:
            counts = thread_counts if backend.takes_threads else (1,)
            found = [inference(backend.load(file, count), pictures or model_pictures(file)) for count in counts]
        except BackendUnavailableError as exc:
            skipped.append(SkippedBackend(backend=backend.name, reason=str(exc)))
            continue
        works += found
        keys += [(backend.name, count) for count in counts]
    if not works:
        raise BackendUnavailableError("; ".join(f"{entry.backend}: {entry.reason}" for entry in skipped))
    timings = interleave(works, seconds, progress, "inference")
    return [_row(*key, timing) for key, timing in zip(keys, timings, strict=True)], skipped


def choose_best(rows: Sequence[InferenceRow]) -> Best:
    """Return the row with the smallest number of threads whose median is within 5% of the fastest."""
    num_threads = smallest_near_fastest((row.num_threads, row.p50_ms) for row in rows)
    row = min((row for row in rows if row.num_threads == num_threads), key=lambda row: row.p50_ms)
    return Best(backend=row.backend, num_threads=num_threads, p50_ms=row.p50_ms)


def measure_preprocessing(
    contract: InputContract, taken: Sequence[AnyFrame], seconds: float, progress: Progress
) -> list[PreprocessingRow]:
    """Measure decoding and resizing of golden pictures in 1080p, and of frames of a source.

    Args:
        contract: the model's input.
        taken: frames of the source, maybe none.
        seconds: for each measurement.
        progress: is told how far it is.
    """
    by_name: dict[str, list[AnyFrame]] = {}
    for seed in range(_NUM_SYNTHETIC):
        for name, frame in camera_frames(seed).items():
            by_name.setdefault(name, []).append(frame)
    if taken:
        by_name[taken[0].camera] = list(taken)
    jobs = [_preparation(name, frames, contract) for name, frames in by_name.items()]
    timings = iter(interleave([work for job in jobs for work in job.works], seconds, progress, "preparing pictures"))
    return [_prepared(job, [next(timings) for _ in job.works]) for job in jobs]


class _Preparation(NamedTuple):
    """What is to be timed for one kind of picture: decoding, if there is any, and resizing."""

    name: str
    size_wh: tuple[int, int]
    works: tuple[Work, ...]


def _preparation(name: str, frames: Sequence[AnyFrame], contract: InputContract) -> _Preparation:
    decoded = [decode(frame, contract) for frame in frames]
    resizing = _in_turns(lambda frame: to_input(frame, contract), decoded)
    height, width = decode(frames[0]).pixels.shape[:2]
    if isinstance(frames[0], Frame):
        return _Preparation(name, (width, height), (resizing,))
    return _Preparation(name, (width, height), (_in_turns(lambda frame: decode(frame, contract), frames), resizing))


def _in_turns(step: Callable[[T], object], items: Sequence[T]) -> Work:
    turns = cycle(items)
    return lambda: step(next(turns))


def _prepared(job: _Preparation, timings: Sequence[Timings]) -> PreprocessingRow:
    *decoding, resizing = timings
    return PreprocessingRow(
        picture=job.name,
        size_wh=job.size_wh,
        num=min(timing.num for timing in timings),
        decode_ms=decoding[0].percentiles() if decoding else None,
        resize_ms=resizing.percentiles(),
    )


def _load(path: Path, labels_path: Path | None, backend: str) -> tuple[tuple[float, float, float], Classifier]:
    """Return the milliseconds of opening, making and answering, and the classifier."""
    began_s = time.perf_counter()
    file = ModelFile.open(path, labels_path=labels_path)
    opened_s = time.perf_counter()
    classifier = Classifier(file, backend=own_backend(file, backend))
    made_s = time.perf_counter()
    classifier.scores(np.full((file.contract.height, file.contract.width, 3), 128, np.uint8))
    answered_s = time.perf_counter()
    times_ms = (opened_s - began_s) * 1e3, (made_s - opened_s) * 1e3, (answered_s - made_s) * 1e3
    return times_ms, classifier


def _row(backend: str, num_threads: int, timing: Timings) -> InferenceRow:
    p50_ms, p95_ms, p99_ms = timing.percentiles()
    return InferenceRow(
        backend=backend,
        num_threads=num_threads,
        num=timing.num,
        min_ms=timing.min_ms,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        per_second=timing.num / timing.total_ms * 1e3,
    )
