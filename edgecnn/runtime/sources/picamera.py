"""A Raspberry Pi's camera through the picamera2 library."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import time
from typing import Any

import numpy as np

from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.live import Grabber
from edgecnn.runtime.streams import CaptureRequest

_DEFAULT_SIZE_WH = (1280, 720)
_GRAB_TIMEOUT_S = 0.2
_MAX_AGE_NS = 1_000_000_000


class PicameraGrabber(Grabber):
    """One camera, opened by picamera2; its pictures carry the sensor's own time.

    Args:
        address: what messages call it.
        number: of the camera, from 0.
        request: what it is asked for; 1280 x 720 if that leaves the size open.
    """

    def __init__(self, address: str, number: int, request: CaptureRequest) -> None:
        self._address, self._number, self._request = address, number, request
        self.frame_rate = request.frame_rate
        self._camera: Any = None  # the library has no types
        self._job: Any = None

    def open(self) -> None:
        """Start the camera.

        Raises:
            SourceError: picamera2 cannot be imported.
            CameraMissingError: it cannot start this camera.
        """
        os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
        try:
            from picamera2 import Picamera2  # type: ignore[import-not-found,unused-ignore]  # only on a Pi
        except Exception as exc:  # one that was built for another numpy raises a ValueError, for instance
            raise SourceError(
                f"it cannot be imported ({exc}); run: sudo apt install python3-picamera2, "
                "and make a virtual environment with --system-site-packages"
            ) from exc
        try:
            self._camera = Picamera2(self._number)
            self._start()
        except Exception as exc:  # of many kinds, by the version
            self.close()
            raise CameraMissingError(
                f"it cannot start camera {self._number} ({exc or type(exc).__name__}); "
                "list the cameras with: rpicam-hello --list-cameras"
            ) from exc

    def grab(self) -> AnyFrame | None:
        """Return the picture that is taken next."""
        start_ns = time.monotonic_ns()
        try:
            if self._job is None:
                self._job = self._camera.capture_request(wait=False)
            shot = self._job.get_result(timeout=_GRAB_TIMEOUT_S)
            self._job = None
            try:
                pixels = shot.make_array("main")
                sensor_ns = shot.get_metadata().get("SensorTimestamp", 0)
            finally:
                shot.release()  # there are only a few of them
        except (TimeoutError, concurrent.futures.TimeoutError):  # two classes before Python 3.11
            return None
        except Exception as exc:
            raise SourceLostError(f"{self._address} stopped giving pictures: {exc or type(exc).__name__}") from exc
        return Frame(
            pixels=np.ascontiguousarray(pixels),
            color_order="bgr",
            captured_ns=_captured_ns(sensor_ns),
            read_ms=(time.monotonic_ns() - start_ns) / 1e6,
        )

    def close(self) -> None:
        """Stop the camera, so that another program may have it."""
        if self._camera is not None:
            for step in (self._camera.stop, self._camera.close):
                with contextlib.suppress(Exception):
                    step()

    def _start(self) -> None:
        # What is called RGB888 there has blue first in memory. Without its queue no picture waits to be old.
        size_wh = self._request.size_wh or _DEFAULT_SIZE_WH
        rate = {"FrameRate": self._request.frame_rate} if self._request.frame_rate else {}
        configuration = self._camera.create_video_configuration(
            main={"size": size_wh, "format": "RGB888"}, controls=rate, queue=False
        )
        self._camera.configure(configuration)
        self._camera.start()


def _captured_ns(sensor_ns: int) -> int:
    """Return the sensor's time, which counts from the start of the machine, on the monotonic clock."""
    now_ns = time.monotonic_ns()
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return now_ns
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - sensor_ns
    return now_ns - age_ns if 0 <= age_ns <= _MAX_AGE_NS else now_ns
