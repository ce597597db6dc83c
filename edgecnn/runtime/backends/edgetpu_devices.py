"""Which Edge TPU is meant; and where there is none to be had, why: what the machine knows of its devices."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edgecnn.errors import BackendUnavailableError, DeviceMissingError
from edgecnn.runtime.backends.edgetpu_library import EdgeTpuDevice

ROOT = Path("/")
# A USB Accelerator shows the first pair until a program has given it its firmware, and then the second.
_USB_IDS = {("1a6e", "089a"): "waiting for its firmware", ("18d1", "9302"): "with its firmware"}
_PCI_ID = ("0x1ac1", "0x089a")
_PLACE = re.compile(r"(?:(?P<kind>usb|pci)(?::(?P<of_kind>\d{1,3}))?|:?(?P<of_all>\d{1,3}))?")
_RULES = (
    "copy device/edgetpu/60-edgecnn-edgetpu.rules to /etc/udev/rules.d, add the user to the group plugdev, "
    "log in again and plug the device in again"
)


class Choice(NamedTuple):
    """A device that is meant.

    Attributes:
        options: for the delegate; none leaves the choice to the library.
        name: for people.
    """

    options: dict[str, str]
    name: str


def choose_device(devices: Sequence[EdgeTpuDevice], place: str, root: Path = ROOT) -> Choice:
    """Return the device that an address means.

    Args:
        devices: what the library sees.
        place: empty for any device, ``usb`` or ``pci`` for any of that kind, ``usb:1`` for the second
            of that kind, ``1`` for the second of all.
        root: folder in which ``dev``, ``proc`` and ``sys`` are looked for.

    Raises:
        DeviceMissingError: it is not connected.
        BackendUnavailableError: the address cannot be read.
    """
    meant = _PLACE.fullmatch(place)
    if meant is None:
        raise BackendUnavailableError(
            f"edgetpu:{place} is no address of a device; give edgetpu alone, or edgetpu:usb, edgetpu:pci, "
            "edgetpu:usb:1 for the second of a kind, edgetpu:1 for the second of all"
        )
    if not devices:
        raise DeviceMissingError(why_none_is_seen(root))
    kind, index = meant["kind"], meant["of_kind"] or meant["of_all"]
    candidates = [device for device in devices if kind in (None, device.kind)]
    if int(index or 0) >= len(candidates):
        raise DeviceMissingError(f"there is no Edge TPU {place}; connected: {_list(devices)}")
    if index is None:
        options = {"device": kind} if kind else {}
        only = candidates[0] if len(candidates) == 1 else None
        return Choice(options, _name(only) if only else f"one of {len(candidates)} Edge TPUs")
    return Choice({"device": f"{kind or ''}:{int(index)}"}, _name(candidates[int(index)]))


def why_none_is_seen(root: Path = ROOT) -> str:
    """Return why the library sees no device, as far as the machine tells."""
    for sort, node in _usb_devices(root):
        seen = f"a Coral USB Accelerator ({sort}) is connected, but libedgetpu does not see it"
        if not node.exists():
            return f"{seen}: {node} is missing; a container needs it: docker run --device /dev/bus/usb"
        return f"{seen}: {_obstacle(node, root)}"
    for node in _apex_devices(root):
        return f"there is a Coral card at {node}, but libedgetpu does not see it: {_obstacle(node, root)}"
    if _has_card(root):
        return (
            "a Coral card is built in, but its driver is not loaded (there is no /dev/apex_0): install the "
            "gasket driver for this kernel, then run: sudo modprobe apex"
        )
    return (
        "no Edge TPU is connected: plug in a Coral USB Accelerator (USB 1a6e:089a, or 18d1:9302 once it has its "
        "firmware), or build in a PCIe or M.2 card (/dev/apex_0)"
    )


def why_none_opens(root: Path = ROOT) -> str:
    """Return why a device that is seen cannot be opened, as far as the machine tells."""
    nodes = [node for _, node in _usb_devices(root)] + list(_apex_devices(root))
    obstacles = [f"{node}: {_obstacle(node, root)}" for node in nodes if _denied(node) or _users(node, root)]
    if obstacles:
        return "; ".join(obstacles)
    return (
        "another program may be using it, which one device cannot share; or it has hung: "
        "unplug it and plug it in again, where it gets enough power"
    )


def _obstacle(node: Path, root: Path) -> str:
    if _denied(node):
        rules = (
            _RULES if "apex" not in node.name else "give the user's group access, by a udev rule or usermod -aG apex"
        )
        return f"this user may not open {node}; {rules}"
    users = _users(node, root)
    if users:
        return f"{users} uses it, and one device serves one process at a time; end that first"
    return "the library may be one without support for this kind of device; or unplug it and plug it in again"


def _usb_devices(root: Path) -> Iterator[tuple[str, Path]]:
    """Give each USB Accelerator: what it is, and its file under ``dev``."""
    for folder in _folders(root / "sys/bus/usb/devices"):
        pair = _read(folder / "idVendor"), _read(folder / "idProduct")
        if pair in _USB_IDS:
            with contextlib.suppress(ValueError):
                bus, number = int(_read(folder / "busnum")), int(_read(folder / "devnum"))
                sort = f"USB {':'.join(pair)}, {_USB_IDS[pair]}"
                yield sort, root / f"dev/bus/usb/{bus:03d}/{number:03d}"


def _apex_devices(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted((root / "dev").glob("apex_*"))


def _has_card(root: Path) -> bool:
    folders = _folders(root / "sys/bus/pci/devices")
    return any((_read(folder / "vendor"), _read(folder / "device")) == _PCI_ID for folder in folders)


def _denied(node: Path) -> bool:
    return node.exists() and not os.access(node, os.R_OK | os.W_OK)


def _users(node: Path, root: Path) -> str:
    """Return which other processes have a device open; empty when none is seen. Other users' are not seen."""
    found = []
    for folder in _folders(root / "proc"):
        if not folder.name.isdecimal() or folder.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            if any(link.readlink() == node for link in (folder / "fd").iterdir()):
                found.append(f"process {folder.name} ({_read(folder / 'comm')})")
    return " and ".join(found)


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _read(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text("ascii", "replace").strip()
    return ""


def _list(devices: Sequence[EdgeTpuDevice]) -> str:
    numbers: dict[str, int] = {}
    names = []
    for device in devices:
        number = numbers.setdefault(device.kind, 0)
        names.append(f"{device.kind}:{number} ({device.path})")
        numbers[device.kind] += 1
    return ", ".join(names)


def _name(device: EdgeTpuDevice) -> str:
    return f"{device.kind} {device.path}"
