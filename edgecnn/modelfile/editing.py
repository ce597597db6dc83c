"""Changing numbers inside a model's FlatBuffer, in place: nothing moves and no size changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.flatbuffer import Table

_SUBGRAPHS, _BUFFERS, _TENSORS = 2, 4, 0
_BUFFER, _NAME, _QUANTIZATION = 2, 3, 4
_SCALE, _ZERO_POINT = 2, 3
_DATA = 0


class Editor:
    """A copy of a model whose scales, zero points and constants can be overwritten."""

    def __init__(self, model: bytes) -> None:
        """Take a FlatBuffer that was checked before."""
        self._model = bytearray(model)
        self._written: dict[int, bytes] = {}
        root = Table.root(model)
        self._tensors = root.tables(_SUBGRAPHS)[0].tables(_TENSORS)
        self._buffers = root.tables(_BUFFERS)

    def set_quantization(self, tensor: int, scales: NDArray[np.float64], zero_points: Sequence[int]) -> None:
        """Overwrite a tensor's scales and zero points.

        Args:
            tensor: its index.
            scales: as many as the tensor has; written as float32.
            zero_points: as many.

        Raises:
            ModelIntegrityError: the tensor has another number of them.
        """
        quantization = self._tensors[tensor].table(_QUANTIZATION)
        if quantization is None:
            raise ModelIntegrityError(f"the tensor {self._name(tensor)} has no scale to change")
        self._write(tensor, *quantization.extent_of(_SCALE, 4), np.asarray(scales, "<f4"))
        start, length = quantization.extent_of(_ZERO_POINT, 8)
        if length or any(zero_points):
            self._write(tensor, start, length, np.asarray(zero_points, "<i8"))

    def set_values(self, tensor: int, values: NDArray[np.generic]) -> None:
        """Overwrite a tensor's constant values; ``values`` has the tensor's own dtype and number of items.

        Raises:
            ModelIntegrityError: the tensor has another size, or shares its values with one that was
                given other values.
        """
        flat = np.ascontiguousarray(values).reshape(-1)
        flat = flat.astype(flat.dtype.newbyteorder("<"))
        start, length = self._buffers[self._tensors[tensor].integer(_BUFFER, "I")].extent_of(_DATA, 1)
        self._write(tensor, start, length // flat.itemsize, flat)

    def finish(self) -> bytes:
        """Return the changed model."""
        return bytes(self._model)

    def _write(self, tensor: int, start: int, length: int, values: NDArray[np.generic]) -> None:
        data = values.tobytes()
        if not start or length != values.size:
            raise ModelIntegrityError(f"{values.size} numbers were given for the {length} of {self._name(tensor)}")
        if self._written.setdefault(start, data) != data:
            raise ModelIntegrityError(
                f"{self._name(tensor)} shares its numbers with another tensor that was given other ones"
            )
        self._model[start : start + len(data)] = data

    def _name(self, tensor: int) -> str:
        return repr(self._tensors[tensor].text(_NAME))
