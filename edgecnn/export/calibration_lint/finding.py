"""What a check says, and how it counts pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        text: one sentence: what was found, what was expected, what to do.
        refuses: whether such pictures must not set ranges; otherwise it is a warning.
    """

    text: str
    refuses: bool


def name_some(names: Sequence[str]) -> str:
    """Return the first few names and how many more there are."""
    named = ", ".join(names[:_MAX_NAMED])
    return f"{named} and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else named
