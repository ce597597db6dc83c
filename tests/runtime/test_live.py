import threading
import time

import numpy as np
import pytest

from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.live import EndOfStreamError
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.streams import CaptureRequest
from edgecnn.testing import CollectSink, FakeClassifier, ManualClock, ScriptedLiveSource


def plain(level):
    return np.full((4, 6, 3), level, np.uint8)


def level_of(frame):
    return int(frame.pixels[0, 0, 0])


class Camera:
    """A scripted camera that is open, its clock, and what it told."""

    def __init__(self, *script, **options):
        self.clock, self.events = ManualClock(), []
        self.source = ScriptedLiveSource([*script] or [plain(0)], clock=self.clock, **options)
        self.source.on_event = self.events.append

    @property
    def kinds(self):
        return [event.kind for event in self.events]

    def __enter__(self):
        self.source.open()
        self.source.settle()
        return self

    def __exit__(self, *error):
        self.source.go_on()
        self.source.close()

    def poll(self):
        """Ask for the newest frame and let what that began come to rest."""
        frame = self.source.poll()
        self.source.settle()
        return frame

    def show(self, *steps):
        self.source.show(*steps)
        self.source.settle()

    def pass_time(self, time_ms, step_ms=50):
        """Let time pass while the camera shows nothing; return the frames that came all the same."""
        frames = []
        for _ in range(round(time_ms / step_ms)):
            self.clock.advance(step_ms)
            frames.append(self.poll())
        return [frame for frame in frames if frame is not None]

    def lose(self):
        """Let the connection break."""
        self.show(SourceLostError("the cable is broken"))
        while self.poll() is not None:
            pass

    def come_back(self, *steps):
        """Wait for a new connection and show something through it."""
        self.source.show(*steps)
        for _ in range(200):
            frames = self.pass_time(50)
            if frames:
                break
        return frames

    def time_until(self, happened, step_ms=50, limit_ms=200_000):
        """Return how many milliseconds pass until something is so."""
        passed_ms = 0
        while not happened():
            assert passed_ms < limit_ms
            self.pass_time(step_ms, step_ms)
            passed_ms += step_ms
        return passed_ms


def test_of_several_frames_the_newest_is_given_and_the_others_are_counted():
    with Camera(plain(0)) as camera:
        assert level_of(camera.poll()) == 0
        camera.show(plain(1), plain(2), plain(3))
        frame = camera.poll()
        assert (level_of(frame), frame.index, frame.camera) == (3, 3, "scripted")
        assert camera.source.dropped == 2
        assert camera.poll() is None


def test_a_frame_says_when_it_was_captured_not_when_it_was_taken():
    with Camera(plain(0)) as camera:
        camera.clock.advance(1500)
        assert camera.poll().captured_ns == 0


def test_opening_waits_for_the_first_frame_and_passes_the_wishes_on():
    source = ScriptedLiveSource([plain(7)])
    source.request = CaptureRequest(size_wh=(640, 480), frame_rate=15.0)
    with source:
        assert level_of(next(iter(source))) == 7
    assert source.seen_request == source.request
    assert (source.num_opened, source.num_closed) == (1, 1)


def test_a_camera_that_cannot_be_opened_says_why():
    source = ScriptedLiveSource()
    source.opening_errors.append(CameraMissingError("there is no such camera"))
    with pytest.raises(CameraMissingError, match="no such camera"):
        source.open()
    assert source.num_closed == 0


def test_a_camera_that_gives_no_picture_counts_as_missing():
    source = ScriptedLiveSource(address="camera:7")
    source.first_frame_timeout_s = 0.2
    source.opening_errors = []
    began_s = time.monotonic()
    with pytest.raises(CameraMissingError, match="camera:7 gave no picture within"):
        source.open()
    assert time.monotonic() - began_s < 8
    assert source.num_closed == 1


def test_a_stream_that_ends_at_once_is_an_error():
    with pytest.raises(SourceError, match="ended without a picture"):
        ScriptedLiveSource([EndOfStreamError()]).open()


def test_the_end_of_the_stream_ends_the_iteration_after_the_last_frame():
    with ScriptedLiveSource([plain(1)]) as source:
        source.show(plain(2), EndOfStreamError())
        source.settle()
        assert [level_of(frame) for frame in source] == [2]


def test_a_camera_is_lost_when_no_picture_comes_for_two_seconds():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.pass_time(1900)
        assert camera.kinds == []
        camera.pass_time(200)
        assert camera.kinds == ["camera_lost"]
        assert "no picture for 2 s" in camera.events[0].reason
        assert camera.source.num_closed == 1


def test_the_time_of_a_slow_reader_is_not_held_against_the_camera():
    with Camera(plain(0)) as camera:
        for level in range(1, 5):
            camera.clock.advance(8000)
            camera.show(plain(level))
            assert level_of(camera.poll()) == level
            assert camera.poll() is None
        assert camera.kinds == []


