"""``window:``: the frames with their labels, on a screen."""

from __future__ import annotations

import os
import sys
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.imaging import resize
from edgecnn.runtime.sinks.console import printable
from edgecnn.runtime.sinks.displays import ProcessScreen, check_display, check_framework, gui_framework
from edgecnn.runtime.sinks.overlay import draw_label, draw_line, fit_canvas
from edgecnn.runtime.stats import RunStats
from edgecnn.runtime.streams import CameraEvent, Sink, Source

MAX_SIDE_PX = 1280
LAST_PICTURE_POLL_MS = 100
_SHADE = 0.3


class Screen(Protocol):
    """Where windows appear; used in one thread."""

    def open(self) -> None:
        """Begin to show windows, raising SinkError if that cannot be done."""

    def show(self, title: str, canvas: NDArray[np.uint8]) -> None:
        """Show a picture, uint8 (H, W, 3), BGR, in the window of that title; BrokenPipeError as for poll."""

    def poll(self, wait_ms: int) -> bool:
        """Tell, after so long, whether a person has closed a window or asked to end."""

    def close(self) -> None:
        """Close all windows."""


class WindowSink(Sink):
    """A window for each camera; pressing q or Esc or closing one ends the run.

    The last picture of a camera that is lost turns dark and says so.

    After the last picture of a file or folder the windows stay until then, or until the run is
    told to end. Large pictures are shown smaller, so that no side is longer than 1280 pixels.

    Args:
        place: must be empty.
        screen: where the windows appear, that of OpenCV by default.
    """

    idle_interval_s = 0.1

    def __init__(self, place: str = "", *, screen: Screen | None = None) -> None:
        if place:
            raise SinkError(f"the sink window takes no place, got {place!r}; give just: window")
        self._screen = screen or OpenCvScreen()
        self._source: Source | None = None
        self._last: dict[str, AnyFrame] = {}

    def open(self, source: Source) -> None:
        """Make sure that windows can be shown here.

        Raises:
            SinkError: they cannot; the message says what to do.
        """
        self._screen.open()
        self._source = source

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Show the frame.

        Raises:
            BrokenPipeError: the person who looks wants the run to end.
        """
        canvas = _fit_screen(fit_canvas(frame))
        draw_label(canvas, prediction.headline)
        self._last[frame.camera] = frame
        self._show(frame.camera, canvas)

    def tell(self, event: CameraEvent) -> None:
        """Show that a camera is lost: an old picture must not be taken for a new one."""
        if event.kind == "camera_lost" and event.camera in self._last:
            canvas = (_fit_screen(fit_canvas(self._last[event.camera])) * _SHADE).astype(np.uint8)
            draw_line(canvas, f"camera lost: {event.reason}")
            self._show(event.camera, canvas)

    def idle(self) -> None:
        """Look whether a window was closed while no picture came."""
        self._poll(0)

    def finish(self, stats: RunStats) -> None:
        """Leave the last picture of what is not live on the screen until somebody has seen it."""
        source = self._source
        if source is None or source.live or not self._last:
            return
        while not source.is_over():
            self._poll(LAST_PICTURE_POLL_MS)

    def close(self) -> None:
        """Close the windows."""
        self._screen.close()

    def _show(self, camera: str, canvas: NDArray[np.uint8]) -> None:
        self._screen.show(printable(f"edgecnn {camera}".rstrip()), canvas)
        self._poll(0)

    def _poll(self, wait_ms: int) -> None:
        if self._screen.poll(wait_ms):
            raise BrokenPipeError("the window was closed")


class OpenCvScreen(ProcessScreen):
    """Windows of the OpenCV that is installed, on the display of this session."""

    def __init__(self) -> None:
        super().__init__(sys.path)

    def open(self) -> None:
        """Start to show windows.

        Raises:
            SinkError: it cannot be done here; the message says what to do.
        """
        check_framework(gui_framework())
        if sys.platform == "linux":
            check_display(os.environ)
        super().open()


def _fit_screen(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = canvas.shape[:2]
    scale = MAX_SIDE_PX / max(rows, columns)
    if scale >= 1.0:
        return canvas
    return resize(canvas, (max(1, round(columns * scale)), max(1, round(rows * scale))))
