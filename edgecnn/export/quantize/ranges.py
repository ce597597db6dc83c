"""Which range of real values each activation shall have: out of statistics over calibration pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.export.quantize.activations import Inner, activations
from edgecnn.export.quantize.requantize import WEIGHTS, Ranges

NUM_BINS = 4096
# Values of one tensor that one picture puts into the histogram; lowest and highest come from all of them.
_MAX_SAMPLES = 16_384
_NUM_CANDIDATES = 64
_NUM_STEPS = 255


@dataclass(slots=True)
class Histogram:
    """How often an activation takes which value; it widens itself as larger ones come.

    Attributes:
        low: lowest value seen.
        high: highest value seen.
        limit: the bins divide -limit to +limit evenly.
        counts: float64, shape (4096,); exact zeros are counted in ``num_zeros`` instead.
        num_zeros: values that were exactly zero, as behind a ReLU.
    """

    low: float
    high: float
    limit: float
    counts: NDArray[np.float64]
    num_zeros: float = 0.0

    @classmethod
    def empty(cls) -> Histogram:
        """Return one that has seen nothing."""
        return cls(math.inf, -math.inf, 0.0, np.zeros(NUM_BINS))

    def add(self, values: NDArray[np.float32]) -> None:
        """Count the values of one picture."""
        flat = values.ravel()
        self.low, self.high = min(self.low, float(flat.min())), max(self.high, float(flat.max()))
        sample = flat[:: _stride(flat.size, values.shape[-1])]
        nonzero = sample[sample != 0]
        self.num_zeros += sample.size - nonzero.size
        self._widen(max(-self.low, self.high))
        if nonzero.size:
            bins = ((nonzero + self.limit) * (NUM_BINS / (2 * self.limit))).astype(np.int64)
            self.counts += np.bincount(np.clip(bins, 0, NUM_BINS - 1), minlength=NUM_BINS)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of every bin: float64, shape (4096,)."""
        half = self.limit / NUM_BINS
        return np.linspace(half - self.limit, self.limit - half, NUM_BINS)

    def _widen(self, largest: float) -> None:
        """Double the limit until it holds ``largest``: two old bins become one new one."""
        if self.limit == 0.0:
            self.limit = largest
        while self.limit < largest:
            pairs = self.counts[0::2] + self.counts[1::2]
            self.counts = np.zeros(NUM_BINS)
            self.counts[NUM_BINS // 4 : -NUM_BINS // 4] = pairs
            self.limit *= 2.0

    def percentile_range(self, percentile: float) -> tuple[float, float]:
        """Return the range that leaves out the outermost (100 - ``percentile``) percent on either side."""
        total = self.counts.sum() + self.num_zeros
        if not total:
            return self.low, self.high
        outside = (100.0 - percentile) / 100.0 * total
        half = NUM_BINS // 2
        from_low = np.cumsum(self.counts[:half]) if self.low < 0 else np.zeros(half)
        from_high = np.cumsum(self.counts[half:][::-1])
        edges = np.linspace(-self.limit, self.limit, NUM_BINS + 1)
        low = edges[np.searchsorted(from_low, outside)] if from_low[-1] > outside else 0.0
        high = edges[NUM_BINS - np.searchsorted(from_high, outside)] if from_high[-1] > outside else 0.0
        return max(float(low), self.low), min(float(high), self.high)

    def mse_range(self) -> tuple[float, float]:
        """Return the range in which 8 bits give the smallest mean squared error.

        Within the range the error is that of rounding, step² / 12, and exact zeros have none; outside
        of it a value falls to the range's end. Every pair of 64 lower and 64 upper ends is tried.

        Reference:
            Nagel et al., "A White Paper on Neural Network Quantization", arXiv:2106.08295, section 3.1.
        """
        if not self.counts.any():
            return self.low, self.high
        shares = np.arange(1, _NUM_CANDIDATES + 1) / _NUM_CANDIDATES
        lows, highs = min(self.low, 0.0) * shares, max(self.high, 0.0) * shares
        centres = self.centres
        cut_low = (np.clip(lows[:, None] - centres, 0, None) ** 2) @ self.counts
        cut_high = (np.clip(centres - highs[:, None], 0, None) ** 2) @ self.counts
        steps = (highs[None, :] - lows[:, None]) / _NUM_STEPS
        errors = cut_low[:, None] + cut_high[None, :] + steps**2 / 12.0 * self.counts.sum()
        at_low, at_high = np.unravel_index(np.argmin(errors), errors.shape)
        return float(lows[at_low]), float(highs[at_high])


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What the float model's activations looked like over the calibration pictures.

    Attributes:
        histograms: by tensor name, in graph order.
        answers: names of the tensors behind the last weights, where the classes part; a range that
            cuts their largest values would make the best two classes equal, so they keep all of it.
    """

    histograms: dict[str, Histogram]
    answers: frozenset[str]

    def minmax(self) -> Ranges:
        """Return from the lowest to the highest value seen."""
        return {name: (histogram.low, histogram.high) for name, histogram in self.histograms.items()}

    def percentile(self, percentile: float) -> Ranges:
        """Return ranges without the outermost values; ``percentile`` is above 50, at most 100."""
        cut = {name: histogram.percentile_range(percentile) for name, histogram in self.histograms.items()}
        return self._keep_answers(cut)

    def mse(self) -> Ranges:
        """Return the ranges of the smallest mean squared error."""
        return self._keep_answers({name: histogram.mse_range() for name, histogram in self.histograms.items()})

    def _keep_answers(self, ranges: Ranges) -> Ranges:
        whole = self.minmax()
        return {name: whole[name] if name in self.answers else bounds for name, bounds in ranges.items()}


def collect(
    float_model: bytes, contract: InputContract, pixels: NDArray[np.uint8], progress: Progress | None = None
) -> Statistics:
    """Run the float model over calibration pictures and count the values of every activation.

    Args:
        float_model: float32 file; its input are normalized pixels.
        contract: mean and standard deviation of the input.
        pixels: uint8, shape (N, height, width, 3), RGB, N from 1.
        progress: told of every picture.

    Raises:
        BackendUnavailableError: the runtime cannot run the model.
    """
    inner = Inner(float_model, contract)
    tensors = inner.graph.tensors
    histograms = {index: Histogram.empty() for index in activations(inner.graph)}
    with (progress or SilentProgress()).task("measuring the range of every value", len(pixels)) as task:
        for picture in pixels:
            inner.run(picture)
            for index, histogram in histograms.items():
                histogram.add(inner.read(index))
            task.advance()
    return Statistics(
        histograms={tensors[index].name: histogram for index, histogram in histograms.items()},
        answers=frozenset(tensors[index].name for index in _answers(inner)),
    )


def _answers(inner: Inner) -> set[int]:
    """Return the tensors from the last operator with weights on."""
    operators = inner.graph.operators
    last = max((index for index, operator in enumerate(operators) if operator.name in WEIGHTS), default=0)
    return {index for operator in operators[last:] for index in operator.outputs}


def _stride(size: int, channels: int) -> int:
    """Return a step through the values that reaches every channel alike: it shares no divisor with their number."""
    step = max(1, -(-size // _MAX_SAMPLES))
    while math.gcd(step, channels) != 1:
        step += 1
    return step
