"""What was measured, as values and as JSON; ``docs/bench.md`` describes the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from edgecnn.runtime.bench.condition import Condition
from edgecnn.runtime.bench.machine import Machine
from edgecnn.runtime.stats import Percentiles

SCHEMA = 1
_DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Which model was measured; ``sha256`` is that of the whole file."""

    name: str
    path: str
    sha256: str
    num_bytes: int
    input_wh: tuple[int, int]
    input_dtype: str
    num_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTimes:
    """Milliseconds until the first answer; medians of several times, all but ``first_time_ms``.

    Attributes:
        first_time_ms: all three steps the first time, with the loading of the runtime's library.
        open_ms: reading and checking the file.
        interpreter_ms: making the interpreter.
        first_ms: its first inference.
    """

    first_time_ms: float
    open_ms: float
    interpreter_ms: float
    first_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRow:
    """Steady inference of one backend with one number of threads, over ``num`` inferences."""

    backend: str
    num_threads: int
    num: int
    min_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedBackend:
    """A backend that cannot run this model here, and why."""

    backend: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The smallest number of threads whose median is within 5% of the fastest one of all."""

    backend: str
    num_threads: int
    p50_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessingRow:
    """From a frame to the model's input, in one thread.

    Attributes:
        picture: ``jpeg``, ``bgr``, ``yuyv`` or ``nv12`` of the synthetic picture, or the address of the source.
        size_wh: its width and height in pixels.
        num: how many times.
        decode_ms: to pixels, no more of them than the model needs; None for what is pixels already.
        resize_ms: to the model's input.
    """

    picture: str
    size_wh: tuple[int, int]
    num: int
    decode_ms: Percentiles | None
    resize_ms: Percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEnd:
    """The loop of ``edgecnn run`` on a source.

    Attributes:
        source: its address without a password, ``synthetic`` for the clip that comes along.
        live: whether it is a camera, of which only the newest frame is judged.
        backend: what ran the model.
        num_threads: threads of one inference.
        num_lanes: pictures worked on at the same time.
        frames: results.
        dropped: frames of a live source that were not judged because newer ones had come.
        unreadable: pictures that could not be decoded.
        num_repeats: how often a file was begun again.
        wall_s: seconds.
        fps: results per second.
        cpu_s_per_frame: seconds of processor time of this process per result; None without one.
        stages_ms: ``read``, ``decode``, ``resize`` and ``invoke``.
        age_ms: age of the picture when its result came out.
    """

    source: str
    live: bool
    backend: str
    num_threads: int
    num_lanes: int
    frames: int
    dropped: int
    unreadable: int
    num_repeats: int
    wall_s: float
    fps: float
    cpu_s_per_frame: float | None
    stages_ms: Mapping[str, Percentiles]
    age_ms: Percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of this process, in 10^6 bytes.

    Attributes:
        before_load_mb: with Python and all libraries but the runtime's.
        loaded_mb: with the model, after its first inference.
        rss_mb: at the end of the run end to end.
        peak_mb: the most during the run end to end; where the kernel does not let the count begin
            anew, the most of the whole process.
        slope_mb_per_hour: growth during the soak after its first fifth, by least squares; None without a soak.
        slope_error_mb_per_hour: standard error of that.
    """

    before_load_mb: float
    loaded_mb: float
    rss_mb: float
    peak_mb: float
    slope_mb_per_hour: float | None
    slope_error_mb_per_hour: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What was seen during a run, one entry per look; None where nothing tells.

    Attributes:
        seconds: since the first frame was asked for.
        frames: results so far.
        fps: results per second since the look before.
        rss_mb: resident memory.
        cpu_temperature_c: hottest sensor of the processor.
        cpu_mhz: clock of the fastest core.
    """

    seconds: Sequence[float]
    frames: Sequence[int]
    fps: Sequence[float]
    rss_mb: Sequence[float]
    cpu_temperature_c: Sequence[float | None]
    cpu_mhz: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """A run that was long enough to show heat and leaks.

    Attributes:
        asked_s: how long it was to be.
        seconds: how long it was.
        window_s: length of the first and of the last part, a minute or a third of a short soak.
        fps_first: results per second in the first part.
        fps_last: results per second in the last part.
        samples: all that was seen.
    """

    asked_s: float
    seconds: float
    window_s: float
    fps_first: float
    fps_last: float
    samples: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The machine before and after the measurements."""

    before: Condition
    after: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """Everything; ``remarks`` are sentences about how far the figures can be trusted."""

    model: ModelFacts
    machine: Machine
    conditions: Conditions
    load: LoadTimes
    inference: Sequence[InferenceRow]
    skipped: Sequence[SkippedBackend]
    best: Best
    preprocessing: Sequence[PreprocessingRow]
    end_to_end: EndToEnd
    memory: Memory
    soak: Soak | None
    remarks: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``edgecnn bench --json``."""
        return {"schema": SCHEMA, **_plain(self)}


def _plain(value: Any) -> Any:
    """Return a value in the types of JSON, numbers with four decimals."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Percentiles):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # a file name may be no valid Unicode
    if isinstance(value, Sequence):
        return [_plain(entry) for entry in value]
    return round(value, _DECIMALS) if isinstance(value, float) else value
