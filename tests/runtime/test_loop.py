import threading
import time

import numpy as np
import pytest

from edgecnn.errors import SinkError, SourceError, SourceLostError
from edgecnn.runtime.loop import run
from edgecnn.runtime.opening import EarlySource
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.stats import RunSetup
from edgecnn.runtime.streams import Sink, Source
from edgecnn.testing import CollectSink, FakeClassifier, ManualClock, ScriptedSource

LABELS = ("night", "day")


def plain(level):
    return np.full((4, 6, 3), level, np.uint8)


def brightness(pixels):
    bright = float(pixels.mean()) / 255
    return 1 - bright, bright


def classifier(function=brightness):
    return FakeClassifier(LABELS, function)


class FailingSink(Sink):
    """Takes one result and then no more."""

    def __init__(self, log):
        self.log, self.num_written = log, 0

    def open(self, source):
        self.log.append("failing opened")

    def write(self, frame, prediction):
        self.num_written += 1
        if self.num_written > 1:
            raise SinkError("the disk is full")

    def finish(self, stats):
        self.log.append("failing finished")

    def close(self):
        self.log.append("failing closed")


class LoggingSink(CollectSink):
    def __init__(self, log):
        super().__init__()
        self.log = log

    def open(self, source):
        super().open(source)
        self.log.append("collecting opened")

    def close(self):
        super().close()
        self.log.append("collecting closed")


class EndlessSource(Source):
    """Gives frames for ever and remembers how many it was asked for."""

    def __init__(self, log=None):
        self.log = [] if log is None else log
        self.num_given = 0

    def open(self):
        self.log.append("source opened")

    def __iter__(self):
        while True:
            self.num_given += 1
            yield from ScriptedSource([plain(0)])

    def close(self):
        self.log.append("source closed")


def test_every_frame_reaches_every_sink_in_order():
    source, first, second = ScriptedSource([plain(0), plain(255), plain(10)]), CollectSink(), CollectSink()
    stats = run(source, classifier(), [first, second])
    assert first.labels == second.labels == ["night", "day", "night"]
    assert [frame.index for frame in first.frames] == [0, 1, 2]
    assert stats.frames == 3
    assert first.stats == second.stats == stats
    assert source.closed
    assert first.closed
    assert second.closed


def test_a_result_says_which_frame_it_is_about():
    sink = CollectSink()
    run(ScriptedSource([plain(0), plain(255)]), classifier(), [sink], clock=ManualClock(5))
    prediction = sink.predictions[1]
    assert (prediction.frame_index, prediction.camera, prediction.dropped) == (1, "scripted", 0)
    assert [category.label for category in prediction.categories] == ["day", "night"]


def test_results_and_threshold_are_limited_as_asked():
    sink = CollectSink()
    run(ScriptedSource([plain(255)]), classifier(), [sink], RunOptions(max_results=1))
    run(ScriptedSource([plain(120)]), classifier(), [sink], RunOptions(score_threshold=0.9))
    assert [len(prediction.categories) for prediction in sink.predictions] == [1, 0]
    assert sink.predictions[1].top is None


def test_the_age_is_taken_when_the_result_comes_out():
    clock = ManualClock()

    def slow(pixels):
        clock.advance(40)
        return brightness(pixels)

    sink = CollectSink()
    source = ScriptedSource([plain(0)] * 3, live=True, clock=clock, interval_ms=1000)
    stats = run(source, classifier(slow), [sink], clock=clock)
    assert [prediction.age_ms for prediction in sink.predictions] == [40, 40, 40]
    assert [prediction.stages_ms.invoke for prediction in sink.predictions] == [40, 40, 40]
    assert stats.wall_s == pytest.approx(2.04)


def test_a_live_source_gives_its_newest_frame_and_counts_the_others():
    clock = ManualClock()

    def slow(pixels):
        clock.advance(100)
        return brightness(pixels)

    sink = CollectSink()
    source = ScriptedSource([plain(0)] * 10, live=True, clock=clock, interval_ms=30)
    stats = run(source, classifier(slow), [sink], clock=clock)
    assert [prediction.frame_index for prediction in sink.predictions] == [0, 3, 6, 9]
    assert [prediction.dropped for prediction in sink.predictions] == [0, 2, 4, 6]
    assert max(prediction.age_ms for prediction in sink.predictions) <= 100 + 30
    assert stats.frames + stats.dropped == 10


