"""``frames:FOLDER``: every judged frame as a picture with its label drawn in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.errors import SinkError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.sinks.names import CameraNames, name_part
from edgecnn.runtime.sinks.overlay import draw_label, fit_canvas
from edgecnn.runtime.streams import Sink, Source

_JPEG_QUALITY = 90


class FramesSink(Sink):
    """JPEG files ``CAMERA_INDEX_LABEL.jpg`` that sort by camera and time.

    Each run makes a folder of its own in the one that is given, named by the time in UTC at
    which it began: a service that is started again each night neither writes over the pictures
    of the last one nor has to be refused. A file has its name only when it is whole; it is not
    forced to the disk, so a power cut may cost the last ones.

    Args:
        place: the folder; it is made if there is none.
        wall_clock: nanoseconds since 1970, UTC.
    """

    def __init__(self, place: str, *, wall_clock: Callable[[], int] = time.time_ns) -> None:
        if not place:
            raise SinkError("the sink frames needs a folder; give frames:FOLDER")
        self._parent = Path(place)
        self._wall_clock = wall_clock
        self._folder = self._parent
        self._cameras = CameraNames()

    def open(self, source: Source) -> None:
        """Make the folder of this run.

        Raises:
            SinkError: it cannot be made.
        """
        began = datetime.fromtimestamp(self._wall_clock() // 10**9, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = _make_folder(self._parent, began)
        except FileExistsError:
            raise SinkError(f"cannot write pictures into {self._parent}: it is a file; give a folder") from None
        except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
            reason = getattr(exc, "strerror", None) or exc
            raise SinkError(f"cannot make a folder in {self._parent}: {reason}") from exc

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Write the frame as a picture.

        Raises:
            SinkError: the disk is full or gone.
        """
        canvas = fit_canvas(frame)
        headline = prediction.headline
        draw_label(canvas, headline)
        label = name_part(headline[0]) if headline else ""
        stem = f"{self._cameras.name_of(frame.camera)}_{frame.index:09d}"
        self._save(f"{stem}_{label}.jpg" if label else f"{stem}.jpg", canvas)

    def close(self) -> None:
        """Remove the folder of this run if nothing came into it."""
        with suppress(OSError):  # there are pictures in it
            self._folder.rmdir()

    def _save(self, name: str, canvas: NDArray[np.uint8]) -> None:
        path, partial = self._folder / name, self._folder / f".{name}.partial"
        try:
            encoded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
            partial.write_bytes(encoded.tobytes())
            partial.replace(path)
        except cv2.error as exc:
            raise SinkError(f"cannot write {path}: {exc.err}") from exc
        except OSError as exc:
            partial.unlink(missing_ok=True)
            raise SinkError(f"cannot write {path}: {exc.strerror}") from exc


def _make_folder(parent: Path, name: str) -> Path:
    """Make a new folder; when there is one of that name already, its name gets a number."""
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
