"""Resident memory of this process."""

from __future__ import annotations

import ctypes
import gc
import os
import re
from contextlib import suppress
from pathlib import Path

from edgecnn.runtime.bench.machine import ROOT, read_text


def read_memory_mb(root: Path = ROOT) -> tuple[float, float]:
    """Return the resident memory of this process and its peak so far, in 10^6 bytes; 0 where nothing tells."""
    status = read_text(root / "proc/self/status")
    sizes = dict(re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB$", status, re.MULTILINE))
    now, peak = (int(sizes.get(name, 0)) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, peak


def give_back_memory(root: Path = ROOT) -> None:
    """Hand memory that is not used any more back to the system, and let the peak begin anew, as far as both can be.

    Else a run that comes after other measurements would seem to need what they have left behind.
    """
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):  # elsewhere than in glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        handle = os.open(root / "proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    with suppress(OSError):  # some kernels do not allow it
        os.write(handle, b"5")  # resets VmHWM, see proc(5)
    os.close(handle)