def test_a_file_is_never_dropped_however_slow_the_model():
    def slow(pixels):
        time.sleep(0.01)
        return brightness(pixels)

    sink = CollectSink()
    stats = run(ScriptedSource([plain(0)] * 12), classifier(slow), [sink])
    assert [prediction.frame_index for prediction in sink.predictions] == list(range(12))
    assert stats.dropped == 0


def test_a_file_is_read_ahead_only_a_few_frames():
    source, seen = EndlessSource(), []

    def slow(pixels):
        time.sleep(0.02)
        seen.append(source.num_given)
        return brightness(pixels)

    run(source, classifier(slow), [], RunOptions(max_frames=5, num_lanes=2))
    # Two in each lane: one being worked on and one whose result is not taken yet.
    assert max(given - done for done, given in enumerate(seen)) <= 2 * 2 + 1


def test_the_pictures_of_a_file_are_worked_on_at_the_same_time_and_come_out_in_order():
    def slow(pixels):
        time.sleep(0.03 if pixels.flat[0] % 2 else 0.01)
        return brightness(pixels)

    sink, num_frames = CollectSink(), 24
    start = time.monotonic()
    run(
        ScriptedSource([plain(level) for level in range(num_frames)]), classifier(slow), [sink], RunOptions(num_lanes=4)
    )
    assert time.monotonic() - start < num_frames * 0.02 * 0.8
    assert [prediction.frame_index for prediction in sink.predictions] == list(range(num_frames))
    assert [prediction.categories[0].label for prediction in sink.predictions] == ["night"] * num_frames


def test_reading_goes_on_while_the_model_works():
    class SlowSource(ScriptedSource):
        def __iter__(self):
            for frame in super().__iter__():
                time.sleep(0.02)
                yield frame

    def slow(pixels):
        time.sleep(0.02)
        return brightness(pixels)

    start = time.monotonic()
    run(SlowSource([plain(0)] * 20), classifier(slow), [], RunOptions(num_lanes=2))
    assert time.monotonic() - start < 20 * 0.04 * 0.9


def test_a_failing_sink_closes_everything_in_reverse_order_and_finishes_nothing():
    log = []
    source, collecting, failing = EndlessSource(log), LoggingSink(log), FailingSink(log)
    start = time.monotonic()
    with pytest.raises(SinkError, match="the disk is full"):
        run(source, classifier(), [collecting, failing])
    assert time.monotonic() - start < 2
    assert log == [
        "source opened",
        "collecting opened",
        "failing opened",
        "failing closed",
        "collecting closed",
        "source closed",
    ]
    assert collecting.stats is None
    assert "edgecnn-read-ahead" not in [thread.name for thread in threading.enumerate()]


def test_a_sink_that_cannot_be_opened_closes_what_was_opened_before_it():
    class Unopenable(CollectSink):
        def open(self, source):
            raise SinkError("no such place")

    source, first, unopenable = ScriptedSource([plain(0)]), CollectSink(), Unopenable()
    with pytest.raises(SinkError, match="no such place"):
        run(source, classifier(), [first, unopenable])
    assert (source.closed, first.closed, unopenable.closed) == (True, True, False)
    assert first.predictions == []


@pytest.mark.parametrize("live", [False, True])
def test_what_a_source_raises_reaches_the_caller_after_the_frames_before_it(live):
    source, sink = ScriptedSource([plain(0), SourceError("broken"), plain(255)], live=live), CollectSink()
    with pytest.raises(SourceError, match="broken"):
        run(source, classifier(), [sink])
    assert sink.labels == ["night"]
    assert sink.stats is None
    assert source.closed
    assert sink.closed


def test_a_source_that_gets_lost_leaves_finished_sinks():
    source, sink = ScriptedSource([plain(0), SourceLostError("unplugged")], live=True), CollectSink()
    with pytest.raises(SourceLostError, match="unplugged"):
        run(source, classifier(), [sink])
    assert sink.stats is not None
    assert sink.stats.frames == 1


def test_what_the_first_stage_raises_reaches_the_caller():
    class Unprepared(FakeClassifier):
        def prepare(self, frame):
            raise RuntimeError("cannot resize")

    source = ScriptedSource([plain(0)])
    with pytest.raises(RuntimeError, match="cannot resize"):
        run(source, Unprepared(LABELS, brightness), [])
    assert source.closed


