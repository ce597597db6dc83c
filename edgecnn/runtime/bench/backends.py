"""What can run a model: one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edgecnn.errors import BackendUnavailableError
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import Classifier


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
    classifier = Classifier(file, num_threads=num_threads)
    if classifier.kernels != "XNNPACK":
        raise BackendUnavailableError("XNNPACK takes no part in this model here: the builtin kernels run it")
    return classifier


def _load_builtin(file: ModelFile, num_threads: int) -> Classifier:
    return Classifier(file, num_threads=num_threads, use_xnnpack=False)


BACKENDS = (Backend("xnnpack", _load_xnnpack), Backend("builtin", _load_builtin))
