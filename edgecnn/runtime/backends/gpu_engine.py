"""A network on the GPU of another process, as an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.outputs import with_more_outputs, without_signatures
from edgecnn.runtime.backends.gpu_memory import Ends
from edgecnn.runtime.backends.gpu_process import LOAD_TIMEOUT_S, RUN_TIMEOUT_S, GpuProcess
from edgecnn.runtime.backends.gpu_reasons import ALLOW_SOFTWARE

# Names of Vulkan's drivers that compute on the CPU. An old Vulkan loader does not know the variable that
# disables them, so what was selected is looked at, too.
_SOFTWARE_DRIVERS = "*lvp*,*swiftshader*"


class GpuEngine:
    """A network on the GPU; see ``Engine``.

    Attributes:
        adapter: what the driver calls the GPU.
        process_id: of the process that it runs in.
    """

    extras: tuple[NDArray[Any], ...] | None

    def __init__(
        self,
        file: ModelFile,
        *,
        also: tuple[int, ...] = (),
        exact: bool = False,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        run_timeout_s: float = RUN_TIMEOUT_S,
    ) -> None:
        """Compile a network, whatever then comes out of it; ``open_gpu`` looks at that.

        Args:
            file: a model file that was checked by opening it.
            also: indices of inner tensors whose values are wanted, too.
            exact: compute in float32, where drivers would take half of that.
            load_timeout_s: how long compiling, and the first run, may take.
            run_timeout_s: how long any other run may take.

        Raises:
            BackendUnavailableError: there is no GPU, or it cannot run this network.
        """
        self._path = file.path
        tensors = [file.output, *(file.graph.tensors[index] for index in also)]
        ends = Ends(
            (file.input.dtype, (1, *file.input.shape[1:])),
            tuple((tensor.dtype, (1, *tensor.shape[1:])) for tensor in tensors),
        )
        model = without_signatures(with_more_outputs(file.model, also)) if also else file.model
        try:
            self._process = GpuProcess(
                model,
                ends,
                exact=exact,
                environment=_child_environment(),
                load_timeout_s=load_timeout_s,
                run_timeout_s=run_timeout_s,
            )
            if self._process.is_software and not allows_software():
                self.close()
                raise BackendUnavailableError(
                    f"the only GPU here, {self._process.adapter}, is a program on the CPU, and many times slower "
                    f"than LiteRT there; set {ALLOW_SOFTWARE}=1 to take it all the same"
                )
        except BackendUnavailableError as exc:
            raise self._unfit(exc) from exc
        self.runtime, self.num_threads = self._process.runtime, 1
        self.adapter, self.process_id = self._process.adapter, self._process.process_id
        self.kernels = f"WebGPU on {self.adapter}"
        self.extras = ()

    def invoke(self, values: NDArray[Any]) -> NDArray[Any]:
        """Run the network once; see ``Engine``."""
        try:
            self._process.run(values[None])
        except BackendUnavailableError as exc:
            raise self._unfit(exc) from exc
        output: NDArray[Any]
        output, *extras = [array[0].copy() for array in self._process.outputs]
        if self.extras is not None:
            self.extras = tuple(extras)
        return output

    def close(self) -> None:
        """End the process; it also ends when nobody needs this engine any more."""
        self._process.close()

    def _unfit(self, exc: Exception) -> BackendUnavailableError:
        return BackendUnavailableError(f"{self._path}: the GPU cannot be used: {exc}")


def allows_software() -> bool:
    """Return whether the user wants a GPU that is only a program, for a test for instance."""
    return os.environ.get(ALLOW_SOFTWARE, "") not in ("", "0")


def _child_environment() -> Mapping[str, str]:
    environment = dict(os.environ)
    if not allows_software():
        disabled = environment.get("VK_LOADER_DRIVERS_DISABLE")
        environment["VK_LOADER_DRIVERS_DISABLE"] = f"{disabled},{_SOFTWARE_DRIVERS}" if disabled else _SOFTWARE_DRIVERS
    return environment
