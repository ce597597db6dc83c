"""The only door to LiteRT, and to tflite-runtime where LiteRT has no wheel."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError, MissingExtraError
from edgecnn.modelfile import ModelFile
from edgecnn.quiet import quiet_stderr

# LiteRT crashes when it is asked for absurdly many threads (100,000 on 2.3).
MAX_THREADS = 64
_DEFAULT_THREADS = 4


def default_num_threads() -> int:
    """Return the number of cores this process may use, at most 4: a small CNN gains nothing beyond."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _DEFAULT_THREADS)


class Interpreter:
    """One model, loaded and ready.

    Attributes:
        runtime: name and version of the library that runs it.
        kernels: ``XNNPACK``, or ``builtin`` where XNNPACK does not take part. It can drop out
            without a word (a container without ``/sys``, for instance), and the codes then differ.
        num_threads: threads of one invocation.
    """

    def __init__(self, file: ModelFile, *, num_threads: int | None = None, use_xnnpack: bool = True) -> None:
        """Load the model.

        Args:
            file: a model file that was checked by opening it.
            num_threads: 1 to 64; None takes ``default_num_threads``.
            use_xnnpack: False takes the builtin kernels, to see how far they differ.

        Raises:
            MissingExtraError: neither LiteRT nor a working tflite-runtime is installed.
            BackendUnavailableError: the runtime cannot run this model.
        """
        custom = sorted({op.name for op in file.graph.operators if op.name.startswith("CUSTOM")})
        if custom:
            raise BackendUnavailableError(f"{file.path}: {_explain_custom(custom)}")
        self._path = file.path
        self.num_threads = max(1, min(num_threads or default_num_threads(), MAX_THREADS))
        module, self.runtime = _import_runtime()
        options: dict[str, Any] = {"model_content": file.model, "num_threads": self.num_threads}
        if not use_xnnpack:
            options["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            with quiet_stderr():  # LiteRT greets there
                self._interpreter = module.Interpreter(**options)
                self._input = self._interpreter.get_input_details()[0]["index"]
                if file.input.is_dynamic:  # made for batches of any number; the file may have been saved with many
                    self._interpreter.resize_tensor_input(self._input, (1, *file.input.shape[1:]))
                self._interpreter.allocate_tensors()
            self.kernels = "XNNPACK" if self._has_delegate() else "builtin"
        except (ValueError, RuntimeError, SystemError) as exc:
            raise self._unfit(exc) from exc
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._output_shape = file.output.shape[1:]

    def invoke(self, values: NDArray[Any]) -> NDArray[Any]:
        """Run the network once; other threads go on meanwhile.

        Args:
            values: input tensor without its batch axis: shape (height, width, 3), the model's dtype.

        Returns:
            The output tensor without its batch axis: shape (C,), the model's dtype.

        Raises:
            BackendUnavailableError: the network turns out to be wrong only now that it runs.
        """
        self._interpreter.set_tensor(self._input, values[np.newaxis])
        try:
            self._interpreter.invoke()
        except RuntimeError as exc:
            raise self._unfit(exc) from exc
        output: NDArray[Any] = self._interpreter.get_tensor(self._output)[0]
        if output.shape != self._output_shape:
            raise self._unfit(f"its output has shape {output.shape}, but the file says {self._output_shape}")
        return output

    def _unfit(self, reason: Exception | str) -> BackendUnavailableError:
        return BackendUnavailableError(f"{self._path}: {self.runtime} cannot run this model: {reason}")

    def _has_delegate(self) -> bool:
        # The name is private, but nothing public tells (LiteRT 2.3, tflite-runtime 2.14).
        return any(details["op_name"] == "DELEGATE" for details in self._interpreter._get_ops_details())


def _import_runtime() -> tuple[Any, str]:
    """Return the runtime's module and its name with version, or raise why there is none."""
    try:
        from ai_edge_litert import __version__ as litert_version
        from ai_edge_litert import interpreter as litert

        return litert, f"LiteRT {litert_version}"
    # OSError: on a glibc older than 2.34 the ARM wheel installs, but its libraries do not load.
    except (ImportError, OSError) as exc:
        reason = f"LiteRT cannot be imported ({exc})"
    try:
        from tflite_runtime import __version__ as tflite_version
        from tflite_runtime import interpreter as tflite
    except (ImportError, OSError) as exc:
        raise MissingExtraError(
            f"{reason}, and neither can tflite-runtime; run: pip install 'edgecnn[device]'"
        ) from exc
    if int(np.__version__.split(".")[0]) >= 2:
        raise MissingExtraError(
            f"{reason}; tflite-runtime {tflite_version} is there but was built for numpy 1, and numpy is "
            f"{np.__version__}; run: pip install 'edgecnn[tflite-runtime]'"
        )
    return tflite, f"tflite-runtime {tflite_version}"


def _explain_custom(custom: list[str]) -> str:
    if custom == ["CUSTOM edgetpu-custom-op"]:
        return (
            "this file is compiled for a Coral Edge TPU and cannot run on the CPU; use the plain int8 file it came from"
        )
    return f"the network has operators that only its maker's runtime knows: {', '.join(custom)}"
