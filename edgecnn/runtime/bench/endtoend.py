"""The loop of ``edgecnn run`` on a source, watched from beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.core.progress import Progress, Task
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.bench.backends import Backend
from edgecnn.runtime.bench.condition import cpu_temperature, read_cpu_mhz, read_temperatures
from edgecnn.runtime.bench.machine import ROOT
from edgecnn.runtime.bench.memory import read_memory_mb
from edgecnn.runtime.bench.repeating import RepeatingSource
from edgecnn.runtime.bench.results import EndToEnd
from edgecnn.runtime.bench.threads import inference, model_pictures
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.streams import CameraEvent, Sink, Source

_MAX_SAMPLES = 600
_MIN_SAMPLES = 30
_MAX_INTERVAL_S = 1.0


class Sample(NamedTuple):
    """One look at a run; see ``Series``."""

    seconds: float
    frames: int
    rss_mb: float
    cpu_temperature_c: float | None
    cpu_mhz: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """How to run the loop.

    Attributes:
        make_source: returns the source, not open yet.
        backend: runs the model.
        num_threads: threads of one inference if the source is live.
        num_lanes: pictures worked on at the same time if it is not, with one thread each; one by one
            where the backend is a single device.
        seconds: how long.
        title: of the progress.
        root: folder in which ``proc`` and ``sys`` are looked for.
    """

    make_source: Callable[[], Source]
    backend: Backend
    num_threads: int
    num_lanes: int
    seconds: float
    title: str
    root: Path = ROOT


def measure_end_to_end(
    file: ModelFile, plan: RunPlan, progress: Progress, stop: threading.Event
) -> tuple[EndToEnd, list[Sample]]:
    """Run the loop for a time; return what it did and what was seen meanwhile.

    Args:
        file: the model.
        plan: how.
        progress: is told how far it is, and what happens to the camera.
        stop: set it to end the run early.

    Raises:
        SourceError: the source cannot be read, or was lost.
    """
    source = plan.make_source()
    repeating = None if source.live else RepeatingSource(source, plan.make_source)
    num_threads, num_lanes = (plan.num_threads, 1) if source.live else (1, plan.num_lanes)
    classifier = plan.backend.load(file, num_threads)
    num_lanes = num_lanes if classifier.has_twins else 1
    inference(classifier, model_pictures(file)[:1])()
    options = RunOptions(num_lanes=num_lanes, max_duration_s=plan.seconds)
    with progress.task(plan.title, max(1, int(plan.seconds))) as task:
        watcher = _Watcher(plan, progress, task)
        stats = run(repeating or source, classifier, [watcher], options, stop=stop)
    outcome = EndToEnd(
        source=source.address,
        live=source.live,
        backend=plan.backend.name,
        num_threads=num_threads,
        num_lanes=num_lanes,
        frames=stats.frames,
        dropped=stats.dropped,
        unreadable=stats.unreadable,
        num_repeats=repeating.num_repeats if repeating else 0,
        wall_s=stats.wall_s,
        fps=stats.fps,
        cpu_s_per_frame=watcher.cpu_s / stats.frames if stats.frames else None,
        stages_ms={
            "read": stats.read_ms,
            "decode": stats.decode_ms,
            "resize": stats.resize_ms,
            "invoke": stats.invoke_ms,
        },
        age_ms=stats.age_ms,
    )
    return outcome, watcher.samples


class _Watcher(Sink):
    """Counts the results, and looks at the process at equal intervals, in a thread.

    Attributes:
        cpu_s: processor time of the process while this was open, in seconds.
        samples: what was seen.
    """

    instant = True

    def __init__(self, plan: RunPlan, progress: Progress, task: Task) -> None:
        self.cpu_s = 0.0
        self.samples: list[Sample] = []
        self._progress, self._task = progress, task
        self._root = plan.root
        self._interval_s = max(min(_MAX_INTERVAL_S, plan.seconds / _MIN_SAMPLES), plan.seconds / _MAX_SAMPLES)
        self._num_frames = self._num_told = 0
        self._began_s = self._began_cpu_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="edgecnn-bench", daemon=True)

    def open(self, source: Source) -> None:
        """Begin to watch."""
        self._began_s, self._began_cpu_s = time.monotonic(), time.process_time()
        self._look()
        self._thread.start()

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Count a result."""
        self._num_frames += 1

    def tell(self, event: CameraEvent) -> None:
        """Tell what happened to the camera."""
        self._progress.say(event.reason)

    def close(self) -> None:
        """Look once more and end."""
        self._ended.set()
        self._thread.join()
        self._look()
        self.cpu_s = time.process_time() - self._began_cpu_s

    def _watch(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._look()

    def _look(self) -> None:
        seconds, rss_mb = time.monotonic() - self._began_s, read_memory_mb(self._root)[0]
        heat_c = cpu_temperature(read_temperatures(self._root))
        sample = Sample(seconds, self._num_frames, rss_mb, heat_c, read_cpu_mhz(self._root))
        self.samples.append(sample)
        if int(seconds) > self._num_told:
            self._task.advance(int(seconds) - self._num_told, _describe(sample))
            self._num_told = int(seconds)


def _describe(sample: Sample) -> str:
    heat = "" if sample.cpu_temperature_c is None else f", {sample.cpu_temperature_c:.0f} °C"
    return f"{sample.frames / sample.seconds:.1f} fps, {sample.rss_mb:.0f} MB{heat}"
