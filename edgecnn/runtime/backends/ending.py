"""How a process that holds a device is ended."""

from __future__ import annotations

import contextlib
import subprocess
from typing import IO

_END_TIMEOUT_S = 2.0


def end_process(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    """Close the pipes of a worker, which ends it; kill it if it does not, and close the file of its complaints."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that hangs in a driver cannot be ended
            process.wait(_END_TIMEOUT_S)
    complaints.close()
