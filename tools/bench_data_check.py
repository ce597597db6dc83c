"""Compare ``edgecnn data check`` with decoding every file once in two processes.

    python tools/bench_data_check.py PICTURES [PICTURES …] --rounds 5

Each round does both, one after the other, and each counts everything from the listed files to the result: the
start of processes, and for the check the search for copies, too. Decoding is OpenCV's of the whole picture, in a
pool of two processes that get 32 files at a time. Times are medians; processor time is that of all processes
together, and less disturbed by what else runs. --copies 50 checks a folder of that many links to each file, to
see memory and time for many files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.check import check_folder

NUM_PROCESSES = 2
CHUNK = 32


def main() -> None:
    """Print a table with one row a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, help="check so many links to each file instead, once")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        if arguments.copies:
            check_many(folder, arguments.copies)
        else:
            compare(folder, arguments.rounds)


def compare(folder: Path, rounds: int) -> None:
    """Print seconds and processor seconds of both ways."""
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    ways: dict[str, Callable[[], object]] = {
        "decoding": lambda: decode_all(files),
        "check": lambda: check_folder(folder, num_processes=NUM_PROCESSES),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter(), processor_seconds()
            way()
            times[name].append((time.perf_counter() - started[0], processor_seconds() - started[1]))
    (wall, cpu), (check_wall, check_cpu) = (
        tuple(statistics.median(column) for column in zip(*times[name], strict=True)) for name in ways
    )
    print(
        f"{folder.name}: {len(files)} files; decoding {wall:.2f} s (processor {cpu:.2f} s), "
        f"check {check_wall:.2f} s (processor {check_cpu:.2f} s): "
        f"{wall / check_wall:.2f} times as fast (processor {cpu / check_cpu:.2f})",
        flush=True,
    )


def decode_all(files: list[str]) -> None:
    """Decode every file once."""
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=context) as pool:
        for _ in pool.map(decode_chunk, chunks):
            pass


def decode_chunk(files: list[str]) -> None:
    """Decode some files."""
    cv2.setNumThreads(1)
    for file in files:
        cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)


def processor_seconds() -> float:
    """Return what this process and its children that have ended have computed."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def check_many(folder: Path, copies: int) -> None:
    """Check many links to each file and print how memory grows."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        root = Path(name) / "many"
        for path in folder.rglob("*"):
            if path.is_file():
                target = root / path.relative_to(folder).parent
                target.mkdir(parents=True, exist_ok=True)
                for number in range(copies):
                    os.link(path, target / f"{path.stem}-{number}{path.suffix}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        check = check_folder(root)
        seconds = time.perf_counter() - started
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        print(
            f"{len(check.looks)} files in {seconds:.0f} s; {grown / 1e6:.0f} MB more at the peak, "
            f"{grown / len(check.looks):.0f} bytes a file",
            flush=True,
        )


if __name__ == "__main__":
    main()
