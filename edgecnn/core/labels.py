"""The names of a model's outputs, in output order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

MAX_LABELS = 100_000
MAX_LABEL_CHARS = 256


# Line breaks of any script, other control characters, and halves of characters that UTF-8 cannot write.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels as a tuple, or raise ValueError with the first one that cannot be used.

    Labels are any non-empty text of at most 256 characters without line breaks or other control
    characters, in any script. Two may be equal: ImageNet has two classes named "crane".
    """
    if not 1 <= len(labels) <= MAX_LABELS:
        raise ValueError(f"there must be 1 to {MAX_LABELS} labels, got {len(labels)}")
    for index, label in enumerate(labels):
        if not label.strip() or len(label) > MAX_LABEL_CHARS:
            raise ValueError(f"label {index} must have 1 to {MAX_LABEL_CHARS} characters, got {label!r}")
        if _FORBIDDEN.search(label):
            raise ValueError(f"label {index} must not hold line breaks or control characters, got {label!r}")
    return tuple(labels)


def encode_labels(labels: Sequence[str]) -> bytes:
    """Return ``labels.txt``: UTF-8, one label a line, each line ended by a newline."""
    return "".join(f"{label}\n" for label in labels).encode()


def decode_labels(text: bytes) -> tuple[str, ...]:
    """Read a labels file, raising ValueError when it is not one.

    A byte order mark and Windows line ends are accepted; so is a missing newline at the end.
    """
    try:
        lines = text.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as exc:
        raise ValueError(f"labels must be UTF-8 text, but byte {exc.start} is not") from exc
    if lines and not lines[-1].strip():
        lines.pop()
    return check_labels([line.rstrip("\r") for line in lines])


def digest_labels(labels: Sequence[str]) -> str:
    """Return the SHA-256 (hex) of the labels as ``labels.txt`` holds them."""
    return hashlib.sha256(encode_labels(labels)).hexdigest()
