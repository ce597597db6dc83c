"""A sink that remembers."""

from __future__ import annotations

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.runtime.stats import RunStats
from edgecnn.runtime.streams import CameraEvent, Sink, Source


class CollectSink(Sink):
    """Keeps everything it is given.

    Attributes:
        frames: the frames, in the order in which they came.
        predictions: their results.
        events: what was told about cameras that went away or came back.
        stats: the statistics, once the run is finished.
        opened: whether the run has opened it.
        closed: whether the run has closed it.
    """

    def __init__(self) -> None:
        self.frames: list[AnyFrame] = []
        self.predictions: list[Prediction] = []
        self.events: list[CameraEvent] = []
        self.stats: RunStats | None = None
        self.opened = self.closed = False

    @property
    def labels(self) -> list[str]:
        """The best label of each result, empty text where there was none."""
        return [prediction.top.label if prediction.top else "" for prediction in self.predictions]

    def open(self, source: Source) -> None:
        """Remember that it was opened."""
        self.opened = True

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Keep a frame and its result."""
        self.frames.append(frame)
        self.predictions.append(prediction)

    def tell(self, event: CameraEvent) -> None:
        """Keep an event."""
        self.events.append(event)

    def finish(self, stats: RunStats) -> None:
        """Keep the statistics."""
        self.stats = stats

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
