"""``edgecnn inspect``: what is inside a model file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.edgetpu import check_graph, describe_report, report_to_builtins
from edgecnn.modelfile.summary import format_summary, summarize
from edgecnn.runtime.find_model import find_model


@click.command()
@click.argument("file")
@click.option("--labels", type=click.Path(path_type=Path), help="Labels file, for a model that brings none.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest and all operators as JSON.")
@click.option("--edgetpu", is_flag=True, help="Say what the Edge TPU compiler would make of it, operator by operator.")
def command(file: str, labels: Path | None, as_json: bool, edgetpu: bool) -> None:
    """Show what is inside the model file FILE (or a published model's name), after checking it."""
    opened = ModelFile.open(find_model(file), labels_path=labels)
    report = check_graph(opened.graph) if edgetpu else None
    if as_json:
        checked = {"edgetpu_check": report_to_builtins(report)} if report else {}
        click.echo(json.dumps({**summarize(opened), **checked}))
        return
    click.echo("\n".join([format_summary(opened), *(describe_report(report) if report else ())]))
