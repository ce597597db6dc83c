"""A program whose standard output is read: started, listened to and stopped with everything that it started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence

from edgecnn.errors import SourceError
from edgecnn.runtime.streams import without_password

# Together less than the second that a live source waits for its thread, so that nothing is left behind.
_GRACE_S = 0.5
_KILL_TIMEOUT_S = 0.3
_MAX_ERROR_BYTES = 8192


class ChildProcess:
    """A running program; only one thread uses it.

    It gets no input, a process group of its own, and thus no Ctrl-C from the terminal. What it
    writes to its standard error is read along, and the last few kilobytes of it are kept.

    Args:
        arguments: the program and its arguments; no shell sees them.

    Raises:
        SourceError: there is no such program, or it may not be run.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except FileNotFoundError as exc:
            raise SourceError(f"there is no program {arguments[0]!r}; is it installed, and on the PATH?") from exc
        except (OSError, ValueError) as exc:  # ValueError: a NUL in an argument
            raise SourceError(f"cannot run {arguments[0]!r}: {getattr(exc, 'strerror', None) or exc}") from exc
        assert self._process.stdout, "it is a pipe"
        assert self._process.stderr, "it is a pipe"
        self._output, self._errors = self._process.stdout.fileno(), self._process.stderr.fileno()
        self._error_bytes = bytearray()
        self._open = {self._output, self._errors}
        self._poll = select.poll()
        for each in self._open:
            self._poll.register(each, select.POLLIN)

    @property
    def error_lines(self) -> list[str]:
        """The last lines of its standard error, cleaned of passwords in URLs and of empty lines."""
        lines = self._error_bytes.decode("utf-8", "replace").splitlines()
        return [without_password(line.strip()) for line in lines if line.strip()]

    def make_room(self, num_bytes: int) -> None:
        """Let about ``num_bytes`` wait in the pipe: one picture, so that the program need not, but not many."""
        if not hasattr(fcntl, "F_SETPIPE_SZ"):  # only Linux has it
            return
        for size in (num_bytes, 1 << 20):  # more than 1 MiB only root may have
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, size)
                return

    def read(self, max_bytes: int, timeout_s: float) -> bytes | None:
        """Return what it wrote, as soon as there is something; None when there was nothing, empty at its end."""
        until_s = time.monotonic() + timeout_s
        while self._output in self._open:
            ready = self._wait(until_s)
            if not ready:
                return None
            if self._output in ready:
                return self._take(self._output, max_bytes)
        return b""

    def end(self) -> int:
        """Wait a moment for its own end, stop what is left, and return the exit code."""
        until_s = time.monotonic() + _GRACE_S
        # A program that is about to end has closed both, and then no signal changes its exit code.
        while self._open and self._wait(until_s):
            self._drop_output()
        self.stop()
        return self._process.returncode or 0

    def stop(self) -> None:
        """End it and everything that it started, gently first; a second time it does nothing."""
        if self._process.returncode is not None:
            return
        # Until wait() below the process keeps its number, dead or not: no stranger can be hit.
        self._signal_group(signal.SIGTERM)
        until_s = time.monotonic() + _GRACE_S
        while self._open and self._wait(until_s):
            self._drop_output()
        self._signal_group(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in a driver cannot be ended
            self._process.wait(_KILL_TIMEOUT_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _wait(self, until_s: float) -> set[int]:
        """Return which pipes have something; what came on standard error is taken on the way."""
        ready = {number for number, _ in self._poll.poll(max(0.0, until_s - time.monotonic()) * 1e3)}
        if self._errors in ready:
            self._error_bytes += self._take(self._errors, _MAX_ERROR_BYTES)
            del self._error_bytes[:-_MAX_ERROR_BYTES]
        return ready

    def _take(self, number: int, max_bytes: int) -> bytes:
        data = os.read(number, max_bytes)
        if not data:
            self._open.discard(number)
            self._poll.unregister(number)
        return data

    def _drop_output(self) -> None:
        if self._output in self._open and select.select([self._output], [], [], 0)[0]:
            self._take(self._output, 1 << 20)

    def _signal_group(self, number: signal.Signals) -> None:
        # PermissionError: it runs as somebody else, by sudo for instance; the broken pipe will end it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
