"""Several cameras, or several files, in one run."""

import numpy as np
import pytest

from edgecnn.core.decisions import DecisionRules
from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.live import EndOfStreamError
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.several import MAX_CAMERAS, SeveralSources
from edgecnn.runtime.streams import CaptureRequest, Source
from edgecnn.testing import CollectSink, FakeClassifier, ManualClock, ScriptedLiveSource, ScriptedSource


def plain(level):
    return np.full((4, 6, 3), level, np.uint8)


def classifier():
    return FakeClassifier(("night", "day"), lambda pixels: [1 - pixels.mean() / 255, pixels.mean() / 255])


def cameras(num, **options):
    return [ScriptedLiveSource([plain(10 + number)], address=f"camera:{number}", **options) for number in range(num)]


def test_every_camera_gives_its_newest_frame_in_turn():
    first, second = cameras(2)
    several = SeveralSources([first, second])
    sink = CollectSink()
    for camera, level in ((first, 100), (second, 200)):
        camera.show(plain(level), EndOfStreamError())
    stats = run(several, classifier(), [sink])
    seen = [
        (prediction.camera, frame.pixels.flat[0])
        for prediction, frame in zip(sink.predictions, sink.frames, strict=True)
    ]
    assert {camera for camera, _ in seen} == {"camera:0", "camera:1"}
    assert ("camera:0", 100) in seen
    assert ("camera:1", 200) in seen
    assert stats.frames + stats.dropped == 4
    assert first.num_closed == second.num_closed == 1


def test_a_lost_camera_holds_up_nobody_and_its_loss_is_told():
    clock = ManualClock()
    lost, well = cameras(2, clock=clock)
    several, sink = SeveralSources([lost, well]), CollectSink()
    lost.opening_errors = []

    class Script(CollectSink):
        def write(self, frame, prediction):
            super().write(frame, prediction)
            if prediction.camera == "camera:0":
                lost.opening_errors = [SourceError("still away")] * 1000
                lost.show(SourceLostError("camera:0 was unplugged"))
            elif len(self.predictions) < 6:
                well.show(plain(len(self.predictions)))
            else:
                well.show(EndOfStreamError())
                several.lost_timeout_s = 1.0
                clock.advance(2000)

    script = Script()
    with pytest.raises(SourceLostError, match=r"camera:0 stayed lost for 1 s"):
        run(several, classifier(), [script, sink])
    assert [event.kind for event in sink.events] == ["camera_lost"]
    assert sum(prediction.camera == "camera:1" for prediction in script.predictions) >= 5


def test_each_camera_has_its_own_decisions():
    several, sink = SeveralSources(cameras(2)), CollectSink()
    first, second = several.sources
    first.show(plain(0), plain(0), EndOfStreamError())
    second.show(plain(255), EndOfStreamError())
    run(several, classifier(), [sink], RunOptions(rules=DecisionRules(confirm=1)))
    by_camera = {prediction.camera: prediction.decision.label for prediction in sink.predictions}
    assert by_camera == {"camera:0": "night", "camera:1": "day"}


def test_one_missing_camera_of_several_closes_the_others():
    first, second = cameras(2)
    second.opening_errors = [CameraMissingError("there is no camera:1")]
    with pytest.raises(CameraMissingError, match="there is no camera:1"):
        run(SeveralSources([first, second]), classifier(), [])
    assert first.num_closed == first.num_opened


def test_files_are_judged_in_turn_to_the_end_of_the_longest():
    sink = CollectSink()
    sources = [ScriptedSource([plain(level)] * num) for level, num in ((1, 2), (2, 4))]
    stats = run(SeveralSources(sources), classifier(), [sink])
    assert [frame.pixels.flat[0] for frame in sink.frames] == [1, 2, 1, 2, 2, 2]
    assert stats.frames == 6


def test_what_is_asked_of_all_reaches_each():
    sources = cameras(3)
    several = SeveralSources(sources)
    several.request, several.lost_timeout_s = CaptureRequest((640, 480)), 7.0
    assert {(source.request, source.lost_timeout_s) for source in sources} == {(CaptureRequest((640, 480)), 7.0)}
    assert several.num_cameras == 3
    assert several.address == "camera:0 camera:1 camera:2"


def test_forty_cameras_are_too_many():
    with pytest.raises(SourceError, match=f"40 cameras are more than one process takes, which is {MAX_CAMERAS}"):
        SeveralSources(cameras(40))


def test_cameras_and_files_do_not_go_together():
    class Stranger(Source):
        live = True

        def __iter__(self):
            return iter(())

    with pytest.raises(SourceError, match="cannot be judged in one run"):
        SeveralSources([*cameras(1), ScriptedSource([])])
    with pytest.raises(SourceError, match="alone"):
        SeveralSources([*cameras(1), Stranger()])
