"""A check as text for people and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from edgecnn.modelfile.edgetpu.words import MORE_SUBGRAPHS, EdgeTpuReport, OperatorCheck, Refusal

_KIB = 1024
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
Name = Callable[[int], str]


def describe_report(report: EdgeTpuReport, name: Name | None = None) -> list[str]:
    """Return a summary, the compiler's table, what is left to the CPU, refusals and warnings, one a line.

    Args:
        report: what ``check_graph`` returned.
        name: gives words for the operator at a position; what it computes, if left out.
    """
    name = name or _tensor_name(report)
    lines = [
        f"Edge TPU, predicted: {report.mapped} of {len(report.operators)} operators mapped, "
        f"{0 if report.refusals else report.subgraphs} subgraph(s), "
        f"about {report.parameter_bytes / _KIB:,.1f} KiB of parameters on the chip ({report.memory})"
    ]
    counts = Counter((check.operator, check.status) for check in report.operators)
    lines += [f"  {operator:<30} {count:<10} {status}" for (operator, status), count in counts.items()]
    lines += [f"  {line}" for line in left_over(report, name)]
    lines += [f"  refused: {describe_refusal(refusal, name)}" for refusal in report.refusals]
    return lines + [f"  warning: {warning}" for warning in report.warnings]


def describe_refusal(refusal: Refusal, name: Name) -> str:
    """Return one sentence: what is refused, why, and what to do."""
    where = "the model" if refusal.position is None else name(refusal.position)
    cure = f"; {refusal.replacement}" if refusal.replacement else ""
    return f"{where}: {refusal.why}{cure} (the compiler's words: {refusal.text})"


def left_over(report: EdgeTpuReport, name: Name) -> Iterator[str]:
    """Yield a sentence for each place that is not mapped, but for those that only come after one."""
    at_fault = [
        position
        for position, check in enumerate(report.operators)
        if not check.is_mapped and check.status != MORE_SUBGRAPHS
    ]
    # A float operator in the middle comes with a DEQUANTIZE before and a QUANTIZE behind it; it alone is to blame.
    real = [position for position in at_fault if report.operators[position].operator not in _CONVERSIONS]
    by_place: dict[str, list[OperatorCheck]] = {}
    for position in real or at_fault:
        by_place.setdefault(name(position), []).append(report.operators[position])
    for where, checks in by_place.items():
        check = next((check for check in checks if check.replacement), checks[0])
        cure = f"; {check.replacement}" if check.replacement else ""
        yield f"{where} ({check.operator}): {check.status}: {check.why}{cure}"


def report_to_builtins(report: EdgeTpuReport) -> dict[str, Any]:
    """Return the report as plain dicts, lists, text and numbers."""
    return {
        "mapped": report.mapped,
        "operators": [check._asdict() for check in report.operators],
        "refusals": [refusal._asdict() for refusal in report.refusals],
        "warnings": list(report.warnings),
        "subgraphs": report.subgraphs,
        "parameter_bytes": report.parameter_bytes,
        "cached_bytes": report.cached_bytes,
        "streamed_bytes": report.streamed_bytes,
        "activation_bytes": report.activation_bytes,
        "memory": report.memory,
    }


def _tensor_name(report: EdgeTpuReport) -> Name:
    return lambda position: repr(report.operators[position].tensor)
