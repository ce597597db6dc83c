"""Where frames come from and where results go: the two things that a plug-in can be."""

# ruff: noqa: B027  (most methods here are optional: doing nothing is what they are inherited for)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Prediction
from edgecnn.runtime.stats import RunStats

SourceT = TypeVar("SourceT", bound="Source")


def say_nothing(message: str) -> None:
    """Drop a message that nobody asked for."""


class Source(ABC):
    """Gives frames, inside a ``with`` statement, in order, until there are no more.

    A plug-in for the entry point group ``edgecnn.sources`` is a callable that takes the place
    (what stands behind ``scheme:``) and returns one of these.

    Attributes:
        contract: the model's input, if known when the first frame is asked for: a picture need
            not be decoded any larger.
        say: receives one sentence about each thing that is passed over; may be called from a
            thread.
        live: whether time goes on while nobody reads. A live source keeps only its newest
            frame (see ``NewestFrame``); any other one gives every frame, and is read ahead
            in a thread of its own.
        frame_rate: nominal frames per second, 0 where that means nothing.
        dropped: frames thrown away so far because newer ones had come.
        unreadable: pictures passed over so far because they could not be read.
    """

    contract: InputContract | None = None
    say: Callable[[str], None] = staticmethod(say_nothing)
    live: bool = False
    frame_rate: float = 0.0
    dropped: int = 0
    unreadable: int = 0

    def open(self) -> None:
        """Take hold of what the frames come from.

        Raises:
            SourceError: it is not there or cannot be read; nothing is left open then.
        """

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Give the frames.

        Raises:
            SourceError: what is there cannot be read.
            SourceLostError: frames came and then stopped coming.
        """

    def close(self) -> None:
        """Let go; must return within a second or so, whatever state the source is in."""

    def __enter__(self: SourceT) -> SourceT:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Sink(ABC):
    """Takes each frame with its result.

    A plug-in for the entry point group ``edgecnn.sinks`` is a callable that takes the place
    (what stands behind ``scheme:``, often empty) and returns one of these. A sink whose
    ``open`` returned is always closed; it is finished only when the run came to an end by
    itself, was stopped, or lost its source.
    """

    def open(self, source: Source) -> None:
        """Get ready to write, before the first frame of ``source``, which is open.

        Raises:
            SinkError: the place cannot be written to; nothing is left open then.
        """

    @abstractmethod
    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Take one result; neither argument may be changed.

        Raises:
            SinkError: the result could not be written.
        """

    def finish(self, stats: RunStats) -> None:
        """Take the statistics after the last result."""

    def close(self) -> None:
        """Let go of everything; called once."""
