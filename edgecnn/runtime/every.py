"""Which frames are judged when not all of them are."""

from __future__ import annotations

import re
from typing import NamedTuple

from edgecnn.core.frame import AnyFrame

_EVERY = re.compile(r"(\d+(?:\.\d+)?)(ms|s|)")


class Every(NamedTuple):
    """Judge only some of the frames: each ``frames``-th one, or one in ``interval_s`` seconds; the other is 0."""

    frames: int = 0
    interval_s: float = 0.0


def parse_every(text: str) -> Every:
    """Read ``5`` (each fifth frame), ``200ms`` or ``1.5s`` (one frame in that time).

    Raises:
        ValueError: it is none of these, or 0.
    """
    match = _EVERY.fullmatch(text)
    number = float(match[1]) if match else 0.0
    if not match or number == 0.0 or (not match[2] and not number.is_integer()):
        raise ValueError(f"every must be a number of frames such as 5, or a time such as 200ms or 2s, got {text!r}")
    if not match[2]:
        return Every(frames=int(number))
    return Every(interval_s=number / (1e3 if match[2] == "ms" else 1.0))


class Chooser:
    """Picks the frames that ``every`` asks for.

    Args:
        every: the rule.
        frame_rate: frames per second of a file, whose capture times say nothing; 0 goes by those times.
    """

    def __init__(self, every: Every, frame_rate: float) -> None:
        self._frames = every.frames or max(1, round(every.interval_s * frame_rate))
        self._interval_ns = 0 if frame_rate or every.frames else round(every.interval_s * 1e9)
        self._next: dict[str, int] = {}

    def takes(self, frame: AnyFrame) -> bool:
        """Tell whether a frame is to be judged."""
        position, step = (frame.captured_ns, self._interval_ns) if self._interval_ns else (frame.index, self._frames)
        if position < self._next.get(frame.camera, position):
            return False
        # From where it was due, not from where it came: else the rate would fall with every late frame.
        due = self._next.get(frame.camera, position)
        self._next[frame.camera] = due + step if position < due + step else position + step
        return True
