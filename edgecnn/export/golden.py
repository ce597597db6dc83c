"""Measures the golden vectors that travel in the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.synthetic import GENERATOR, synthetic_picture
from edgecnn.data import Picture
from edgecnn.imaging import encode_png, load_input
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.golden import choose_seeds, record
from edgecnn.modelfile.manifest import GoldenPart
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.interpreter import Interpreter

_MAX_TOLERANCE = 255


def record_golden(
    draft: ModelFile, classifier: Classifier, root: Path, pictures: Sequence[Picture]
) -> tuple[GoldenPart, dict[str, bytes]]:
    """Run the golden pictures through the file and record what came out.

    Args:
        draft: the converted network.
        classifier: runs it as a device will.
        root: the folder that ``pictures`` are relative to.
        pictures: real pictures to put into the file beside the synthetic ones.

    Returns:
        The manifest's part, and the picture files to pack.
    """
    contract = draft.contract
    inputs: list[tuple[int | None, str | None, NDArray[np.uint8]]] = [
        (seed, None, synthetic_picture(seed, contract.width, contract.height))
        for seed in choose_seeds(classifier.codes, contract.width, contract.height)
    ]
    real = [load_input(root / picture.path, contract) for picture in pictures]
    inputs += [(None, f"golden/{index}.png", pixels) for index, pixels in enumerate(real)]

    builtin = Interpreter(draft, num_threads=1, use_xnnpack=False)
    vectors, largest = [], 0
    for seed, name, pixels in inputs:
        codes = classifier.codes(pixels)
        vectors.append(record(codes, seed=seed, picture=name))
        largest = max(largest, int(np.abs(codes.astype(int) - builtin.invoke(pixels).astype(int)).max()))
    part = GoldenPart(
        generator=GENERATOR,
        runtime=classifier.backend,
        tolerance_codes=min(2 * largest + 4, _MAX_TOLERANCE),
        vectors=tuple(vectors),
    )
    return part, {f"golden/{index}.png": encode_png(pixels) for index, pixels in enumerate(real)}
