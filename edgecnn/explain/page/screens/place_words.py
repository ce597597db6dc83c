"""Amounts of change in words."""

from __future__ import annotations

from edgecnn.evaluate.changes import Change

TITLES = {
    "shift": "Moved sideways",
    "rotation": "Turned",
    "scale": "Smaller or larger",
    "brightness": "Darker or brighter",
    "blur": "Blurred",
    "noise": "Noisy",
}
# For an amount below that of no change, and for one above it.
_WORDS = {
    "shift": ("{:g}% of its width to the left", "{:g}% of its width to the right"),
    "rotation": ("{:g}° counterclockwise", "{:g}° clockwise"),
    "scale": ("{:g}% of its size", "{:g}% of its size"),
    "brightness": ("darker by {:g} of 255", "brighter by {:g} of 255"),
    "blur": ("", "blurred by {:g}% of its width"),
    "noise": ("", "noise of {:g} of 255"),
}


def name_amount(name: str, change: Change, amount: float) -> str:
    """Return what was done to a picture, in a few words."""
    if amount == change.nothing:
        return "unchanged"
    if name not in _WORDS:
        return f"{amount:g} {change.unit}"
    return _WORDS[name][amount > change.nothing].format(abs(amount))
