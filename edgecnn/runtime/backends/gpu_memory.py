"""Where the pixels and the scores lie that two processes share."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Ends(NamedTuple):
    """Names of dtypes and shapes of what goes in and comes out, with the batch axis."""

    input: tuple[str, tuple[int, ...]]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]

    def num_bytes(self) -> int:
        """Return the size of the memory that holds all of it."""
        return sum(_size(*end) for end in (self.input, *self.outputs))

    def arrays(self, memory: mmap.mmap) -> list[NDArray[Any]]:
        """Return the input and the outputs as views of memory, one after the other."""
        return list(self._views(memory))

    def _views(self, memory: mmap.mmap) -> Iterator[NDArray[Any]]:
        start = 0
        for dtype, shape in (self.input, *self.outputs):
            yield np.frombuffer(memory, dtype, int(np.prod(shape)), start).reshape(shape)
            start += _size(dtype, shape)


def make_memory(num_bytes: int) -> int:
    """Return a file descriptor of so much memory, without a name that could be left behind."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("edgecnn-gpu", 0)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, num_bytes)
    return descriptor


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    # Rounded up, so that every view begins where a vector register likes it.
    return -(-int(np.prod(shape)) * np.dtype(dtype).itemsize // 64) * 64
