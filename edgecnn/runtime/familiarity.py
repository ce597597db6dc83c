"""The familiarity of pictures, out of what an engine shows of the inside of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.familiarity import Ramp, energy
from edgecnn.core.quantization import dequantize
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.familiar import FAMILIAR_FILE
from edgecnn.modelfile.head import find_head
from edgecnn.modelfile.modelfile import quantization_of

Measure = Callable[[NDArray[np.float32]], float]


class FamiliarityMeter:
    """Measures as a model file says that its pictures are to be measured.

    Attributes:
        tensors: the inner tensors that it needs, for ``EngineOptions.also``.
    """

    def __init__(self, file: ModelFile, tensor: int, ramp: Ramp, measure: Measure) -> None:
        """Take the tensor to look at; see ``meter_of`` for the usual way."""
        self.tensors = (tensor,)
        self._read = reader_of(file, tensor)
        self._ramp, self._measure = ramp, measure

    def familiarity(self, extras: Sequence[NDArray[Any]]) -> float:
        """Return the familiarity, 0 to 1, of the picture whose values an engine has put out."""
        return self._ramp.familiarity(self._measure(self._read(extras[0])))


def meter_of(file: ModelFile) -> FamiliarityMeter | None:
    """Return what measures as the file says; None where it goes by the best score, or its inside is out of reach."""
    confidence = file.manifest.confidence if file.manifest else None
    if confidence is None or confidence.threshold is None or confidence.typical is None:
        return None
    head = find_head(file.graph)
    if head is None:
        return None
    ramp = Ramp(confidence.threshold, confidence.typical)
    if confidence.method == "energy":
        return FamiliarityMeter(file, head.logits, ramp, energy)
    from edgecnn.core.feature_map import FeatureMap

    distance = FeatureMap.from_bytes(file.files[FAMILIAR_FILE]).distance
    return FamiliarityMeter(file, head.features, ramp, lambda features: -distance(features))


def reader_of(file: ModelFile, tensor: int) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Return a function that makes float32 of a tensor's codes."""
    quantization = quantization_of(file.graph.tensors[tensor])
    if quantization is None:
        return lambda values: values.astype(np.float32)
    return lambda codes: dequantize(codes, quantization)
