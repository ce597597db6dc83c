"""The associated files at the end of a model file: a plain zip of which every byte is accounted for."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgecnn.errors import ModelIntegrityError

if TYPE_CHECKING:
    import zipfile

MAX_FILE_BYTES = 8 << 20
MAX_TOTAL_BYTES = 64 << 20
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
    return *_split_foreign(data), False


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


def _split_foreign(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Read somebody else's archive, or a damaged one; there are no files where none follows the FlatBuffer."""
    import zipfile  # here, because an own file need not wait for it

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_sizes(entries)
            files = {entry.filename: _read(archive, entry) for entry in entries}
    except zipfile.BadZipFile:
        return data, {}
    # What zipfile and its decompressors raise on nonsense; struct.error on cut-off extra fields.
    except (NotImplementedError, RuntimeError, ValueError, EOFError, OSError, struct.error) as exc:
        if isinstance(exc, ModelIntegrityError):
            raise
        raise ModelIntegrityError(f"the associated files cannot be read: {exc}") from exc
    return data[: min((entry.header_offset for entry in entries), default=len(data))], files


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    """Raise before anything is unpacked: a small archive can claim to hold large files."""
    if len(entries) > MAX_FILES or len({entry.filename for entry in entries}) != len(entries):
        raise ModelIntegrityError("the associated files are too many or two have one name")
    for entry in entries:
        if entry.file_size > MAX_FILE_BYTES:
            raise ModelIntegrityError(f"the associated file {entry.filename!r} claims {entry.file_size} bytes")
    if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise ModelIntegrityError(f"the associated files claim more than {MAX_TOTAL_BYTES >> 20} MiB")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    import lzma
    import zipfile

    try:
        with archive.open(entry) as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError) as exc:
        raise ModelIntegrityError(f"the associated file {entry.filename!r} is damaged: {exc}") from exc
