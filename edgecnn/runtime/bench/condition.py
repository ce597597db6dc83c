"""In which condition the machine is: load, heat, clock, and whether the board slows itself down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.runtime.bench.machine import ROOT, read_text

# Bits of a Raspberry Pi's `get_throttled`; the same ones shifted by 16 tell about the time since the start.
_PI_FLAGS = ((0, "under-voltage"), (1, "clock capped"), (2, "throttled"), (3, "soft temperature limit"))
_PI_SINCE_BOOT_SHIFT = 16
_PI_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_PLAUSIBLE_C = (-40.0, 150.0)
_CPU_ZONE = re.compile(r"cpu|pkg|soc|core", re.IGNORECASE)
_CPU_COOLER = re.compile(r"cpu|processor", re.IGNORECASE)
_VCGENCMD_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """Why the board made itself slower, as far as it tells.

    Attributes:
        now: reasons that hold now.
        since_boot: reasons that have occurred since the board was started.
    """

    now: tuple[str, ...]
    since_boot: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One look at the machine; None where nothing tells.

    Attributes:
        load_average: programs that wanted to run, mean of the last minute.
        cpu_temperature_c: hottest sensor of the processor.
        temperatures_c: all sensors by name.
        cpu_mhz: clock of the fastest core at this moment.
        governor: what chooses the clock.
        throttling: whether the board slows itself down.
    """

    load_average: float | None
    cpu_temperature_c: float | None
    temperatures_c: Mapping[str, float]
    cpu_mhz: float | None
    governor: str
    throttling: Throttling | None


def read_condition(*, root: Path = ROOT, search_path: str | None = None) -> Condition:
    """Return the condition that the machine is in.

    Args:
        root: folder in which ``proc`` and ``sys`` are looked for.
        search_path: folders in which ``vcgencmd`` is looked for; None takes ``PATH``.
    """
    first, *_ = [*read_text(root / "proc/loadavg").split(), ""]
    zones = read_temperatures(root)
    return Condition(
        load_average=_number(first),
        cpu_temperature_c=cpu_temperature(zones),
        temperatures_c=zones,
        cpu_mhz=read_cpu_mhz(root),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        throttling=_read_throttling(root, search_path),
    )


def read_temperatures(root: Path = ROOT) -> dict[str, float]:
    """Return the temperatures of all sensors in °C, by name."""
    temperatures: dict[str, float] = {}
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        value = _number(read_text(zone / "temp"))
        name = read_text(zone / "type") or zone.name
        if value is not None and _PLAUSIBLE_C[0] < value / 1e3 < _PLAUSIBLE_C[1]:
            # Two sensors may have the same name.
            temperatures[f"{name} ({zone.name})" if name in temperatures else name] = value / 1e3
    return temperatures


def cpu_temperature(temperatures_c: Mapping[str, float]) -> float | None:
    """Return the highest temperature of the sensors that belong to the processor, if any do, else of all."""
    of_cpu = [value for name, value in temperatures_c.items() if _CPU_ZONE.search(name)]
    return max(of_cpu or temperatures_c.values(), default=None)


def read_cpu_mhz(root: Path = ROOT) -> float | None:
    """Return the present clock of the fastest core in MHz, None where nothing tells."""
    paths = root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    clocks = [clock / 1e3 for path in paths if (clock := _number(read_text(path))) is not None]
    if not clocks:
        lines = re.findall(r"^cpu MHz\s*: ([\d.]+)$", read_text(root / "proc/cpuinfo"), re.MULTILINE)
        clocks = [float(line) for line in lines]
    return max(clocks, default=None)


def _read_throttling(root: Path, search_path: str | None) -> Throttling | None:
    flags = _pi_flags(root, search_path)
    if flags is not None:
        earlier = flags >> _PI_SINCE_BOOT_SHIFT
        return Throttling(
            now=tuple(name for bit, name in _PI_FLAGS if flags >> bit & 1),
            since_boot=tuple(name for bit, name in _PI_FLAGS if earlier >> bit & 1),
        )
    coolers = [
        (read_text(path / "type"), _number(read_text(path / "cur_state")))
        for path in sorted(root.glob("sys/class/thermal/cooling_device*"))
    ]
    slowing = {name: state or 0.0 for name, state in coolers if _CPU_COOLER.search(name)}
    # Jetson counts how often too much current was drawn.
    events = {path.name: _number(read_text(path)) or 0.0 for path in root.glob("sys/class/hwmon/hwmon*/oc*_event_cnt")}
    if not slowing and not events:
        return None
    return Throttling(
        now=tuple(sorted(name for name, state in slowing.items() if state > 0)),
        since_boot=tuple(sorted(f"over-current ({name[:-10]})" for name, number in events.items() if number > 0)),
    )


def _pi_flags(root: Path, search_path: str | None) -> int | None:
    """Return the flags of a Raspberry Pi's firmware, None on anything else."""
    text = read_text(root / _PI_FIRMWARE)
    if not text:
        program = shutil.which("vcgencmd", path=search_path or os.environ.get("PATH"))
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, "get_throttled"], capture_output=True, check=False, timeout=_VCGENCMD_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError):
            return None
        text = done.stdout.decode("ascii", "replace").strip().removeprefix("throttled=")
    try:
        return int(text, 16)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
