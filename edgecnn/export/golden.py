"""Measures the golden vectors that travel in the file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.synthetic import GENERATOR, synthetic_picture
from edgecnn.imaging import encode_png
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.golden import choose_seeds, record
from edgecnn.modelfile.manifest import GoldenPart
from edgecnn.runtime.classifier import Classifier

_MAX_TOLERANCE = 255
# Sums of floats come out differently on every processor, and half precision where a GPU prefers it.
_LEAST_SCORE_TOLERANCE = 0.002
_SCORE_STEP = 1 / 256


def record_golden(
    draft: ModelFile, classifier: Classifier, pictures: NDArray[np.uint8]
) -> tuple[GoldenPart, dict[str, bytes]]:
    """Run the golden pictures through the file and record what came out.

    Args:
        draft: the converted network.
        classifier: runs it as a device will.
        pictures: uint8, shape (n, height, width, 3), RGB: real pictures to put into the file beside
            the synthetic ones.

    Returns:
        The manifest's part, and the picture files to pack.
    """
    contract = draft.contract

    def codes(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        output = classifier.codes(pixels)
        return output if output.dtype.kind in "iu" else np.rint(output / _SCORE_STEP)

    inputs: list[tuple[int | None, str | None, NDArray[np.uint8]]] = [
        (seed, None, synthetic_picture(seed, contract.width, contract.height))
        for seed in choose_seeds(codes, contract.width, contract.height)
    ]
    inputs += [(None, f"golden/{index}.png", pixels) for index, pixels in enumerate(pictures)]

    builtin = Classifier(draft, num_threads=1, use_xnnpack=False, backend="cpu")
    vectors, largest = [], 0.0
    for seed, name, pixels in inputs:
        output = classifier.codes(pixels)
        vectors.append(record(output, seed=seed, picture=name))
        difference = np.abs(output.astype(np.float64) - builtin.codes(pixels).astype(np.float64))
        largest = max(largest, float(difference.max()))
    is_float = draft.output.dtype.startswith("float")
    part = GoldenPart(
        generator=GENERATOR,
        runtime=classifier.backend,
        tolerance_codes=None if is_float else min(2 * int(largest) + 4, _MAX_TOLERANCE),
        tolerance_score=min(2 * largest + _LEAST_SCORE_TOLERANCE, 1.0) if is_float else None,
        vectors=tuple(vectors),
    )
    return part, {f"golden/{index}.png": encode_png(pixels) for index, pixels in enumerate(pictures)}
