"""Which cameras this machine has, and why one of them cannot be used."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from edgecnn.errors import CameraMissingError
from edgecnn.runtime.sources.v4l2 import can_capture

_SYSFS = Path("/sys/class/video4linux")
_BY_PATH = Path("/dev/v4l/by-path")


class VideoDevice(NamedTuple):
    """A video device node and the name that its driver gives it."""

    path: str
    name: str


def list_devices() -> list[VideoDevice]:
    """Return the video devices of this machine, in the order of their numbers."""
    nodes = sorted(_SYSFS.glob("video*"), key=lambda node: (len(node.name), node.name))
    return [VideoDevice(f"/dev/{node.name}", _name_of(node)) for node in nodes]


def list_cameras() -> list[VideoDevice]:
    """Return those video devices that take pictures, or do not say that they take none."""
    return [device for device in list_devices() if can_capture(device.path) is not False]


def device_path(place: str) -> str:
    """Return the device that ``3`` or ``/dev/v4l/by-path/…`` means.

    Raises:
        CameraMissingError: ``place`` is neither a number nor a path.
    """
    if re.fullmatch("[0-9]+", place):
        return f"/dev/video{int(place)}"
    if place.startswith("/"):
        return place
    raise CameraMissingError(
        f"camera:{place} is neither a number nor a device such as /dev/video0, nor auto; {what_there_is()}"
    )


def lasting_path(device: str) -> str:
    """Return a path that still means the same socket after the camera was plugged out and in again.

    A camera can come back as another number; its link under ``/dev/v4l/by-path`` does not
    change. Without such a link it is the device itself.
    """
    wanted = os.path.realpath(device)
    try:
        return next(str(link) for link in sorted(_BY_PATH.iterdir()) if os.path.realpath(link) == wanted)
    except (OSError, StopIteration):
        return device


def check_device(path: str) -> None:
    """Try whether a device is there and may be opened.

    Raises:
        CameraMissingError: it is not; the message says what is there instead.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError as exc:
        raise CameraMissingError(f"there is no camera {path}; {what_there_is()}") from exc
    except PermissionError as exc:
        raise CameraMissingError(
            f"no permission to open the camera {path}; run: sudo usermod -aG video $USER, and log in again"
        ) from exc
    except OSError as exc:
        raise CameraMissingError(f"cannot open the camera {path}: {exc.strerror}; {what_there_is()}") from exc


def is_checkable() -> bool:
    """Whether cameras are device files here, as they are on Linux."""
    return sys.platform.startswith("linux")


def what_there_is() -> str:
    """Return a clause that names the cameras of this machine."""
    devices = list_cameras()
    if not devices:
        return "there is no camera on this machine"
    return "this machine has " + ", ".join(f"{device.path} ({device.name})" for device in devices)


def _name_of(node: Path) -> str:
    try:
        return (node / "name").read_text("utf-8", errors="replace").strip() or "unnamed"
    except OSError:
        return "unnamed"
