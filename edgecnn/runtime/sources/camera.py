"""``camera:0`` or ``camera:/dev/video0``: the newest picture of a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import Frame
from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.handover import STOP_TIMEOUT_S, NewestFrame
from edgecnn.runtime.sources.capture import GRAB_TIMEOUT_S, Capture, Shot, frame_rate, open_camera, shoot
from edgecnn.runtime.sources.devices import check_device, device_path, is_checkable
from edgecnn.runtime.streams import Source

FIRST_FRAME_TIMEOUT_S = 5.0
LOST_AFTER_S = 2.0


class CameraSource(Source):
    """A V4L2 camera, read by a thread that keeps only the newest frame.

    Whether a camera works is judged by a frame: OpenCV calls some of them open that never
    deliver one, and goes on calling one open that was unplugged.

    Args:
        place: the camera's number, or the path of its device.
    """

    live = True

    def __init__(self, place: str) -> None:
        self._place = place
        self._newest = NewestFrame()
        self._thread = threading.Thread(target=self._capture, name="edgecnn-camera", daemon=True)

    @property
    def address(self) -> str:
        """The camera's full address, such as ``camera:0``."""
        return f"camera:{self._place}"

    def open(self) -> None:
        """Start the camera and wait for its first frame.

        Raises:
            CameraMissingError: there is no such camera, it is busy, may not be opened, or gives no frame.
        """
        if is_checkable():
            check_device(device_path(self._place))
        self._thread.start()
        try:
            if not self._newest.wait(FIRST_FRAME_TIMEOUT_S):
                raise CameraMissingError(
                    f"{self.address} is there but gave no picture within {FIRST_FRAME_TIMEOUT_S:.0f} s; "
                    "unplug it, plug it in again and try another cable"
                )
        except CameraMissingError:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Give the newest frame whenever one is asked for.

        Raises:
            SourceLostError: the camera was unplugged or stopped giving pictures.
        """
        while not self._newest.closed:
            frame = self._newest.take(LOST_AFTER_S)
            self.dropped = self._newest.dropped
            if frame is not None:
                yield frame
            elif not self._newest.closed:
                raise SourceLostError(
                    f"{self.address} gave no picture for {LOST_AFTER_S:.0f} s; is it still plugged in?"
                )

    def close(self) -> None:
        """Stop the thread, which closes the camera; one that hangs in the driver is left behind."""
        self._newest.close()
        self._thread.join(STOP_TIMEOUT_S)

    def _capture(self) -> None:
        """Run in the thread, which alone touches the capture."""
        try:
            capture = open_camera(device_path(self._place) if is_checkable() else int(self._place))
            try:
                self._newest.fail(self._fill(capture))
            finally:
                # At once: while it is held, a camera that is plugged in again gets another number.
                capture.release()
        except Exception as exc:  # whatever it is, it belongs to the reader
            self._newest.fail(exc)

    def _fill(self, capture: Capture) -> SourceError:
        """Take pictures until nobody wants any, or there are none; return what to say then."""
        if not capture.isOpened():
            return self._unusable()
        self.frame_rate = frame_rate(capture)
        index = 0
        while not self._newest.closed:
            began_s = time.monotonic()
            shot = shoot(capture)
            if shot is None and time.monotonic() - began_s < GRAB_TIMEOUT_S / 2:
                return self._lost() if index else self._unusable()
            # No picture in time, or one that a loose cable damaged: the reader knows how long to be patient.
            if shot is not None and shot.pixels is not None:
                self._newest.put(self._frame(shot.pixels, shot, index))
            index += shot is not None
        return self._lost()

    def _frame(self, pixels: NDArray[np.uint8], shot: Shot, index: int) -> Frame:
        return Frame(
            pixels=pixels,
            color_order="bgr",
            captured_ns=shot.captured_ns,
            index=index,
            camera=self.address,
            read_ms=shot.read_ms,
            decode_ms=shot.decode_ms,
        )

    def _lost(self) -> SourceLostError:
        return SourceLostError(f"{self.address} stopped giving pictures; is it still plugged in?")

    def _unusable(self) -> CameraMissingError:
        return CameraMissingError(
            f"{self.address} is there but gives no picture: another program is using it, or this device is "
            "not the one of the camera that takes pictures; list them with: v4l2-ctl --list-devices"
        )
