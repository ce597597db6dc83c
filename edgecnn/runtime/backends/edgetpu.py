"""A Coral Edge TPU, through libedgetpu and LiteRT's ``load_delegate``, in a process of its own."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError, DeviceMissingError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.edgetpu import read_compiled
from edgecnn.runtime.backends.edgetpu_devices import Choice, choose_device
from edgecnn.runtime.backends.edgetpu_library import EdgeTpuLibrary
from edgecnn.runtime.backends.edgetpu_process import EdgeTpuProcess
from edgecnn.runtime.backends.edgetpu_reasons import explain_loading
from edgecnn.runtime.engine import EngineOptions, is_compiled
from edgecnn.runtime.interpreter import MAX_THREADS, default_num_threads

KERNELS = "Edge TPU"

# One process can open a device, so all networks that this one wants on it go through the same.
_processes: weakref.WeakValueDictionary[tuple[object, ...], EdgeTpuProcess] = weakref.WeakValueDictionary()
_opening = threading.Lock()


class EdgeTpuEngine:
    """A compiled network on an Edge TPU. Its attributes are those of ``Engine``.

    Several of them in one program share the device and take turns.
    """

    extras: tuple[NDArray[Any], ...] | None = None

    def __init__(self, file: ModelFile, library: EdgeTpuLibrary, device: Choice, options: EngineOptions) -> None:
        """Open the device, load the network and run it once, by which its parameters get there.

        Raises:
            DeviceMissingError: the device cannot be opened, or fails.
            BackendUnavailableError: library, runtime and network do not fit.
        """
        self._library, self._device, self._path = library, device, file.path
        self.kernels = KERNELS
        self.num_threads = max(1, min(options.num_threads or default_num_threads(), MAX_THREADS))
        self._process = _open_process(library, device)
        self.runtime = f"{self._process.runtime} with {library.version} on {device.name}"
        try:
            self._number = self._process.load(file.model, num_threads=self.num_threads, use_xnnpack=options.use_xnnpack)
        except DeviceMissingError:
            raise
        except BackendUnavailableError as exc:
            if not self._process.is_open:  # a crash, which has its own sentence
                raise
            raise explain_loading(str(exc), file.path, device, library.name) from exc
        weakref.finalize(self, self._process.forget, self._number)
        tensor = file.input
        self._dtype, self._shape = file.output.dtype, file.output.shape[1:]
        self._run(np.zeros(tensor.shape[1:], tensor.dtype), is_first=True)

    def invoke(self, values: NDArray[Any]) -> NDArray[Any]:
        """Run the network once; see ``Engine``.

        Raises:
            DeviceMissingError: the device was unplugged or failed.
        """
        return self._run(values)

    def _run(self, values: NDArray[Any], *, is_first: bool = False) -> NDArray[Any]:
        try:
            result = self._process.run(self._number, values.tobytes(), is_first=is_first)
        except DeviceMissingError as exc:
            if not self._library.devices():
                raise DeviceMissingError(
                    f"the Edge TPU ({self._device.name}) is gone: was it unplugged? ({exc})"
                ) from exc
            raise DeviceMissingError(
                f"the Edge TPU ({self._device.name}) failed while it ran {self._path} ({exc}); unplug it and plug it "
                "in again, into a USB 3 port that gives enough power"
            ) from exc
        return np.frombuffer(result, self._dtype).reshape(self._shape)


def open_edgetpu(file: ModelFile, options: EngineOptions) -> EdgeTpuEngine:
    """Load a compiled model for an Edge TPU; the backend ``edgetpu``.

    What stands behind the colon of the address chooses a device, see ``choose_device``.

    Raises:
        DeviceMissingError: no device is there, or none that can be opened.
        BackendUnavailableError: the file is not compiled, or there is no library that can run it.
        MissingExtraError: LiteRT is not installed.
    """
    if not is_compiled(file):
        raise BackendUnavailableError(_not_compiled(file))
    library = EdgeTpuLibrary()
    _check_runtime(file, library)
    device = choose_device(library.devices(), options.place)
    return EdgeTpuEngine(file, library, device, options)


def _open_process(library: EdgeTpuLibrary, device: Choice) -> EdgeTpuProcess:
    key = (library.name, *device.options.items())
    with _opening:
        process = _processes.get(key)
        if process is None or not process.is_open:
            process = _processes[key] = EdgeTpuProcess(library.name, device)
        return process


def _not_compiled(file: ModelFile) -> str:
    compiled = file.path.with_name(f"{file.path.stem}_edgetpu{file.path.suffix}")
    found = f"; {compiled} beside it may be what you want" if compiled.is_file() else ""
    return (
        f"{file.path} is not compiled for the Edge TPU, and would run on the CPU without a word; "
        f"compile it with: edgecnn export RUN --edgetpu{found}"
    )


def _check_runtime(file: ModelFile, library: EdgeTpuLibrary) -> None:
    compiled = read_compiled(file.model)
    needed = compiled.min_runtime_version if compiled else None
    if needed is not None and library.runtime is not None and needed > library.runtime:
        raise BackendUnavailableError(
            f"{file.path} was compiled for runtime {needed}, and {library.version} runs up to {library.runtime}; "
            f"install a newer libedgetpu, or compile it again with: edgetpu_compiler -m {library.runtime}"
        )
