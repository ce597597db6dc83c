"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data import Picture
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMaterial:
    """An export, and what was measured on its way.

    Attributes:
        file: the exported file, with its manifest.
        float_model: the network that was quantized, as a float32 FlatBuffer whose input is normalized pixels.
            It is the network as it stood right before quantization, temperature, equalization and fine-tuning
            included: else their work would be counted as noise.
        float_contract: its input, with the mean and standard deviation of that normalization.
        root: the folder that the pictures' paths are relative to.
        pictures: the N pictures that both judged.
        float_scores: float32, shape (N, C), of the Keras model, or of the same network in float32; with the
            temperature of the file's manifest.
        scores: float32, shape (N, C), of the file.
        layers: names of the Keras layers.
        warnings: what was remarked about the calibration pictures, one sentence each.
        float_num_bytes: size of the same network as a float32 file; None takes ``float_model``'s.
    """

    file: ModelFile
    float_model: bytes
    float_contract: InputContract
    root: Path
    pictures: tuple[Picture, ...]
    float_scores: NDArray[np.float32]
    scores: NDArray[np.float32]
    layers: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    float_num_bytes: int | None = None

    def __post_init__(self) -> None:
        shape = (len(self.pictures), len(self.file.labels))
        if not self.pictures or self.float_scores.shape != shape or self.scores.shape != shape:
            raise ValueError(
                f"{self.float_scores.shape} and {self.scores.shape} scores do not fit {shape[0]} pictures "
                f"of {shape[1]} classes"
            )
        if self.file.manifest is None:
            raise ValueError(f"{self.file.path} has no manifest: it was not exported by edgecnn")

    @property
    def manifest(self) -> Manifest:
        """What the file says about itself."""
        assert self.file.manifest is not None
        return self.file.manifest

    @property
    def truths(self) -> NDArray[np.int64]:
        """The true classes: int64, shape (N,)."""
        return np.array([picture.label_index for picture in self.pictures], np.int64)
