"""The only door to LiteRT, and to tflite-runtime where LiteRT has no wheel."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError, DeviceMissingError, MissingExtraError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.outputs import with_more_outputs
from edgecnn.quiet import quiet_stderr

if TYPE_CHECKING:
    from edgecnn.runtime.engine import EngineOptions

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
        extras: values of the tensors ``also`` after the newest invocation, each without its batch axis.
    """

    extras: tuple[NDArray[Any], ...] | None

    def __init__(
        self,
        file: ModelFile,
        *,
        num_threads: int | None = None,
        use_xnnpack: bool = True,
        also: tuple[int, ...] = (),
        delegates: Sequence[Any] = (),
    ) -> None:
        """Load the model.

        Args:
            file: a model file that was checked by opening it.
            num_threads: 1 to 64; None takes ``default_num_threads``.
            use_xnnpack: False takes the builtin kernels, to see how far they differ.
            also: indices of inner tensors whose values are wanted, too.
            delegates: what ``load_delegate`` gave, for the operators that it takes over.

        Raises:
            MissingExtraError: neither LiteRT nor a working tflite-runtime is installed.
            BackendUnavailableError: the runtime cannot run this model.
        """
        custom = sorted({op.name for op in file.graph.operators if op.name.startswith("CUSTOM")})
        if custom and not delegates:
            raise BackendUnavailableError(f"{file.path}: {_explain_custom(custom)}")
        self._path = file.path
        self.num_threads = max(1, min(num_threads or default_num_threads(), MAX_THREADS))
        module, self.runtime = _import_runtime()
        model = with_more_outputs(file.model, also)
        options: dict[str, Any] = {"model_content": model, "num_threads": self.num_threads}
        if delegates:
            options["experimental_delegates"] = list(delegates)
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
        self._output, *self._also = [details["index"] for details in self._interpreter.get_output_details()]
        self.extras = ()
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
        self.extras = tuple([self._interpreter.get_tensor(index)[0] for index in self._also])
        return output

    def _unfit(self, reason: Exception | str) -> BackendUnavailableError:
        return BackendUnavailableError(f"{self._path}: {self.runtime} cannot run this model: {reason}")

    def _has_delegate(self) -> bool:
        # The name is private, but nothing public tells (LiteRT 2.3, tflite-runtime 2.14).
        return any(details["op_name"] == "DELEGATE" for details in self._interpreter._get_ops_details())


def open_cpu(file: ModelFile, options: EngineOptions) -> Interpreter:
    """Load a model for the CPU; the backend ``cpu``.

    Raises:
        BackendUnavailableError: the runtime cannot run this model, or the address names a part of the CPU.
        MissingExtraError: no runtime is installed.
    """
    if options.place:
        raise BackendUnavailableError(f"there is one CPU, and no cpu:{options.place}; give cpu")
    return Interpreter(file, num_threads=options.num_threads, use_xnnpack=options.use_xnnpack, also=options.also)


def open_delegate(library: str, options: Mapping[str, str]) -> Any:
    """Load a delegate, which takes over operators of a network, from a shared library.

    Args:
        library: its path, or a name that the system's loader finds.
        options: as the delegate wants them.

    Raises:
        MissingExtraError: no runtime is installed.
        DeviceMissingError: the delegate refuses; the message is the reason that it gives, which may be empty.
        BackendUnavailableError: there is no such library, or it brings no delegate.
    """
    module, _ = _import_runtime()
    # Looked at first: where load_delegate fails half-way, its finalizer complains on the screen.
    try:
        found = ctypes.CDLL(library)
    except OSError as exc:
        raise BackendUnavailableError(f"{library} cannot be loaded ({exc})") from exc
    if not (hasattr(found, "tflite_plugin_create_delegate") and hasattr(found, "tflite_plugin_destroy_delegate")):
        raise BackendUnavailableError(f"{library} brings no LiteRT delegate (tflite_plugin_create_delegate)")
    try:
        return module.load_delegate(library, dict(options))
    except ValueError as exc:
        raise DeviceMissingError(str(exc).removeprefix(f"Failed to load delegate from {library}").strip()) from exc


def runtime_name() -> str:
    """Return name and version of the runtime that is installed.

    Raises:
        MissingExtraError: neither LiteRT nor a working tflite-runtime is installed.
    """
    return _import_runtime()[1]


class InnerTensors:
    """A network whose every tensor can be read: what the deployed kernels compute on their way.

    XNNPACK runs operator by operator then. The outputs are those of a normal run, byte for byte, at
    nearly the same speed; only the memory of all tensors is needed at once.
    """

    def __init__(self, model: bytes, *, num_threads: int | None = None) -> None:
        """Load a FlatBuffer with one graph and one input, which was checked before; it takes one picture at a time.

        Raises:
            MissingExtraError: no runtime is installed.
            BackendUnavailableError: the runtime cannot run this model.
        """
        module, self.runtime = _import_runtime()
        try:
            with quiet_stderr(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # LiteRT warns that this takes memory: it may, here
                self._interpreter = module.Interpreter(
                    model_content=model,
                    num_threads=max(1, min(num_threads or default_num_threads(), MAX_THREADS)),
                    experimental_preserve_all_tensors=True,
                )
                picture = self._interpreter.get_input_details()[0]
                self._input = picture["index"]
                if picture["shape"][0] != 1:  # made for batches of any number, and saved with many
                    self._interpreter.resize_tensor_input(self._input, (1, *picture["shape"][1:]))
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, SystemError) as exc:
            raise BackendUnavailableError(f"{self.runtime} cannot run this model: {exc}") from exc

    def run(self, values: NDArray[Any]) -> None:
        """Run the network once on an input without its batch axis: (height, width, 3), the model's dtype.

        Raises:
            BackendUnavailableError: the network turns out to be wrong only now that it runs.
        """
        self._interpreter.set_tensor(self._input, values[np.newaxis])
        try:
            self._interpreter.invoke()
        except RuntimeError as exc:
            raise BackendUnavailableError(f"{self.runtime} cannot run this model: {exc}") from exc

    def read(self, index: int) -> NDArray[Any]:
        """Return a copy of a tensor after the newest run, as the graph numbers it: its own shape and dtype."""
        values: NDArray[Any] = self._interpreter.get_tensor(index)
        return values


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


def import_compiled_model() -> tuple[Any, str]:
    """Return LiteRT's module that compiles networks for a GPU, and LiteRT's name with version.

    Raises:
        MissingExtraError: LiteRT is not installed, or too old to have that; tflite-runtime never has.
    """
    try:
        from ai_edge_litert import __version__ as version
        from ai_edge_litert import compiled_model
    except (ImportError, OSError) as exc:
        raise MissingExtraError(
            f"the GPU needs LiteRT, which cannot be imported ({exc}); run: pip install 'edgecnn[device]'"
        ) from exc
    return compiled_model, f"LiteRT {version}"


def _explain_custom(custom: list[str]) -> str:
    if custom == ["CUSTOM edgetpu-custom-op"]:
        return (
            "this file is compiled for a Coral Edge TPU and cannot run on the CPU; use the plain int8 file it came from"
        )
    return f"the network has operators that only its maker's runtime knows: {', '.join(custom)}"
