"""Windows in a process of their own.

Qt and GTK end the process in which they cannot reach the display: when there is none, when it
lets nobody in, when a library is missing, and when an ``ssh -X`` breaks in the middle of a run.
That must not be the process that watches the camera.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import SinkError
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.sinks.window_process import HEAD, READY

_OPEN_TIMEOUT_S = 20.0
_CLOSE_TIMEOUT_S = 2.0
_SERVE = """
import signal, sys
sys.path[:] = sys.argv[1:]
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with its input, and not before
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # an abort would leave a core file behind
except ImportError:
    pass
from edgecnn.runtime.sinks.window_process import serve
serve()
"""


def gui_framework() -> str:
    """Return the name of the library that OpenCV shows windows with, empty for none."""
    if hasattr(cv2, "currentUIFramework"):
        return str(cv2.currentUIFramework())
    lines = [line.split() for line in cv2.getBuildInformation().splitlines()]
    return next((words[1] for words in lines if words[:1] == ["GUI:"] and words[1] != "NONE"), "")


def check_framework(name: str) -> None:
    """Raise SinkError if OpenCV was built without windows.

    Args:
        name: the library that it shows them with, empty for none.
    """
    if not name:
        raise SinkError(
            "this OpenCV was built without windows; run: pip uninstall opencv-python-headless, "
            "then: pip install opencv-python"
        )


def check_display(environment: Mapping[str, str]) -> None:
    """Raise SinkError if the environment of a Linux process names no display.

    Args:
        environment: as ``os.environ``.
    """
    # QT_QPA_PLATFORM may name a way to show windows that needs no display server.
    if not any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise SinkError(
            "there is no display for a window: DISPLAY is not set; run edgecnn in a desktop session, "
            "or over ssh -X, or write to a file with video:out.avi"
        )


class ProcessScreen:
    """Windows that another process shows, one for each title.

    Args:
        module_path: where that process looks for edgecnn and OpenCV, as ``sys.path``.
        timeout_s: how long it may take until it can show a window.
    """

    def __init__(self, module_path: Sequence[str], *, timeout_s: float = _OPEN_TIMEOUT_S) -> None:
        self._module_path, self._timeout_s = module_path, timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    def open(self) -> None:
        """Start the process.

        Raises:
            SinkError: it cannot show a window; the message repeats what the library said.
        """
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, *self._module_path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                # Ctrl-C is for us: the windows close when we say so.
                start_new_session=True,
            )
            if not self._is_ready(self._process):
                raise SinkError(
                    f"no window could be opened within {self._timeout_s:g} s: the display does not answer; "
                    "is DISPLAY right?"
                )
        except OSError as exc:
            self.close()
            if isinstance(exc, SinkError):
                raise
            raise SinkError(f"cannot start the process that shows windows: {exc.strerror}") from exc

    def show(self, title: str, canvas: NDArray[np.uint8]) -> None:
        """Show a picture in the window of that title.

        Raises:
            BrokenPipeError: a person wants the run to end.
            SinkError: the process cannot show windows any more.
        """
        assert self._process is not None, "open() comes before show()"
        assert self._process.stdin is not None, "it is a pipe"
        name = title.encode("utf-8", "replace")
        rows, columns = canvas.shape[:2]
        data = memoryview(HEAD.pack(len(name), rows, columns) + name + canvas.tobytes())
        try:
            while data:
                data = data[self._process.stdin.write(data) or 0 :]
        except BrokenPipeError:
            self._raise_why_it_ended(self._process)
            raise

    def poll(self, wait_ms: int) -> bool:
        """Tell, after so long, whether a person wants the run to end.

        Raises:
            SinkError: the process cannot show windows any more.
        """
        assert self._process is not None, "open() comes before poll()"
        time.sleep(wait_ms / 1e3)
        if self._process.poll() is None:
            return False
        self._raise_why_it_ended(self._process)
        return True

    def close(self) -> None:
        """End the process, and with it its windows."""
        process = self._process
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(_CLOSE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._complaints is not None:
            self._complaints.close()

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.stdout is not None, "it is a pipe"
        deadline_s, heard = time.monotonic() + self._timeout_s, b""
        while not heard.endswith(READY):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([process.stdout], [], [], left_s)[0]:
                return False
            part = os.read(process.stdout.fileno(), 4096)
            if not part:
                self._raise_why_it_ended(process)
                return False
            heard += part
        return True

    def _raise_why_it_ended(self, process: subprocess.Popen[bytes]) -> None:
        """Raise SinkError unless the process ended because a person wanted it to."""
        assert self._complaints is not None, "open() made it"
        try:
            if process.wait(_CLOSE_TIMEOUT_S) == 0:
                return
        except subprocess.TimeoutExpired:
            process.kill()
        self._complaints.seek(0)
        text = self._complaints.read(1 << 16).decode("utf-8", "replace")
        raise SinkError(
            f"no window can be shown on this display: {_reason(text)}; run edgecnn in a desktop "
            "session, or write to a file with video:out.avi"
        )


def _reason(text: str) -> str:
    """Return what a library said last or, of Qt, first about its display."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("QFontDatabase")]
    about = [line for line in lines if "display" in line or "not load the Qt platform" in line]
    return (about or lines[-1:] or ["it gave no reason"])[0].rstrip(".")
