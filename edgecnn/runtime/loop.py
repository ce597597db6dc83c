"""Frames in, results out: the loop around a source, a classifier and sinks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.decisions import Decider, Decision
from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.core.motion import MotionGate
from edgecnn.core.predictions import UNDECIDED, Prediction, StageTimes, top_categories
from edgecnn.core.view import WHOLE
from edgecnn.errors import BackendUnavailableError, DatasetError, SourceError, SourceLostError
from edgecnn.imaging import decode
from edgecnn.runtime.background import BackgroundSink
from edgecnn.runtime.every import Chooser
from edgecnn.runtime.handover import Lanes
from edgecnn.runtime.latency import RunMeter
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.stats import RunStats
from edgecnn.runtime.streams import CameraEvent, Sink, Source

MAX_WARNINGS = 10
Clock = Callable[[], int]
ClassifierT = TypeVar("ClassifierT", bound="FrameClassifier")


class FrameClassifier(Protocol):
    """What the loop needs of a classifier; only one thread at a time uses it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the C classes, in output order."""

    @property
    def contract(self) -> InputContract | None:
        """What the model's input wants to see, if pictures may be decoded with that in mind."""

    def prepare(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the model's input: uint8, shape (h, w, 3), RGB."""

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's output for such an input: float32, shape (C,)."""

    def familiarity(self) -> float | None:
        """Return how familiar the newest of these inputs is, 0 to 1; None where nothing tells."""

    def twin(self: ClassifierT) -> ClassifierT:
        """Return another one like this for another thread, to be used at the same time."""


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

    The frames of a file are worked on in ``num_lanes`` threads at the same time, each of which
    decodes, resizes and classifies one picture; the results come out in order, and a sink that
    is slow or fails holds up or ends the run, so that nothing is missing. A live source has a
    thread itself; of its frames the newest is classified here, one after the other, with all
    threads of the model, and each sink gets a thread of its own.

    Args:
        source: opened and closed here.
        classifier: the model.
        sinks: opened after the source, in order; closed before it, in reverse order.
        options: limits; by default all frames, five categories each.
        clock: the monotonic clock, in ns, that the source stamps its frames with.
        stop: set it, from a signal handler for instance, to end the run after the current frame.

    Returns:
        The statistics, which the sinks have been given too.

    Raises:
        SourceError: the source cannot be read. ``SourceLostError``: it stopped giving frames;
            the sinks have been finished.
        BackendUnavailableError: the model cannot be run any more; the sinks have been finished.
        SinkError: a result could not be written; a live run went on without that sink.
    """
    outlets = [BackgroundSink(sink, source.say) if source.live and not sink.instant else sink for sink in sinks]
    job = _Job(classifier, outlets, options or RunOptions(), clock, stop or threading.Event())
    source.is_over = job.is_over
    source.on_event = job.take_event
    with ExitStack() as stack:
        stack.enter_context(source)
        for outlet in outlets:
            outlet.open(source)
            stack.callback(outlet.close)
        stats = job.run(source)
    for outlet in outlets:
        if isinstance(outlet, BackgroundSink) and outlet.error is not None:
            raise outlet.error
    return stats


class _Judged(NamedTuple):
    """What a lane makes of a frame; without scores nothing had moved in it."""

    frame: AnyFrame
    scores: NDArray[np.float32] | None
    familiarity: float | None
    decode_ms: float
    resize_ms: float
    invoke_ms: float


_Lane = Callable[[AnyFrame], _Judged | DatasetError]
_LaneMaker = Callable[[], _Lane]


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
        self._gates: dict[str, MotionGate] = {}
        self._deciders: dict[str, Decider] = {}
        self._start_ns = self._last_ns = clock()

    def run(self, source: Source) -> RunStats:
        self._start_ns = self._last_ns = self._clock()
        try:
            if not self.is_over():
                self._classify_source(source)
        except (SourceLostError, BackendUnavailableError):
            if not self._stop.is_set():
                self._finish(source)
                raise
        if self._meter.unreadable and not self._meter.frames:
            raise SourceError(f"none of the {self._meter.unreadable} frames that came can be decoded")
        return self._finish(source)

    def is_over(self) -> bool:
        options = self._options
        return (
            self._stop.is_set()
            or self._meter.frames == options.max_frames
            or (options.max_duration_s is not None and self._clock() - self._start_ns >= options.max_duration_s * 1e9)
            or any(isinstance(sink.error, BrokenPipeError) for sink in self._background_sinks())
        )

    def take_event(self, event: CameraEvent) -> None:
        if event.kind == "camera_back" and event.camera in self._deciders:
            self._deciders[event.camera].reset()
        for sink in self._sinks:
            sink.tell(event)

    def _classify_source(self, source: Source) -> None:
        frames = self._wanted(source)
        judge = partial(self._judge, self._classifier)
        # What moved shows only in order. And the first result comes sooner without more threads in its way.
        num_alone = None if source.live or self._options.skip_still else 1
        self._put_out_all(map(judge, islice(frames, num_alone)), source)
        if num_alone and not self.is_over():
            lanes: list[_LaneMaker] = [lambda: judge, *[self._another_lane] * (self._options.num_lanes - 1)]
            with Lanes(frames, lanes, self._stop) as judged:
                self._put_out_all(judged, source)

    def _another_lane(self) -> _Lane:
        return partial(self._judge, self._classifier.twin())

    def _wanted(self, source: Source) -> Iterator[AnyFrame]:
        view, every = self._options.view, self._options.every
        choose = Chooser(every, 0.0 if source.live else source.frame_rate) if every else None
        for frame in source:
            if choose is None or choose.takes(frame):
                yield frame if view is WHOLE else replace(frame, view=view)

    def _judge(self, classifier: FrameClassifier, frame: AnyFrame) -> _Judged | DatasetError:
        clock = self._clock
        start_ns = clock()
        try:
            decoded = decode(frame, classifier.contract)
        except DatasetError as exc:
            return exc
        decoded_ns = clock()
        pixels = classifier.prepare(decoded)
        resized_ns = clock()
        moved = not self._options.skip_still or self._gate_of(frame).moved(pixels)
        scores = classifier.scores(pixels) if moved else None
        return _Judged(
            frame,
            scores,
            classifier.familiarity() if moved else None,
            decoded.decode_ms + _ms_between(start_ns, decoded_ns),
            _ms_between(decoded_ns, resized_ns),
            _ms_between(resized_ns, clock()),
        )

    def _put_out_all(self, results: Iterable[_Judged | DatasetError], source: Source) -> None:
        for result in results:
            if isinstance(result, DatasetError):
                self._note_unreadable(result, source)
            elif result.scores is None:
                self._meter.still += 1
            else:
                self._put_out(result, result.scores, source)
            if self.is_over():
                return

    def _put_out(self, judged: _Judged, scores: NDArray[np.float32], source: Source) -> None:
        frame, options = judged.frame, self._options
        age_ms = _ms_between(frame.captured_ns, self._clock())
        if options.max_age_ms is not None and age_ms > options.max_age_ms:
            self._meter.stale += 1
            return
        prediction = Prediction(
            categories=top_categories(
                scores,
                self._classifier.labels,
                max_results=options.max_results,
                score_threshold=options.score_threshold,
            ),
            frame_index=frame.index,
            camera=frame.camera,
            name=frame.name,
            captured_ns=frame.captured_ns,
            age_ms=age_ms,
            stages_ms=StageTimes(
                read=frame.read_ms, decode=judged.decode_ms, resize=judged.resize_ms, invoke=judged.invoke_ms
            ),
            familiarity=judged.familiarity,
            decision=self._decide(frame.camera, scores, judged.familiarity),
            dropped=source.dropped,
        )
        for sink in self._sinks:
            sink.write(frame, prediction)
        self._last_ns = self._clock()
        self._meter.record(prediction)
        self._raise_if_nobody_listens()

    def _decide(self, camera: str, scores: NDArray[np.float32], familiarity: float | None) -> Decision | None:
        rules = self._options.rules
        if rules is None:
            return None
        if camera not in self._deciders:
            self._deciders[camera] = Decider(self._classifier.labels, rules)
        try:
            return self._deciders[camera].update(scores, familiarity) or UNDECIDED
        except ValueError:  # scores that are no numbers, of a float model: they decide nothing
            return UNDECIDED

    def _gate_of(self, frame: AnyFrame) -> MotionGate:
        return self._gates.setdefault(frame.camera, MotionGate())

    def _note_unreadable(self, error: DatasetError, source: Source) -> None:
        self._meter.unreadable += 1
        if self._meter.unreadable <= MAX_WARNINGS:
            source.say(f"passed over: {error}")
        elif self._meter.unreadable == MAX_WARNINGS + 1:
            source.say("passed over: more frames, which are only counted from here on")

    def _raise_if_nobody_listens(self) -> None:
        """End a live run when a reader has left, or when no sink takes anything any more."""
        errors = [sink.error for sink in self._background_sinks()]
        for error in errors:
            if isinstance(error, BrokenPipeError):
                raise error
        if errors and all(errors):
            raise next(error for error in errors if error)

    def _background_sinks(self) -> list[BackgroundSink]:
        return [sink for sink in self._sinks if isinstance(sink, BackgroundSink)]

    def _finish(self, source: Source) -> RunStats:
        for background in self._background_sinks():
            background.drain()  # what gets lost even now is in the statistics
        stats = self._meter.stats(
            wall_s=(self._last_ns - self._start_ns) / 1e9,
            dropped=source.dropped,
            unreadable=source.unreadable,
            undelivered=sum(sink.undelivered for sink in self._background_sinks()),
        )
        for sink in self._sinks:
            sink.finish(stats)
        return stats


def _ms_between(start_ns: int, end_ns: int) -> float:
    return (end_ns - start_ns) / 1e6
