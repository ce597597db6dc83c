"""Will the Edge TPU compiler take this model, and what becomes of each of its layers there?"""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.errors import UnsupportedOpError
from edgecnn.export.edgetpu.naming import blame
from edgecnn.modelfile.edgetpu import EdgeTpuReport, check_graph, describe_report
from edgecnn.modelfile.edgetpu.check import NEWEST_RUNTIME
from edgecnn.modelfile.edgetpu.describe import left_over
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.manifest import EdgeTpuPart

_MAX_NAMED = 5


def check_for_edgetpu(model: bytes, layers: Sequence[str], *, runtime_version: int = NEWEST_RUNTIME) -> EdgeTpuReport:
    """Predict what the Edge TPU compiler makes of a model.

    Args:
        model: the FlatBuffer of the int8 model.
        layers: names of the Keras layers in the model's order, to name the one that is to blame.
        runtime_version: oldest Edge TPU runtime that the file shall work with, 10 to 14.

    Raises:
        UnsupportedOpError: the compiler would refuse the model, or map nothing of it; the message names
            the layer, has the compiler's words and says what to use instead.
        ModelIntegrityError: the model is damaged.
    """
    graph = Graph.parse(model)
    report = check_graph(graph, runtime_version=runtime_version)
    if report.refusals:
        raise UnsupportedOpError(_describe_refusals(graph, report, layers))
    if not report.mapped:
        first = next(left_over(report, lambda position: blame(graph, position, layers)), "it has no operators")
        raise UnsupportedOpError(f"nothing of the model would run on the Edge TPU: {first}")
    return report


def describe_check(report: EdgeTpuReport, model: bytes, layers: Sequence[str]) -> list[str]:
    """Return the report as lines for people: a summary, the compiler's table, and what is left to the CPU."""
    graph = Graph.parse(model)
    return describe_report(report, lambda position: blame(graph, position, layers))


def predicted_part(report: EdgeTpuReport) -> EdgeTpuPart:
    """Return what the manifest of the plain file says: checked, not compiled."""
    return EdgeTpuPart(
        status="checked",
        compiler="",
        mapped=report.mapped,
        operators=len(report.operators),
        subgraphs=report.subgraphs,
        cached_bytes=report.cached_bytes,
        streamed_bytes=report.streamed_bytes,
    )


def _describe_refusals(graph: Graph, report: EdgeTpuReport, layers: Sequence[str]) -> str:
    places = [
        "the model" if refusal.position is None else blame(graph, refusal.position, layers)
        for refusal in report.refusals
    ]
    first = report.refusals[0]
    others = [place for place in dict.fromkeys(places) if place != places[0]]
    also = f" (and so it would {', '.join(others[:_MAX_NAMED])})" if others else ""
    cure = f"; {first.replacement}" if first.replacement else ""
    return f"the Edge TPU compiler would refuse {places[0]}: {first.why}{cure}{also} (its words: {first.text})"
