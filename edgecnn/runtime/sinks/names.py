"""File names made of camera addresses and labels, whatever these hold."""

from __future__ import annotations

import sys
import unicodedata

_MAX_BYTES = 50


def name_part(text: str) -> str:
    """Return a text as a part of a file name, on any file system; perhaps empty.

    Letters, marks and digits of every script stay where the system's encoding of file names
    has them, everything else becomes ``_``; at most 50 bytes.
    """
    text = unicodedata.normalize("NFC", text)
    kept = "".join(char if char == "-" or unicodedata.category(char)[0] in "LMN" else "_" for char in text)
    encoding = sys.getfilesystemencoding()
    short = kept.encode(encoding, "replace").replace(b"?", b"_")[:_MAX_BYTES]
    return short.decode(encoding, "ignore").strip("_-")


class CameraNames:
    """A part of a file name for each camera, different for different cameras."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name_of(self, camera: str) -> str:
        """Return the name of a camera, always the same one; it is not empty."""
        name = self._names.get(camera)
        if name is None:
            name = base = name_part(camera) or "camera"
            number = 1
            while name in self._names.values():
                number += 1
                name = f"{base}-{number}"
            self._names[camera] = name
        return name
