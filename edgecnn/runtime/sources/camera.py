"""``camera:0``, ``camera:/dev/video0`` or ``camera:auto``: the newest picture of a camera."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import CameraMissingError, SourceError
from edgecnn.runtime.live import Grabber, LiveSource
from edgecnn.runtime.sources.device_grabber import DeviceGrabber
from edgecnn.runtime.sources.devices import (
    check_device,
    device_path,
    is_checkable,
    lasting_path,
    list_cameras,
    what_there_is,
)
from edgecnn.runtime.streams import CaptureRequest

AUTO = "auto"
# USB cameras take up to two seconds from their start to their first picture.
_AUTO_PATIENCE_S = 3.0
# A board may have a dozen devices that never give one; then it is better to say so than to try them all.
_AUTO_SEARCH_S = 11.0


class CameraSource(LiveSource):
    """A V4L2 camera.

    Args:
        place: the camera's number, the path of its device, or ``auto`` for the first camera
            that gives a picture.
    """

    takes_request = True

    def __init__(self, place: str) -> None:
        super().__init__(f"camera:{place}")
        self._place = place
        # What was found first is what is opened again, and not whatever happens to be there then.
        self._found: str | None = None
        self._given = ""
        if place == AUTO:
            self.first_frame_timeout_s *= 3

    def start(self) -> None:
        """Look whether there is such a device, and begin to open it.

        Raises:
            CameraMissingError: there is not, or it may not be opened.
        """
        if is_checkable() and self._place != AUTO:
            check_device(device_path(self._place))
        super().start()

    def make_grabber(self) -> Grabber:
        """Return a connection to the device."""
        if self._place == AUTO and self._found is None:
            return _FirstCamera(self.request, self.say, self._note_found)
        if not is_checkable():
            return DeviceGrabber(self.address, int(self._place), self.request, self._note_given)
        if self._found is None:
            self._found = lasting_path(device_path(self._place))
        return DeviceGrabber(self.address, self._found, self.request, self._note_given)

    def _note_found(self, device: str, given: str) -> None:
        self._found = lasting_path(device)
        self.say(f"{self.address} is {device}")
        self._note_given(given)

    def _note_given(self, given: str) -> None:
        """Say what the camera gives instead of what it was asked for, once and not whenever it comes back."""
        if given and given != self._given:
            self._given = given
            self.say(f"{self.address} gives {given}")


class _FirstCamera(Grabber):
    """The first device of this machine that gives a picture; says why those before it were passed over."""

    def __init__(self, request: CaptureRequest, say: Callable[[str], None], note: Callable[[str, str], None]) -> None:
        self._request, self._say, self._note = request, say, note
        self._camera: DeviceGrabber | None = None
        self._first: AnyFrame | None = None
        self._given = ""

    def open(self) -> None:
        until_s = time.monotonic() + _AUTO_SEARCH_S
        for device in list_cameras():
            if time.monotonic() > until_s:
                break
            camera = DeviceGrabber(device.path, device.path, self._request, self._keep_given)
            self._given = ""
            try:
                camera.open()
                self._first = _first_of(camera)
            except SourceError as exc:
                self._say(f"camera:auto passes over {device.path} ({device.name}): {exc}")
                camera.close()
                continue
            self._camera, self.frame_rate = camera, camera.frame_rate
            self._note(device.path, self._given)
            return
        raise CameraMissingError(
            f"camera:auto found no camera that gives a picture; {what_there_is()}; "
            "for the ribbon cable camera of a Raspberry Pi or Jetson give --camera csi:0"
        )

    def grab(self) -> AnyFrame | None:
        assert self._camera is not None, "open() comes before grab()"
        first, self._first = self._first, None
        return first if first is not None else self._camera.grab()

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()

    def _keep_given(self, given: str) -> None:
        self._given = given


def _first_of(camera: DeviceGrabber) -> AnyFrame:
    until_s = time.monotonic() + _AUTO_PATIENCE_S
    while time.monotonic() < until_s:
        frame = camera.grab()
        if frame is not None:
            return frame
    raise CameraMissingError(f"no picture within {_AUTO_PATIENCE_S:.0f} s")
