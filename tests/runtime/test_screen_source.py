import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from edgecnn.errors import MissingExtraError, SourceError
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.streams import CaptureRequest

needs_mss = pytest.mark.skipif(importlib.util.find_spec("mss") is None, reason="mss is not installed")
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def display():
    """A display of 320 x 240 pixels that nobody sees; it does not start anew when its last client leaves."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "320x240x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as numbers:
        number = numbers.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(PATIENCE_S)


@pytest.fixture
def on_display(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)


def take(address, num, **request):
    source = open_source(address)
    source.request = CaptureRequest(**request)
    with source:
        return list(itertools.islice(source, num)), source


@needs_mss
def test_a_screen_that_stands_still_goes_on_giving_pictures(on_display):
    began_s = time.monotonic()
    frames, source = take("screen:", 30)
    assert {frame.pixels.shape for frame in frames} == {(240, 320, 3)}
    assert {frame.color_order for frame in frames} == {"bgr"}
    assert source.live
    assert source.frame_rate == 15.0
    assert time.monotonic() - began_s > 1.5


@needs_mss
def test_a_screen_is_seen_as_often_as_it_is_asked_for(on_display):
    _, source = take("screen:1", 5, frame_rate=50.0)
    assert source.frame_rate == 50.0


@needs_mss
@pytest.mark.parametrize(("place", "shape"), [("0", (240, 320, 3)), ("10,20,100,50", (50, 100, 3))])
def test_a_rectangle_or_all_monitors_can_be_chosen(on_display, place, shape):
    frames, _ = take(f"screen:{place}", 1)
    assert frames[0].pixels.shape == shape
    assert np.ptp(frames[0].pixels) == 0


@needs_mss
@pytest.mark.parametrize(
    ("place", "complaint"),
    [("9", "has 1 monitors"), ("300,0,100,50", "leaves the desktop"), ("0,0,0,5", "no pixels")],
)
def test_what_is_not_on_the_screen_is_refused(on_display, place, complaint):
    with pytest.raises(SourceError, match=complaint):
        take(f"screen:{place}", 1)


@needs_mss
def test_a_size_cannot_be_asked_for(on_display):
    with pytest.raises(SourceError, match="--size"):
        take("screen:", 1, size_wh=(640, 480))


@needs_mss
@pytest.mark.skipif(sys.platform != "linux", reason="only there a display can be absent")
def test_without_a_display_it_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SourceError, match="DISPLAY"):
        take("screen:", 1)


def test_an_address_that_is_no_place_is_refused():
    with pytest.raises(SourceError, match="screen:1"):
        open_source("screen:left")


def test_without_its_library_the_message_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "mss.py").write_text("raise ImportError('not here')")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "mss"}
    try:
        with pytest.raises(MissingExtraError, match=r"pip install 'edgecnn\[screen\]'"):
            take("screen:", 1)
    finally:
        sys.modules.update(loaded)
