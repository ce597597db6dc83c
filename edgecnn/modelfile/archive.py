"""The associated files at the end of a model file: a plain zip of which every byte is accounted for."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

MAX_FILE_BYTES = 8 << 20
MAX_FILES = 80
_VERSION, _UNIX, _PERMISSIONS = 20, 3, 0o644 << 16
_FIRST_OF_1980 = 0x21  # the earliest date that a zip can hold
_UTF8_NAME = 0x800
_LOCAL_BYTES, _DIRECTORY_BYTES, _END_BYTES = 30, 46, 22
_MAX_NAME_BYTES = 256


def append_files(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the model followed by a zip of ``files``, stored uncompressed as TFLite Metadata asks.

    The same input gives the same bytes, on every machine and for ever: no clock, no user and no
    version of a library stands in the archive. Offsets count from the start of the model.

    Reference: PKWARE, ".ZIP File Format Specification", sections 4.3.7, 4.3.12 and 4.3.16.
    """
    return model + _pack(files, len(model))


def _pack(files: Mapping[str, bytes], offset: int) -> bytes:
    entries, directory = b"", b""
    for name, data in files.items():
        encoded = name.encode()
        flags = 0 if encoded.isascii() else _UTF8_NAME
        size = len(data)
        common = struct.pack(
            "<HHHHHIIIHH", _VERSION, flags, 0, 0, _FIRST_OF_1980, zlib.crc32(data), size, size, len(encoded), 0
        )
        where = struct.pack("<HHHII", 0, 0, 0, _PERMISSIONS, offset + len(entries))
        entries += b"PK\x03\x04" + common + encoded + data
        directory += b"PK\x01\x02" + bytes([_VERSION, _UNIX]) + common + where + encoded
    num = len(files)
    end = struct.pack("<HHHHIIH", 0, 0, num, num, len(directory), offset + len(entries), 0)
    return entries + directory + b"PK\x05\x06" + end


def split_files(data: bytes) -> tuple[bytes, dict[str, bytes], bool]:
    """Take a model file apart.

    Returns:
        The FlatBuffer, the associated files by name, and whether every byte behind the FlatBuffer is
        as ``append_files`` writes it.

    Raises:
        ModelIntegrityError: the archive is damaged, too large, or compressed in a way not allowed.
    """
    own = _split_own(data)
    if own is not None:
        return *own, True
    # Somebody else's archive, or a damaged one. Imported here: an own file need not wait for zipfile.
    from edgecnn.modelfile.foreign_archive import split_foreign

    return *split_foreign(data), False


def _split_own(data: bytes) -> tuple[bytes, dict[str, bytes]] | None:
    """Read an archive that is byte for byte what ``append_files`` writes; None when it is not."""
    end = len(data) - _END_BYTES
    if end < 0 or data[end : end + 4] != b"PK\x05\x06":
        return None
    _, num, _, at = struct.unpack_from("<HHII", data, end + 8)
    files: dict[str, bytes] = {}
    start = at
    for _ in range(min(num, MAX_FILES)):
        if at + _DIRECTORY_BYTES > end:
            return None
        size, name_bytes = struct.unpack_from("<IH", data, at + 24)
        if name_bytes > _MAX_NAME_BYTES:
            return None
        (offset,) = struct.unpack_from("<I", data, at + 42)
        name = data[at + _DIRECTORY_BYTES : at + _DIRECTORY_BYTES + name_bytes]
        begin = offset + _LOCAL_BYTES + name_bytes
        files[name.decode(errors="replace")] = data[begin : begin + min(size, MAX_FILE_BYTES)]
        start = min(start, offset)
        at += _DIRECTORY_BYTES + name_bytes
    # Whatever was misread above, the same bytes would not come out again.
    return (data[:start], files) if _pack(files, start) == data[start:] else None
