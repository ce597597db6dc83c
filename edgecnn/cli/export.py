"""``edgecnn export``: from a run to one file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecnn.cli.progress import TerminalProgress
from edgecnn.export.exporter import ExportConfig, export_int8, log_path_of
from edgecnn.train.run_folder import RunFolder


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--int8", "variant", flag_value="int8", default="int8", help="Full integer, raw pixels in (the default).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write; RUN's name with -int8.tflite if left out."
)
@click.option("--max-drop", default=1.0, show_default=True, help="Accuracy that may be lost, in percentage points.")
@click.option(
    "--calibration-count",
    default=500,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Training pictures that set the ranges.",
)
@click.option("--seed", default=0, show_default=True, help="Of the choice of calibration pictures.")
@click.option(
    "--golden-pictures",
    default=0,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Validation pictures to put into the file for verify; they may be private.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Where the pictures are now, if they were moved.")
@click.option("--name", help="What the model calls itself; RUN's name if left out.")
@click.option("--description", default="", help="One sentence to put into the file.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def command(
    run: Path,
    variant: str,
    output: Path | None,
    max_drop: float,
    calibration_count: int,
    seed: int,
    golden_pictures: int,
    data: Path | None,
    name: str | None,
    description: str,
    as_json: bool,
) -> None:
    """Turn the training run RUN into one .tflite file.

    The file is measured with the device's runtime on the validation pictures. If it loses more
    than --max-drop against the Keras model, the export fails with exit code 3 and writes nothing.
    """
    opened = RunFolder.open(run)
    output = output or Path(f"{opened.path.resolve().name}-{variant}.tflite")
    try:
        config = ExportConfig(
            max_drop_points=max_drop,
            num_calibration=calibration_count,
            seed=seed,
            num_golden_pictures=golden_pictures,
            name=name,
            description=description,
            data_root=data,
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    file = export_int8(opened, output, config, TerminalProgress())
    if as_json:
        assert file.manifest is not None
        click.echo(json.dumps(file.manifest.to_builtins()))
    click.echo(
        f"wrote {output} ({file.num_bytes / 1e6:.2f} MB); the converter's own words: {log_path_of(output)}", err=True
    )
    click.echo(f"next: edgecnn run {output} --camera 0", err=True)
