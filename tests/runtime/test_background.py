import threading
import time

import numpy as np
import pytest

from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.runtime.background import MAX_WAITING, MAX_WAITING_WITH_EVENTS, BackgroundSink
from edgecnn.runtime.loop import run
from edgecnn.runtime.streams import CameraEvent, Sink
from edgecnn.testing import CollectSink, FakeClassifier, ScriptedSource

PATIENCE_S = 5.0
EVENT = CameraEvent("camera_lost", "camera:0", 5, "unplugged")


class RecordingSink(Sink):
    """Writes down each call and its thread; can be told to wait, and to fail in any of them."""

    def __init__(self, **errors):
        self.calls, self.threads, self.indices = [], set(), []
        self.errors = errors
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def note(self, name):
        self.threads.add(threading.current_thread().name)
        if self.calls[-1:] != [name]:
            self.calls.append(name)
        self.entered.set()
        self.gate.wait(2 * PATIENCE_S)
        if name in self.errors:
            raise self.errors[name]

    def open(self, source):
        self.note("open")

    def write(self, frame, prediction):
        self.note("write")
        self.indices.append(prediction.frame_index)

    def tell(self, event):
        self.note("tell")

    def finish(self, stats):
        self.note("finish")

    def close(self):
        self.note("close")


def plain(level=0):
    return np.full((4, 6, 3), level, np.uint8)


FRAME = Frame(pixels=plain(), color_order="bgr")
SOURCE = ScriptedSource([])


def result(index=0):
    return Prediction(categories=(), frame_index=index)


def classifier(function=lambda pixels: [0.5, 0.5]):
    return FakeClassifier(("a", "b"), function)


def camera(num_frames, said=None, interval_ms=2):
    source = ScriptedSource([plain()] * num_frames, live=True, interval_ms=interval_ms)
    source.say = [].append if said is None else said.append
    return source


def opened(sink, said=None, **timeouts):
    background = BackgroundSink(sink, [].append if said is None else said.append, **timeouts)
    background.open(SOURCE)
    return background


def until(condition):
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.005)


def failures(said):
    return [text for text in said if "failed" in text]


def full(sink, said=None, **timeouts):
    """Return a background sink that is busy with result 0 and has as many waiting as it takes."""
    background = opened(sink, said, **timeouts)
    sink.entered.clear()
    sink.gate.clear()
    for index in range(MAX_WAITING):
        background.write(FRAME, result(index))
    assert sink.entered.wait(PATIENCE_S)
    return background


def test_all_calls_come_in_order_in_one_thread_of_its_own():
    sink = RecordingSink()
    run(camera(3), classifier(), [sink])
    assert sink.calls == ["open", "write", "finish", "close"]
    assert sink.indices == sorted(set(sink.indices))
    assert sink.indices[-1] == 2
    assert sink.threads == {"edgecnn-sink-recording"}
    until(lambda: "edgecnn-sink-recording" not in [thread.name for thread in threading.enumerate()])


def test_a_slow_sink_loses_the_newest_results_is_told_about_once_and_holds_up_nobody():
    said, sink = [], RecordingSink()
    background = full(sink, said)
    for index in range(MAX_WAITING, 100):
        background.write(FRAME, result(index))
    assert background.undelivered == 100 - MAX_WAITING
    assert said == ["the sink recording is too slow for the run: results are left out of it and counted"]
    sink.gate.set()
    background.drain()
    assert sink.indices == list(range(MAX_WAITING))
    background.close()


def test_a_run_goes_at_its_own_speed_beside_a_slow_sink_and_its_statistics_say_what_is_missing():
    said, slow, quick = [], RecordingSink(), CollectSink()

    class BlockingSource(ScriptedSource):
        def __iter__(self):
            slow.gate.clear()
            yield from super().__iter__()
            slow.gate.set()

    source = BlockingSource([plain()] * 60, live=True, interval_ms=5)
    source.say = said.append
    stats = run(source, classifier(), [slow, quick])
    assert stats.frames > len(slow.indices) == MAX_WAITING
    assert len(slow.indices) + len(quick.predictions) + stats.undelivered == 2 * stats.frames
    assert quick.stats == stats
    assert "the sink recording is too slow for the run: results are left out of it and counted" in said


def test_an_event_still_gets_into_a_line_that_is_full_of_results():
    sink = RecordingSink()
    background = full(sink)
    for _ in range(MAX_WAITING_WITH_EVENTS):
        background.tell(EVENT)
    assert background.undelivered == MAX_WAITING
    sink.gate.set()
    background.close()
    assert sink.calls == ["open", "write", "tell", "close"]


def test_a_failing_sink_is_told_about_once_gets_no_more_and_its_error_ends_up_with_the_caller():
    said, failing, other = [], RecordingSink(write=SinkError("the disk is full")), CollectSink()
    with pytest.raises(SinkError, match="the disk is full"):
        run(camera(20, said), classifier(), [failing, other])
    assert other.predictions[-1].frame_index > 1
    assert failures(said) == ["the sink recording failed, the run goes on without it: the disk is full"]
    assert failing.calls == ["open", "write", "close"]
    assert other.stats.undelivered == other.stats.frames + (other.stats.frames - len(other.predictions))


