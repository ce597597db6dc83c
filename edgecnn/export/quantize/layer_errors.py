"""Where an exported file loses precision: operator by operator, out of the file's own tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.quantize.pairing import pair

# Below this an operator's output has no signal, and no ratio: -160 dB of nothing.
_SILENCE = 1e-16
MAX_SQNR_DB = 160.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """How closely one operator's output follows the float model.

    Attributes:
        name: of the output tensor in the float model; it holds the Keras layer's name.
        kind: the operator's name, as the schema has it.
        operator: its index in the quantized file.
        float_operator: its index in the float model.
        tensor: index of the output tensor in the quantized file.
        float_tensor: index of the output tensor in the float model.
        sqnr_db: signal-to-quantization-noise ratio in decibels, 10 log10(signal / noise), at most 160.
        signal: mean square of the float model's values.
        noise: mean square of the difference, with the error that came in from the operators before.
    """

    name: str
    kind: str
    operator: int
    float_operator: int
    tensor: int
    float_tensor: int
    sqnr_db: float
    signal: float
    noise: float


def layer_errors(
    float_model: bytes,
    quantized: bytes,
    contract: InputContract,
    pixels: NDArray[np.uint8],
    progress: Progress | None = None,
) -> tuple[LayerError, ...]:
    """Compare every operator's output in a quantized file with the float model's, in graph order.

    Both run with the kernels that run on a device; layers that were kept in floats or in 16 bits are
    compared as well.

    Args:
        float_model: float32 file; its input are normalized pixels.
        quantized: file of the same network with raw pixels as its input, in codes or in floats.
        contract: mean and standard deviation of the float model's input.
        pixels: uint8, shape (N, height, width, 3), RGB, N from 1.
        progress: told of every picture.

    Raises:
        ExportError: the two files do not belong together.
        BackendUnavailableError: the runtime cannot run one of them.
    """
    exact, coarse = Inner(float_model, contract), Inner(quantized, replace(contract, mean=0.0, std=1.0))
    pairing = pair(exact.graph, coarse.graph)
    outputs = [
        (mine, other, exact.graph.operators[mine].outputs[0], coarse.graph.operators[other].outputs[0])
        for mine, other in pairing.operators
    ]
    powers = np.zeros((len(outputs), 2))
    with (progress or SilentProgress()).task("measuring every layer's error", len(pixels)) as task:
        for picture in pixels:
            exact.run(picture)
            coarse.run(picture)
            for row, (_, _, float_tensor, tensor) in enumerate(outputs):
                powers[row] += _power(exact.read(float_tensor), coarse.read(tensor))
            task.advance()
    return tuple(
        LayerError(
            name=exact.graph.tensors[float_tensor].name,
            kind=coarse.graph.operators[other].name,
            operator=other,
            float_operator=mine,
            tensor=tensor,
            float_tensor=float_tensor,
            sqnr_db=_decibels(signal, noise),
            signal=float(signal),
            noise=float(noise),
        )
        for (mine, other, float_tensor, tensor), (signal, noise) in zip(outputs, powers / len(pixels), strict=True)
    )


def _power(signal: NDArray[np.float32], quantized: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean squares of the signal and of the difference."""
    flat = signal.ravel()
    difference = flat - quantized.ravel()
    return float(flat @ flat) / flat.size, float(difference @ difference) / flat.size


def _decibels(signal: float, noise: float) -> float:
    return float(np.clip(10.0 * np.log10(max(signal, _SILENCE) / max(noise, _SILENCE)), -MAX_SQNR_DB, MAX_SQNR_DB))
