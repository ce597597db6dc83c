"""``gst:PIPELINE``: a GStreamer pipeline, through OpenCV if it was built so, else through gst-launch-1.0."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Callable

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import SourceError, SourceLostError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.ffmpeg import Capture
from edgecnn.runtime.live import Grabber, LiveSource
from edgecnn.runtime.sources.asked import refuse_fourcc
from edgecnn.runtime.sources.capture import frame_of, frame_rate, shoot
from edgecnn.runtime.sources.picture_stream import Y4mStream
from edgecnn.runtime.sources.pipe_grabber import PipeGrabber
from edgecnn.runtime.streams import CaptureRequest, without_password

PROGRAM = "gst-launch-1.0"
HOW_TO_INSTALL = (
    "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)
_OPEN_TIMEOUT_MS = 5_000
_READ_TIMEOUT_MS = 1_000
# In time, but a second early: a clip plays at its own speed, and a camera with less delay than that never waits.
_SINK = "sync=true ts-offset=-1000000000"
_OWN_SINK = re.compile(r"!\s*(?:app|fd|file|fake|tcpclient|udp|[a-z0-9]*video|x(?:v)?image|gl[a-z]*)sink\b")


class GstSource(LiveSource):
    """A pipeline as it is given to ``gst-launch-1.0``, without its last part, the sink.

    Args:
        place: such as ``v4l2src device=/dev/video2 ! jpegdec``; it must end in raw video.

    Raises:
        SourceError: there is no pipeline, or it has a sink.
    """

    takes_request = True
    first_frame_timeout_s = 10.0

    def __init__(self, place: str) -> None:
        super().__init__(f"gst:{without_password(place)}")
        self._pipeline = place.strip().rstrip("!").rstrip()
        if not self._pipeline:
            raise SourceError("there is no pipeline behind gst: give one such as gst:videotestsrc is-live=true")
        if _OWN_SINK.search(self._pipeline):
            raise SourceError(f"{self.address} has a sink of its own; end it with raw video before the sink")

    def make_grabber(self) -> Grabber:
        """Return a run of the pipeline.

        Raises:
            SourceError: a pixel format is asked for, or GStreamer is not installed.
        """
        refuse_fourcc(self.address, self.request)
        return gst_grabber(self.address, self._pipeline, self.request)


def gst_grabber(address: str, pipeline: str, request: CaptureRequest) -> Grabber:
    """Return what runs a pipeline that ends in raw video.

    Raises:
        SourceError: nothing here can run one, or it cannot be split into words.
    """
    if opencv_has_gstreamer(cv2.getBuildInformation()):
        return OpenCvPipeline(address, opencv_pipeline(pipeline, request))
    return launch_grabber(address, pipeline, request)


def opencv_has_gstreamer(build_information: str) -> bool:
    """Tell from what OpenCV says about itself whether it runs pipelines; the wheels from PyPI do not."""
    return re.search(r"GStreamer:\s+YES", build_information) is not None


def launch_grabber(address: str, pipeline: str, request: CaptureRequest) -> Grabber:
    """Return what runs a pipeline in a process of its own; it rounds the width to a multiple of 8.

    Raises:
        SourceError: the program is not there, or the pipeline cannot be split into words.
    """
    if shutil.which(PROGRAM) is None:
        raise SourceError(f"{address} needs {PROGRAM}, which is not installed; run: {HOW_TO_INSTALL}")
    try:
        words = shlex.split(pipeline)
    except ValueError as exc:
        raise SourceError(f"the pipeline in {address} cannot be split into words: {exc}") from exc
    # YUV4MPEG2 says its own size, but GStreamer pads its rows unless the width is a multiple of 8.
    if request.size_wh:
        request = request._replace(size_wh=(max(8, round(request.size_wh[0] / 8) * 8), request.size_wh[1] // 2 * 2))
    caps = f"video/x-raw,format=I420,colorimetry=bt601,{_size(request, '[8,32768,8]', '[2,32768,2]')}"
    tail = f"{_converters(request)} ! {caps} ! y4menc ! fdsink {_SINK}"
    return PipeGrabber(address, [PROGRAM, "-q", *words, "!", *tail.split()], Y4mStream(), 0.0, error_in)


def opencv_pipeline(pipeline: str, request: CaptureRequest) -> str:
    """Return the whole pipeline for OpenCV, which keeps one picture."""
    caps = f"video/x-raw,format=BGR,{_size(request, '[1,32768]', '[1,32768]')}"
    return f"{pipeline} ! {_converters(request)} ! {caps} ! appsink drop=true max-buffers=1 {_SINK}"


def error_in(lines: list[str]) -> str:
    """Return the first error that GStreamer reports; those after it are its consequences."""
    for line in lines:
        match = re.match(r"(?:ERROR|WARNING: erroneous pipeline)(?:: from element [^:]*[^ ]*)?: (.*)", line)
        if match:
            missing = "no element" in match[1] and '"nv' not in match[1]  # NVIDIA's come with JetPack
            return f"{match[1]}; run: {HOW_TO_INSTALL}" if missing else match[1]
    return lines[-1]


def _size(request: CaptureRequest, any_width: str, any_height: str) -> str:
    width, height = request.size_wh or (any_width, any_height)
    return f"width={width},height={height}"


def _converters(request: CaptureRequest) -> str:
    rate = f"videorate ! video/x-raw,framerate={round(request.frame_rate * 1000)}/1000 ! " if request.frame_rate else ""
    return f"{rate}videoconvert ! videoscale"


class OpenCvPipeline(Grabber):
    """A pipeline inside this process.

    Args:
        address: what messages call it.
        pipeline: the whole of it, with ``appsink`` at its end.
        open_capture: how OpenCV opens it.
    """

    def __init__(self, address: str, pipeline: str, open_capture: Callable[[str], Capture] | None = None) -> None:
        self._address, self._pipeline = address, pipeline
        self._open_capture = open_capture or _open_pipeline
        self._capture: Capture | None = None
        self._num_pictures = 0

    def open(self) -> None:
        """Start the pipeline.

        Raises:
            SourceError: OpenCV cannot do it.
        """
        capture = self._open_capture(self._pipeline)
        if not capture.isOpened():
            capture.release()
            shown = without_password(self._pipeline.rpartition("!")[0])
            raise SourceError(f"{self._address} cannot be started; see why with: {PROGRAM} {shown}! fakesink")
        self._capture, self.frame_rate = capture, frame_rate(capture)

    def grab(self) -> AnyFrame | None:
        """Return the next picture."""
        assert self._capture is not None, "open() comes before grab()"
        began_s = time.monotonic()
        shot = shoot(self._capture)
        if shot is not None:
            self._num_pictures += 1
            return frame_of(shot, None, (0, 0))
        if time.monotonic() - began_s >= _READ_TIMEOUT_MS / 2e3:
            return None
        if self._num_pictures:
            raise SourceLostError(f"{self._address} stopped giving pictures")
        raise SourceError(f"{self._address} gives no picture")

    def close(self) -> None:
        """Stop the pipeline."""
        if self._capture is not None:
            self._capture.release()


def _open_pipeline(pipeline: str) -> Capture:
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        _OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        _READ_TIMEOUT_MS,
    ]
    capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER, timeouts)
    # Before 4.8 this backend knows no timeouts and refuses to open with them.
    return capture if capture.isOpened() else cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
