"""What the compiler said about a model, for people: its word over ours."""

from __future__ import annotations

from edgecnn.export.edgetpu.compiling import Compiled
from edgecnn.modelfile.edgetpu.words import MAPPED
from edgecnn.modelfile.manifest import EdgeTpuPart

_KIB = 1024


def describe_verdict(compiled: Compiled, predicted: EdgeTpuPart | None = None) -> list[str]:
    """Return the compiler's result as lines: a summary, what it left to the CPU, and where it disagrees.

    Args:
        compiled: what ``compile_model`` returned.
        predicted: what the check of the plain file said, to compare.
    """
    part = compiled.part
    lines = [
        f"{part.compiler}: {part.mapped} of {part.operators} operators mapped, {part.subgraphs} subgraph(s), "
        f"{part.cached_bytes / _KIB:,.1f} KiB of parameters on the chip, {part.streamed_bytes / _KIB:,.1f} KiB streamed"
    ]
    lines += [f"  {row.operator:<30} {row.num:<10} {row.status}" for row in compiled.log.rows if row.status != MAPPED]
    if predicted is not None and predicted.mapped != part.mapped:
        lines.append(
            f"  the check had expected {predicted.mapped} mapped operators; the compiler's word counts, "
            "and the file says so"
        )
    return lines
