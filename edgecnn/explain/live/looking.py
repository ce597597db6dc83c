"""The one thread that looks at pictures, for all browsers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from edgecnn.errors import DatasetError
from edgecnn.explain.live.composing import Composer, View
from edgecnn.explain.live.exchange import Exchange, Job
from edgecnn.explain.live.shots import Shot, make_shot
from edgecnn.explain.live.stats import LiveMeter
from edgecnn.explain.network import Network
from edgecnn.runtime.handover import STOP_TIMEOUT_S

_MAX_WARNINGS = 10


class LookingThread:
    """Answers the questions of an exchange until that is closed; looks at nothing while nobody asks.

    Args:
        network: used in this thread alone from now on.
        exchange: where pictures and questions are.
        meter: is told what it took.
        session: goes into every message.
        say: receives one sentence about each of the first pictures that cannot be decoded.
    """

    def __init__(
        self, network: Network, exchange: Exchange, meter: LiveMeter, session: str, say: Callable[[str], None]
    ) -> None:
        self._network, self._exchange, self._meter = network, exchange, meter
        self._session, self._say = session, say
        self._newest: Shot | None = None
        self._thread = threading.Thread(target=self._run, name="edgecnn-looking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the end of the thread, after the exchange was closed."""
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            composer = Composer(self._network)
            try:
                while job := self._exchange.take():
                    self._answer(composer, job)
            finally:
                composer.close()
        except Exception as exc:  # whatever it is, it belongs to whoever serves
            self._exchange.fail(exc)

    def _answer(self, composer: Composer, job: Job) -> None:
        start_s = time.perf_counter()
        try:
            shot = self._shot_of(job)
        except DatasetError as exc:
            self._exchange.pass_over(job)
            self._note_unreadable(exc)
            return
        view = View(composer, shot, start_s)
        answers = []
        for want, waited_ms in zip(job.wants, job.waited_ms, strict=True):
            about: dict[str, Any] = {
                "session": self._session,
                "lost": self._exchange.lost,
                "waited_ms": waited_ms,
            }
            answers.append(view.message(want, about))
        self._exchange.answer(job, shot, tuple(answers))
        self._meter.record(
            look_ms=view.look_ms,
            busy_ms=1e3 * (time.perf_counter() - start_s),
            age_ms=None if job.frame is None else (time.monotonic_ns() - shot.captured_ns) / 1e6,
        )

    def _shot_of(self, job: Job) -> Shot:
        if job.frame is None:
            assert job.shot is not None, "a job without a frame is about an old picture"
            return job.shot
        if self._newest is None or self._newest.number != job.number:
            self._newest = make_shot(job.frame, job.number, self._network.file.contract)
        return self._newest

    def _note_unreadable(self, error: DatasetError) -> None:
        self._meter.unreadable += 1
        if self._meter.unreadable <= _MAX_WARNINGS:
            self._say(f"passed over: {error}")
