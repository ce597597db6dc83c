"""``screen:``, ``screen:2`` or ``screen:x,y,w,h``: what a monitor of this computer shows."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.errors import MissingExtraError, SourceError
from edgecnn.imaging.geometry import as_uint8
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.live import Grabber, LiveSource
from edgecnn.runtime.sources.asked import refuse_fourcc
from edgecnn.runtime.sources.pacing import Pace

_DEFAULT_FRAME_RATE = 15.0


class ScreenSource(LiveSource):
    """A monitor, or a rectangle of the desktop.

    Args:
        place: empty for the first monitor; the number of a monitor from 1, or 0 for all of them
            together; or ``x,y,width,height`` in pixels of the desktop.

    Raises:
        SourceError: the place is none of these.
    """

    takes_request = True
    may_stand_still = True

    def __init__(self, place: str) -> None:
        super().__init__(f"screen:{place}")
        if not re.fullmatch(r"|[0-9]+|-?[0-9]+,-?[0-9]+,[0-9]+,[0-9]+", place):
            raise SourceError(f"screen:{place} is neither a monitor such as screen:1 nor a rectangle screen:x,y,w,h")
        self._parts = [int(part) for part in place.split(",") if part]

    def start(self) -> None:
        """Look whether the library is there, and begin to open the screen.

        Raises:
            MissingExtraError: it is not.
        """
        try:
            import mss  # noqa: F401  # only whether it is there
        except ImportError as exc:
            raise MissingExtraError(
                f"{self.address} needs the library mss ({exc}); run: pip install 'edgecnn[screen]'"
            ) from exc
        super().start()

    def make_grabber(self) -> Grabber:
        """Return a connection to the display."""
        refuse_fourcc(self.address, self.request)
        if self.request.size_wh:
            raise SourceError(f"{self.address} has the size that it has; leave out --size, or give screen:x,y,w,h")
        return _ScreenGrabber(self.address, self._parts, self.request.frame_rate or _DEFAULT_FRAME_RATE)


class _ScreenGrabber(Grabber):
    def __init__(self, address: str, numbers: list[int], frame_rate: float) -> None:
        self._address, self._parts, self.frame_rate = address, numbers, frame_rate
        self._pace = Pace(frame_rate)
        self._screen: Any = None
        self._area: dict[str, int] = {}

    def open(self) -> None:
        import mss

        try:
            # In the thread that uses it: a connection to the display belongs to one.
            self._screen = mss.MSS() if hasattr(mss, "MSS") else mss.mss()
            monitors = self._screen.monitors
        except Exception as exc:  # also of the system's own kinds
            self.close()
            raise SourceError(
                f"{self._address} cannot be seen ({exc}); is there a display, and is DISPLAY set? "
                "Under Wayland no program may look at the screen this way"
            ) from exc
        try:
            self._area = self._choose(monitors)
        except SourceError:
            self.close()
            raise

    def grab(self) -> AnyFrame | None:
        if not self._pace.wait():
            return None
        start_ns = time.monotonic_ns()
        try:
            shot = self._screen.grab(self._area)
        except Exception as exc:
            raise SourceError(f"{self._address} cannot be seen any more: {exc}") from exc
        pixels = np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)
        return Frame(
            pixels=as_uint8(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR)),
            color_order="bgr",
            captured_ns=start_ns,
            read_ms=(time.monotonic_ns() - start_ns) / 1e6,
        )

    def close(self) -> None:
        if self._screen is not None:
            self._screen.close()

    def _choose(self, monitors: list[dict[str, int]]) -> dict[str, int]:
        if len(self._parts) == 4:
            left, top, width, height = self._parts
            if not (width and height):
                raise SourceError(f"{self._address} has no pixels; the width and the height are at least 1")
            desk = monitors[0]
            right, bottom = desk["left"] + desk["width"], desk["top"] + desk["height"]
            if left < desk["left"] or top < desk["top"] or left + width > right or top + height > bottom:
                raise SourceError(f"{self._address} leaves the desktop, which is {desk['width']} x {desk['height']}")
            return {"left": left, "top": top, "width": width, "height": height}
        number = self._parts[0] if self._parts else 1
        if number >= len(monitors):
            raise SourceError(f"{self._address} is not there; this desktop has {len(monitors) - 1} monitors, from 1")
        return monitors[number]
