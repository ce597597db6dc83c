"""How long work tells its caller how far it is, without printing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work that can be counted."""

    def advance(self, num_done: int = 1, note: str = "") -> None:
        """Count ``num_done`` more units; ``note`` replaces the text beside the bar."""


class Progress(Protocol):
    """Receives progress; the command line draws it, a program may ignore it."""

    def say(self, message: str) -> None:
        """Tell the user one finished step or one thing to know."""

    def task(self, title: str, total: int) -> AbstractContextManager[Task]:
        """Open a counted piece of work of ``total`` units; use it in a ``with`` statement."""


class SilentTask:
    """A task that nobody watches."""

    def advance(self, num_done: int = 1, note: str = "") -> None:
        """Do nothing."""


class SilentProgress:
    """Progress that nobody watches."""

    def say(self, message: str) -> None:
        """Do nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """Yield a task that counts nothing."""
        yield SilentTask()