def test_results_that_waited_when_the_sink_failed_count_as_undelivered():
    sink = RecordingSink(write=SinkError("full"))
    background = full(sink)
    sink.gate.set()
    assert background.drain()
    assert background.undelivered == MAX_WAITING
    background.close()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ZeroDivisionError("oops")])
def test_whatever_a_sink_raises_is_its_own_affair(error):
    said, other = [], CollectSink()
    with pytest.raises((SinkError, ZeroDivisionError)):
        run(camera(10, said), classifier(), [RecordingSink(write=error), other])
    assert len(other.predictions) > 1
    assert len(failures(said)) == 1


def test_a_run_ends_when_all_its_sinks_have_failed():
    sinks = [RecordingSink(write=SinkError(text)) for text in ("one", "two")]
    source = camera(100_000)
    with pytest.raises(SinkError, match="one"):
        run(source, classifier(), sinks)
    assert source.closed


@pytest.mark.parametrize("where", ["write", "tell"])
def test_a_reader_who_leaves_ends_the_run_without_a_word(where):
    said, other = [], CollectSink()

    class TellingSource(ScriptedSource):
        def __iter__(self):
            for frame in super().__iter__():
                self.on_event(EVENT)
                yield frame

    source = TellingSource([plain()] * 100_000, live=True, interval_ms=1)
    source.say = said.append
    with pytest.raises(BrokenPipeError):
        run(source, classifier(), [RecordingSink(**{where: BrokenPipeError()}), other])
    assert failures(said) == []
    assert other.closed


def test_a_reader_who_leaves_while_no_picture_comes_ends_the_run_too():
    class LostSource(ScriptedSource):
        def __iter__(self):
            yield from super().__iter__()
            self.on_event(EVENT)
            until(self.is_over)

    source = LostSource([plain()], live=True)
    with pytest.raises(BrokenPipeError):
        run(source, classifier(), [RecordingSink(tell=BrokenPipeError()), CollectSink()])


def test_a_stuck_sink_is_left_behind_and_waited_for_only_once():
    said, sink = [], RecordingSink()
    background = full(sink, said, stuck_after_s=1.0)
    start = time.monotonic()
    background.finish(None)
    background.close()
    assert 1.0 <= time.monotonic() - start < 1.9
    assert said == ["the sink recording does not move any more; what it has not written is lost"]
    assert background.undelivered == MAX_WAITING
    sink.gate.set()
    until(lambda: sink.calls == ["open", "write", "close"])
    assert sink.indices == [0]


def test_a_sink_that_is_slow_but_moves_is_waited_for():
    class Slow(RecordingSink):
        def write(self, frame, prediction):
            time.sleep(0.15)
            super().write(frame, prediction)

    sink = Slow()
    background = opened(sink, stuck_after_s=0.3)
    for index in range(4):
        background.write(FRAME, result(index))
    background.finish(None)
    background.close()
    assert sink.indices == [0, 1, 2, 3]
    assert background.undelivered == 0


@pytest.mark.parametrize("where", ["finish", "close"])
def test_a_sink_that_cannot_be_completed_is_reported(where):
    said = []
    with pytest.raises(SinkError, match="no room for the index"):
        run(
            camera(3, said), classifier(), [RecordingSink(**{where: SinkError("no room for the index")}), CollectSink()]
        )
    assert said == ["the sink recording could not be completed: no room for the index"]


def test_a_sink_that_cannot_be_opened_ends_the_run_before_its_first_frame():
    said, other = [], CollectSink()
    with pytest.raises(SinkError, match="no such place"):
        run(camera(3, said), classifier(), [other, RecordingSink(open=SinkError("no such place"))])
    assert (other.predictions, other.closed, said) == ([], True, [])


def test_a_sink_that_does_not_open_in_time_is_refused_and_closed_when_it_opens_after_all():
    sink = RecordingSink()
    sink.gate.clear()
    with pytest.raises(SinkError, match=r"the sink recording did not open within 0\.1 s"):
        opened(sink, open_timeout_s=0.1)
    sink.gate.set()
    until(lambda: sink.calls == ["open", "close"])


def test_a_sink_may_look_after_itself_while_no_result_comes():
    class Restless(RecordingSink):
        idle_interval_s = 0.01

        def idle(self):
            self.note("idle")

    sink = Restless()
    background = opened(sink)
    until(lambda: "idle" in sink.calls)
    background.write(FRAME, result())
    background.finish(None)
    background.close()
    assert [call for call in sink.calls if call != "idle"] == ["open", "write", "finish", "close"]
    assert sink.threads == {"edgecnn-sink-restless"}


def test_a_sink_of_a_file_is_called_directly_so_that_nothing_gets_lost():
    sink = RecordingSink()
    run(ScriptedSource([plain()] * 50), classifier(), [sink])
    assert sink.indices == list(range(50))
    assert sink.threads == {threading.current_thread().name}
