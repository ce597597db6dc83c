"""The measurements as a page of 80 columns for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from edgecnn.runtime.bench.condition import Condition
from edgecnn.runtime.bench.results import BenchResult, EndToEnd, InferenceRow
from edgecnn.runtime.stats import Percentiles

_COLUMNS = 80
_INDENT = 11
_NAME_COLUMNS = 34


def format_result(result: BenchResult) -> str:
    """Return the whole page."""
    blocks = (
        _about(result),
        _inference(result),
        _preprocessing(result),
        _end_to_end(result.end_to_end),
        _memory(result),
        _remarks(result),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)


def _about(result: BenchResult) -> Iterator[str]:
    model, machine, load = result.model, result.machine, result.load
    width, height = model.input_wh
    yield from _entry(
        "model",
        f"{model.name}, {model.num_classes:,} classes, {width} x {height} {model.input_dtype}, "
        f"{model.num_bytes / 1e6:.2f} MB, SHA-256 {model.sha256[:12]}…",
    )
    memory = "" if machine.memory_mb is None else f", {machine.memory_mb / 1e3:.1f} GB"
    cores = f"{machine.num_usable_cores} of {machine.num_cores} cores usable"
    processor = machine.cpu or machine.architecture
    board = f"{machine.board}: " if machine.board else ""
    yield from _entry("machine", f"{board}{processor}, {cores}{memory}")
    yield from _entry(
        "software",
        f"edgecnn {machine.edgecnn}, {machine.runtime}, OpenCV {machine.opencv}, numpy {machine.numpy}, "
        f"Python {machine.python}, {machine.os} ({machine.architecture})",
    )
    yield from _entry("before", _condition(result.conditions.before))
    yield from _entry("after", _condition(result.conditions.after))
    yield from _entry(
        "loading",
        f"open and check {_ms(load.open_ms)}, make the interpreter {_ms(load.interpreter_ms)}, first inference "
        f"{_ms(load.first_ms)} ms; {_ms(load.first_time_ms)} ms all together the very first time",
    )


def _condition(condition: Condition) -> str:
    parts = []
    if condition.load_average is not None:
        parts.append(f"load average {condition.load_average:.2f}")
    if condition.cpu_temperature_c is not None:
        parts.append(f"{condition.cpu_temperature_c:.1f} °C")
    if condition.cpu_mhz is not None:
        parts.append(f"{condition.cpu_mhz:.0f} MHz" + (f" ({condition.governor})" if condition.governor else ""))
    if condition.throttling is not None:
        parts.append(
            "throttled: " + ", ".join(condition.throttling.now) if condition.throttling.now else "no throttling"
        )
    return ", ".join(parts) or "nothing here tells"


def _inference(result: BenchResult) -> Iterator[str]:
    yield f"{'inference':<15}{'threads':>7}{'min':>10}{'p50':>10}{'p95':>10}{'p99':>10} ms{'per second':>13}"
    before = ""
    for row in result.inference:
        yield _inference_row(row, "" if row.backend == before else row.backend, result)
        before = row.backend
    for skipped in result.skipped:
        yield from _wrap(f"{skipped.backend} was left out: {skipped.reason}", "", "  ")
    best = result.best
    threads = "1 thread" if best.num_threads == 1 else f"{best.num_threads} threads"
    yield f"* best: {best.backend} with {threads}, the fewest within 5% of the fastest"


def _inference_row(row: InferenceRow, title: str, result: BenchResult) -> str:
    best = result.best
    mark = "*" if (row.backend, row.num_threads) == (best.backend, best.num_threads) else " "
    times = "".join(f"{_ms(value):>10}" for value in (row.min_ms, row.p50_ms, row.p95_ms, row.p99_ms))
    return f"{title:<15}{row.num_threads:>6}{mark}{times}   {row.per_second:>13.1f}"


def _preprocessing(result: BenchResult) -> Iterator[str]:
    yield f"{'one picture, one thread':<{_NAME_COLUMNS}}{'decode p50':>12}{'p95':>8}{'resize p50':>13}{'p95':>8} ms"
    for row in result.preprocessing:
        width, height = row.size_wh
        name = _cut(row.picture, _NAME_COLUMNS - len(f" {width} x {height}"))
        decoding = f"{'-':>12}{'-':>8}" if row.decode_ms is None else _pair(row.decode_ms, 12, 8)
        yield f"{f'{name} {width} x {height}':<{_NAME_COLUMNS}}{decoding}{_pair(row.resize_ms, 13, 8)}"


def _end_to_end(run: EndToEnd) -> Iterator[str]:
    threads = "1 thread" if run.num_threads == 1 else f"{run.num_threads} threads"
    how = threads if run.num_lanes == 1 else f"{run.num_lanes} pictures at a time"
    yield f"end to end, {_cut(run.source, 40)}, {how}"
    line = f"{run.fps:.1f} results per second: {run.frames} in {run.wall_s:.1f} s"
    line += f", {run.dropped} frames dropped" if run.live else ""
    line += f", {run.unreadable} unreadable" if run.unreadable else ""
    line += "" if run.cpu_s_per_frame is None else f"; {_ms(run.cpu_s_per_frame * 1e3)} ms of CPU time each"
    yield from _wrap(line, "  ", "    ")
    yield "  " + "".join(f"{name:>12}" for name in ("", *run.stages_ms, "age"))
    spreads = [*run.stages_ms.values(), run.age_ms]
    for name in Percentiles._fields:
        yield f"  {name:>12}" + "".join(f"{_ms(getattr(spread, name)):>12}" for spread in spreads) + " ms"


def _memory(result: BenchResult) -> Iterator[str]:
    memory, soak = result.memory, result.soak
    yield from _wrap(
        f"{memory.before_load_mb:.1f} MB before loading, {memory.loaded_mb:.1f} loaded, "
        f"{memory.rss_mb:.1f} at the end, {memory.peak_mb:.1f} at most",
        "memory  ",
        "        ",
    )
    if soak is None:
        return
    if memory.slope_mb_per_hour is not None and memory.slope_error_mb_per_hour is not None:
        slope = f"memory grew by {memory.slope_mb_per_hour:+.2f} ± {memory.slope_error_mb_per_hour:.2f} MB per hour"
    else:
        slope = "too short to see how memory grows"
    yield from _wrap(f"{soak.seconds / 60:.1f} minutes: {slope}", "soak    ", "        ")
    yield (
        f"        {soak.fps_first:.1f} results per second in the first {soak.window_s:.0f} s, "
        f"{soak.fps_last:.1f} in the last"
    )


def _remarks(result: BenchResult) -> Iterator[str]:
    for sentence in result.remarks:
        yield from _wrap(sentence, "note: ", "      ")


def _entry(title: str, text: str) -> Iterator[str]:
    yield from _wrap(text, f"{title:<{_INDENT}}", " " * _INDENT)


def _wrap(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, initial_indent=first, subsequent_indent=rest)


def _pair(spread: Percentiles, first: int, second: int) -> str:
    return f"{_ms(spread.p50):>{first}}{_ms(spread.p95):>{second}}"


def _ms(value: float) -> str:
    """Return milliseconds with three significant figures or so."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _cut(text: str, columns: int) -> str:
    """Return the end of a text, which tells more of an address than its beginning."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= columns else f"…{clean[1 - columns :]}"
