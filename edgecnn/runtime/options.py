"""What a run is to do, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from edgecnn.core.decisions import DecisionRules
from edgecnn.core.view import WHOLE, View
from edgecnn.runtime.stats import RunSetup

_EVERY = re.compile(r"(\d+(?:\.\d+)?)(ms|s|)")


class Every(NamedTuple):
    """Judge only some of the frames: each ``frames``-th one, or one in ``interval_s`` seconds; the other is 0."""

    frames: int = 0
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to put out and when to stop.

    Attributes:
        max_results: categories in each result, at most; from 1.
        score_threshold: leave out categories with a lower score; 0 to 1.
        max_frames: stop after so many results, from 1; None means never.
        max_duration_s: stop after so many seconds, above 0; None means never.
        max_age_ms: throw away results about pictures older than that, above 0; None keeps all.
        every: which frames are judged; None is all.
        view: which part of each picture is judged, and which way up.
        skip_still: judge only frames in which something moved since the last judged one.
        rules: how decisions are made from the scores; None makes none.
        num_lanes: pictures of a file that are worked on at the same time, from 1.
        setup: what runs, to be repeated in the statistics.
    """

    max_results: int = 5
    score_threshold: float = 0.0
    max_frames: int | None = None
    max_duration_s: float | None = None
    max_age_ms: float | None = None
    every: Every | None = None
    view: View = WHOLE
    skip_still: bool = False
    rules: DecisionRules | None = None
    num_lanes: int = 1
    setup: RunSetup | None = None

    def __post_init__(self) -> None:
        if self.max_results < 1:
            raise ValueError(f"max_results must be at least 1, got {self.max_results}")
        if not 0.0 <= self.score_threshold <= 1.0:
            raise ValueError(f"score_threshold must be 0 to 1, got {self.score_threshold}")
        if self.max_frames is not None and self.max_frames < 1:
            raise ValueError(f"frames must be at least 1, got {self.max_frames}")
        if self.max_duration_s is not None and not self.max_duration_s > 0.0:
            raise ValueError(f"duration must be above 0 seconds, got {self.max_duration_s}")
        if self.max_age_ms is not None and not self.max_age_ms > 0.0:
            raise ValueError(f"max_age must be above 0 milliseconds, got {self.max_age_ms}")
        if self.num_lanes < 1:
            raise ValueError(f"num_lanes must be at least 1, got {self.num_lanes}")


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
