"""The process that owns an Edge TPU, seen from here: started, asked, and its end put into words."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from typing import IO, Any

from edgecnn.errors import BackendUnavailableError, DeviceMissingError
from edgecnn.runtime.backends.edgetpu_devices import Choice
from edgecnn.runtime.backends.edgetpu_reasons import explain_end, explain_failure
from edgecnn.runtime.backends.ending import end_process

# The device may first be given its firmware, which takes seconds.
LOAD_TIMEOUT_S = 60.0
RUN_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 2.0
_PIPE_BYTES = 1 << 20
_MAX_COMPLAINT_BYTES = 1 << 20
# Not "-m": that would put the working folder in front, and a file there could stand for one of ours.
_SERVE = "import sys; sys.path[:] = sys.argv[1:]; from edgecnn.runtime.backends.edgetpu_worker import serve; serve()"


class EdgeTpuProcess:
    """A device, opened in a process of its own, for networks to be loaded to; threads take turns.

    Attributes:
        runtime: name and version of the runtime there.
        process_id: of the process.
    """

    def __init__(
        self,
        library: str,
        device: Choice,
        *,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        run_timeout_s: float = RUN_TIMEOUT_S,
    ) -> None:
        """Start the process and open the device.

        Args:
            library: path or name of libedgetpu.
            device: what to open.
            load_timeout_s: how long opening, loading a network and running it for the first time may take.
            run_timeout_s: how long any other run may take.

        Raises:
            DeviceMissingError: the device cannot be opened.
            BackendUnavailableError: the library cannot be used.
        """
        if os.name != "posix":
            raise BackendUnavailableError("the Edge TPU backend needs pipes with a time limit: Linux or macOS")
        self._library, self._device = library, device
        self._load_timeout_s, self._run_timeout_s = load_timeout_s, run_timeout_s
        self._turn = threading.Lock()
        self._heard = bytearray()
        self._forgotten: deque[int] = deque()
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _end)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us: it ends when we do
            )
        except OSError as exc:
            self._complaints.close()
            raise BackendUnavailableError(f"cannot start the process for the Edge TPU: {exc.strerror}") from exc
        self.close = weakref.finalize(self, end_process, self._process, self._complaints)
        self.process_id = self._process.pid
        _widen(self._process.stdin)
        self.runtime = self._ask({"library": library, "options": device.options}, b"", load_timeout_s).decode()

    @property
    def is_open(self) -> bool:
        """Whether it can be asked: it has not failed and has not been closed."""
        return self.close.alive

    def load(self, model: bytes, *, num_threads: int, use_xnnpack: bool) -> int:
        """Load a compiled network, a FlatBuffer that was checked before; return its number.

        Raises:
            BackendUnavailableError: runtime, library and network do not fit.
        """
        request = {"load": len(model), "num_threads": num_threads, "use_xnnpack": use_xnnpack}
        return int(self._ask(request, model, self._load_timeout_s))

    def run(self, number: int, values: bytes, *, is_first: bool = False) -> bytes:
        """Run a network once; other threads go on meanwhile.

        Args:
            number: of the network.
            values: the bytes of its input tensor.
            is_first: its parameters are uploaded now, which may take as long as loading.

        Raises:
            DeviceMissingError: the device failed, or the process that has it.
        """
        timeout_s = self._load_timeout_s if is_first else self._run_timeout_s
        return self._ask({"run": number, "size": len(values)}, values, timeout_s)

    def forget(self, number: int) -> None:
        """Give back the memory of a network before the next request; the garbage collector may call it anywhere."""
        self._forgotten.append(number)

    def _ask(self, request: dict[str, Any], data: bytes, timeout_s: float) -> bytes:
        with self._turn:
            if not self.is_open:
                raise DeviceMissingError(f"the Edge TPU ({self._device.name}) failed before and is not tried again")
            try:
                until_s = time.monotonic() + timeout_s
                while self._forgotten:
                    self._send(_line({"close": self._forgotten.popleft()}))
                self._send(_line(request) + data)
                while b"\n" not in self._heard:
                    self._hear(until_s, timeout_s)
                line, _, rest = bytes(self._heard).partition(b"\n")
                self._heard[:] = rest
                answer = json.loads(line)
                while len(self._heard) < answer.get("size", 0):
                    self._hear(until_s, timeout_s)
            except BaseException:  # Ctrl-C, too: what comes next would be the answer to this
                self.close()
                raise
            result = bytes(self._heard)
            self._heard.clear()
        if "error" in answer:
            raise explain_failure(answer["step"], answer["error"], self._device)
        return result

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        left = memoryview(data)
        try:
            while left:
                left = left[self._process.stdin.write(left) or 0 :]
        except BrokenPipeError:
            raise self._explain_end() from None

    def _hear(self, until_s: float, timeout_s: float) -> None:
        assert self._process.stdout is not None, "it is a pipe"
        if not select.select([self._process.stdout], [], [], max(0.0, until_s - time.monotonic()))[0]:
            raise DeviceMissingError(
                f"the Edge TPU ({self._device.name}) did not answer within {timeout_s:g} s; "
                "unplug it and plug it in again"
            )
        data = os.read(self._process.stdout.fileno(), _PIPE_BYTES)
        if not data:
            raise self._explain_end()
        self._heard += data

    def _explain_end(self) -> BackendUnavailableError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        self._complaints.seek(0)
        return explain_end(self._process.returncode, self._complaints.read(_MAX_COMPLAINT_BYTES), self._library)


def _line(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode() + b"\n"


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a whole picture stand in a pipe, so that handing it over takes no turns."""
    with contextlib.suppress(ImportError, AttributeError, OSError):  # only Linux has it, and more only root
        import fcntl

        assert pipe is not None, "it is a pipe"
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
