"""Archives of associated files that other tools wrote, read with care."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.archive import MAX_FILE_BYTES, MAX_FILES

MAX_TOTAL_BYTES = 64 << 20


def split_foreign(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the FlatBuffer and the associated files by name; none where no archive follows it.

    Raises:
        ModelIntegrityError: the archive is damaged, too large, or compressed in a way not allowed.
    """
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
    try:
        with archive.open(entry) as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError) as exc:
        raise ModelIntegrityError(f"the associated file {entry.filename!r} is damaged: {exc}") from exc
