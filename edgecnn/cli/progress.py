"""Progress on standard error: bars on a terminal, one line per finished step elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click

from edgecnn.core.progress import Task

_BAR_COLUMNS = 24


class TerminalProgress:
    """Progress for whoever reads standard error: a person at a terminal, or a log file later."""

    def say(self, message: str) -> None:
        """Print one line."""
        click.echo(message, err=True)

    def task(self, title: str, total: int) -> AbstractContextManager[Task]:
        """Open a task: a bar on a terminal, else one line when the task has ended well."""
        return _bar(title, total) if sys.stderr.isatty() else _line(title)


@contextmanager
def _bar(title: str, total: int) -> Iterator[Task]:
    # The note travels through click's bar as its current item.
    with click.progressbar(
        length=total, label=title, file=sys.stderr, item_show_func=_show_note, width=_BAR_COLUMNS, show_pos=True
    ) as bar:
        yield _BarTask(bar)


def _show_note(note: str | None) -> str:
    return note or ""


class _BarTask:
    """A task that is drawn."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, num_done: int = 1, note: str = "") -> None:
        """Move the bar on."""
        self._bar.update(num_done, note or None)
        if not num_done:  # click draws only when something was counted
            self._bar.render_progress()


@contextmanager
def _line(title: str) -> Iterator[Task]:
    task, started = _LineTask(), time.monotonic()
    yield task
    click.echo(f"{title}: {task.note or task.num_done} ({time.monotonic() - started:.1f} s)", err=True)


class _LineTask:
    """A task that is told about when it is over: a count, and the last note."""

    def __init__(self) -> None:
        self.num_done, self.note = 0, ""

    def advance(self, num_done: int = 1, note: str = "") -> None:
        """Count, and remember the note."""
        self.num_done += num_done
        self.note = note or self.note
