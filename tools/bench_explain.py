"""Measure what a page of ``edgecnn explain`` costs.

    python tools/bench_explain.py PICTURE FILE.tflite [FILE.tflite ...] [--data FOLDER]

For each file: seconds from the start of the command to the whole page (medians of some rounds), processor
time, peak memory and the size of the page. With --data also the page with all of its pictures, and the
search for what excites each filter beside an evaluation of the same pictures, one after the other in the
same process: its time in passes of evaluation.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgecnn.data import ImageFolder
from edgecnn.evaluate.evaluator import evaluate, scorer
from edgecnn.explain import Network, top_patches
from edgecnn.runtime.classifier import Classifier

_ROUNDS = 5


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, help="folder of labelled pictures")
    arguments = parser.parse_args()
    print(f"{'file':<40}  {'s':>6}  {'CPU s':>6}  {'MB RAM':>6}  {'MB page':>7}")
    for file in arguments.files:
        print_page(file.name, [file, arguments.picture], _ROUNDS)
        if arguments.data:
            print_page(f"{file.name} with data", [file, arguments.picture, "--data", arguments.data], 1)
            print(f"  patches: {patches_in_passes(file, arguments.data):.2f} passes of evaluation")


def print_page(name: str, arguments: list[str | Path], rounds: int) -> None:
    """Run the command some times and print the medians."""
    rows = [run_once(arguments) for _ in range(rounds)]
    wall, cpu, memory, size = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{name:<40}  {wall:>6.2f}  {cpu:>6.2f}  {memory:>6.0f}  {size:>7.2f}", flush=True)


def run_once(arguments: list[str | Path]) -> tuple[float, float, float, float]:
    """Return seconds, processor seconds, peak memory in MB and size of the page in MB."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        command = [sys.executable, "-m", "edgecnn", "explain", *map(str, arguments), "-o", str(page)]
        started = time.monotonic()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        if status:
            raise SystemExit(f"{' '.join(command)} failed; run it by itself")
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, page.stat().st_size / 1e6


def patches_in_passes(file: Path, data: Path) -> float:
    """Return how many times as long as an evaluation of the same pictures the search for patches takes."""
    network, folder = Network.open(file), ImageFolder.scan(data)
    classifier = Classifier(network.file)
    times = []
    for _ in range(3):
        started = time.monotonic()
        evaluate(
            scorer(classifier),
            folder.root,
            folder.pictures,
            contract=network.file.contract,
            labels=folder.labels,
        )
        between = time.monotonic()
        top_patches(network, folder.root, folder.pictures)
        times.append((time.monotonic() - between) / (between - started))
    return statistics.median(times)


if __name__ == "__main__":
    main()
