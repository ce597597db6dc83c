"""Where frames come from and where results go: the two things that a plug-in can be."""

# ruff: noqa: B027  (most methods here are optional: doing nothing is what they are inherited for)

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal, NamedTuple, TypeVar

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.runtime.stats import RunStats

SourceT = TypeVar("SourceT", bound="Source")


def say_nothing(message: str) -> None:
    """Drop a message that nobody asked for."""


class CaptureRequest(NamedTuple):
    """What a camera is asked for; it may give something near to it.

    Attributes:
        size_wh: width and height in pixels, None for the camera's own choice.
        frame_rate: frames per second, 0 for the camera's own choice.
        fourcc: V4L2 pixel format such as ``MJPG`` or ``YUYV``, empty for the best one.
    """

    size_wh: tuple[int, int] | None = None
    frame_rate: float = 0.0
    fourcc: str = ""


NOTHING_ASKED = CaptureRequest()


def make_request(
    *, size: str | None = None, frame_rate: float | None = None, fourcc: str | None = None
) -> CaptureRequest:
    """Read a request as it is given on the command line; what is left out is the camera's choice.

    Args:
        size: ``WIDTHxHEIGHT`` in pixels.
        frame_rate: frames per second, above 0 to 1000.
        fourcc: four characters.

    Raises:
        ValueError: one of them is no such thing.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,4})[xX]([1-9][0-9]{0,4})", size or "1x1")
    if match is None:
        raise ValueError(f"size must be WIDTHxHEIGHT such as 1280x720, got {size!r}")
    if frame_rate is not None and not 0.0 < frame_rate <= 1000.0:
        raise ValueError(f"fps must be above 0 and at most 1000, got {frame_rate:g}")
    if fourcc is not None and not (len(fourcc) == 4 and fourcc.isascii()):
        raise ValueError(f"fourcc must have four characters, such as MJPG or YUYV, got {fourcc!r}")
    size_wh = (int(match[1]), int(match[2])) if size else None
    return CaptureRequest(size_wh, frame_rate or 0.0, (fourcc or "").upper())


class CameraEvent(NamedTuple):
    """A camera went away or came back.

    Attributes:
        kind: which of the two.
        camera: its address.
        at_ns: monotonic clock.
        reason: one sentence for people.
    """

    kind: Literal["camera_lost", "camera_back"]
    camera: str
    at_ns: int
    reason: str


def without_password(text: str) -> str:
    """Return a text in which user names and passwords of URLs are stars."""
    return re.sub(r"(://)[^/@\s'\"]+@", r"\1***@", text)


def never() -> bool:
    """Say no."""
    return False


def ignore_event(event: CameraEvent) -> None:
    """Drop an event that nobody waits for."""


class Source(ABC):
    """Gives frames, inside a ``with`` statement, in order, until there are no more.

    A plug-in for the entry point group ``edgecnn.sources`` is a callable that takes the place
    (what stands behind ``scheme:``) and returns one of these.

    Attributes:
        address: how it is called, such as ``camera:0``; no password in it.
        contract: the model's input, if known when the first frame is asked for: a picture need
            not be decoded any larger.
        request: what a camera is asked for; set before ``open``.
        takes_request: whether there is anything that can be asked for here.
        lost_timeout_s: how long a live source may be away before its loss is an error; None is for ever.
        is_over: tells whether the run is to end; a source that waits asks ten times a second.
        on_event: is told when a camera goes away and comes back, in the thread that iterates.
        say: receives one sentence about each thing that is passed over; may be called from a
            thread.
        live: whether time goes on while nobody reads. A live source keeps only its newest
            frame (see ``NewestFrame``); any other one gives every frame, and is read ahead
            in a thread of its own.
        frame_rate: nominal frames per second, 0 where that means nothing.
        num_cameras: how many different ``camera`` its frames may name.
        dropped: frames thrown away so far because newer ones had come.
        unreadable: pictures passed over so far because they could not be read.
    """

    contract: InputContract | None = None
    address: str = ""
    request: CaptureRequest = NOTHING_ASKED
    takes_request: bool = False
    lost_timeout_s: float | None = None
    is_over: Callable[[], bool] = staticmethod(never)
    on_event: Callable[[CameraEvent], None] = staticmethod(ignore_event)
    say: Callable[[str], None] = staticmethod(say_nothing)
    live: bool = False
    frame_rate: float = 0.0
    num_cameras: int = 1
    dropped: int = 0
    unreadable: int = 0

    def open(self) -> None:
        """Take hold of what the frames come from.

        Raises:
            SourceError: it is not there or cannot be read; nothing is left open then.
        """

    @abstractmethod
    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the frames, decoded or not.

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
    """Takes each frame with its result; in a live run it does so in a thread of its own.

    A plug-in for the entry point group ``edgecnn.sinks`` is a callable that takes the place
    (what stands behind ``scheme:``, often empty) and returns one of these. A sink whose
    ``open`` returned is always closed; it is finished only when the run came to an end by
    itself, was stopped, or lost its source.

    Attributes:
        instant: whether it does next to nothing and so needs no thread.
        idle_interval_s: how often its thread calls ``idle`` while nothing else is to be done, in
            seconds; 0 is never.
    """

    instant: bool = False
    idle_interval_s: float = 0.0

    def open(self, source: Source) -> None:
        """Get ready to write, before the first frame of ``source``, which is open.

        Raises:
            SinkError: the place cannot be written to; nothing is left open then.
        """

    @abstractmethod
    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Take one result; neither argument may be changed.

        Args:
            frame: what was judged, perhaps not decoded: ``edgecnn.imaging.decode`` does that.
            prediction: the result.

        Raises:
            SinkError: the result could not be written.
        """

    def tell(self, event: CameraEvent) -> None:
        """Take the news that a camera went away or came back.

        Raises:
            SinkError: it could not be written.
        """

    def idle(self) -> None:
        """Do what has to go on when no result comes, such as answering to a key.

        Raises:
            SinkError: it could not be done.
        """

    def finish(self, stats: RunStats) -> None:
        """Take the statistics after the last result."""

    def close(self) -> None:
        """Let go of everything; called once."""
