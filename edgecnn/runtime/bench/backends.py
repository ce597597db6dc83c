"""What can run a model: one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edgecnn.errors import BackendUnavailableError
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.engine import own_backend


class Backend(NamedTuple):
    """One way to run a model file.

    Attributes:
        name: as it stands in results.
        load: makes a classifier of a file, with a number of threads; raises
            ``BackendUnavailableError`` where this machine, or this file, does not fit.
        takes_threads: whether the number of threads makes a difference.
    """

    name: str
    load: Callable[[ModelFile, int], Classifier]
    takes_threads: bool = True


def _load_xnnpack(file: ModelFile, num_threads: int) -> Classifier:
    classifier = Classifier(file, num_threads=num_threads, backend="cpu")
    if classifier.kernels != "XNNPACK":
        raise BackendUnavailableError("XNNPACK takes no part in this model here: the builtin kernels run it")
    return classifier


def _load_builtin(file: ModelFile, num_threads: int) -> Classifier:
    return Classifier(file, num_threads=num_threads, backend="cpu", use_xnnpack=False)


CPU_BACKENDS = (Backend("xnnpack", _load_xnnpack), Backend("builtin", _load_builtin))


def choose_backends(file: ModelFile, address: str) -> tuple[Backend, ...]:
    """Return what is to be measured.

    Args:
        file: the model.
        address: ``auto`` takes both kinds of kernels that the CPU has, and what the file was exported
            for besides, but for a compiled file only the Edge TPU; ``cpu`` the kernels alone; anything
            else what ``open_engine`` makes of it.
    """
    address = own_backend(file, address)
    if address == "auto" and file.manifest is not None and file.manifest.target == "gpu":
        return (*CPU_BACKENDS, _accelerator("gpu"))
    return CPU_BACKENDS if address in ("auto", "cpu") else (_accelerator(address),)


def _accelerator(address: str) -> Backend:
    def load(file: ModelFile, num_threads: int) -> Classifier:
        return Classifier(file, num_threads=num_threads, backend=address)

    return Backend(address, load, takes_threads=False)
