"""The parts of a page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def make_environment(package: str, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return what renders the templates of a package.

    Names of classes and files are anybody's text: everything is escaped unless a template says otherwise.

    Args:
        package: the one whose folder ``templates`` holds them.
        filters: what its templates call, by name.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def house_style() -> str:
    """Return the style sheet that every page begins with: colours, light and dark, text, tables."""
    return _style("house.css")


def report_style() -> str:
    """Return the style sheet that every report, a page of sections and tables, begins with."""
    return house_style() + _style("report.css")


def source_of(text: str) -> str:
    """Return the source that lets just this script or style run under a Content-Security-Policy.

    Reference:
        W3C, Content Security Policy Level 3, section 2.3.1, ``hash-source``.
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text("utf-8")
