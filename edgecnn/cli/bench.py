"""``edgecnn bench``: how fast a model runs on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.asking import backend_option, read_request, request_options
from edgecnn.cli.progress import TerminalProgress
from edgecnn.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from edgecnn.runtime.bench.benchmark import BenchSettings
    from edgecnn.runtime.streams import CaptureRequest


@click.command()
@click.argument("file", required=False)
@click.option(
    "--camera",
    "--source",
    "source",
    metavar="ADDRESS",
    help="Source to run on, as for edgecnn run; left out, a synthetic 1080p clip in memory.",
)
@request_options
@backend_option
@click.option(
    "--threads",
    metavar="N,N,...",
    help="Numbers of threads to compare; left out, 1, 2, ... up to the usable cores, at most 8.",
)
@click.option(
    "--seconds", default=1.0, show_default=True, help="Time for each measurement; the whole loop takes 5 times that."
)
@click.option("--soak", "soak_minutes", type=float, metavar="MINUTES", help="Run the whole loop that long instead.")
@click.option("--labels", type=click.Path(path_type=Path), help="Labels file, for a .tflite that brings none.")
@click.option("--json", "as_json", is_flag=True, help="Print the measurements as one JSON object.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw them into a picture, too.")
def command(
    file: str | None,
    source: str | None,
    backend: str,
    threads: str | None,
    seconds: float,
    soak_minutes: float | None,
    labels: Path | None,
    as_json: bool,
    plot: Path | None,
    **asked: Any,
) -> None:
    """Measure how fast the model FILE runs here: alone over threads, and with pictures end to end.

    FILE is a .tflite file or the name of a published model; left out, it is the newest export
    in this folder, else imagenet-lite0. Ctrl-C during a soak ends it with what was measured.
    """
    from edgecnn.runtime.bench.benchmark import measure_parts, measure_whole
    from edgecnn.runtime.bench.plot import check_plot, plot_result
    from edgecnn.runtime.bench.table import format_result

    settings = _settings(file, source, read_request(**asked), backend, threads, seconds, soak_minutes, labels)
    if plot is not None:
        check_plot(plot)
    progress = TerminalProgress()
    parts = measure_parts(settings, progress)
    with stop_on_signals() as stop:
        result = measure_whole(settings, parts, progress, stop)
    if plot is not None:
        plot_result(result, plot)
    click.echo(json.dumps(result.to_json()) if as_json else format_result(result))


def _settings(
    file: str | None,
    source: str | None,
    request: CaptureRequest,
    backend: str,
    threads: str | None,
    seconds: float,
    soak_minutes: float | None,
    labels: Path | None,
) -> BenchSettings:
    from edgecnn.runtime.bench.benchmark import BenchSettings
    from edgecnn.runtime.find_model import find_model

    model_path = find_model(file)
    try:
        return BenchSettings(
            model_path=model_path,
            labels_path=labels,
            source=source,
            request=request,
            backend=backend,
            thread_counts=_numbers(threads) if threads is not None else (),
            seconds=seconds,
            soak_s=None if soak_minutes is None else soak_minutes * 60.0,
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"threads must be numbers with commas between them such as 1,2,4, got {text!r}") from None
