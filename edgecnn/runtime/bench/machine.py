"""What kind of machine this is."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn import __version__
from edgecnn.imaging.opencv import cv2
from edgecnn.runtime.bench.threads import num_usable_cores

ROOT = Path("/")
# ARM's cores say their number only (field "CPU part", implementer 0x41).
_ARM_CORES = {
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd42": "Cortex-A78AE",
    "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine and what is installed on it; text is empty and a number None where nothing tells.

    Attributes:
        board: model of the board or computer.
        cpu: model of the processor.
        architecture: ``x86_64``, ``aarch64``, ….
        num_cores: logical processors.
        num_usable_cores: those that this process may use.
        memory_mb: main memory, in 10^6 bytes.
        max_mhz: highest clock of any core.
        os: name and version of the system.
        kernel: release of its kernel.
        python: version.
        numpy: version.
        opencv: version.
        runtime: library that runs models, with its version.
        edgecnn: version.
    """

    board: str
    cpu: str
    architecture: str
    num_cores: int
    num_usable_cores: int
    memory_mb: float | None
    max_mhz: float | None
    os: str
    kernel: str
    python: str
    numpy: str
    opencv: str
    runtime: str
    edgecnn: str


def read_machine(*, runtime: str = "", root: Path = ROOT) -> Machine:
    """Return what this machine is.

    Args:
        runtime: library that runs models, with its version.
        root: folder in which ``proc``, ``sys`` and ``etc`` are looked for.
    """
    cpuinfo = read_text(root / "proc/cpuinfo")
    memory = re.search(r"MemTotal:\s*(\d+) kB", read_text(root / "proc/meminfo"))
    frequencies = [
        float(text)
        for path in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq"))
        if (text := read_text(path)).isdecimal()
    ]
    return Machine(
        board=_board(root),
        cpu=_cpu(cpuinfo),
        architecture=platform.machine(),
        num_cores=os.cpu_count() or 1,
        num_usable_cores=num_usable_cores(),
        memory_mb=int(memory[1]) * 1024 / 1e6 if memory else None,
        max_mhz=max(frequencies) / 1e3 if frequencies else None,
        os=_os(read_text(root / "etc/os-release")),
        kernel=platform.release(),
        python=platform.python_version(),
        numpy=np.__version__,
        opencv=cv2.__version__,
        runtime=runtime,
        edgecnn=__version__,
    )


def read_text(path: Path) -> str:
    """Return the content of a small file without white space and zero bytes around it; empty if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:  # not there, not allowed, or a sensor that does not answer
        return ""


def _board(root: Path) -> str:
    model = read_text(root / "proc/device-tree/model")
    if model:
        return model
    names = (read_text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name"))
    return " ".join(name for name in names if name)


def _cpu(cpuinfo: str) -> str:
    fields = re.findall(r"^([^:\n]*?)\s*: (.*)$", cpuinfo, re.MULTILINE)
    names = [value for name, value in fields if name == "model name"]
    if names:
        return str(names[0])
    parts = sorted({value for name, value in fields if name == "CPU part"})
    return " and ".join(_ARM_CORES.get(part, f"ARM core {part}") for part in parts)


def _os(release: str) -> str:
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', release, re.MULTILINE)
    return name[1] if name else platform.system()
