"""The report as two files: one HTML page that needs nothing else, and the same as JSON."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment
from markupsafe import Markup

from edgecnn.errors import RunError
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.pages import make_environment, report_style, source_of
from edgecnn.train.report import charts
from edgecnn.train.report.assembling import assemble
from edgecnn.train.report.contents import Report
from edgecnn.train.report.material import ReportMaterial
from edgecnn.train.report.wording import FILTERS

REPORT_PAGE = "report.html"
REPORT_JSON = "report.json"
MAX_MATRIX_CLASSES = 30
MAX_TABLE_CLASSES = 200
MAX_PAIRS = 60


def write_report(folder: Path, material: ReportMaterial) -> Report:
    """Measure what is to be measured, and write ``report.html`` and ``report.json``.

    Args:
        folder: of the run; what stood there stays until the new one is whole.
        material: the training.

    Returns:
        What the page says.

    Raises:
        RunError: they cannot be written there.
    """
    report, addresses = assemble(material)
    plain = json.dumps(report_to_json(report), ensure_ascii=False, indent=1)
    page = render(report, addresses)
    for name, text in ((REPORT_JSON, plain), (REPORT_PAGE, page)):
        try:
            write_atomically(folder / name, text.encode("utf-8", "backslashreplace"))
        except OSError as exc:
            raise RunError(f"cannot write the report {folder / name}: {exc.strerror or exc}") from exc
    return report


def report_to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain dicts, lists, text and numbers: what the page holds as ``#data``."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    return plain


def render(report: Report, addresses: list[str | None]) -> str:
    """Return the page.

    Args:
        report: what it says.
        addresses: a ``data:`` address or None for each of the report's pictures.
    """
    environment = _environment()
    script = (Path(__file__).parent / "templates" / "page.js").read_text("utf-8")
    return environment.get_template("page.html").render(
        report=report,
        charts=charts,
        max_matrix_classes=MAX_MATRIX_CLASSES,
        max_table_classes=MAX_TABLE_CLASSES,
        max_pairs=MAX_PAIRS,
        data=report_to_json(report),
        addresses=addresses,
        script=Markup(script),  # our own file, never data
        script_source=source_of(script),
        report_style=Markup(report_style()),
    )


@cache
def _environment() -> Environment:
    return make_environment("edgecnn.train.report", FILTERS)
