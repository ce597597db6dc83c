"""Reading a FlexBuffer without trusting it: the map of byte strings that a custom operator keeps.

Reference: https://flatbuffers.dev/flatbuffers/internals/#flexbuffers
"""

from __future__ import annotations

from edgecnn.errors import ModelIntegrityError

_MAP, _STRING, _BLOB = 9, 5, 25
_WIDTHS = (1, 2, 4, 8)
_MAX_ENTRIES = 256
_OUTSIDE = "the Edge TPU operator's data leads outside of itself: the file is damaged or cut short"


def read_blobs(data: bytes) -> dict[str, bytes]:
    """Return the strings and blobs of a FlexBuffer whose root is a map; other values are left out.

    Raises:
        ModelIntegrityError: it is no such map, or an offset leads outside of it.
    """
    if len(data) < 3:
        raise ModelIntegrityError(_OUTSIDE)
    kind, root_bytes = data[-2], data[-1]
    if root_bytes not in _WIDTHS or kind >> 2 != _MAP:
        raise ModelIntegrityError("the Edge TPU operator's data is no map, as the compiler writes it")
    width = _WIDTHS[kind & 3]
    root = len(data) - 2 - root_bytes
    values = _follow(data, root, root_bytes)
    num = _number(data, values - width, width)
    if num > _MAX_ENTRIES:
        raise ModelIntegrityError(f"the Edge TPU operator's data claims {num} entries")
    keys = _follow(data, values - 3 * width, width)
    key_width = _number(data, values - 2 * width, width)
    if key_width not in _WIDTHS:
        raise ModelIntegrityError(_OUTSIDE)
    found = {}
    for index in range(num):
        name = _key(data, _follow(data, keys + index * key_width, key_width))
        value_kind = _number(data, values + num * width + index, 1)
        if value_kind >> 2 in (_STRING, _BLOB):
            found[name] = _blob(data, _follow(data, values + index * width, width), _WIDTHS[value_kind & 3])
    return found


def _number(data: bytes, at: int, width: int) -> int:
    if at < 0 or at + width > len(data):
        raise ModelIntegrityError(_OUTSIDE)
    return int.from_bytes(data[at : at + width], "little")


def _follow(data: bytes, at: int, width: int) -> int:
    """Return where an offset leads; FlexBuffers count backwards."""
    return at - _number(data, at, width)


def _key(data: bytes, at: int) -> str:
    end = data.find(b"\0", at, at + 64) if at >= 0 else -1
    if end < 0:
        raise ModelIntegrityError(_OUTSIDE)
    return data[at:end].decode("latin-1")


def _blob(data: bytes, at: int, width: int) -> bytes:
    size = _number(data, at - width, width)
    if at + size > len(data):
        raise ModelIntegrityError(_OUTSIDE)
    return data[at : at + size]
