"""``edgecnn run``: label what cameras, clips or folders show."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.asking import backend_option, read_request, request_options, together
from edgecnn.cli.signals import reader_may_leave, stop_on_signals

if TYPE_CHECKING:
    from edgecnn.modelfile import ModelFile
    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.options import RunOptions
    from edgecnn.runtime.streams import CaptureRequest, Source

_ON_STANDARD_OUTPUT = {"console", "jsonl:-", "csv:-", "events:-"}


_camera_options = together(
    click.option(
        "--camera",
        "--source",
        "cameras",
        multiple=True,
        default=("0",),
        metavar="ADDRESS",
        help="Number of a camera, a clip, a folder, a picture, or SCHEME:PLACE as in csi:0; several times for several. "
        "Left out: 0.",
    ),
    request_options,
    click.option("--rotate", type=int, default=0, help="Turn the picture clockwise by 90, 180 or 270 degrees."),
    click.option("--flip", default="", help="h swaps left and right, v top and bottom; after --rotate."),
    click.option("--roi", metavar="X,Y,W,H", help="Judge only this part, in shares of the upright picture's sides."),
    click.option("--every", metavar="N|TIME", help="Judge each N-th frame, or one in a TIME such as 200ms."),
    click.option("--motion", is_flag=True, help="Judge only frames in which something moved."),
    click.option("--max-age", "max_age_ms", type=float, metavar="MS", help="Drop results about older pictures."),
    click.option(
        "--lost-timeout",
        "lost_timeout_s",
        type=float,
        metavar="S",
        help="End with exit code 4 when a camera stays lost so long; left out: wait for it for ever.",
    ),
)

_decision_options = together(
    click.option("--smooth", metavar="RULE", help="Average the scores over frames: ema:0.4 or mean:5."),
    click.option("--confirm", type=int, metavar="N", help="A new label counts when it leads in N frames in a row."),
    click.option("--hysteresis", type=float, metavar="H", help="Give a label up only for one that scores H more."),
    click.option(
        "--unknown-below",
        type=float,
        metavar="S",
        help="Say unknown when no class reaches the score S, or the picture the familiarity S if the file measures it.",
    ),
)

_output_options = together(
    click.option(
        "--sink",
        "sinks",
        multiple=True,
        metavar="SINK",
        help="console, jsonl:FILE, csv:FILE, events:FILE (- is standard output), video:FILE, frames:DIR or window:; "
        "may be given several times.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The same as --sink jsonl:-"),
    click.option("--max-results", default=5, show_default=True, help="Categories per result, at most."),
    click.option("--score-threshold", default=0.0, show_default=True, help="Leave out categories with a lower score."),
    click.option("--frames", "max_frames", type=int, metavar="N", help="Stop after N results."),
    click.option("--duration", "max_duration_s", type=float, metavar="S", help="Stop after S seconds."),
)


@click.command()
@click.argument("file", required=False)
@_camera_options
@_decision_options
@_output_options
@click.option(
    "--threads",
    metavar="N|auto",
    help="Threads for the model: one picture in all of them, or of a file one picture in each; "
    "left out: the cores, at most 4; auto: as edgecnn bench would choose.",
)
@backend_option
@click.option("--labels", type=click.Path(path_type=Path), help="Labels file, for a .tflite that brings none.")
def command(
    file: str | None,
    cameras: tuple[str, ...],
    sinks: tuple[str, ...],
    as_json: bool,
    threads: str | None,
    backend: str,
    labels: Path | None,
    lost_timeout_s: float | None,
    **given: Any,
) -> None:
    """Label what cameras, clips or folders show, with the model FILE.

    FILE is a .tflite file or the name of a published model; left out, it is the newest export
    in this folder, else imagenet-lite0. Ctrl-C ends the run with its statistics.
    """
    with stop_on_signals() as stop, ExitStack() as stack:
        with _no_garbage_yet():
            # Imported here, and the model's side last: it loads while the source opens.
            from edgecnn.runtime.loop import run
            from edgecnn.runtime.opening import EarlySource
            from edgecnn.runtime.plugins import open_sink

            options = _read_options(given)
            outputs = [open_sink(address) for address in _sink_addresses(sinks, as_json)]
            source = _open_sources(
                cameras, read_request(size=given["size"], frame_rate=given["frame_rate"], fourcc=given["fourcc"])
            )
            if source.live:
                source.lost_timeout_s = lost_timeout_s
            elif lost_timeout_s is not None or options.max_age_ms is not None:
                raise click.UsageError("--lost-timeout and --max-age are for cameras: a file waits")
            frames = EarlySource(source)
            stack.callback(frames.close)

            from edgecnn.runtime.sinks.report import ReportSink

            one_by_one = source.live or options.skip_still
            model = _open_model(file, labels)
            classifier, num_threads = _load(model, backend, threads, one_by_one)
            frames.contract = classifier.contract
            options = replace(options, num_lanes=num_threads if classifier.has_twins and not one_by_one else 1)
            options = _with_unknown_of_file(options, classifier)
            options = replace(options, setup=_describe(classifier, frames, options.num_lanes))
            assert options.setup is not None
        with reader_may_leave():
            run(frames, classifier, [*outputs, ReportSink(options.setup, _say)], options, stop=stop)


def _read_options(given: dict[str, Any]) -> RunOptions:
    from edgecnn.core.view import make_view
    from edgecnn.runtime.every import parse_every
    from edgecnn.runtime.options import RunOptions

    try:
        return RunOptions(
            max_results=given["max_results"],
            score_threshold=given["score_threshold"],
            max_frames=given["max_frames"],
            max_duration_s=given["max_duration_s"],
            max_age_ms=given["max_age_ms"],
            every=parse_every(given["every"]) if given["every"] else None,
            view=make_view(rotate=given["rotate"], flip=given["flip"], roi=given["roi"]),
            skip_still=given["motion"],
            rules=_read_rules(given),
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def _read_rules(given: dict[str, Any]) -> Any:
    """Return the rules that decisions are made by, None when no option asks for any."""
    from edgecnn.core.decisions import DecisionRules, parse_smoothing

    rules = {name: given[name] for name in ("confirm", "hysteresis", "unknown_below") if given[name] is not None}
    if given["smooth"]:
        rules["smooth"] = parse_smoothing(given["smooth"])
    return DecisionRules(**rules) if rules else None


def _with_unknown_of_file(options: RunOptions, classifier: Classifier) -> RunOptions:
    """Add the rejection threshold that the model file brings, unless the user gave one."""
    threshold = classifier.unknown_below
    if threshold is None or (options.rules and options.rules.unknown_below is not None):
        return options
    from edgecnn.core.decisions import DecisionRules

    try:
        return replace(options, rules=(options.rules or DecisionRules())._replace(unknown_below=threshold))
    except ValueError as exc:
        raise click.UsageError(f"with the threshold for unknown that the model file brings: {exc}") from exc


def _open_sources(addresses: Sequence[str], request: CaptureRequest) -> Source:
    from edgecnn.runtime.plugins import open_source
    from edgecnn.runtime.streams import without_password

    if len(set(addresses)) < len(addresses):
        twice = next(address for address in addresses if addresses.count(address) > 1)
        raise click.UsageError(f"a camera is given twice: {without_password(twice)}")
    sources = [open_source(address, request=request, say=_say) for address in addresses]
    if len(sources) == 1:
        return sources[0]
    from edgecnn.runtime.several import SeveralSources

    return SeveralSources(sources)


def _open_model(file: str | None, labels: Path | None) -> ModelFile:
    from edgecnn.modelfile import ModelFile
    from edgecnn.runtime.find_model import find_model

    return ModelFile.open(find_model(file), labels_path=labels)


def _load(model: ModelFile, backend: str, threads: str | None, one_by_one: bool) -> tuple[Classifier, int]:
    """Return the model, ready to run, and how many threads there are for it."""
    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.interpreter import MAX_THREADS, default_num_threads

    if threads and threads != "auto" and not (threads.isdecimal() and 1 <= int(threads) <= MAX_THREADS):
        raise click.UsageError(f"--threads must be 1 to {MAX_THREADS}, or auto, got {threads}")
    if threads == "auto" and one_by_one and _is_for_cpu(model, backend):
        from edgecnn.runtime.bench import choose_num_threads

        num_threads, _ = choose_num_threads(model)
    else:
        num_threads = int(threads) if threads and threads != "auto" else default_num_threads()
    return Classifier(model, num_threads=num_threads if one_by_one else 1, backend=backend, say=_say), num_threads


def _is_for_cpu(model: ModelFile, backend: str) -> bool:
    from edgecnn.runtime.engine import is_compiled

    target = model.manifest.target if model.manifest else "cpu"
    return backend == "cpu" or (backend == "auto" and target == "cpu" and not is_compiled(model))


def _sink_addresses(given: Sequence[str], as_json: bool) -> list[str]:
    """Return the sinks that are meant; standard output takes one of them."""
    addresses = list(given)
    if as_json and "jsonl:-" not in addresses:
        addresses.append("jsonl:-")
    if not addresses:
        addresses = ["console" if sys.stdout.isatty() else "jsonl:-"]
    if len(set(addresses)) < len(addresses):
        raise click.UsageError(f"a sink is given twice: {' '.join(sorted(addresses))}")
    on_standard_output = sorted(_ON_STANDARD_OUTPUT & set(addresses))
    if len(on_standard_output) > 1:
        names = " and ".join(on_standard_output)
        raise click.UsageError(f"{names} both write to standard output; give one of them a file instead of -")
    return addresses


def _describe(classifier: Classifier, source: Source, num_lanes: int) -> Any:
    from edgecnn.runtime.stats import RunSetup

    file = classifier.file
    return RunSetup(
        model=str(file.path),
        name=file.manifest.name if file.manifest else file.path.stem,
        num_classes=len(classifier.labels),
        backend=classifier.backend + (f", {num_lanes} pictures at a time" if num_lanes > 1 else ""),
        source=source.address,
    )


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
