"""``edgecnn inspect``: what is inside a model file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.summary import format_summary, summarize
from edgecnn.runtime.find_model import find_model


@click.command()
@click.argument("file")
@click.option("--labels", type=click.Path(path_type=Path), help="Labels file, for a model that brings none.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest and all operators as JSON.")
def command(file: str, labels: Path | None, as_json: bool) -> None:
    """Show what is inside the model file FILE (or a published model's name), after checking it."""
    opened = ModelFile.open(find_model(file), labels_path=labels)
    click.echo(json.dumps(summarize(opened)) if as_json else format_summary(opened))
