"""The shared library that drives a Coral Edge TPU, found and asked without opening a device."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from typing import NamedTuple

from edgecnn.errors import BackendUnavailableError

LIBRARY_VARIABLE = "EDGECNN_EDGETPU_LIB"
_NAMES = {"darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
_LINUX_NAME = "libedgetpu.so.1"
_KINDS = ("pci", "usb")  # as edgetpu_c.h counts them
_INSTALL = "install a libedgetpu as docs/edgetpu.md tells, or name the file of one with EDGECNN_EDGETPU_LIB"
# What the real library says: BuildLabel(…), RuntimeVersion(14).
_REAL_VERSION = re.compile(r"BuildLabel\(.*\), RuntimeVersion\((\d+)\)$", re.DOTALL)
_RUNTIME = re.compile(r"RuntimeVersion\((\d+)\)")


class EdgeTpuDevice(NamedTuple):
    """A device that is connected: ``usb`` or ``pci``, and where the library sees it."""

    kind: str
    path: str


class _Device(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("path", ctypes.c_char_p))


class EdgeTpuLibrary:
    """libedgetpu, loaded.

    Attributes:
        name: what it was loaded by: a path, or a name that the system's loader finds.
        version: what it calls itself, for people.
        runtime: the newest compiled files that it can run, as a runtime version; None if it does not say.

    Raises:
        BackendUnavailableError: there is no such library, or it is another one.
    """

    def __init__(self) -> None:
        self.name = os.environ.get(LIBRARY_VARIABLE) or _NAMES.get(sys.platform, _LINUX_NAME)
        try:
            self._library = ctypes.CDLL(self.name)
        except OSError as exc:
            raise BackendUnavailableError(_explain(self.name, str(exc))) from exc
        try:
            self._say_version = self._library.edgetpu_version
            self._list_devices = self._library.edgetpu_list_devices
            self._free_devices = self._library.edgetpu_free_devices
        except AttributeError as exc:
            raise BackendUnavailableError(f"{self.name} is not libedgetpu ({exc}); {_INSTALL}") from exc
        self._say_version.restype = ctypes.c_char_p
        self._list_devices.argtypes = [ctypes.POINTER(ctypes.c_size_t)]
        self._list_devices.restype = ctypes.POINTER(_Device)
        self._free_devices.argtypes = [ctypes.POINTER(_Device)]
        self._free_devices.restype = None
        said = (self._say_version() or b"").decode("utf-8", "replace")
        real, runtime = _REAL_VERSION.match(said), _RUNTIME.search(said)
        self.version = f"libedgetpu (runtime {real[1]})" if real else said or "a libedgetpu without a version"
        self.runtime = int(runtime[1]) if runtime else None

    def devices(self) -> list[EdgeTpuDevice]:
        """Return the devices that it sees now, in the order in which it numbers them; none is opened."""
        number = ctypes.c_size_t(0)
        found = self._list_devices(ctypes.byref(number))
        try:
            return [
                EdgeTpuDevice(
                    _KINDS[found[index].type] if 0 <= found[index].type < len(_KINDS) else "unknown",
                    (found[index].path or b"").decode("utf-8", "replace"),
                )
                for index in range(number.value)
            ]
        finally:
            if found:
                self._free_devices(found)


def _explain(name: str, reason: str) -> str:
    if "libusb" in reason:
        return f"{name} cannot be loaded, because libusb is missing ({reason}); run: sudo apt install libusb-1.0-0"
    if name == os.environ.get(LIBRARY_VARIABLE):
        return f"{LIBRARY_VARIABLE} names {name}, which cannot be loaded ({reason}); give the file of a libedgetpu"
    return f"the library of the Edge TPU cannot be loaded ({reason}); {_INSTALL}"
