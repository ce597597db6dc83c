"""How far the figures can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.runtime.bench.pictures import SYNTHETIC
from edgecnn.runtime.bench.results import Best, Conditions, EndToEnd, InferenceRow, Soak
from edgecnn.runtime.bench.threads import num_usable_cores

_BUSY_SHARE = 0.3
_UNSTEADY = 1.5
_SHORT_SOAK_S = 600.0
_SLOWER = 0.9


def remark(
    conditions: Conditions, rows: Sequence[InferenceRow], best: Best, end_to_end: EndToEnd, soak: Soak | None
) -> list[str]:
    """Return sentences about what a reader of the figures must know."""
    remarks = []
    load = conditions.before.load_average
    if load is not None and load > _BUSY_SHARE * num_usable_cores():
        remarks.append(
            f"other programs ran in the minute before the start (load average {load:.1f}): times may be too long"
        )
    remarks += _on_steadiness(rows, best)
    remarks += _on_throttling(conditions)
    if end_to_end.source == SYNTHETIC:
        remarks.append("the clip is synthetic, held in memory; give --camera to measure your own source")
    if soak is not None:
        remarks += _on_soak(soak, end_to_end.num_repeats)
    return remarks


def _on_steadiness(rows: Sequence[InferenceRow], best: Best) -> list[str]:
    row = next(row for row in rows if (row.backend, row.num_threads) == (best.backend, best.num_threads))
    if row.p95_ms <= _UNSTEADY * row.p50_ms:
        return []
    return [f"inference is unsteady (p95 is {row.p95_ms / row.p50_ms:.1f} times p50): was something else running?"]


def _on_throttling(conditions: Conditions) -> list[str]:
    throttling = conditions.after.throttling
    if throttling is None:
        return []
    remarks = [f"the board slows itself down now: {', '.join(throttling.now)}"] if throttling.now else []
    if throttling.since_boot:
        remarks.append(f"since it was started, the board has seen: {', '.join(throttling.since_boot)}")
    return remarks


def _on_soak(soak: Soak, num_repeats: int) -> list[str]:
    remarks = []
    if num_repeats:
        remarks.append(f"the file was opened {num_repeats + 1} times, which memory shows; a longer one tells more")
    if soak.seconds < 0.99 * soak.asked_s:
        remarks.append(f"the soak was ended after {soak.seconds / 60:.1f} of {soak.asked_s / 60:g} minutes")
    if soak.seconds < _SHORT_SOAK_S:
        remarks.append("a soak of less than ten minutes says little about memory and nothing about heat")
    if soak.fps_first > 0 and soak.fps_last < _SLOWER * soak.fps_first:
        remarks.append(
            f"it became slower: {soak.fps_first:.1f} results per second at first, {soak.fps_last:.1f} at last"
        )
    return remarks
