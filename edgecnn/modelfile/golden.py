"""Golden vectors: inputs and outputs inside the file, so that any machine can check itself."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.synthetic import GENERATOR, synthetic_picture
from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.manifest import GoldenVector
from edgecnn.modelfile.modelfile import ModelFile

NUM_CANDIDATES = 48
NUM_VECTORS = 8

Codes = NDArray[Any]
Invoke = Callable[[NDArray[np.uint8]], Codes]
ReadPicture = Callable[[bytes, str], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """How one golden vector came out.

    Attributes:
        name: ``seed 7`` or the picture's name in the file.
        max_difference: largest difference of an output from the recorded one, in output codes, or in
            units of the score where the output is a float.
        num_different: outputs that differ.
        same_top: whether the best class is the recorded one.
    """

    name: str
    max_difference: float
    num_different: int
    same_top: bool


def choose_seeds(invoke: Invoke, width: int, height: int) -> list[int]:
    """Return the synthetic pictures whose outputs tell most.

    A saturated output (one class has everything) would hide a small error, so the pictures are
    taken whose outputs hold the most distinct codes.
    """
    richness = {seed: len(np.unique(invoke(synthetic_picture(seed, width, height)))) for seed in range(NUM_CANDIDATES)}
    return sorted(richness, key=lambda seed: (-richness[seed], seed))[:NUM_VECTORS]


def record(codes: Codes, *, seed: int | None = None, picture: str | None = None) -> GoldenVector:
    """Return the golden vector of an output that was measured."""
    return GoldenVector(seed=seed, picture=picture, output=base64.b64encode(codes.tobytes()).decode())


def golden_input(file: ModelFile, vector: GoldenVector, read_picture: ReadPicture) -> NDArray[np.uint8]:
    """Return the input of a golden vector: uint8, shape (height, width, 3), RGB.

    Args:
        file: the model file.
        vector: one of its golden vectors.
        read_picture: decodes a picture file's bytes to RGB pixels; given its bytes and its name.
    """
    height, width = file.contract.height, file.contract.width
    if vector.seed is not None:
        assert file.manifest is not None
        if file.manifest.golden.generator != GENERATOR:
            raise ModelIntegrityError(
                f"the golden pictures are of the unknown family {file.manifest.golden.generator!r}"
            )
        return synthetic_picture(vector.seed, width, height)
    name = vector.picture or ""
    if name not in file.files:
        raise ModelIntegrityError(f"the golden picture {name} is missing in the file")
    pixels = read_picture(file.files[name], name)
    if pixels.shape != (height, width, 3):
        raise ModelIntegrityError(f"the golden picture {name} has shape {pixels.shape}, not {(height, width, 3)}")
    return pixels


def compare(file: ModelFile, vector: GoldenVector, codes: Codes) -> GoldenResult:
    """Compare an output with the recorded one."""
    recorded = vector.output_bytes()
    if len(recorded) != codes.nbytes:
        raise ModelIntegrityError(f"a golden output has {len(recorded)} bytes, but the model gives {codes.nbytes}")
    expected = np.frombuffer(recorded, codes.dtype).astype(np.float64)
    difference = np.abs(codes.astype(np.float64) - expected)
    return GoldenResult(
        name=f"seed {vector.seed}" if vector.seed is not None else str(vector.picture),
        max_difference=float(difference.max()),
        num_different=int(np.count_nonzero(difference)),
        same_top=int(codes.argmax()) == int(expected.argmax()),
    )


def replay(file: ModelFile, invoke: Invoke, read_picture: ReadPicture) -> Sequence[GoldenResult]:
    """Run every golden vector of a file and compare.

    Raises:
        ModelIntegrityError: the file brings none, or they do not fit the model.
    """
    if file.manifest is None:
        raise ModelIntegrityError(f"{file.path} has no golden vectors: it was not exported by edgecnn")
    vectors = file.manifest.golden.vectors
    return [compare(file, vector, invoke(golden_input(file, vector, read_picture))) for vector in vectors]
