"""Is what a GPU computes right, and is it faster than the CPU?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.quantization import QuantParams, dequantize
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.imaging import decode_picture
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.golden import golden_input
from edgecnn.modelfile.modelfile import quantization_of
from edgecnn.runtime.classifier import to_values
from edgecnn.runtime.engine import Engine, EngineOptions
from edgecnn.runtime.interpreter import Interpreter, open_cpu

# GPUs compute in half precision, 11 bits: scores then move by up to 0.03. A wrong result moves them anywhere.
MAX_DIFFERENCE = 0.05
MAX_RELATIVE_ERROR = 0.25
_NUM_PICTURES = 8
_SECONDS = 0.3
_ROUNDS = 3

Values = NDArray[Any]
Invoke = Callable[[Values], Values]


class Question(NamedTuple):
    """An input for the network, and what must come out: both without batch axes, in the file's dtypes."""

    values: Values
    answer: Values


class Speed(NamedTuple):
    """Median milliseconds of one inference.

    Attributes:
        gpu_ms: on the GPU.
        cpu_ms: on the CPU, with ``num_threads``.
        num_threads: the number of threads with which the CPU is fastest.
    """

    gpu_ms: float
    cpu_ms: float
    num_threads: int


def questions(file: ModelFile) -> list[Question]:
    """Return the golden vectors of a file; for one without, synthetic pictures and what the CPU says."""
    if file.manifest is None:
        cpu, contract = Interpreter(file), file.contract
        pictures = [synthetic_picture(seed, contract.width, contract.height) for seed in range(_NUM_PICTURES)]
        asked = [to_values(picture, file) for picture in pictures]
        return [Question(values, cpu.invoke(values)) for values in asked]
    vectors = file.manifest.golden.vectors
    return [
        Question(
            to_values(golden_input(file, vector, _read_picture), file),
            np.frombuffer(vector.output_bytes(), file.output.dtype),
        )
        for vector in vectors
    ]


def allowed_difference(file: ModelFile) -> float:
    """Return by how much an output may be off, in codes, or in units of the score where it is a float."""
    quantization = file.output_quantization
    return float(math.ceil(MAX_DIFFERENCE / quantization.scale)) if quantization else MAX_DIFFERENCE


def largest_difference(file: ModelFile, asked: Sequence[Question], invoke: Invoke) -> tuple[float, bool]:
    """Return how far scores are from what must come out, and whether that is near enough."""
    wanted = [question.answer for question in asked]
    got = [invoke(question.values).copy() for question in asked]
    return compare(wanted, got, file.output_quantization)


def compare(wanted: Sequence[Values], got: Sequence[Values], quantization: QuantParams | None) -> tuple[float, bool]:
    """Compare tensors that were computed in half precision with those that are right.

    Near enough is, for all pictures together: no value is off by more than 0.05 (of the span of the
    right values, where that is wider than 1, as that of logits is), and the root mean square of the
    differences is at most a quarter of that by which the right values vary from picture to picture.
    The second rule finds a GPU that always says the same, where all scores are small.

    Args:
        wanted: one per picture.
        got: one per picture.
        quantization: of the tensors; None where they are floats.

    Returns:
        The largest difference, in units of the score, and whether that is near enough.
    """
    right, values = (_to_floats(each, quantization) for each in (wanted, got))
    if not np.isfinite(values).all():
        return float("inf"), False
    differences = np.abs(values - right)
    quantum = quantization.scale if quantization else 1e-3
    variation = float(np.sqrt(np.mean((right - right.mean(axis=0)) ** 2)))
    error = float(np.sqrt(np.mean(differences**2)))
    largest = float(differences.max())
    limit = max(MAX_DIFFERENCE * max(1.0, float(np.ptp(right))), quantum)
    return largest, largest <= limit and error <= MAX_RELATIVE_ERROR * variation + quantum


def sees_inside(file: ModelFile, asked: Sequence[Question], engine: Engine, also: tuple[int, ...]) -> bool:
    """Tell whether the inner tensors of the GPU are those of the CPU, near enough."""
    cpu = Interpreter(file, also=also)
    wanted = [_inner_values(cpu, question) for question in asked]
    got = [_inner_values(engine, question) for question in asked]
    return all(
        compare(right, values, quantization_of(file.graph.tensors[tensor]))[1]
        for tensor, right, values in zip(also, zip(*wanted, strict=True), zip(*got, strict=True), strict=True)
    )


def measure(file: ModelFile, asked: Sequence[Question], invoke: Invoke) -> Speed:
    """Time the GPU and the CPU, with each number of threads that makes sense, in turns."""
    # Here: only a probe needs the tools of the benchmark.
    from edgecnn.core.progress import SilentProgress
    from edgecnn.runtime.bench.threads import usable_thread_counts
    from edgecnn.runtime.bench.timing import interleave

    counts = usable_thread_counts()
    engines = [open_cpu(file, EngineOptions(num_threads=count)).invoke for count in counts]
    values = asked[0].values
    works = [lambda run=run: run(values) for run in (invoke, *engines)]
    timings = interleave(works, _SECONDS, SilentProgress(), "", min_rounds=_ROUNDS)
    gpu_ms, *cpu_ms = (timing.percentiles().p50 for timing in timings)
    fastest = min(range(len(counts)), key=cpu_ms.__getitem__)
    return Speed(gpu_ms, cpu_ms[fastest], counts[fastest])


def _inner_values(engine: Engine, question: Question) -> list[Values]:
    engine.invoke(question.values)
    return [values.copy() for values in engine.extras or ()]


def _to_floats(tensors: Sequence[Values], quantization: QuantParams | None) -> NDArray[np.float64]:
    stacked = np.stack([np.asarray(tensor) for tensor in tensors])
    return (dequantize(stacked, quantization) if quantization else stacked).astype(np.float64)


def _read_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    return np.ascontiguousarray(decode_picture(data, name).pixels[..., ::-1])
