"""The frames of any source as if it were a camera: files play at their own pace, over and over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgecnn.core.frame import AnyFrame
from edgecnn.errors import SourceError
from edgecnn.runtime.streams import Source

# Pictures out of a folder have no pace of their own.
PICTURE_S = 2.0
_POLL_S = 0.05


def play(source: Source, is_over: Callable[[], bool], is_watched: Callable[[], bool]) -> Iterator[AnyFrame]:
    """Give frames until it is told to end, or a camera has come to its end.

    Args:
        source: open; a file is closed and opened again whenever it has ended.
        is_over: tells when to end.
        is_watched: a file waits while it is not.

    Raises:
        SourceError: a file gives no frames when it is played again.
    """
    if source.live:
        yield from source
        return
    interval_s = 1 / source.frame_rate if source.frame_rate > 0 else PICTURE_S
    due_s = 0.0
    while not is_over():
        is_empty = True
        for frame in source:
            is_empty = False
            due_s = _wait(due_s, is_over, is_watched)
            if is_over():
                return
            yield replace(frame, captured_ns=time.monotonic_ns())
            due_s += interval_s
        if is_empty:
            raise SourceError(f"{source.address} gives no frames any more; is the file still there?")
        source.close()
        source.open()


def _wait(due_s: float, is_over: Callable[[], bool], is_watched: Callable[[], bool]) -> float:
    """Wait for a frame's turn and for somebody who watches; returns when its turn really was.

    A signal may end all this from the very thread that waits, so it wakes up by itself now and then.
    """
    while not is_over() and (time.monotonic() < due_s or not is_watched()):
        left_s = due_s - time.monotonic()
        time.sleep(min(_POLL_S, left_s) if left_s > 0 else _POLL_S)
    # Late by a little, as sleeping always is, it catches up; after a pause it goes on from now.
    return due_s if time.monotonic() - due_s < 1.0 else time.monotonic()
