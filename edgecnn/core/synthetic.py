"""Pictures made by integer arithmetic: the same bytes on every machine, for ever.

They are the inputs of golden vectors. Smooth waves of several periods fill the middle of a
network's range better than noise does, and a few blocks of hashed noise reach its edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GENERATOR = "waves-1"


def synthetic_picture(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return picture number ``seed`` of the family ``waves-1``.

    Args:
        seed: 0 to 2**16 - 1.
        width: columns in pixels.
        height: rows in pixels.

    Returns:
        uint8, shape (height, width, 3), RGB, values 0 to 255.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.uint32)
    planes = []
    for channel in range(3):
        a, b, c, d = (int(_hash32(np.uint32(seed * 16 + channel * 4 + k))) for k in range(4))
        # Triangle waves: periods from 8 to 71 pixels along a slope that the hash chooses.
        wave = _triangle((x * (a % 7 + 1) + y * (a >> 8) % 7) * 256 // (8 + b % 64))
        wave += _triangle((y * (c % 5 + 1) + x * ((c >> 8) % 3)) * 256 // (8 + d % 64))
        noise = _hash32((x // 8) * np.uint32(7919) + (y // 8) * np.uint32(104729) + np.uint32(b)) % np.uint32(256)
        planes.append((wave * 3 + noise * 2) // 8)
    picture: NDArray[np.uint8] = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    return picture


def _triangle(phase: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return a triangle wave of period 512, values 0 to 255."""
    ramp = phase % np.uint32(512)
    wave: NDArray[np.uint32] = np.minimum(ramp, np.uint32(511) - ramp)
    return wave


def _hash32(value: NDArray[np.uint32] | np.uint32) -> NDArray[np.uint32]:
    """Mix 32 bits well (Mueller's integer hash); multiplication wraps on purpose."""
    mixed = np.atleast_1d(np.asarray(value, np.uint32))
    for factor in (0x45D9F3B, 0x45D9F3B):
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(factor)
    mixed = mixed ^ (mixed >> np.uint32(16))
    return mixed if np.ndim(value) else mixed[0]
