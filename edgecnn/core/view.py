"""Which part of a camera's picture a model judges, and which way up."""

from __future__ import annotations

from typing import NamedTuple

ROTATIONS = (0, 90, 180, 270)
FLIPS = ("", "h", "v")


class Region(NamedTuple):
    """A rectangle in shares of the upright picture's sides, 0 to 1; ``x`` and ``y`` are its top left corner."""

    x: float
    y: float
    width: float
    height: float


class View(NamedTuple):
    """How a camera's picture is turned, and what part of it is judged.

    Attributes:
        rotate: clockwise turn in degrees, 0, 90, 180 or 270; it comes first.
        flip: ``h`` swaps left and right, ``v`` top and bottom, of the turned picture.
        region: part of the picture that stands upright by then; None is all of it.
    """

    rotate: int = 0
    flip: str = ""
    region: Region | None = None

    @property
    def shares(self) -> tuple[float, float]:
        """Share of the columns and of the rows, of the picture as it came, that is judged."""
        if self.region is None:
            return 1.0, 1.0
        _, _, width, height = self.region
        return (height, width) if self.rotate in (90, 270) else (width, height)


WHOLE = View()


def make_view(*, rotate: int = 0, flip: str = "", roi: str | None = None) -> View:
    """Read a view as it is given on the command line.

    Args:
        rotate: 0, 90, 180 or 270 degrees clockwise.
        flip: empty, ``h`` or ``v``.
        roi: ``x,y,w,h``, shares of the upright picture's sides.

    Raises:
        ValueError: a number is out of range; the message says which.
    """
    if rotate not in ROTATIONS:
        raise ValueError(f"rotate must be one of {ROTATIONS}, got {rotate}")
    if flip not in FLIPS:
        raise ValueError(f"flip must be 'h' or 'v', got {flip!r}")
    return View(rotate, flip, None if roi is None else _read_region(roi))


def _read_region(text: str) -> Region:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"roi must be four shares x,y,width,height of the picture such as 0.25,0,0.5,1, got {text!r}"
        ) from None
    inside = x >= 0 and y >= 0 and width > 0 and height > 0 and x + width <= 1 + 1e-9 and y + height <= 1 + 1e-9
    if not inside:  # a NaN is not inside either
        raise ValueError(f"the region of interest {text} leaves the picture: x + width and y + height are at most 1")
    return Region(x, y, width, height)
