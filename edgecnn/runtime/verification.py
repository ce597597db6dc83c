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
from edgecnn.runtime.interpreter import Interpreter

_EXACT_MACHINES = ("x86_64", "amd64", "aarch64", "arm64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of replaying a file's golden vectors.

    Attributes:
        results: one per golden vector.
        backend: what ran them.
        tolerance_codes: the difference that is allowed here, in output codes; 0 where LiteRT
            with XNNPACK promises equal bytes.
        reason: why that is the tolerance.
    """

    results: Sequence[GoldenResult]
    backend: str
    tolerance_codes: int
    reason: str

    @property
    def passed(self) -> bool:
        """Whether every vector is within the tolerance."""
        return all(result.max_difference <= self.tolerance_codes for result in self.results)


def verify(file: ModelFile, *, use_xnnpack: bool = True) -> Verification:
    """Replay the golden vectors of a model file on this machine.

    Raises:
        ModelIntegrityError: the file brings none, or they do not fit the model.
        BackendUnavailableError: the runtime here cannot run the model.
    """
    interpreter = Interpreter(file, num_threads=1, use_xnnpack=use_xnnpack)
    results = replay(file, interpreter.invoke, _read_picture)
    assert file.manifest is not None
    machine = platform.machine().lower()
    if interpreter.kernels == "XNNPACK" and interpreter.runtime.startswith("LiteRT") and machine in _EXACT_MACHINES:
        tolerance, reason = 0, f"LiteRT with XNNPACK gives equal bytes on {machine}"
    else:
        tolerance = file.manifest.golden.tolerance_codes
        reason = f"{interpreter.runtime} with {interpreter.kernels} kernels on {machine} rounds differently"
    return Verification(
        results=results,
        backend=f"{interpreter.runtime}, {interpreter.kernels} kernels",
        tolerance_codes=tolerance,
        reason=reason,
    )


def _read_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    frame = decode_picture(data, name)
    return np.ascontiguousarray(frame.pixels[..., ::-1])