def test_a_slow_reader_does_not_make_the_watch_patient():
    with Camera(plain(0)) as camera:
        for level in range(1, 20):
            camera.clock.advance(30)
            camera.show(plain(level))
            if level % 5 == 0:
                camera.poll()
        camera.pass_time(1000)
        assert camera.time_until(lambda: camera.kinds) < 1500


def test_a_broken_connection_is_a_loss_at_once_after_the_last_frame():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.show(plain(1), SourceLostError("the cable is broken"))
        assert level_of(camera.poll()) == 1
        assert camera.kinds == []
        camera.poll()
        assert camera.events[0].reason == "the cable is broken"


def test_any_exception_of_a_grabber_is_a_loss():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.show(ZeroDivisionError())
        camera.poll()
        assert camera.events[0].reason == "ZeroDivisionError"


def test_a_lost_camera_comes_back_and_goes_on_counting():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.show(plain(1), plain(2))
        camera.lose()
        frames = camera.come_back(plain(3), plain(4))
        assert [level_of(frame) for frame in frames] == [4]
        assert [frame.index for frame in frames] == [4]
        assert camera.kinds[:2] == ["camera_lost", "camera_back"]
        assert "back after" in camera.events[1].reason
        camera.show(plain(5), plain(6), plain(7))
        assert camera.source.dropped >= 2


def test_dropped_frames_are_counted_over_all_connections():
    with Camera(plain(0)) as camera:
        camera.show(plain(1), plain(2))
        camera.poll()
        assert camera.source.dropped == 2
        camera.lose()
        camera.come_back(plain(3), plain(4))
        assert camera.source.dropped == 3


def test_the_same_picture_for_two_seconds_is_a_loss():
    with Camera(plain(0)) as camera:
        for _ in range(25):
            camera.clock.advance(100)
            camera.show(plain(0))
            camera.poll()
        assert camera.kinds[:1] == ["camera_lost"]
        assert "the very same picture" in camera.events[0].reason


def test_a_scene_that_is_still_after_reopening_is_accepted():
    with Camera(plain(0)) as camera:
        num_frames = 0
        for _ in range(200):
            camera.clock.advance(100)
            camera.show(plain(0))
            num_frames += camera.poll() is not None
        assert camera.kinds == ["camera_lost", "camera_back"]
        assert num_frames > 180


def test_a_scene_that_moves_after_having_been_still_is_watched_again():
    with Camera(plain(0)) as camera:
        for level in [0] * 100 + [1, 2] + [3] * 100:
            camera.clock.advance(100)
            camera.show(plain(level))
            camera.poll()
        assert camera.kinds == ["camera_lost", "camera_back"] * 2


def test_a_scene_that_comes_to_rest_again_and_again_is_given_more_time_each_time():
    with Camera(plain(0)) as camera:
        for turn in range(12):
            for step in range(50):
                camera.clock.advance(100)
                camera.show(plain(turn if step else 100 + turn))
                camera.poll()
        assert camera.kinds == ["camera_lost", "camera_back"] * 2


def test_a_camera_that_has_long_given_other_pictures_is_not_given_more_time_any_more():
    with Camera(plain(0)) as camera:
        for level in [0] * 70 + [1, 2] * 160 + [3] * 25:
            camera.clock.advance(100)
            camera.show(plain(level))
            camera.poll()
        assert camera.kinds == ["camera_lost", "camera_back"] * 2


def test_a_picture_of_which_only_a_corner_changes_is_not_frozen():
    with Camera(plain(0)) as camera:
        for level in range(60):
            picture = plain(0)
            picture[-1, -1] = level
            camera.clock.advance(100)
            camera.show(picture)
            camera.poll()
        assert camera.kinds == []


def test_a_source_that_may_stand_still_is_never_called_frozen():
    with Camera(plain(0)) as camera:
        camera.source.may_stand_still = True
        for _ in range(100):
            camera.clock.advance(100)
            camera.show(plain(0))
            camera.poll()
        assert camera.kinds == []


def test_the_pauses_between_attempts_grow_to_five_seconds():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.source.opening_errors = [CameraMissingError("still gone")] * 20
        camera.lose()
        pauses_ms = []
        for num_left in range(19, 11, -1):
            pauses_ms.append(camera.time_until(lambda left=num_left: len(camera.source.opening_errors) == left))
            camera.poll()
        assert pauses_ms == [200, 500, 1000, 2000, 5000, 5000, 5000, 5000]
        assert camera.kinds == ["camera_lost"]


def test_a_camera_that_flickers_is_tried_at_growing_intervals():
    with Camera(plain(0)) as camera:
        camera.poll()
        for level in range(1, 200):
            camera.source.show(plain(level), SourceLostError("gone again"))
        camera.pass_time(60_000)
        assert len(camera.events) < 40


def test_a_camera_that_had_been_steady_is_tried_again_at_once():
    with Camera(plain(0)) as camera:
        for round_number in range(5):
            for level in range(100):
                camera.clock.advance(100)
                camera.show(plain(level + round_number))
                camera.poll()
            camera.lose()
            camera.source.show(plain(200))
            num_events = len(camera.events)
            assert camera.time_until(lambda num=num_events: len(camera.events) > num) <= 400


