"""What runs a network: the CPU, a GPU or an Edge TPU, behind one method.

The backends are entry points of the group ``edgecnn.backends``, and an address names one with what
it is to use: ``cpu``, ``gpu``, ``edgetpu``, ``edgetpu:usb:0``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError, ModelFileError
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.streams import say_nothing

BACKEND_GROUP = "edgecnn.backends"
EDGETPU_OPERATOR = "CUSTOM edgetpu-custom-op"


class EngineOptions(NamedTuple):
    """How an engine is to run a network.

    Attributes:
        num_threads: of one invocation, 1 to 64; None takes ``default_num_threads``.
        use_xnnpack: False takes the CPU's builtin kernels, to see how far they differ.
        also: indices of inner tensors whose values ``Engine.extras`` shall hold.
        place: what stands behind the colon of the address, ``usb:0`` for instance; empty where nothing does.
        say: receives one sentence about each better choice that was passed over.
    """

    num_threads: int | None = None
    use_xnnpack: bool = True
    also: tuple[int, ...] = ()
    place: str = ""
    say: Callable[[str], None] = say_nothing


class Engine(Protocol):
    """A network, loaded and ready; for one thread at a time.

    Attributes:
        runtime: name and version of the library that runs it.
        kernels: what in that library does the work: ``XNNPACK``, ``builtin``, ``WebGPU``, ``Edge TPU``.
        num_threads: threads of one invocation.
        extras: values of the tensors ``EngineOptions.also`` after the newest invocation, each without its
            batch axis and in its own dtype; None where this engine cannot see inside the network.
    """

    runtime: str
    kernels: str
    num_threads: int
    extras: tuple[NDArray[Any], ...] | None

    def invoke(self, values: NDArray[Any]) -> NDArray[Any]:
        """Run the network once; other threads go on meanwhile.

        Args:
            values: input tensor without its batch axis: shape (height, width, 3), the model's dtype.

        Returns:
            The output tensor without its batch axis: shape (C,), the model's dtype.

        Raises:
            BackendUnavailableError: the network turns out to be wrong only now that it runs.
        """
        ...


def open_engine(file: ModelFile, backend: str = "auto", options: EngineOptions | None = None) -> Engine:
    """Load a network with the backend that an address names.

    ``auto`` takes what the file was made for: the Edge TPU for a compiled file; the GPU for a file
    exported with ``--gpu``, if it is right and faster here; else the CPU. A backend that is named
    is taken or is an error.

    Raises:
        BackendUnavailableError: there is no such backend, or it cannot run this model.
        MissingExtraError: the library that it needs is not installed.
    """
    options = options or EngineOptions()
    if backend == "auto":
        return _open_best(file, options)
    name, _, place = backend.partition(":")
    return _open(name, file, options._replace(place=place))


def is_compiled(file: ModelFile) -> bool:
    """Whether the Edge TPU compiler made this file: the CPU cannot run it."""
    return any(operator.name == EDGETPU_OPERATOR for operator in file.graph.operators)


def own_backend(file: ModelFile, backend: str = "auto") -> str:
    """Return the backend for whoever judges this very file, and none that might run in its place.

    It differs from what was asked for where ``auto`` could mean another file: a compiled one is the Edge TPU's.
    """
    return "edgetpu" if backend == "auto" and is_compiled(file) else backend


def plain_file_instead(file: ModelFile, reason: BackendUnavailableError, say: Callable[[str], None]) -> ModelFile:
    """Return the plain file that a compiled one was made from, for the CPU to run; it lies beside.

    Args:
        file: the compiled file, ``NAME_edgetpu.tflite``; the plain one is ``NAME.tflite``.
        reason: why no Edge TPU runs it.
        say: receives the sentence that tells so.

    Raises:
        BackendUnavailableError: there is none, or it is a file of something else.
    """
    path = file.path.with_name(file.path.stem.removesuffix("_edgetpu") + file.path.suffix)
    plain, problem = None, "its name should end in _edgetpu for that"
    if path != file.path:
        try:
            plain = ModelFile.from_bytes(path.read_bytes(), path=path, labels=None if file.manifest else file.labels)
        except (OSError, ModelFileError) as exc:
            problem = f"{path.name} beside it cannot be used ({getattr(exc, 'strerror', None) or exc})"
    if plain and (is_compiled(plain) or (plain.labels, plain.contract) != (file.labels, file.contract)):
        plain, problem = None, f"{path.name} beside it is another classifier"
    if plain is None:
        raise type(reason)(
            f"{reason}. On the CPU the plain file runs that {file.path.name} was compiled from, but {problem}"
        ) from reason
    say(f"{path} runs on the CPU instead of {file.path.name} on an Edge TPU: {reason}")
    return plain


def _open_best(file: ModelFile, options: EngineOptions) -> Engine:
    if is_compiled(file):
        return _open("edgetpu", file, options)
    if file.manifest is not None and file.manifest.target == "gpu":
        try:
            return _open("gpu:if-faster", file, options)
        except BackendUnavailableError as exc:
            options.say(f"the CPU is taken: {exc}")
    return _open("cpu", file, options)


def _open(address: str, file: ModelFile, options: EngineOptions) -> Engine:
    name, colon, place = address.partition(":")
    if address == "cpu":  # what nearly every run takes: no entry point to look up
        from edgecnn.runtime.interpreter import open_cpu

        return open_cpu(file, options)
    from edgecnn.runtime.plugins import load_plugin, plugin_names

    factory = load_plugin(BACKEND_GROUP, name)
    if factory is None:
        raise BackendUnavailableError(
            f"there is no backend {name!r}; give auto or one of: {plugin_names(BACKEND_GROUP)}"
        )
    engine: Engine = factory(file, options._replace(place=place) if colon else options)
    return engine
