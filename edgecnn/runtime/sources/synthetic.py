"""``synthetic:``: a camera that is none, for trying things out: a moving test card, or pictures of a folder in turn."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.errors import SourceError
from edgecnn.imaging import is_picture_name
from edgecnn.imaging.geometry import as_uint8
from edgecnn.imaging.opencv import cv2
from edgecnn.imaging.shapes import SHAPES, fill_shape
from edgecnn.runtime.live import Grabber, LiveSource
from edgecnn.runtime.sources.asked import refuse_fourcc
from edgecnn.runtime.sources.folder_camera import FolderGrabber
from edgecnn.runtime.sources.pacing import Pace

DEFAULT_SIZE_WH = (640, 480)
DEFAULT_FRAME_RATE = 30.0
_SHAPE_S = 2.0
_MARGIN_PX = 64
_CARD = re.compile(r"(?:([1-9][0-9]{0,4})x([1-9][0-9]{0,4}))?(?:@([0-9]+(?:\.[0-9]+)?))?")
_MIN_SIDE_PX = 16


class SyntheticSource(LiveSource):
    """Pictures at a camera's pace whose true label is known: it is the ``name`` of each frame.

    The test card shows a circle, a square, a star and a triangle, two seconds each, which move
    and turn over a ground that moves, too. A folder's pictures come one after the other as
    JPEG files, over and over, and each is named by its path.

    Args:
        place: empty or ``WIDTHxHEIGHT@FPS``, either part of which may be left out, for the test
            card; else a folder of pictures.

    Raises:
        SourceError: the place is neither.
    """

    takes_request = True
    may_stand_still = True

    def __init__(self, place: str) -> None:
        super().__init__(f"synthetic:{place}")
        card = _CARD.fullmatch(place)
        self._folder = None if card else Path(place)
        self._size_wh = (int(card[1]), int(card[2])) if card and card[1] else None
        self._stated_rate = float(card[3]) if card and card[3] else 0.0
        if card and card[3] and not 0.0 < self._stated_rate <= 1000.0:
            raise SourceError(
                f"synthetic:{place} is to give {card[3]} pictures per second; above 0 to 1000 are possible"
            )
        if self._folder and not self._folder.is_dir():
            raise SourceError(f"there is no folder {place!r}; give one, or a size and rate as in synthetic:1280x720@30")

    def make_grabber(self) -> Grabber:
        """Return the camera.

        Raises:
            SourceError: the request contradicts the address, or the folder holds no picture.
        """
        refuse_fourcc(self.address, self.request)
        asked = self.request
        contradicted = self._size_wh and asked.size_wh not in (None, self._size_wh)
        if contradicted or (self._stated_rate and asked.frame_rate not in (0.0, self._stated_rate)):
            raise SourceError(f"{self.address} states another size or frame rate than --size and --fps do")
        size_wh = self._size_wh or asked.size_wh
        frame_rate = self._stated_rate or asked.frame_rate or DEFAULT_FRAME_RATE
        if self._folder is None:
            return _CardGrabber(size_wh or DEFAULT_SIZE_WH, frame_rate)
        pictures = sorted(path for path in self._folder.rglob("*") if is_picture_name(path) and path.is_file())
        if not pictures:
            raise SourceError(f"{self._folder} holds no pictures; give a folder with .jpg, .png or other picture files")
        return FolderGrabber(self._folder, pictures, size_wh, frame_rate, self._pass_over)

    def _pass_over(self, message: str) -> None:
        self.unreadable += 1
        self.say(f"passed over: {message}")


class _CardGrabber(Grabber):
    def __init__(self, size_wh: tuple[int, int], frame_rate: float) -> None:
        if min(size_wh) < _MIN_SIDE_PX:
            raise SourceError(f"a test card of {size_wh[0]} x {size_wh[1]} is too small; {_MIN_SIDE_PX} a side will do")
        self._size_wh, self.frame_rate = size_wh, frame_rate
        self._pace = Pace(frame_rate)
        self._ground: NDArray[np.uint8] | None = None
        self._num_drawn = 0

    def open(self) -> None:
        self._ground = _ground(self._size_wh)

    def grab(self) -> AnyFrame | None:
        if not self._pace.wait():
            return None
        start_ns = time.monotonic_ns()
        pixels, name = self._draw(self._num_drawn / self.frame_rate)
        self._num_drawn += 1
        read_ms = (time.monotonic_ns() - start_ns) / 1e6
        return Frame(pixels=pixels, color_order="bgr", name=name, captured_ns=start_ns, read_ms=read_ms)

    def _draw(self, at_s: float) -> tuple[NDArray[np.uint8], str]:
        """Return what the card looks like after some seconds, and the name of its shape."""
        assert self._ground is not None, "open() comes before grab()"
        columns, rows = self._size_wh
        x, y = (round(_MARGIN_PX * (0.5 + 0.5 * np.sin(pace * at_s))) for pace in (0.7, 0.9))
        pixels = self._ground[y : y + rows, x : x + columns].copy()
        name = list(SHAPES)[int(at_s / _SHAPE_S) % len(SHAPES)]
        radius = min(columns, rows) * (0.34 + 0.06 * np.sin(1.3 * at_s))
        room_x, room_y = columns / 2 - radius, rows / 2 - radius
        center = columns / 2 + room_x * np.sin(1.1 * at_s), rows / 2 + room_y * np.sin(1.7 * at_s)
        fill_shape(pixels, SHAPES[name], center, radius, 0.15 * at_s)
        return pixels, name


def _ground(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an uneven grey ground, larger than the picture: uint8, shape (H + margin, W + margin, 3), BGR."""
    columns, rows = size_wh[0] + _MARGIN_PX, size_wh[1] + _MARGIN_PX
    random = np.random.default_rng(0)
    clouds = cv2.resize(random.normal(120.0, 14.0, (5, 7, 3)), (columns, rows), interpolation=cv2.INTER_CUBIC)
    grain = random.normal(0.0, 3.0, (rows, columns, 1))
    return as_uint8(np.clip(clouds + grain, 0, 255).astype(np.uint8))
