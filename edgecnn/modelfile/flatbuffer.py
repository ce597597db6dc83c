"""Reading FlatBuffers without trusting them.

The ``flatbuffers`` library follows offsets wherever they lead; a damaged file would end in
nonsense or in an error without a meaning. Here every access is checked against the buffer.

Reference: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgecnn.errors import ModelIntegrityError

_MAX_VECTOR = 1 << 20
_OUTSIDE = "an offset in the file leads outside of it: it is damaged or cut short"


class Table:
    """A table at ``position`` in ``data``; fields are addressed by their number in the schema."""

    __slots__ = ("_offsets", "data", "position")

    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position
        vtable = position - _read("<i", data, position)
        num_fields = (_read("<H", data, vtable) - 4) // 2
        try:
            # All offsets at once: a model has thousands of fields, and each would be looked up by itself.
            self._offsets = struct.unpack_from(f"<{max(num_fields, 0)}H", data, vtable + 4)
        except struct.error as exc:
            raise ModelIntegrityError(_OUTSIDE) from exc

    @classmethod
    def root(cls, data: bytes) -> Table:
        """Return the root table."""
        return cls(data, _read("<I", data, 0))

    def has(self, field: int) -> bool:
        """Whether the field is there."""
        return self._field(field) != 0

    def position_of(self, field: int) -> int | None:
        """Return where the field lies in the data (of a vector or table: its offset), or None when it is absent."""
        return self._field(field) or None

    def extent_of(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Return where a vector's items start in the data and how many there are; (0, 0) when it is absent."""
        return self._vector(field, item_bytes)

    def number(self, field: int, code: str, default: float = 0) -> int | float:
        """Return a scalar; ``code`` is its ``struct`` letter."""
        at = self._field(field)
        value: int | float = _read("<" + code, self.data, at) if at else default
        return value

    def integer(self, field: int, code: str, default: int = 0) -> int:
        """Return an integer scalar."""
        return int(self.number(field, code, default))

    def text(self, field: int) -> str:
        """Return a string; empty when it is absent."""
        start, length = self._vector(field, 1)
        try:
            return self.data[start : start + length].decode()
        except UnicodeDecodeError as exc:
            raise ModelIntegrityError(f"a name in the file is not text (byte {start + exc.start})") from exc

    def array(self, field: int, dtype: DTypeLike) -> NDArray[np.generic] | None:
        """Return a vector of numbers as a read-only view, or None when it is absent."""
        kind = np.dtype(dtype).newbyteorder("<")
        start, length = self._vector(field, kind.itemsize)
        return np.frombuffer(self.data, kind, length, start) if start else None

    def integers(self, field: int, dtype: DTypeLike = np.int32) -> tuple[int, ...]:
        """Return a vector of integers as a tuple; empty when it is absent."""
        values = self.array(field, dtype)
        return () if values is None else tuple(values.tolist())

    def tables(self, field: int) -> list[Table]:
        """Return a vector of tables; empty when it is absent."""
        start, length = self._vector(field, 4)
        if length > _MAX_VECTOR:
            raise ModelIntegrityError(f"a list in the file claims {length} entries")
        slots = range(start, start + 4 * length, 4)
        return [Table(self.data, slot + _read("<I", self.data, slot)) for slot in slots]

    def byte_strings(self, field: int) -> list[bytes]:
        """Return a vector of strings as they lie there, without decoding them; empty when it is absent."""
        start, length = self._vector(field, 4)
        if length > _MAX_VECTOR:
            raise ModelIntegrityError(f"a list in the file claims {length} entries")
        strings = []
        for slot in range(start, start + 4 * length, 4):
            at = slot + _read("<I", self.data, slot)
            size = _read("<I", self.data, at)
            if at + 4 + size > len(self.data):
                raise ModelIntegrityError("a text in the file reaches past its end: it is damaged or cut short")
            strings.append(self.data[at + 4 : at + 4 + size])
        return strings

    def table(self, field: int) -> Table | None:
        """Return a table, or None when it is absent."""
        at = self._field(field)
        return Table(self.data, at + _read("<I", self.data, at)) if at else None

    def _field(self, field: int) -> int:
        """Return the position of a field, or 0 when it is absent."""
        offset = self._offsets[field] if field < len(self._offsets) else 0
        return self.position + offset if offset else 0

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Return start and length of a vector, (0, 0) when it is absent."""
        at = self._field(field)
        if not at:
            return 0, 0
        at += _read("<I", self.data, at)
        length = _read("<I", self.data, at)
        if at + 4 + length * item_bytes > len(self.data):
            raise ModelIntegrityError("a list in the file reaches past its end: it is damaged or cut short")
        return at + 4, length


def _read(code: str, data: bytes, at: int) -> int:
    try:
        if at < 0:
            raise struct.error("negative offset")
        (value,) = struct.unpack_from(code, data, at)
    except struct.error as exc:
        raise ModelIntegrityError(_OUTSIDE) from exc
    return value  # type: ignore[no-any-return]  # the letter decides, and callers that want floats say so
