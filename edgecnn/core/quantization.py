"""Affine quantization of arrays, as LiteRT defines it.

Reference:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", arXiv:1712.05877, equation 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

CodeDtype = Literal["uint8", "int8", "int16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantParams:
    """``real = scale * (code - zero_point)``, one scale for the whole tensor."""

    scale: float
    zero_point: int
    dtype: CodeDtype

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be finite and above 0, got {self.scale}")
        info = np.iinfo(self.dtype)
        if not info.min <= self.zero_point <= info.max:
            raise ValueError(f"zero_point must fit {self.dtype}, got {self.zero_point}")


def quantize(real: NDArray[Any], params: QuantParams) -> NDArray[Any]:
    """Round to the nearest code and saturate.

    Args:
        real: float array of any shape.
        params: scale, zero point and dtype of the codes.

    Returns:
        Codes of the same shape, dtype ``params.dtype``; halves go to the even code.
    """
    info = np.iinfo(params.dtype)
    codes = np.rint(np.asarray(real, np.float64) / params.scale) + params.zero_point
    clipped: NDArray[Any] = np.clip(codes, info.min, info.max).astype(params.dtype)
    return clipped


def dequantize(codes: NDArray[Any], params: QuantParams) -> NDArray[np.float32]:
    """Return the real values that the codes stand for: float32, same shape."""
    # int64: a uint8 code minus its zero point would wrap around below zero.
    real: NDArray[np.float32] = (params.scale * (codes.astype(np.int64) - params.zero_point)).astype(np.float32)
    return real
