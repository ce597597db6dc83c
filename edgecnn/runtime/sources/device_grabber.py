"""A camera that OpenCV opens: what it gives, told apart from what OpenCV says that it gives."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgecnn.core.frame import AnyFrame, ColorOrder, Encoding
from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.ffmpeg import Capture
from edgecnn.runtime.live import Grabber
from edgecnn.runtime.sources.capture import (
    GRAB_TIMEOUT_S,
    driver_time_ns,
    fourcc_of,
    frame_of,
    frame_rate,
    open_camera,
    shoot,
    size_of,
    stamp_ms,
    v4l2_name,
)
from edgecnn.runtime.sources.devices import check_device, what_there_is
from edgecnn.runtime.sources.v4l2 import PixelFormat, can_capture, is_padded, read_format
from edgecnn.runtime.streams import CaptureRequest


class DeviceGrabber(Grabber):
    """A device opened by OpenCV.

    Whether a camera works is judged by a frame: OpenCV calls some of them open that never
    deliver one, and goes on calling one open that was unplugged.

    Args:
        address: what to call it.
        device: path of a V4L2 device, or on other systems the number of a camera.
        request: what to ask it for.
        note: told once it is open what it gives instead, if that is something else.
    """

    def __init__(self, address: str, device: str | int, request: CaptureRequest, note: Callable[[str], None]) -> None:
        self._address, self._device, self._request, self._note = address, device, request, note
        self._capture: Capture | None = None
        self._samples: Encoding | ColorOrder | None = None
        self._form = PixelFormat("", (0, 0), 0)
        self._num_grabbed = 0

    def open(self) -> None:
        """Open the device and ask it for what is wanted.

        Raises:
            CameraMissingError: it is not there, is in use or takes no pictures.
            SourceError: it gives a format that cannot be read.
        """
        if isinstance(self._device, str):
            check_device(self._device)
        capture, self._samples = open_camera(self._device, self._request)
        if not capture.isOpened():
            capture.release()
            raise self._unusable()
        self._capture = capture
        self.frame_rate = frame_rate(capture)
        self._form = PixelFormat(fourcc_of(capture), size_of(capture), 0)
        if isinstance(self._device, str):
            self._form = read_format(self._device) or self._form
            self._check_rows()
        given = difference(self._request, self._form, self.frame_rate)
        if given:
            self._note(given)

    def grab(self) -> AnyFrame | None:
        """Return the next picture, None when none came within a second.

        Raises:
            CameraMissingError: not even the first one came.
            SourceLostError: the device is gone.
            SourceError: the pictures cannot be read.
        """
        assert self._capture is not None, "open() comes before grab()"
        began_s = time.monotonic()
        shot = shoot(self._capture)
        if shot is None:
            if time.monotonic() - began_s >= GRAB_TIMEOUT_S / 2:
                return None  # no picture in time: the source knows how long to be patient
            if self._num_grabbed:
                raise SourceLostError(f"{self._address} stopped giving pictures; is it still plugged in?")
            raise self._unusable()
        self._num_grabbed += 1
        if isinstance(self._device, str):
            shot = shot._replace(captured_ns=driver_time_ns(stamp_ms(self._capture), shot.captured_ns))
        return frame_of(shot, self._samples, self._form.size_wh)

    def close(self) -> None:
        """Close the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _check_rows(self) -> None:
        """Refuse rows with padding: OpenCV overlooks it and gives sheared pictures.

        Raises:
            SourceError: there is padding.
        """
        if is_padded(self._form):
            self.close()
            columns, rows = self._form.size_wh
            raise SourceError(
                f"{self._address} pads the rows of its pictures of {columns}x{rows} {self._form.fourcc}, which OpenCV "
                "cannot read; ask for another --size, such as 640x480, or for another --fourcc"
            )

    def _unusable(self) -> CameraMissingError:
        if isinstance(self._device, str) and can_capture(self._device) is False:
            return CameraMissingError(
                f"{self._address} is a device that takes no pictures, such as a camera has for its metadata; "
                f"{what_there_is()}"
            )
        return CameraMissingError(
            f"{self._address} is there but gives no picture: another program is using it, or this device is "
            "not the one of the camera that takes pictures; list them with: v4l2-ctl --list-devices"
        )


def difference(request: CaptureRequest, form: PixelFormat, rate: float) -> str:
    """Return what is given instead of what, empty where the camera gives what it is asked for."""
    pairs = []
    if request.size_wh not in (None, form.size_wh):
        pairs.append(("{}x{}".format(*form.size_wh), "{}x{}".format(*request.size_wh or ())))
    if request.frame_rate and rate and abs(rate - request.frame_rate) > 0.02 * request.frame_rate:
        pairs.append((f"{rate:.4g} fps", f"{request.frame_rate:.4g} fps"))
    if v4l2_name(request.fourcc).rstrip() not in ("", form.fourcc):
        pairs.append((form.fourcc, request.fourcc))
    given, wanted = (", ".join(column) for column in zip(*pairs, strict=True)) if pairs else ("", "")
    return f"{given} instead of {wanted}" if pairs else ""