@pytest.mark.parametrize("interval_s", [3, 12])
def test_a_camera_that_is_merely_slow_is_left_alone_in_the_end(interval_s):
    with Camera(plain(0)) as camera:
        camera.poll()
        levels = iter(range(1, 1000))
        for _ in range(20):
            camera.show(plain(next(levels) % 250))
            camera.pass_time(1000 * interval_s)
        num_events = len(camera.events)
        for _ in range(20):
            camera.show(plain(next(levels) % 250))
            assert len(camera.pass_time(1000 * interval_s)) == 1
        assert 0 < num_events <= 10
        assert len(camera.events) == num_events


def test_a_camera_that_is_known_to_be_slow_is_never_lost():
    with Camera(plain(0)) as camera:
        camera.source.close()
        source = ScriptedLiveSource([plain(0)], clock=camera.clock)
        camera.source, source.on_event = source, camera.events.append
        source.request = CaptureRequest(frame_rate=0.01)
        source.open()
        for level in range(1, 5):
            camera.show(plain(level))
            camera.poll()
            camera.pass_time(100_000, step_ms=1000)
        assert camera.kinds == []


def test_patience_is_forgotten_when_pictures_come_quickly_again():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.pass_time(30_000)
        for level in range(400):
            camera.clock.advance(40)
            camera.show(plain(level % 250))
            camera.poll()
        num_events = len(camera.events)
        assert camera.time_until(lambda: len(camera.events) > num_events) <= 2100


def test_a_camera_that_stays_lost_ends_the_iteration_with_the_reason():
    with Camera(plain(0)) as camera:
        camera.source.lost_timeout_s = 10.0
        camera.poll()
        camera.source.opening_errors = [CameraMissingError("nobody answers")] * 20
        camera.lose()
        camera.pass_time(9000)
        with pytest.raises(SourceLostError, match="scripted stayed lost for 10 s: nobody answers"):
            camera.pass_time(1100)


def test_a_camera_that_comes_back_in_time_does_not_end_the_iteration():
    with Camera(plain(0)) as camera:
        camera.source.lost_timeout_s = 10.0
        camera.poll()
        camera.lose()
        camera.come_back(plain(1))
        for level in range(200):
            camera.clock.advance(100)
            camera.show(plain(level))
            camera.poll()
        assert camera.kinds == ["camera_lost", "camera_back"]


def test_a_waiting_iteration_ends_when_the_run_is_over():
    over = threading.Event()
    with ScriptedLiveSource([plain(0)]) as source:
        source.is_over = over.is_set
        threading.Timer(0.2, over.set).start()
        assert [level_of(frame) for frame in source] == [0]


def test_closing_from_elsewhere_ends_a_waiting_iteration():
    with ScriptedLiveSource([plain(0)]) as source:
        threading.Timer(0.2, source.close).start()
        assert [level_of(frame) for frame in source] == [0]


def test_closing_takes_about_a_second_when_the_driver_hangs():
    with Camera(plain(0)) as camera:
        camera.source.hang()
        began_s = time.monotonic()
        camera.source.close()
        assert time.monotonic() - began_s < 5
        assert camera.source.num_closed == 0
        camera.source.go_on()


def test_a_hanging_driver_is_left_behind_and_the_camera_opened_anew():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.source.hang()
        camera.clock.advance(2100)
        assert camera.source.poll() is None
        assert camera.kinds == ["camera_lost"]
        camera.clock.advance(1000)
        camera.source.poll()
        assert camera.source.num_opened == 1  # it may still hold the device
        camera.source.go_on()
        camera.source.settle()
        assert [level_of(frame) for frame in camera.come_back(plain(9))] == [9]
        assert (camera.source.num_opened, camera.source.num_closed) == (2, 1)


def test_a_driver_that_hangs_for_ever_is_not_waited_for_for_ever():
    with Camera(plain(0)) as camera:
        camera.poll()
        camera.source.hang()
        camera.clock.advance(2100)
        camera.source.poll()
        camera.clock.advance(3000)
        camera.source.poll()
        until_s = time.monotonic() + 10
        while camera.source.num_opened < 2 and time.monotonic() < until_s:
            time.sleep(0.01)
        assert camera.source.num_opened == 2


def test_a_run_tells_every_sink_of_a_loss_and_a_return():
    class Listening(CollectSink):
        def __init__(self):
            super().__init__()
            self.kinds = []

        def tell(self, event):
            self.kinds.append(event.kind)

    sink, classifier = Listening(), FakeClassifier(("night", "day"), lambda pixels: (1.0, 0.0))
    script = [plain(0), SourceLostError("broken"), plain(1), EndOfStreamError()]
    stats = run(ScriptedLiveSource(script), classifier, [sink], RunOptions(max_duration_s=20))
    assert sink.kinds == ["camera_lost", "camera_back"]
    assert stats.frames == 2
