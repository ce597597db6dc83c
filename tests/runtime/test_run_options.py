"""What a run is told to leave out, to look at, and to decide."""

import cv2
import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.core.decisions import DecisionRules, parse_smoothing
from edgecnn.core.frame import EncodedFrame
from edgecnn.core.predictions import UNDECIDED
from edgecnn.core.view import make_view
from edgecnn.errors import SourceError
from edgecnn.imaging import to_input
from edgecnn.runtime.every import parse_every
from edgecnn.runtime.loop import MAX_WARNINGS, run
from edgecnn.runtime.options import RunOptions
from edgecnn.testing import CollectSink, FakeClassifier, ManualClock, ScriptedLiveSource, ScriptedSource

LABELS = ("night", "day")


def plain(level, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def brightness(pixels):
    bright = float(pixels.mean()) / 255
    return 1 - bright, bright


class FittingClassifier(FakeClassifier):
    """Sees what a model would see: the view, at the size of an input."""

    contract = InputContract(width=32, height=32)

    def prepare(self, frame):
        return to_input(frame, self.contract)


def judged(source, options, function=brightness, **more):
    sink = CollectSink()
    stats = run(source, FittingClassifier(LABELS, function), [sink], options, **more)
    return sink, stats


def jpeg(level):
    return EncodedFrame(data=cv2.imencode(".jpg", plain(level))[1].tobytes(), encoding="jpeg")


GARBAGE = EncodedFrame(data=b"\xff\xd8 no jpeg", encoding="jpeg")


def test_each_nth_frame_is_judged():
    sink, stats = judged(ScriptedSource([plain(0)] * 10), RunOptions(every=parse_every("4")))
    assert [prediction.frame_index for prediction in sink.predictions] == [0, 4, 8]
    assert stats.dropped == 0


def test_one_frame_in_a_time_is_judged_of_a_camera_by_its_clock():
    clock = ManualClock()
    source = ScriptedSource([plain(0)] * 12, live=True, clock=clock, interval_ms=100)
    sink, _ = judged(source, RunOptions(every=parse_every("250ms")), clock=clock)
    assert [prediction.captured_ns // 1_000_000 for prediction in sink.predictions] == [0, 300, 500, 800, 1000]


def test_one_frame_in_a_time_is_judged_of_a_clip_by_its_frame_rate():
    source = ScriptedSource([plain(0)] * 50)
    source.frame_rate = 25.0
    sink, _ = judged(source, RunOptions(every=parse_every("0.4s")))
    assert [prediction.frame_index for prediction in sink.predictions] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("text", ["0", "-1", "0ms", "1.5", "often", "", "5 ms", "1m"])
def test_a_rule_for_every_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match="every must be a number of frames such as 5, or a time such as 200ms or 2s"):
        parse_every(text)


def test_only_the_region_of_interest_is_judged():
    picture = plain(0)
    picture[:24, :32] = 255
    for roi, label in (("0,0,0.5,0.5", "day"), ("0.5,0.5,0.5,0.5", "night")):
        sink, _ = judged(ScriptedSource([picture]), RunOptions(view=make_view(roi=roi)))
        assert sink.labels == [label]
        assert sink.frames[0].view == make_view(roi=roi), "a sink can outline it"


def test_nothing_is_judged_while_nothing_moves():
    script = [plain(0)] * 3 + [plain(255)] * 3 + [plain(0)]
    sink, stats = judged(ScriptedSource(script), RunOptions(skip_still=True))
    assert [prediction.frame_index for prediction in sink.predictions] == [0, 3, 6]
    assert (stats.frames, stats.still) == (3, 4)


def test_a_result_about_an_old_picture_is_thrown_away_and_counted():
    clock, ages = ManualClock(), iter([50, 200, 50, 200, 50])

    def slow(pixels):
        clock.advance(next(ages))
        return brightness(pixels)

    source = ScriptedSource([plain(0)] * 5, live=True, clock=clock, interval_ms=1000)
    sink, stats = judged(source, RunOptions(max_age_ms=100), slow, clock=clock)
    assert [prediction.frame_index for prediction in sink.predictions] == [0, 2, 4]
    assert (stats.frames, stats.stale) == (3, 2)


def test_a_decision_stands_until_a_new_label_is_confirmed():
    script = [plain(level) for level in (0, 0, 255, 0, 0, 255, 255, 255)]
    sink, _ = judged(ScriptedSource(script), RunOptions(rules=DecisionRules(confirm=2), num_lanes=3))
    decisions = [prediction.decision for prediction in sink.predictions]
    assert decisions[0] is UNDECIDED
    assert sink.predictions[0].headline is None
    assert [decision.label for decision in decisions[1:]] == ["night"] * 5 + ["day"] * 2
    assert [decision.changed for decision in decisions[1:]] == [True, False, False, False, False, True, False]
    assert sink.predictions[2].top.label == "day", "the scores of the frame itself stay as they are"


def test_smoothing_and_the_threshold_for_unknown_meet():
    rules = DecisionRules(smooth=parse_smoothing("mean:2"), unknown_below=0.9)
    sink, _ = judged(ScriptedSource([plain(0), plain(255), plain(255)]), RunOptions(rules=rules))
    assert [prediction.headline[0] for prediction in sink.predictions] == ["night", "unknown", "day"]


def test_a_camera_that_came_back_starts_its_smoothing_anew():
    clock = ManualClock()
    camera = ScriptedLiveSource([plain(0)], clock=clock)
    seen = []

    class Watcher(CollectSink):
        instant = True

        def write(self, frame, prediction):
            seen.append(prediction.decision)
            if len(seen) == 1:
                camera.show(OSError("unplugged"), plain(255))
            else:
                stopped.append(True)

        def tell(self, event):
            clock.advance(10_000)

    stopped = []
    rules = DecisionRules(smooth=parse_smoothing("mean:9"))
    run(camera, FittingClassifier(LABELS, brightness), [Watcher()], RunOptions(rules=rules, max_frames=2), clock=clock)
    assert stopped
    assert [decision.label for decision in seen] == ["night", "day"]


@pytest.mark.parametrize("num_lanes", [1, 3])
def test_one_picture_in_three_is_garbage_and_the_run_goes_on(num_lanes):
    said = []
    source = ScriptedSource([jpeg(200), GARBAGE, jpeg(20)] * 12)
    source.say = said.append
    sink, stats = judged(source, RunOptions(num_lanes=num_lanes))
    assert sink.labels == ["day", "night"] * 12
    assert (stats.frames, stats.unreadable) == (24, 12)
    assert len(said) == MAX_WARNINGS + 1
    assert said[0].startswith("passed over: frame 1 of scripted is a JPEG file that is cut short")


def test_a_source_of_nothing_but_garbage_is_an_error():
    with pytest.raises(SourceError, match="none of the 4 frames that came can be decoded"):
        judged(ScriptedSource([GARBAGE] * 4), RunOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_age_ms": 0.0}, "max_age must be above 0"), ({"num_lanes": 0}, "num_lanes must be at least 1")],
)
def test_more_limits_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RunOptions(**options)
