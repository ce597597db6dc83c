"""Where the camera, the one thread that looks, and the browsers meet; none of them waits for another one's work."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

from edgecnn.core.frame import AnyFrame
from edgecnn.explain.live.shots import Shot
from edgecnn.explain.live.viewers import Viewers
from edgecnn.explain.live.wants import NEWEST, Want
from edgecnn.runtime.streams import CameraEvent

_WATCHED_FOR_S = 3.0
_LONGEST_LOOK_S = 60.0


class Job(NamedTuple):
    """One picture, and who wants to see it.

    Attributes:
        tickets: numbers of the questions that are to be answered.
        wants: what they are, in the same order.
        number: of the picture.
        frame: the picture as it came; None where it is one that was shown before.
        shot: that one.
        waited_ms: how long each of them has waited for a picture.
    """

    tickets: tuple[int, ...]
    wants: tuple[Want, ...]
    number: int
    frame: AnyFrame | None
    shot: Shot | None
    waited_ms: tuple[float, ...]


@dataclass(slots=True)
class _Ticket:
    want: Want
    asked_s: float
    is_taken: bool = False
    is_over: bool = False
    answer: bytes | None = None


class Exchange:
    """Holds the newest frame and the browsers' questions.

    Attributes:
        lost: why the camera is away; empty while it is there.
        error: what the looking thread failed with.
        num_answers: answers that were given.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: AnyFrame | None = None
        self._number = -1
        self._tickets: dict[int, _Ticket] = {}
        self._next_ticket = 0
        self._viewers = Viewers()
        self._asked_s = -float("inf")
        self._closed = False
        self.lost = ""
        self.error: BaseException | None = None
        self.num_answers = 0

    @property
    def most_viewers(self) -> int:
        """How many browsers watched at a time, at most."""
        return self._viewers.most

    # What the camera's side calls.

    def put(self, frame: AnyFrame) -> None:
        """Offer a frame, instead of the one before."""
        with self._changed:
            self._frame = frame
            self._number += 1
            self._changed.notify_all()

    def tell(self, event: CameraEvent) -> None:
        """Take the news that the camera went away or came back."""
        self.lost = event.reason if event.kind == "camera_lost" else ""

    def is_watched(self) -> bool:
        """Whether a browser waits, or has asked only now."""
        return bool(self._tickets) or time.monotonic() - self._asked_s < _WATCHED_FOR_S

    # What a browser's thread calls.

    def ask(self, want: Want, timeout_s: float) -> bytes | None:
        """Wait for the answer; None when there was no new picture in that time.

        Raises:
            TooManyViewersError: it is one browser too many.
        """
        with self._changed:
            self._viewers.admit(want.viewer, time.monotonic())
            for other in self._tickets.values():  # a browser that asks anew has forgotten what it asked before
                other.is_over = other.is_over or other.want.viewer == want.viewer
            ticket_number, ticket = self._next_ticket, _Ticket(want, time.monotonic())
            self._next_ticket += 1
            self._tickets[ticket_number] = ticket
            self._changed.notify_all()
            self._changed.wait_for(lambda: ticket.is_over or ticket.is_taken or self._closed, timeout_s)
            if ticket.is_taken:  # an answer that takes long is worth waiting for
                self._changed.wait_for(lambda: ticket.is_over, _LONGEST_LOOK_S)
            del self._tickets[ticket_number]
            self._asked_s = time.monotonic()
            return ticket.answer

    # What the looking thread calls.

    def take(self) -> Job | None:
        """Wait until somebody wants to see a picture that is there; None when all is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._due())
            if self._closed:
                return None
            due = self._due()
            now_s = time.monotonic()
            for ticket in due.values():
                ticket.is_taken = True
            self._changed.notify_all()
            wants = tuple(ticket.want for ticket in due.values())
            shot = self._kept(wants[0])
            return Job(
                tickets=tuple(due),
                wants=wants,
                number=self._number,
                frame=None if shot else self._frame,
                shot=shot,
                waited_ms=tuple(1e3 * (now_s - ticket.asked_s) for ticket in due.values()),
            )

    def answer(self, job: Job, shot: Shot, answers: tuple[bytes, ...]) -> None:
        """Give the answers of a job."""
        with self._changed:
            for number, answer in zip(job.tickets, answers, strict=True):
                ticket = self._tickets.get(number)
                if ticket is None:
                    continue
                ticket.answer, ticket.is_over = answer, True
                self.num_answers += 1
                self._viewers.keep(ticket.want.viewer, shot)
            self._changed.notify_all()

    def pass_over(self, job: Job) -> None:
        """Forget the frame of a job, which is no picture; who asked for it waits for the next one."""
        with self._changed:
            if self._number == job.number:
                self._frame = None
            for number in job.tickets:
                if number in self._tickets:
                    self._tickets[number].is_over = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Say that nothing will be answered any more, and why."""
        self.error = error
        self.close()

    def close(self) -> None:
        """Send everybody away."""
        with self._changed:
            self._closed = True
            for ticket in self._tickets.values():
                ticket.is_over = True
            self._changed.notify_all()

    def _due(self) -> dict[int, _Ticket]:
        """Return the questions that can be answered now, with one picture for all of them."""
        waiting = {
            number: ticket for number, ticket in self._tickets.items() if not (ticket.is_taken or ticket.is_over)
        }
        for number, ticket in waiting.items():
            if self._kept(ticket.want):
                return {number: ticket}
        if self._frame is None:
            return {}
        return {number: ticket for number, ticket in waiting.items() if self._is_new_to(ticket.want)}

    def _kept(self, want: Want) -> Shot | None:
        return self._viewers.kept(want.viewer) if want.is_still else None

    def _is_new_to(self, want: Want) -> bool:
        return want.after == NEWEST or want.is_still or self._number > want.after
