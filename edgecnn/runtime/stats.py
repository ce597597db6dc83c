"""What a run did, as values.

They are named tuples, which Python makes in a tenth of the time that a frozen dataclass takes:
this is loaded before the first prediction.
"""

from __future__ import annotations

from typing import NamedTuple


class RunSetup(NamedTuple):
    """What really runs, in words.

    Attributes:
        model: path of the model file.
        name: the model's own name.
        num_classes: number of its outputs.
        backend: library, kernels and threads.
        source: address of the source.
    """

    model: str
    name: str
    num_classes: int
    backend: str
    source: str


class Percentiles(NamedTuple):
    """Three percentiles of one quantity, in milliseconds; 0 when nothing was measured."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class RunStats(NamedTuple):
    """What a run did, from its first frame to its last result.

    Attributes:
        setup: what ran, as far as the caller said so.
        frames: results that were put out.
        dropped: frames that a live source threw away because newer ones had come.
        unreadable: pictures that had to be passed over.
        stale: results that came out older than allowed and were thrown away.
        still: frames that were not judged because nothing had moved.
        undelivered: results that a sink was too slow for, or had failed before.
        wall_s: seconds from the start of reading until the last result was put out.
        read_ms: getting a frame's data; for a camera this includes the wait for the next picture.
        decode_ms: turning the data into pixels.
        resize_ms: bringing the pixels to the model's input.
        invoke_ms: running the model.
        age_ms: age of the picture when its result was put out.
    """

    setup: RunSetup | None
    frames: int
    dropped: int
    unreadable: int
    stale: int
    still: int
    undelivered: int
    wall_s: float
    read_ms: Percentiles
    decode_ms: Percentiles
    resize_ms: Percentiles
    invoke_ms: Percentiles
    age_ms: Percentiles

    def counts(self) -> dict[str, int]:
        """Return how many frames took which way, by name."""
        names = ("frames", "dropped", "unreadable", "stale", "still", "undelivered")
        return {name: getattr(self, name) for name in names}

    @property
    def fps(self) -> float:
        """Results per second of wall time, 0 when there was none."""
        return self.frames / self.wall_s if self.wall_s > 0 else 0.0
