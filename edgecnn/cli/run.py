"""``edgecnn run``: label what a camera, a clip or a folder shows."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.loop import RunOptions
    from edgecnn.runtime.stats import RunSetup


@click.command()
@click.argument("file", required=False)
@click.option(
    "--camera",
    "--source",
    "source",
    default="0",
    show_default=True,
    metavar="ADDRESS",
    help="Number of a camera, a clip, a folder, a picture, or SCHEME:PLACE as in camera:/dev/video0.",
)
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="SINK",
    help="console, jsonl:FILE (- is standard output) or video:FILE (.avi, .mp4); may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --sink jsonl:-")
@click.option("--max-results", default=5, show_default=True, help="Categories per result, at most.")
@click.option("--score-threshold", default=0.0, show_default=True, help="Leave out categories with a lower score.")
@click.option("--frames", "max_frames", type=int, metavar="N", help="Stop after N results.")
@click.option("--duration", "max_duration_s", type=float, metavar="S", help="Stop after S seconds.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Threads of one invocation; left out: the cores, at most 4, less the one that reads if it is a file.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="Labels file, for a .tflite that brings none.")
def command(
    file: str | None,
    source: str,
    sinks: tuple[str, ...],
    as_json: bool,
    max_results: int,
    score_threshold: float,
    max_frames: int | None,
    max_duration_s: float | None,
    threads: int | None,
    labels: Path | None,
) -> None:
    """Label what a camera, a clip or a folder shows, with the model FILE.

    FILE is a .tflite file or the name of a published model; left out, it is the newest export
    in this folder, else imagenet-lite0. Ctrl-C ends the run with its statistics.
    """
    with _stop_on_signals() as stop, ExitStack() as stack:
        with _no_garbage_yet():
            # Imported here, and the model's side last: it loads while the source opens.
            from edgecnn.runtime.loop import run
            from edgecnn.runtime.opening import EarlySource
            from edgecnn.runtime.plugins import open_sink, open_source

            options = _options(max_results, score_threshold, max_frames, max_duration_s)
            outputs = [open_sink(address) for address in _sink_addresses(sinks, as_json)]
            frames = EarlySource(open_source(source, say=_say))
            stack.callback(frames.close)

            from edgecnn.runtime.classifier import Classifier
            from edgecnn.runtime.find_model import find_model
            from edgecnn.runtime.sinks.report import ReportSink

            num_threads = threads or (None if frames.live else _threads_beside_reading())
            classifier = Classifier.load(find_model(file), labels_path=labels, num_threads=num_threads)
            frames.contract = classifier.contract
            setup = _describe(classifier, source)
        with _reader_may_leave():
            run(frames, classifier, [*outputs, ReportSink(setup, _say)], replace(options, setup=setup), stop=stop)


def _options(
    max_results: int, score_threshold: float, max_frames: int | None, max_duration_s: float | None
) -> RunOptions:
    from edgecnn.runtime.loop import RunOptions

    try:
        return RunOptions(
            max_results=max_results,
            score_threshold=score_threshold,
            max_frames=max_frames,
            max_duration_s=max_duration_s,
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def _sink_addresses(given: Sequence[str], as_json: bool) -> list[str]:
    """Return the sinks that are meant; standard output takes one of them."""
    addresses = list(given)
    if as_json and "jsonl:-" not in addresses:
        addresses.append("jsonl:-")
    if not addresses:
        addresses = ["console" if sys.stdout.isatty() else "jsonl:-"]
    if len(set(addresses)) < len(addresses):
        raise click.UsageError(f"a sink is given twice: {' '.join(sorted(addresses))}")
    if {"console", "jsonl:-"} <= set(addresses):
        raise click.UsageError("console and jsonl:- both write to standard output; give jsonl:FILE instead")
    return addresses


def _threads_beside_reading() -> int:
    """Return the threads for a model while another thread reads and decodes without a pause."""
    from edgecnn.runtime.interpreter import default_num_threads

    return max(1, min(default_num_threads(), (os.cpu_count() or 1) - 1))


def _describe(classifier: Classifier, source: str) -> RunSetup:
    from edgecnn.runtime.stats import RunSetup

    file = classifier.file
    return RunSetup(
        model=str(file.path),
        name=file.manifest.name if file.manifest else file.path.stem,
        num_classes=len(classifier.labels),
        backend=classifier.backend,
        source=source,
    )


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
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
def _reader_may_leave() -> Iterator[None]:
    """End quietly when nobody reads our output any more, as in ``| head``."""
    try:
        yield
    except BrokenPipeError:
        # Python flushes its standard output once more at exit. Click would make this an exit code of 1.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _no_garbage_yet() -> Iterator[None]:
    """Pause the garbage collector: imports make many objects, and looking through them takes a tenth of the start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what was made so far stays: let no later search begin with it
        if was_enabled:
            gc.enable()


def _say(message: str) -> None:
    # On a terminal the console's line may stand where this one begins.
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    # A file name may hold escape sequences, or bytes that are no text.
    clean = "".join(character if character.isprintable() or character == "\n" else "?" for character in message)
    click.echo(start + clean, err=True)
