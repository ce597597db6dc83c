"""A look at every file, on all cores, with nothing kept but the looks."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgecnn.core.names import is_text
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data.check.look import Look, look_at, many_looks
from edgecnn.data.similarity import require_imagehash
from edgecnn.quiet import quiet_stderr

_CHUNK = 32
_MIN_PER_PROCESS = 500  # below, a process takes longer to start than it saves
_MAX_PROCESSES = 32
_NAMELESS = Look(problem="name")


class _Chunk(NamedTuple):
    start: int
    paths: Sequence[str]


class _Answer(NamedTuple):
    start: int
    looks: Sequence[Look]


def look_at_files(
    root: Path,
    paths: Sequence[str],
    *,
    progress: Progress | None = None,
    title: str = "looking at the pictures",
    num_processes: int | None = None,
) -> list[Look]:
    """Read and decode every file once.

    The work is done in processes and not in threads because half of it (headers, hashes) is Python, of
    which only one thread runs at a time. This process takes its part while the others start.

    Args:
        root: the folder that the paths are relative to.
        paths: of the files.
        progress: told of every file.
        title: of that work.
        num_processes: this one included; None: one for each core, fewer for few files.

    Returns:
        What was seen, in the order of the paths.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    require_imagehash()
    wanted = num_processes or min(os.cpu_count() or 1, _MAX_PROCESSES, 1 + len(paths) // _MIN_PER_PROCESS)
    looks = [Look()] * len(paths)
    with many_looks(), (progress or SilentProgress()).task(title, len(paths)) as task:
        for start, seen in _look_in_chunks(root, paths, wanted):
            looks[start : start + len(seen)] = seen
            task.advance(len(seen))
    return looks


def _look_in_chunks(root: Path, paths: Sequence[str], num_processes: int) -> Iterator[_Answer]:
    """Yield the looks of each chunk as they come."""
    chunks = iter([_Chunk(start, paths[start : start + _CHUNK]) for start in range(0, len(paths), _CHUNK)])
    lock, answers = threading.Lock(), queue.SimpleQueue[_Answer]()

    def take() -> _Chunk | None:
        with lock:
            return next(chunks, None)

    threads = [threading.Thread(target=_serve, args=(root, take, answers.put)) for _ in range(num_processes - 1)]
    try:
        for thread in threads:
            thread.start()
        while chunk := take():
            with quiet_stderr():  # libjpeg and libpng write there what they think of a damaged file
                answer = _look_here(root, chunk)
            yield answer
            yield from _drain(answers)
    finally:
        while take():  # after an error nobody wants the rest
            pass
        for thread in threads:
            if thread.ident:
                thread.join()
    yield from _drain(answers)


def _serve(root: Path, take: Callable[[], _Chunk | None], put: Callable[[_Answer], None]) -> None:
    """Let another process look at chunks until there are none left; what it does not answer is looked at here."""
    try:
        process = _start_worker(root)
    except OSError:  # no memory, or no more processes: the others do the work
        return
    with process:
        while chunk := take():
            put(_ask(process, chunk) or _look_here(root, chunk))
        with suppress(OSError):
            process.communicate()


def _start_worker(root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgecnn.data.check.worker", root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, whose end is the end of the others
    )


def _ask(process: subprocess.Popen[bytes], chunk: _Chunk) -> _Answer | None:
    """Return what a worker saw; None if it has ended."""
    assert process.stdin, "it is a pipe"
    assert process.stdout, "it is a pipe"
    try:
        process.stdin.write(msgspec.json.encode([path for path in chunk.paths if is_text(path)]) + b"\n")
        process.stdin.flush()
    except OSError:
        return None
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        return None
    looks = iter(msgspec.json.decode(line, type=list[Look]))
    return _Answer(chunk.start, [next(looks) if is_text(path) else _NAMELESS for path in chunk.paths])


def _look_here(root: Path, chunk: _Chunk) -> _Answer:
    return _Answer(chunk.start, [look_at(root / path) if is_text(path) else _NAMELESS for path in chunk.paths])


def _drain(answers: queue.SimpleQueue[_Answer]) -> Iterator[_Answer]:
    with suppress(queue.Empty):
        while True:
            yield answers.get_nowait()
