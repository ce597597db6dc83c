"""Ctrl-C and SIGTERM end what runs, with its results; a reader that leaves ends nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set; a second one of either ends the process at once."""
    stop = threading.Event()

    def handle(signal_number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Go on quietly when nobody reads our output any more, as in ``| head``."""
    try:
        yield
    except BrokenPipeError:
        # Python flushes its standard output once more at exit. Click would make this an exit code of 1.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
