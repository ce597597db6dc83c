"""The report as a file: one HTML page that needs nothing else."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment
from markupsafe import Markup

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.errors import ExportError
from edgecnn.export.report import charts
from edgecnn.export.report.assembling import assemble
from edgecnn.export.report.contents import Report
from edgecnn.export.report.material import ReportMaterial
from edgecnn.export.report.wording import FILTERS
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.pages import make_environment, report_style

MAX_CLASSES = 200


def write_report(path: Path, material: ReportMaterial, progress: Progress | None = None) -> Report:
    """Measure where the error of an exported file is, and write the page that shows it.

    Args:
        path: the page; whatever stood there stays until the new one is whole.
        material: the export.
        progress: told of every step.

    Returns:
        What the page says.

    Raises:
        ExportError: the page cannot be written there.
        BackendUnavailableError: the runtime here cannot run one of the two networks.
    """
    check_report_path(path)
    report, thumbnails = assemble(material, progress or SilentProgress())
    try:
        write_atomically(path, render(report, thumbnails).encode("utf-8", "backslashreplace"))
    except OSError as exc:
        raise ExportError(f"cannot write the report {path}: {exc.strerror or exc}") from exc
    return report


def check_report_path(path: Path) -> None:
    """Raise ExportError unless a report can be written there; to be called before long work."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"cannot be written: there is no folder {path.parent}"
        raise ExportError(f"the report {path} {what}; give the name of an .html file with --report")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as exc:
        raise ExportError(f"cannot write the report {path}: {exc.strerror or exc}") from exc


def report_to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain dicts, lists, text and numbers: what the page holds as ``#data``."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    return plain


def render(report: Report, thumbnails: list[str | None]) -> str:
    """Return the page.

    Args:
        report: what it says.
        thumbnails: a ``data:`` address or None for each of the report's changed pictures.
    """
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            manifest=report.manifest,
            thumbnails=thumbnails,
            charts=charts,
            worst_rows=sorted((row for row in report.rows if row.rank), key=lambda row: row.rank or 0),
            max_classes=MAX_CLASSES,
            report_style=Markup(report_style()),  # our own file, never data
            data=report_to_json(report),
        )
    )


@cache
def _environment() -> Environment:
    return make_environment("edgecnn.export.report", FILTERS)
