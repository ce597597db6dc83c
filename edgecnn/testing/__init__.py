"""Fakes for tests of programs built on edgecnn, and of edgecnn itself.

from edgecnn.runtime.loop import run
from edgecnn.testing import CollectSink, FakeClassifier, ScriptedSource

sink = CollectSink()
run(ScriptedSource([dark, bright]), FakeClassifier(("night", "day"), brightness), [sink])
assert sink.labels == ["night", "day"]
"""

from edgecnn.testing.classifier import FakeClassifier
from edgecnn.testing.clips import grey_of, write_clip
from edgecnn.testing.clock import ManualClock
from edgecnn.testing.http_camera import MjpegServer
from edgecnn.testing.live import ScriptedLiveSource
from edgecnn.testing.rtsp_camera import RtspServer
from edgecnn.testing.sinks import CollectSink
from edgecnn.testing.sources import ScriptedSource

__all__ = [
    "CollectSink",
    "FakeClassifier",
    "ManualClock",
    "MjpegServer",
    "RtspServer",
    "ScriptedLiveSource",
    "ScriptedSource",
    "grey_of",
    "write_clip",
]
