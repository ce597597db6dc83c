"""The associated files at the end of a model file: a plain zip that covers every last byte."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from edgecnn.errors import ModelIntegrityError

MAX_FILE_BYTES = 8 << 20
MAX_FILES = 80
_LOCAL_HEADER_BYTES = 30
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def append_files(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return the model followed by a zip of ``files``, stored uncompressed as TFLite Metadata asks.

    The same input gives the same bytes: no clock and no user stands in the archive.
    """
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _FIXED_DATE)
            entry.create_system = 3  # Unix, wherever it is written
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return whole.getvalue()


def split_files(data: bytes) -> tuple[bytes, dict[str, bytes], bool]:
    """Take a model file apart.

    Returns:
        The FlatBuffer, the associated files by name, and whether the archive follows it without a gap.

    Raises:
        ModelIntegrityError: the archive is damaged, too large, or compressed in a way not allowed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            files = {entry.filename: _read(archive, entry) for entry in entries}
            if len(files) != len(entries) or len(entries) > MAX_FILES:
                raise ModelIntegrityError("the associated files are too many or two have one name")
            start = min((entry.header_offset for entry in entries), default=len(data))
            return data[:start], files, _is_gapless(entries, archive.start_dir, archive.comment)
    except zipfile.BadZipFile:
        return data, {}, True
    except (zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as exc:
        if isinstance(exc, ModelIntegrityError):
            raise
        raise ModelIntegrityError(f"the associated files cannot be read: {exc}") from exc


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # The size is checked before anything is unpacked: a small archive can claim to hold a large file.
    if entry.file_size > MAX_FILE_BYTES:
        raise ModelIntegrityError(f"the associated file {entry.filename!r} claims {entry.file_size} bytes")
    try:
        with archive.open(entry) as file:
            return file.read(MAX_FILE_BYTES + 1)
    except zipfile.BadZipFile as exc:
        raise ModelIntegrityError(f"the associated file {entry.filename!r} is damaged: {exc}") from exc


def _is_gapless(entries: list[zipfile.ZipInfo], directory_start: int, comment: bytes) -> bool:
    position = min((entry.header_offset for entry in entries), default=0)
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        stored = entry.compress_type == zipfile.ZIP_STORED and not entry.extra
        if not stored or entry.header_offset != position:
            return False
        position += _LOCAL_HEADER_BYTES + len(entry.filename.encode()) + entry.file_size
    return position == directory_start and not comment
