"""Does this file compute here what it computed where it was exported?"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging import decode_picture
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.golden import GoldenResult, replay
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.engine import own_backend

_EXACT_MACHINES = ("x86_64", "amd64", "aarch64", "arm64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of replaying a file's golden vectors.

    Attributes:
        results: one per golden vector.
        backend: what ran them.
        tolerance: the difference that is allowed here, in ``unit``; 0 where LiteRT with XNNPACK
            promises equal bytes.
        unit: ``codes`` of the output, or ``score`` where the output is a float.
        reason: why that is the tolerance.
    """

    results: Sequence[GoldenResult]
    backend: str
    tolerance: float
    unit: str
    reason: str

    @property
    def passed(self) -> bool:
        """Whether every vector is within the tolerance."""
        return all(result.max_difference <= self.tolerance for result in self.results)


def verify(file: ModelFile, *, backend: str = "auto", use_xnnpack: bool = True) -> Verification:
    """Replay the golden vectors of a model file on this machine.

    Args:
        file: an opened model file.
        backend: what is to run it, see ``open_engine``. No other file is taken instead of this one: ``auto``
            means the Edge TPU for a compiled file.
        use_xnnpack: False takes the CPU's builtin kernels.

    Raises:
        ModelIntegrityError: the file brings none, or they do not fit the model.
        BackendUnavailableError: the runtime here cannot run the model.
    """
    classifier = Classifier(file, backend=own_backend(file, backend), num_threads=1, use_xnnpack=use_xnnpack)
    results = replay(file, classifier.codes, _read_picture)
    assert file.manifest is not None
    golden, machine = file.manifest.golden, platform.machine().lower()
    kernels = f"{classifier.runtime}, {classifier.kernels} kernels"
    is_exact = (
        file.manifest.recipe.kind == "int8"
        and classifier.kernels == "XNNPACK"
        and classifier.runtime.startswith("LiteRT")
        and machine in _EXACT_MACHINES
    )
    tolerance: float
    if is_exact:
        tolerance, reason = 0, f"LiteRT with XNNPACK gives equal bytes on {machine}"
    else:
        tolerance = golden.tolerance_codes or golden.tolerance_score or 0
        on_device = classifier.kernels == "Edge TPU"
        reason = "an Edge TPU rounds in its own way" if on_device else f"{kernels} on {machine} may round differently"
    if classifier.kernels.startswith("WebGPU"):
        from edgecnn.runtime.backends.gpu_check import allowed_difference

        tolerance = max(tolerance, allowed_difference(file))
        reason = "GPUs compute in half precision"
    return Verification(
        results=results,
        backend=kernels,
        tolerance=tolerance,
        unit="score" if golden.tolerance_codes is None else "codes",
        reason=reason,
    )


def _read_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    frame = decode_picture(data, name)
    return np.ascontiguousarray(frame.pixels[..., ::-1])
