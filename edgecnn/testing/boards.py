"""Fakes of what a Raspberry Pi and a Jetson have for their own cameras: programs for the PATH, a library to import."""

from __future__ import annotations

import concurrent.futures
import itertools
import shlex
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.testing.board_programs import level_of


def write_program(folder: Path, name: str, **settings: int | Path) -> Path:
    """Write a program that plays a board's camera program, and return its path.

    Args:
        folder: where to; put it on the PATH.
        name: ``rpicam-vid``, ``libcamera-vid`` or ``gst-launch-1.0`` with ``nvarguscamerasrc``.
        settings: ``num_cameras`` (1), ``num_pictures`` before it ends (endless), its ``exit_code``
            then (0), ``log``: a file that each start adds its arguments to.
    """
    role = "rpicam-vid" if name.endswith("-vid") else name
    options = [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
    player = Path(__file__).with_name("board_programs.py")
    words = shlex.join([sys.executable, "-I", str(player), role, *options, "--"])
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
    path.chmod(0o755)
    return path


def write_picamera2(folder: Path, **settings: int | str) -> Path:
    """Write a module ``picamera2`` whose cameras are fakes, and return its path.

    Args:
        folder: where to; put it on ``sys.path`` or the PYTHONPATH.
        settings: ``num_cameras``, ``num_pictures`` and ``damage`` of ``FakePicamera2``.
    """
    lines = ["from edgecnn.testing.boards import FakePicamera2", "", "class Picamera2(FakePicamera2):"]
    lines += [f"    {key} = {value!r}" for key, value in settings.items()] or ["    pass"]
    path = folder / "picamera2.py"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


class FakePicamera2:
    """As much of picamera2's class as is needed to take pictures of grey levels, a tenth of a second old.

    Attributes:
        num_cameras: how many there are.
        num_pictures: how many it takes.
        damage: what happens then: nothing comes any more (``stall``), or an error (``error``).
        open_cameras: numbers of those that are open: each can be only once.
    """

    num_cameras = 1
    num_pictures = 1_000_000
    damage = "stall"
    open_cameras: set[int] = set()  # noqa: RUF012  # shared on purpose

    def __init__(self, number: int) -> None:
        if number >= self.num_cameras:
            raise IndexError("list index out of range")
        if number in self.open_cameras:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.open_cameras.add(number)
        self._number = number
        self._taken = itertools.count()
        self._configuration: dict[str, Any] = {}
        self._is_running = False

    def create_video_configuration(self, **parts: Any) -> dict[str, Any]:
        """Return what ``configure`` takes."""
        return parts

    def configure(self, configuration: dict[str, Any]) -> None:
        """Take a configuration; only this format is played."""
        if configuration["main"]["format"] != "RGB888":
            raise RuntimeError(f"cannot play {configuration['main']['format']}")
        self._configuration = configuration

    def start(self) -> None:
        """Take pictures from now on."""
        self._is_running = True

    def stop(self) -> None:
        """Take no more."""
        self._is_running = False

    def close(self) -> None:
        """Give the camera back."""
        self.open_cameras.discard(self._number)

    def capture_request(self, *, wait: bool) -> FakeJob:
        """Order the next picture."""
        if wait or not self._is_running:
            raise RuntimeError("this fake neither waits nor takes pictures before start()")
        index = next(self._taken)
        future: concurrent.futures.Future[FakeRequest] = concurrent.futures.Future()
        if index < self.num_pictures:
            width, height = self._configuration["main"]["size"]
            rate = self._configuration["controls"].get("FrameRate", 30.0)
            request = FakeRequest(level_of(index), (width, height))
            threading.Timer(1 / rate, lambda: future.set_result(request)).start()
        elif self.damage == "error":
            future.set_exception(RuntimeError("Camera frontend has timed out!"))
        return FakeJob(future)


class FakeJob:
    """A picture that was ordered."""

    def __init__(self, future: concurrent.futures.Future[FakeRequest]) -> None:
        self._future = future

    def get_result(self, timeout: float | None = None) -> FakeRequest:
        """Wait for it."""
        return self._future.result(timeout)


class FakeRequest:
    """A picture that was taken; it must be released."""

    def __init__(self, level: int, size_wh: tuple[int, int]) -> None:
        self._level, self._size_wh = level, size_wh
        self._sensor_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 100_000_000
        self._released = False

    def make_array(self, name: str) -> NDArray[np.uint8]:
        """Return the pixels, blue first, and as a part of longer rows as on a board."""
        if name != "main" or self._released:
            raise RuntimeError(f"there is no stream {name} in this request")
        width, height = self._size_wh
        rows = np.full((height, width + 10, 3), self._level, np.uint8)
        rows[:, :, 2] = 255 - self._level
        return rows[:, :width]

    def get_metadata(self) -> dict[str, int]:
        """Return when it was taken, on the clock that counts from the start of the machine."""
        return {"SensorTimestamp": self._sensor_ns}

    def release(self) -> None:
        """Give the buffer back."""
        self._released = True
