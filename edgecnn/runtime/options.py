"""What a run is to do, checked."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.core.decisions import DecisionRules
from edgecnn.core.view import WHOLE, View
from edgecnn.runtime.every import Every
from edgecnn.runtime.stats import RunSetup


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
