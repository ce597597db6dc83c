"""File names that are text, and others.

A file name on Linux is any bytes; Python gives those that are not UTF-8 as lone surrogates, which neither
JSON nor a terminal takes.
"""

from __future__ import annotations


def is_text(name: str) -> bool:
    """Tell whether a name can be written as UTF-8."""
    return as_text(name) == name


def as_text(name: str) -> str:
    r"""Return a name that can be written; bytes that are none of UTF-8 become ``\udc80`` to ``\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode()
