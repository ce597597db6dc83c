"""``edgecnn report``: the page that says how good a training is."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgecnn.cli.progress import TerminalProgress
from edgecnn.train import RunFolder


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what the page says as one JSON object.")
def command(run: Path, as_json: bool) -> None:
    """Write report.html and report.json into a RUN again, as edgecnn train does at its end.

    The pictures are looked for where they were. Without them the page has the figures that were recorded, and says
    what is missing.
    """
    folder = RunFolder.open(run)
    from edgecnn.train.report import REPORT_PAGE, report_to_json, write_report
    from edgecnn.train.report.gathering import gather
    from edgecnn.train.session import require_tensorflow

    require_tensorflow()
    report = write_report(folder.path, gather(folder, TerminalProgress()))
    if as_json:
        click.echo(json.dumps(report_to_json(report), ensure_ascii=False))
    else:
        for sentence in report.missing:
            click.echo(f"missing: {sentence}", err=True)
        click.echo(_without_marks("\n".join([*report.verdict, *(f"- {line}" for line in report.advice)])))
        click.echo(f"{folder.path / REPORT_PAGE}")


def _without_marks(text: str) -> str:
    """Return a text without the marks around names that a browser takes and many terminals draw as boxes."""
    return text.replace("\N{FIRST STRONG ISOLATE}", "").replace("\N{POP DIRECTIONAL ISOLATE}", "")
