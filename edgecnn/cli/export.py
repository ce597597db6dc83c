"""``edgecnn export``: from a run to the files that go to the board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.progress import TerminalProgress
from edgecnn.export.config import INTEGER_VARIANTS, VARIANTS, EdgeTpuOptions, ExportConfig, Output
from edgecnn.export.exporter import export, log_path_of
from edgecnn.modelfile import ModelFile
from edgecnn.train.run_folder import RunFolder

_FILE = click.Path(path_type=Path)
_NEWEST_RUNTIME = 14


@click.command()
@click.argument("run", type=_FILE, required=False)
@click.option("--int8", is_flag=True, help="Full integer, raw pixels in: for the CPU of a board. The default.")
@click.option("--fp16", is_flag=True, help="Weights of half precision: half the size, the accuracy of floats.")
@click.option("--float32", is_flag=True, help="As it was learnt: what everything else is compared with.")
@click.option("--dynamic", is_flag=True, help="Weights of 8 bits, arithmetic in floats; needs no calibration.")
@click.option("--int16x8", is_flag=True, help="Weights of 8 bits, activations of 16: exact, and slow on most CPUs.")
@click.option("--gpu", is_flag=True, help="Like --fp16, and marked: run tries the GPU first.")
@click.option("--onnx", is_flag=True, help="Write an ONNX file beside, for TensorRT and ONNX Runtime.")
@click.option("--edgetpu", is_flag=True, help="Check the int8 file for a Coral Edge TPU, and compile it.")
@click.option(
    "--compiler",
    default="auto",
    show_default=True,
    metavar="PATH",
    help="Edge TPU compiler: auto, none, a path, or docker:IMAGE.",
)
@click.option(
    "--min-runtime",
    default=_NEWEST_RUNTIME,
    show_default=True,
    type=click.IntRange(10, _NEWEST_RUNTIME),
    help="Oldest Edge TPU runtime that the compiled file shall work with.",
)
@click.option("--adopt", type=_FILE, metavar="COMPILED", help="Take in a file compiled elsewhere; needs no RUN.")
@click.option("--plain", type=_FILE, help="The int8 file that --adopt was compiled from, if it is not beside it.")
@click.option("--all", "everything", is_flag=True, help="All five variants.")
@click.option("-o", "--output", type=_FILE, help="File to write, or folder for several; RUN's name if left out.")
@click.option("--max-drop", default=1.0, show_default=True, help="Accuracy that may be lost, in percentage points.")
@click.option("--calib", type=_FILE, help="Folder of pictures that set the ranges; the training split if left out.")
@click.option(
    "--calib-count",
    "--calibration-count",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="How many pictures set the ranges.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of the choice of calibration pictures.",
)
@click.option("--recipe", type=_FILE, help="JSON file with the rung of the repair ladder to take.")
@click.option("--report", type=_FILE, help="HTML page to write: where the error of the int8 file is.")
@click.option(
    "--golden-pictures",
    default=0,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Validation pictures to put into the file for verify; they may be private.",
)
@click.option("--data", type=_FILE, help="Where the pictures are now, if they were moved.")
@click.option("--name", help="What the model calls itself; RUN's name if left out.")
@click.option("--description", default="", help="One sentence to put into the file.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON; a list of them for several files.")
def command(run: Path | None, **given: Any) -> None:
    """Turn the training run RUN into .tflite files.

    Every file is measured with the device's runtime on the validation pictures. If it loses more
    than --max-drop against the Keras model, it is repaired; if nothing helps, the export fails with
    exit code 3 and writes nothing.
    """
    if given["adopt"]:
        if run is not None:
            raise click.UsageError("--adopt takes no RUN")
        _adopt(given["adopt"], given["plain"], given["as_json"])
        return
    if run is None:
        raise click.UsageError("say which training run: edgecnn export RUN")
    opened = RunFolder.open(run)
    run_name = opened.path.resolve().name
    outputs = _read_outputs(given, run_name)
    _check_used(given, {output.kind for output in outputs})
    try:
        config = ExportConfig(
            max_drop_points=given["max_drop"],
            calibration_folder=given["calib"],
            num_calibration=given["calib_count"],
            seed=given["seed"],
            num_golden_pictures=given["golden_pictures"],
            recipe=given["recipe"],
            onnx=outputs[0].path.with_name(f"{run_name}.onnx") if given["onnx"] else None,
            edgetpu=_read_edgetpu(given, outputs),
            report=given["report"],
            name=given["name"],
            description=given["description"],
            data_root=given["data"],
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    files = export(opened, outputs, config, TerminalProgress())
    if as_json := given["as_json"]:
        manifests = [_manifest(file) for file in files]
        click.echo(json.dumps(manifests if len(manifests) > 1 else manifests[0]))
    log = log_path_of(outputs[0].path)
    for file in files:
        click.echo(f"wrote {file.path} ({file.num_bytes / 1e6:.2f} MB); the converter's own words: {log}", err=True)
    if config.onnx:
        click.echo(f"wrote {config.onnx} ({config.onnx.stat().st_size / 1e6:.2f} MB)", err=True)
    if not as_json:
        click.echo(f"next: edgecnn run {files[0].path} --camera 0", err=True)


def _read_outputs(given: dict[str, Any], run_name: str) -> list[Output]:
    """Return the files to write, each with its name."""
    kinds: list[Any] = [kind for kind in VARIANTS if given[kind] or given["everything"]]
    if not kinds and not given["gpu"]:
        kinds = ["int8"]
    names = [(kind, kind, "cpu") for kind in kinds] + ([("fp16", "gpu", "gpu")] if given["gpu"] else [])
    place: Path | None = given["output"]
    if place is not None and len(names) > 1 and not place.is_dir():
        raise click.UsageError(f"-o must be a folder that exists for {len(names)} files, got {place}")
    outputs = []
    for kind, name, target in names:
        path = Path(f"{run_name}-{name}.tflite")
        if place is not None:
            path = place / path if place.is_dir() else place
        outputs.append(Output(kind=kind, path=path, target=target))  # type: ignore[arg-type]  # one of the table above
    return outputs


def _check_used(given: dict[str, Any], kinds: set[str]) -> None:
    """Refuse options that nothing which is exported would listen to."""
    for option, listening in (("calib", INTEGER_VARIANTS), ("recipe", ("int8",))):
        if given[option] and not kinds & set(listening):
            raise click.UsageError(f"--{option} is for {' and '.join(listening)} files only: add --{listening[0]}")
    if given["plain"]:
        raise click.UsageError("--plain goes with --adopt only")
    if not given["edgetpu"] and (given["compiler"] != "auto" or given["min_runtime"] != _NEWEST_RUNTIME):
        raise click.UsageError("--compiler and --min-runtime go with --edgetpu only")


def _read_edgetpu(given: dict[str, Any], outputs: list[Output]) -> EdgeTpuOptions | None:
    if not given["edgetpu"]:
        return None
    if all(output.kind != "int8" for output in outputs):
        raise click.UsageError("an Edge TPU takes int8 files only: add --int8")
    return EdgeTpuOptions(compiler=given["compiler"], runtime_version=given["min_runtime"])


def _adopt(compiled: Path, plain: Path | None, as_json: bool) -> None:
    from edgecnn.export.edgetpu import adopt

    file = adopt(compiled, plain, TerminalProgress().say)
    if as_json:
        click.echo(json.dumps(_manifest(file)))
    click.echo(f"wrote {file.path} ({file.num_bytes / 1e6:.2f} MB)", err=True)
    click.echo(f"next: edgecnn run {file.path} --backend edgetpu --camera 0", err=True)


def _manifest(file: ModelFile) -> dict[str, Any]:
    assert file.manifest is not None
    return file.manifest.to_builtins()