def test_what_the_model_raises_reaches_the_caller():
    def broken(pixels):
        raise RuntimeError("cannot invoke")

    source, sink = EndlessSource(), CollectSink()
    with pytest.raises(RuntimeError, match="cannot invoke"):
        run(source, classifier(broken), [sink])
    assert source.log[-1] == "source closed"
    assert sink.closed


def test_a_number_of_frames_ends_the_run():
    sink = CollectSink()
    assert run(EndlessSource(), classifier(), [sink], RunOptions(max_frames=7)).frames == 7
    assert len(sink.predictions) == 7
    assert sink.stats is not None


def test_a_duration_ends_the_run():
    clock = ManualClock()

    def slow(pixels):
        clock.advance(400)
        return brightness(pixels)

    source = ScriptedSource([plain(0)] * 9, live=True, clock=clock, interval_ms=400)
    stats = run(source, classifier(slow), [], RunOptions(max_duration_s=1.0), clock=clock)
    assert stats.frames == 3


@pytest.mark.parametrize("live", [False, True])
def test_a_stop_event_ends_the_run_with_its_statistics(live):
    stop, sink = threading.Event(), CollectSink()

    def stopping(pixels):
        if len(sink.predictions) >= 2:
            stop.set()
        return brightness(pixels)

    stats = run(ScriptedSource([plain(0)] * 50, live=live, interval_ms=1), classifier(stopping), [sink], stop=stop)
    # Of a file the next picture may be in the model's hands while the stop is seen.
    assert stats.frames == len(sink.predictions)
    assert 2 <= stats.frames <= 5
    assert sink.stats == stats


def test_a_stop_event_ends_a_run_that_waits_for_a_slow_file():
    class StuckSource(ScriptedSource):
        def __iter__(self):
            yield from super().__iter__()
            released.wait(10)

    stop, released, source = threading.Event(), threading.Event(), StuckSource([plain(0)])
    threading.Timer(0.2, stop.set).start()
    start = time.monotonic()
    stats = run(source, classifier(), [], stop=stop)
    assert time.monotonic() - start < 3
    assert stats.frames == 1
    assert source.closed
    released.set()


def test_a_loss_that_the_stop_itself_brought_about_is_no_loss():
    stop = threading.Event()
    stop.set()
    source = ScriptedSource([SourceLostError("unplugged")], live=True)
    assert run(source, classifier(), [], stop=stop).frames == 0


def test_an_empty_source_gives_statistics_of_nothing():
    sink = CollectSink()
    stats = run(ScriptedSource([]), classifier(), [sink])
    assert (stats.frames, stats.fps, stats.age_ms.p99) == (0, 0.0, 0.0)
    assert sink.stats == stats


def test_the_statistics_repeat_what_ran():
    setup = RunSetup(model="m.tflite", name="m", num_classes=2, backend="none", source="scripted")
    assert run(ScriptedSource([]), classifier(), [], RunOptions(setup=setup)).setup == setup


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_results": 0}, "max_results must be at least 1, got 0"),
        ({"score_threshold": 1.5}, "score_threshold must be 0 to 1, got 1.5"),
        ({"score_threshold": float("nan")}, "score_threshold must be 0 to 1, got nan"),
        ({"max_frames": 0}, "frames must be at least 1, got 0"),
        ({"max_duration_s": -1.0}, "duration must be above 0 seconds, got -1.0"),
        ({"max_duration_s": float("nan")}, "duration must be above 0 seconds, got nan"),
    ],
)
def test_limits_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RunOptions(**options)


def test_a_source_opened_early_is_open_when_it_is_needed():
    inner = ScriptedSource([plain(0), plain(255)])
    sink = CollectSink()
    run(EarlySource(inner), classifier(), [sink])
    assert sink.labels == ["night", "day"]
    assert inner.closed


def test_what_goes_wrong_in_opening_early_is_told_when_the_source_is_needed():
    class Missing(ScriptedSource):
        def open(self):
            raise SourceError("not there")

    inner, sink = Missing([]), CollectSink()
    early = EarlySource(inner)
    with pytest.raises(SourceError, match="not there"):
        run(early, classifier(), [sink])
    early.close()
    assert not inner.closed
    assert not sink.opened


def test_a_source_opened_early_and_never_used_is_closed_once():
    class Counting(ScriptedSource):
        num_closed = 0

        def close(self):
            self.num_closed += 1

    inner = Counting([])
    early = EarlySource(inner)
    early.close()
    early.close()
    assert inner.num_closed == 1
