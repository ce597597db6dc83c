"""The process that owns the GPU, seen from here: started, asked, and its end put into words."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError
from edgecnn.runtime.backends.ending import end_process
from edgecnn.runtime.backends.gpu_memory import Ends, make_memory
from edgecnn.runtime.backends.gpu_reasons import explain
from edgecnn.runtime.backends.gpu_worker import DONE

# Compiling shaders takes seconds on a small board; a driver that takes longer hangs.
LOAD_TIMEOUT_S = 60.0
RUN_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 1.0
_MAX_ANSWER_BYTES = 1 << 16
# Not "-m": that would put the working folder in front, and a file there could stand for one of ours.
_SERVE = "import sys; sys.path[:] = sys.argv[1:]; from edgecnn.runtime.backends.gpu_worker import serve; serve()"
_ADAPTER = re.compile(r"Selected adapter: (?P<name>.*?), arch=.*adapterType=(?P<kind>.*)")


class GpuProcess:
    """A network on the GPU of a process of its own; for one thread at a time.

    Attributes:
        runtime: name and version of the library that runs it.
        adapter: what the driver calls the GPU.
        is_software: whether that is a program that plays a GPU on the CPU.
        process_id: of the process.
    """

    def __init__(
        self,
        model: bytes,
        ends: Ends,
        *,
        exact: bool = False,
        environment: Mapping[str, str] | None = None,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        run_timeout_s: float = RUN_TIMEOUT_S,
    ) -> None:
        """Start the process and wait until it has compiled the network.

        Args:
            model: a FlatBuffer that was checked before.
            ends: what goes in and comes out.
            exact: compute in float32, where drivers would take half of that.
            environment: of the process; None takes this one's.
            load_timeout_s: how long compiling, and the first run, may take.
            run_timeout_s: how long any other run may take.

        Raises:
            BackendUnavailableError: it cannot be done here; the message says why.
        """
        if os.name != "posix":
            raise BackendUnavailableError("the GPU backend shares memory as only Linux and macOS can")
        self._run_timeout_s, self._first_timeout_s = run_timeout_s, load_timeout_s
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _end)
        descriptor = make_memory(ends.num_bytes())
        try:
            self._memory = mmap.mmap(descriptor, ends.num_bytes())
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                env=environment,
                pass_fds=[descriptor],
                start_new_session=True,  # Ctrl-C is for us: it ends when we do
            )
        except OSError as exc:
            self._complaints.close()
            raise BackendUnavailableError(f"cannot start the process for the GPU: {exc.strerror}") from exc
        finally:
            os.close(descriptor)
        self.close = weakref.finalize(self, end_process, self._process, self._complaints)
        self.process_id = self._process.pid
        self._values, *self.outputs = ends.arrays(self._memory)
        request = {
            "model_bytes": len(model),
            "input": ends.input,
            "outputs": ends.outputs,
            "memory": descriptor,
            "exact": exact,
        }
        try:
            self._load(json.dumps(request).encode() + b"\n" + model, load_timeout_s)
        except BaseException:
            self.close()
            raise

    def run(self, values: NDArray[Any]) -> None:
        """Run the network once on a tensor of the input's shape and dtype; ``outputs`` holds what came out.

        Other threads go on meanwhile. The arrays in ``outputs`` are written again by the next run.

        Raises:
            BackendUnavailableError: the GPU crashed, hangs or gave up.
        """
        np.copyto(self._values, values, casting="no")
        timeout_s, self._first_timeout_s = max(self._first_timeout_s, self._run_timeout_s), 0.0
        try:
            self._send(b"r")
            answer = self._read(1, timeout_s)
            if answer != DONE:
                reason = json.loads(self._read(_MAX_ANSWER_BYTES, timeout_s) or b'{"error": ""}')["error"]
                raise BackendUnavailableError(explain(reason, ""))
        except BackendUnavailableError:
            self.close()
            raise

    def _load(self, request: bytes, timeout_s: float) -> None:
        self._send(request)
        heard, until_s = b"", time.monotonic() + timeout_s
        while not heard.endswith(b"\n"):
            heard += self._read(_MAX_ANSWER_BYTES, max(0.0, until_s - time.monotonic()))
        answer, complaints = json.loads(heard), self._read_complaints()
        if "error" in answer:
            raise BackendUnavailableError(explain(answer["error"], complaints))
        self.runtime: str = answer["runtime"]
        found = _ADAPTER.search(complaints)
        self.adapter = found["name"].strip() if found else "a GPU that gives no name"
        self.is_software = bool(found and ("CPU" in found["kind"] or "Software" in found["kind"]))

    def _send(self, data: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise BackendUnavailableError("the GPU failed before and is not tried again")
        try:
            left = memoryview(data)
            while left:
                left = left[stdin.write(left) or 0 :]
        except BrokenPipeError:
            raise self._ended() from None

    def _read(self, num_bytes: int, timeout_s: float) -> bytes:
        """Return what the process answers, at most so many bytes."""
        assert self._process.stdout is not None, "it is a pipe"
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise BackendUnavailableError(f"the GPU's driver did not answer within {timeout_s:.0f} s")
        data = os.read(self._process.stdout.fileno(), num_bytes)
        if not data:
            raise self._ended()
        return data

    def _ended(self) -> BackendUnavailableError:
        """Return why the process is no more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        code = self._process.returncode
        if code is not None and code < 0:
            return BackendUnavailableError(f"the GPU's driver crashed ({_signal_name(-code)})")
        return BackendUnavailableError(explain(f"its process ended with exit code {code}", self._read_complaints()))

    def _read_complaints(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read(1 << 20).decode("utf-8", "replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
