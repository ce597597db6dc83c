"""What a screen holds, whoever writes it down: plain values, arrays and pictures in one tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_SLUG = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture among a screen's data.

    Attributes:
        name: what it shows, in a few words; distinct in its screen, for it becomes a file's name.
        pixels: uint8, shape (h, w, 3), RGB, or (h, w), grey.
        quality: of the JPEG in the page, 1 to 100; None keeps every value (PNG). Files are always PNG.
        only_file: whether it is too large for the page, and becomes a file only.
    """

    name: str
    pixels: NDArray[np.uint8] = field(repr=False)
    quality: int | None = None
    only_file: bool = False

    @property
    def slug(self) -> str:
        """The name as part of a file's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())[:_MAX_SLUG].strip("-") or "picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One idea.

    Attributes:
        number: from 1.
        key: its name in addresses and files.
        title: what stands above it.
        data: str keys; values are text, numbers, None, lists, dicts, NumPy arrays and ``Image``.
        missing: one sentence on why there is nothing to show; None where there is.
    """

    number: int
    key: str
    title: str
    data: dict[str, Any]
    missing: str | None = None


def walk(value: Any, on_array: Callable[[NDArray[Any]], Any], on_image: Callable[[Image], Any]) -> Any:
    """Return a copy of a tree in which arrays and pictures are replaced by what the two functions make of them."""
    if isinstance(value, dict):
        return {str(key): walk(inner, on_array, on_image) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [walk(inner, on_array, on_image) for inner in value]
    if isinstance(value, np.ndarray):
        return on_array(value)
    if isinstance(value, Image):
        return on_image(value)
    if isinstance(value, np.generic):
        return _finite(value.item())
    return _finite(value)


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
