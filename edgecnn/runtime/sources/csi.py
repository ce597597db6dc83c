"""``csi:0``: a camera on the ribbon cable of a Raspberry Pi or a Jetson.

These cameras give raw sensor data; only the board's own software makes pictures of them. It is
tried in a fixed order, what is passed over is said, and what worked once is kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import CameraMissingError, SourceError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.live import EndOfStreamError, Grabber, LiveSource
from edgecnn.runtime.sources.asked import refuse_fourcc
from edgecnn.runtime.sources.gst import OpenCvPipeline, launch_grabber, opencv_has_gstreamer, opencv_pipeline
from edgecnn.runtime.sources.picamera import PicameraGrabber
from edgecnn.runtime.sources.picture_stream import PIXEL_FORMATS, RawStream
from edgecnn.runtime.sources.pipe_grabber import PipeGrabber
from edgecnn.runtime.streams import CaptureRequest

DEFAULT_SIZE_WH = (1280, 720)
MODEL_FILE = Path("/proc/device-tree/model")
_RPICAM_NAMES = ("rpicam-vid", "libcamera-vid")
# Raw rows are padded to 64 bytes, half rows of colour on a Pi 5 too; then nothing says so.
_RPICAM_WIDTH_STEP = 128
_ARGUS_FRAME_RATE = 30.0


class Way(NamedTuple):
    """One way to the camera; ``make`` raises a SourceError where it does not exist."""

    name: str
    make: Callable[[], Grabber]


class CsiSource(LiveSource):
    """The camera with a number, through whatever this board has for it.

    Raspberry Pi: picamera2, else ``rpicam-vid`` (once ``libcamera-vid``). Jetson: ``nvarguscamerasrc``
    in an OpenCV that has GStreamer, else in ``gst-launch-1.0``. Other boards: all of these.

    Args:
        place: number of the camera, from 0.
        model_file: where the board says what it is.

    Raises:
        SourceError: the place is not a number.
    """

    takes_request = True
    first_frame_timeout_s = 15.0

    def __init__(self, place: str, *, model_file: Path = MODEL_FILE) -> None:
        if not (place.isascii() and place.isdecimal()):
            raise SourceError(f"csi:{place} is not a number of a camera; give csi:0 for the first one")
        super().__init__(f"csi:{place}")
        self._number = int(place)
        self._model_file = model_file
        self._worked: Way | None = None

    def make_grabber(self) -> Grabber:
        """Return a connection: the way that worked before, else the first that does."""
        refuse_fourcc(self.address, self.request)
        ways = [self._worked] if self._worked else self._ways()
        return _FirstThatWorks(self.address, ways, self._keep)

    def _ways(self) -> list[Way]:
        board = _board(self._model_file)
        address, number, request = self.address, self._number, self.request
        raspberry = [
            Way("picamera2", lambda: PicameraGrabber(address, number, request)),
            Way("rpicam-vid", lambda: _rpicam_grabber(address, number, request)),
        ]
        jetson = [
            Way("nvarguscamerasrc in OpenCV", lambda: _argus_in_opencv(address, number, request)),
            Way("nvarguscamerasrc in gst-launch-1.0", lambda: _argus_in_launch(address, number, request)),
        ]
        return {"raspberry": raspberry, "jetson": jetson}.get(board, [*raspberry, *jetson])

    def _keep(self, way: Way, failures: Sequence[str]) -> None:
        if self._worked is None and failures:
            self.say(f"{self.address} through {way.name}; passed over: {'; '.join(failures)}")
        self._worked = way


class _FirstThatWorks(Grabber):
    """Tries ways in their order until one of them gives a picture, and stays with that."""

    def __init__(self, address: str, ways: Sequence[Way], keep: Callable[[Way, Sequence[str]], None]) -> None:
        self._address, self._ways, self._keep = address, list(ways), keep
        self._failures: list[str] = []
        self._way: Way | None = None
        self._grabber: Grabber | None = None
        self._works = False

    def open(self) -> None:
        while self._ways:
            way = self._ways.pop(0)
            try:
                grabber = way.make()
                grabber.open()
            except SourceError as exc:
                self._failures.append(f"{way.name}: {exc}")
                continue
            self._way, self._grabber, self.frame_rate = way, grabber, grabber.frame_rate
            return
        raise CameraMissingError(f"{self._address} gives no picture; tried: {'; '.join(self._failures)}")

    def grab(self) -> AnyFrame | None:
        assert self._grabber is not None, "open() comes before grab()"
        assert self._way is not None, "open() comes before grab()"
        try:
            frame = self._grabber.grab()
        except (SourceError, EndOfStreamError) as exc:
            if self._works:
                raise SourceError(f"{self._address} stopped: {exc or 'its program has ended'}") from exc
            self._failures.append(f"{self._way.name}: {exc or 'it ended'}")
            self.close()
            self.open()
            return None
        if frame is not None and not self._works:
            self._works = True
            self._keep(self._way, self._failures)
            self.frame_rate = self._grabber.frame_rate
        return frame

    def close(self) -> None:
        if self._grabber is not None:
            self._grabber.close()
        self._grabber = None


def _board(model_file: Path) -> str:
    try:
        model = model_file.read_text("utf-8", errors="replace").lower()
    except OSError:
        return ""
    return next((board for board in ("raspberry", "jetson") if board in model), "")


def _rpicam_grabber(address: str, number: int, request: CaptureRequest) -> Grabber:
    program = next((name for name in _RPICAM_NAMES if shutil.which(name)), None)
    if program is None:
        raise SourceError("it is not installed; run: sudo apt install rpicam-apps-lite")
    width, height = request.size_wh or DEFAULT_SIZE_WH
    width, height = -(-width // _RPICAM_WIDTH_STEP) * _RPICAM_WIDTH_STEP, height // 2 * 2
    # Raw, as a JPEG is compressed by the processor here. Flushed, else the last rows wait for the next picture.
    options = ["--camera", str(number), "--width", str(width), "--height", str(height), "--codec", "yuv420"]
    options += ["--timeout", "0", "--nopreview", "--flush", "--output", "-"]
    if request.frame_rate:
        options += ["--framerate", f"{request.frame_rate:g}"]
    # It writes raw pictures in the range of a JPEG.
    pictures = RawStream(PIXEL_FORMATS["yuvj420p"], (width, height))
    return PipeGrabber(address, [program, *options], pictures, request.frame_rate, _error_in)


def _argus_in_opencv(address: str, number: int, request: CaptureRequest) -> Grabber:
    if not opencv_has_gstreamer(cv2.getBuildInformation()):
        raise SourceError("this OpenCV was built without GStreamer; JetPack's own has it")
    return OpenCvPipeline(address, opencv_pipeline(_argus(number, request, "BGRx"), CaptureRequest()))


def _argus_in_launch(address: str, number: int, request: CaptureRequest) -> Grabber:
    return launch_grabber(address, _argus(number, request, "I420"), CaptureRequest())


def _argus(number: int, request: CaptureRequest, pixels: str) -> str:
    width, height = request.size_wh or DEFAULT_SIZE_WH
    rate = round((request.frame_rate or _ARGUS_FRAME_RATE) * 1000)
    return (
        f"nvarguscamerasrc sensor-id={number} ! "
        f"video/x-raw(memory:NVMM),format=NV12,width={width},height={height},framerate={rate}/1000 ! "
        f"nvvidconv ! video/x-raw,format={pixels}"
    )


def _error_in(lines: list[str]) -> str:
    """Return the last line about an error: lines about single pictures may stand behind it."""
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])
