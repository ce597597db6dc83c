"""Where a layer's values are cut off: by its activation, and by the codes that hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.arithmetic import activate, activation_range
from edgecnn.explain.network import LayerKey, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamp:
    """The range in which a layer's values can lie.

    Attributes:
        low: smallest real value; minus infinity where there is none.
        high: largest real value; infinity where there is none.
        low_code: code of ``low``; None in a float file.
        high_code: code of ``high``; None in a float file.
        low_by_range: whether ``low_code`` is the smallest that the codes have: such a file needs no step
            that cuts off, since it cannot write down anything smaller.
        high_by_range: the same of ``high_code`` and the largest.

    Reference:
        ``CalculateActivationRangeQuantized`` in ``tensorflow/lite/kernels/kernel_util.cc``.
    """

    low: float
    high: float
    low_code: int | None = None
    high_code: int | None = None
    low_by_range: bool = False
    high_by_range: bool = False


def clamp_of(network: Network, layer: LayerKey) -> Clamp:
    """Return the range of a layer's output values, out of the file alone."""
    found = network.layer(layer)
    tensor = network.file.graph.tensors[found.output]
    low, high = activation_range(found.activation) or (-math.inf, math.inf)
    if len(tensor.scales) != 1 or tensor.dtype not in ("int8", "uint8", "int16"):
        return Clamp(low=low, high=high)
    scale, zero = tensor.scales[0], (tensor.zero_points or (0,))[0]
    info = np.iinfo(tensor.dtype)
    low_code = info.min if low == -math.inf else max(info.min, zero + round(low / scale))
    high_code = info.max if high == math.inf else min(info.max, zero + round(high / scale))
    return Clamp(
        low=scale * (low_code - zero),
        high=scale * (high_code - zero),
        low_code=low_code,
        high_code=high_code,
        low_by_range=low_code == info.min,
        high_by_range=high_code == info.max,
    )


def clamped(network: Network, layer: LayerKey, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums after the layer's fused activation and within the range of its codes, not rounded."""
    found = network.layer(layer)
    limits = clamp_of(network, found)
    activation = found.activation if found.is_fused else ""
    cut: NDArray[np.float64] = np.clip(activate(sums, activation), limits.low, limits.high)
    return cut
