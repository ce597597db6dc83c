"""Reading what ``edgetpu_compiler`` prints, and its log file.

The shape below was taken from logs of the versions 2.0 to 16.0 that people have shown in public; no
compiler was at hand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from edgecnn.modelfile.edgetpu.words import MAPPED

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_VERSION = re.compile(r"^Edge TPU Compiler version (\S[^\n]*)$", re.MULTILINE)
_HEADER = re.compile(r"^Operator\s+Count\s+Status\s*$", re.MULTILINE)
_ROW = re.compile(r"^(\S+)\s+(\d{1,6})\s+(\S.*?)\s*$")
_SIZES = {
    "cached_bytes": "On-chip memory used for caching model parameters",
    "remaining_bytes": "On-chip memory (?:remaining|available) for caching model parameters",
    "streamed_bytes": "Off-chip memory used for streaming uncached model parameters",
}
_COUNTS = {
    "subgraphs": "Number of Edge TPU subgraphs",
    "operators": "Total number of operations",
    "on_tpu": "Number of operations that will run on Edge TPU",
}


class LogRow(NamedTuple):
    """One line of the compiler's table: so many operators of this name have this status."""

    operator: str
    num: int
    status: str


class CompilerLog(NamedTuple):
    """What the compiler said about a model.

    Attributes:
        version: of the compiler; empty where the log does not say.
        rows: its table; empty where there is none.
        cached_bytes: parameters in the Edge TPU's memory, rounded as printed; None where it does not say.
        remaining_bytes: memory left for more of them; None where it does not say.
        streamed_bytes: parameters sent for every picture; None where it does not say.
        subgraphs: parts for the Edge TPU; None where it does not say.
        operators: of the whole model; None where it does not say.
        on_tpu: operators that run on the Edge TPU; None where it does not say, which it does not if all do.
    """

    version: str
    rows: tuple[LogRow, ...]
    cached_bytes: int | None
    remaining_bytes: int | None
    streamed_bytes: int | None
    subgraphs: int | None
    operators: int | None
    on_tpu: int | None

    @property
    def mapped(self) -> int:
        """Operators that run on the Edge TPU."""
        counted = sum(row.num for row in self.rows if row.status == MAPPED)
        return counted if self.on_tpu is None else self.on_tpu

    @property
    def listed(self) -> int:
        """Operators that the table speaks of."""
        return sum(row.num for row in self.rows)


def parse_log(text: str) -> CompilerLog:
    """Read the compiler's output or its log file; what is not there is None or empty, nothing is guessed."""
    version = _VERSION.search(text)
    sizes = {name: _size(text, words) for name, words in _SIZES.items()}
    counts = {name: _count(text, words) for name, words in _COUNTS.items()}
    return CompilerLog(version=version[1].strip() if version else "", rows=_rows(text), **sizes, **counts)


def _rows(text: str) -> tuple[LogRow, ...]:
    header = _HEADER.search(text)
    rows: list[LogRow] = []
    for line in text[header.end() :].splitlines() if header else ():
        match = _ROW.match(line)
        if match:
            rows.append(LogRow(match[1], int(match[2]), match[3]))
        elif rows:
            break  # the table is over
    return tuple(rows)


def _size(text: str, words: str) -> int | None:
    match = re.search(rf"^{words}: (\d{{1,9}}(?:\.\d{{1,9}})?)(B|KiB|MiB|GiB)\s*$", text, re.MULTILINE)
    return round(float(match[1]) * _UNITS[match[2]]) if match else None


def _count(text: str, words: str) -> int | None:
    match = re.search(rf"^{words}: (\d{{1,9}})\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None
