"""Frames in, results out: the loop around a source, a classifier and sinks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Prediction, StageTimes, top_categories
from edgecnn.errors import SourceLostError
from edgecnn.runtime.handover import ReadAhead
from edgecnn.runtime.latency import RunMeter
from edgecnn.runtime.stats import RunSetup, RunStats
from edgecnn.runtime.streams import Sink, Source

READ_AHEAD_FRAMES = 3
Clock = Callable[[], int]


class FrameClassifier(Protocol):
    """What the loop needs of a classifier: its two stages, which run at the same time."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the C classes, in output order."""

    def prepare(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the model's input: uint8, shape (h, w, 3), RGB; may be called from another thread."""

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's output for such an input: float32, shape (C,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to put out and when to stop.

    Attributes:
        max_results: categories in each result, at most; from 1.
        score_threshold: leave out categories with a lower score; 0 to 1.
        max_frames: stop after so many results, from 1; None means never.
        max_duration_s: stop after so many seconds, above 0; None means never.
        setup: what runs, to be repeated in the statistics.
    """

    max_results: int = 5
    score_threshold: float = 0.0
    max_frames: int | None = None
    max_duration_s: float | None = None
    setup: RunSetup | None = None

    def __post_init__(self) -> None:
        if self.max_results < 1:
            raise ValueError(f"max_results must be at least 1, got {self.max_results}")
        if not 0.0 <= self.score_threshold <= 1.0:
            raise ValueError(f"score_threshold must be 0 to 1, got {self.score_threshold}")
        if self.max_frames is not None and self.max_frames < 1:
            raise ValueError(f"frames must be at least 1, got {self.max_frames}")
        if self.max_duration_s is not None and not self.max_duration_s > 0.0:
            raise ValueError(f"duration must be above 0 seconds, got {self.max_duration_s}")


class _Prepared(NamedTuple):
    frame: Frame
    pixels: NDArray[np.uint8]
    resize_ms: float


def run(
    source: Source,
    classifier: FrameClassifier,
    sinks: Sequence[Sink],
    options: RunOptions | None = None,
    *,
    clock: Clock = time.monotonic_ns,
    stop: threading.Event | None = None,
) -> RunStats:
    """Classify the frames of a source until it ends, and hand every result to every sink.

    Frames of a file are read, decoded and resized in a thread of their own, so that the model
    never waits for them unless they are the slower half. A live source has such a thread
    itself; of its frames the newest is resized and classified here.

    Args:
        source: opened and closed here.
        classifier: called with one frame after the other.
        sinks: opened after the source, in order; closed before it, in reverse order.
        options: limits; by default all frames, five categories each.
        clock: the monotonic clock, in ns, that the source stamps its frames with.
        stop: set it, from a signal handler for instance, to end the run after the current frame.

    Returns:
        The statistics, which the sinks have been given too.

    Raises:
        SourceError: the source cannot be read. ``SourceLostError``: it stopped giving frames;
            the sinks have been finished.
        SinkError: a result could not be written.
    """
    job = _Job(classifier, sinks, options or RunOptions(), clock, stop or threading.Event())
    with ExitStack() as stack:
        stack.enter_context(source)
        for sink in sinks:
            sink.open(source)
            stack.callback(sink.close)
        return job.run(source)


class _Job:
    """One run, while it runs."""

    def __init__(
        self,
        classifier: FrameClassifier,
        sinks: Sequence[Sink],
        options: RunOptions,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._classifier, self._sinks, self._options = classifier, sinks, options
        self._clock, self._stop = clock, stop
        self._meter = RunMeter(options.setup)
        self._start_ns = self._last_ns = clock()

    def run(self, source: Source) -> RunStats:
        self._start_ns = self._last_ns = self._clock()
        try:
            if not self._is_over():
                self._classify_source(source)
        except SourceLostError:
            if not self._stop.is_set():
                self._finish(source)
                raise
        return self._finish(source)

    def _classify_source(self, source: Source) -> None:
        prepared = self._prepare_all(source)
        if source.live:
            self._classify_all(prepared, source)
            return
        # The first result comes sooner without a second thread in its way.
        self._classify_all(islice(prepared, 1), source)
        if not self._is_over():
            with ReadAhead(prepared, READ_AHEAD_FRAMES, self._stop) as ahead:
                self._classify_all(ahead, source)

    def _prepare_all(self, source: Source) -> Iterator[_Prepared]:
        for frame in source:
            start_ns = self._clock()
            pixels = self._classifier.prepare(frame)
            yield _Prepared(frame, pixels, _ms_between(start_ns, self._clock()))

    def _classify_all(self, prepared: Iterable[_Prepared], source: Source) -> None:
        for item in prepared:
            prediction = self._classify(item, source.dropped)
            for sink in self._sinks:
                sink.write(item.frame, prediction)
            self._last_ns = self._clock()
            self._meter.record(prediction)
            if self._is_over():
                return

    def _classify(self, item: _Prepared, dropped: int) -> Prediction:
        frame, options = item.frame, self._options
        start_ns = self._clock()
        scores = self._classifier.scores(item.pixels)
        invoke_ms = _ms_between(start_ns, self._clock())
        categories = top_categories(
            scores, self._classifier.labels, max_results=options.max_results, score_threshold=options.score_threshold
        )
        return Prediction(
            categories=categories,
            frame_index=frame.index,
            camera=frame.camera,
            name=frame.name,
            captured_ns=frame.captured_ns,
            age_ms=_ms_between(frame.captured_ns, self._clock()),
            stages_ms=StageTimes(read=frame.read_ms, decode=frame.decode_ms, resize=item.resize_ms, invoke=invoke_ms),
            dropped=dropped,
        )

    def _is_over(self) -> bool:
        options = self._options
        return (
            self._stop.is_set()
            or self._meter.frames == options.max_frames
            or (options.max_duration_s is not None and self._clock() - self._start_ns >= options.max_duration_s * 1e9)
        )

    def _finish(self, source: Source) -> RunStats:
        wall_s = (self._last_ns - self._start_ns) / 1e9
        stats = self._meter.stats(wall_s=wall_s, dropped=source.dropped, unreadable=source.unreadable)
        for sink in self._sinks:
            sink.finish(stats)
        return stats


def _ms_between(start_ns: int, end_ns: int) -> float:
    return (end_ns - start_ns) / 1e6
