"""The float network that every variant is held against: proved to be the Keras model, and with calibrated scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.data import PixelSet
from edgecnn.errors import ExportError
from edgecnn.evaluate.sightings import Sightings
from edgecnn.export.convert import KerasProcess
from edgecnn.export.gate import measure
from edgecnn.export.temperature import fit_temperature
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.head import find_head

_NUM_COMPARED = 16
_MAX_SCORE_DIFFERENCE = 1e-3
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatNetwork:
    """The network behind the normalization in float32, and what it did with the validation pictures.

    Attributes:
        model: the FlatBuffer; its logits are divided by ``temperature``.
        draft: the same as a file in memory.
        scores: float32, shape (N, C).
        ms_per_picture: median time of one picture here, in ms.
        temperature: fitted to the validation pictures; 1 where the network has no logits to divide.
    """

    model: bytes
    draft: ModelFile
    scores: NDArray[np.float32]
    ms_per_picture: float
    temperature: float


def measure_float_network(
    keras: KerasProcess, make_draft: Callable[[bytes], ModelFile], pictures: PixelSet, progress: Progress
) -> FloatNetwork:
    """Convert, score the validation pictures, compare with Keras, and calibrate the scores of the Keras process.

    Args:
        keras: the run's model; whatever it converts from now on has calibrated scores.
        make_draft: makes a FlatBuffer a file in memory.
        pictures: of the validation split.
        progress: told of the work.

    Raises:
        ExportError: the converted network does not compute what the Keras model does, or what it
            computes are no scores.
    """
    model = keras.convert("inner")
    draft = make_draft(model)
    measured = measure(draft, pictures, progress, "scoring the float network")
    seen = measured.seen
    check_scores(seen.scores)
    _compare_with_keras(keras, pictures, seen)
    temperature = 1.0
    if seen.logits is not None:
        fitted = fit_temperature(seen.logits, pictures.label_indices)
        if keras.cool(fitted):
            temperature, model = fitted, divide_logits(model, fitted)
            draft = make_draft(model)
    scores = seen.scores if seen.logits is None or temperature == 1.0 else _softmax(seen.logits / temperature)
    return FloatNetwork(
        model=model, draft=draft, scores=scores, ms_per_picture=measured.ms_per_picture, temperature=temperature
    )


def check_scores(scores: NDArray[np.float32]) -> None:
    """Raise ExportError unless all of them are numbers from 0 to 1, as a file's scores have to be."""
    if not np.isfinite(scores).all():
        raise ExportError(
            "the model's scores are not all numbers (NaN or infinite) on the validation pictures; train it again"
        )
    if scores.min() < -_ROUNDING or scores.max() > 1.0 + _ROUNDING:
        raise ExportError(
            f"the model gives numbers from {scores.min():.3g} to {scores.max():.3g} instead of scores from 0 to 1; "
            "end it with softmax"
        )


def divide_logits(model: bytes, temperature: float) -> bytes:
    """Return a float32 model whose last dense layer has its weights and bias divided by a temperature.

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599.
    """
    graph = Graph.parse(model)
    head = find_head(graph)
    assert head is not None, "only a network with logits has a temperature"
    dense = next(operator for operator in graph.operators if head.logits in operator.outputs)
    editor = Editor(model)
    for index in dense.inputs[1:]:
        if index >= 0:
            values = graph.buffer(graph.tensors[index].buffer).view(np.float32)
            editor.set_values(index, (values / temperature).astype(np.float32))
    return editor.finish()


def _compare_with_keras(keras: KerasProcess, pictures: PixelSet, seen: Sightings) -> None:
    compared = slice(None, _NUM_COMPARED)
    difference = float(np.abs(keras.score(pictures.pixels[compared]) - seen.scores[compared]).max())
    if difference > _MAX_SCORE_DIFFERENCE:
        raise ExportError(
            f"the converter changed the network: before any quantization its scores differ by {difference:.3g} "
            "from those of the Keras model; a layer that works differently in inference may be the reason"
        )


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return scores
