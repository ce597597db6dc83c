import threading
import time

from edgecnn.runtime.loop import run
from edgecnn.runtime.opening import EarlySource
from edgecnn.runtime.streams import Source
from edgecnn.testing import CollectSink, FakeClassifier


class SlowlyOpening(Source):
    """A camera that is there and takes for ever to give its first picture."""

    live = True

    def __init__(self):
        self.opened = threading.Event()

    def open(self):
        self.opened.wait(30)

    def __iter__(self):
        raise AssertionError("nobody wants a frame any more")


def test_a_run_that_is_to_end_does_not_wait_for_a_camera_to_open():
    source, sink, stop = SlowlyOpening(), CollectSink(), threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    stats = run(EarlySource(source), FakeClassifier(("a", "b"), lambda pixels: [0.5, 0.5]), [sink], stop=stop)
    assert time.monotonic() - start < 10
    source.opened.set()
    assert stats.frames == 0
    assert sink.stats == stats
    assert sink.closed
