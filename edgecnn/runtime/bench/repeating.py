"""A file as a source that does not end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from edgecnn.core.frame import AnyFrame
from edgecnn.runtime.streams import Source, say_nothing


class RepeatingSource(Source):
    """Gives the frames of a file over and over: opens it anew whenever it has ended.

    Args:
        first: the source of the file, not open yet, for the first time through.
        make: returns another one for the next time.

    Attributes:
        num_repeats: how often it has begun again.
    """

    def __init__(self, first: Source, make: Callable[[], Source]) -> None:
        self.num_repeats = 0
        self._make = make
        self._current = first
        self._opener = ThreadPoolExecutor(max_workers=1, thread_name_prefix="edgecnn-bench-opener")
        self.address = self._current.address
        self.live, self.contract, self.say = self._current.live, self._current.contract, self._current.say

    def open(self) -> None:
        """Open the file for the first time.

        Raises:
            SourceError: it cannot be opened.
        """
        self._current.open()
        self.frame_rate = self._current.frame_rate

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give the frames, until a time through gives none."""
        unreadable_before, is_empty = 0, False
        while not is_empty:
            is_empty = True
            for frame in self._current:
                is_empty = False
                yield frame
                self.unreadable = unreadable_before + self._current.unreadable
            # Some may have been passed over after the last one that was given.
            unreadable_before += self._current.unreadable
            self.unreadable = unreadable_before
            self._begin_again()

    def close(self) -> None:
        """Close the file."""
        self._opener.shutdown()
        self._current.close()

    def _begin_again(self) -> None:
        # Always in the same thread: each one that opens a file keeps memory for a whole picture.
        self._opener.submit(self._reopen).result()
        self.num_repeats += 1

    def _reopen(self) -> None:
        self._current.close()
        self._current = self._make()
        self._current.say = say_nothing  # what is to be said about this file has been said
        self._current.open()
