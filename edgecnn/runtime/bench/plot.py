"""The measurements as a picture."""

from __future__ import annotations

import importlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn.errors import EdgecnnError, MissingExtraError
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.runtime.bench.results import BenchResult, Series

_LARGEST_SPAN = 4.0


def check_plot(path: Path) -> None:
    """Raise what ``plot_result`` would, as far as that can be known before.

    Raises:
        MissingExtraError: matplotlib is not installed.
        EdgecnnError: the folder for the picture is not there.
    """
    try:
        importlib.import_module("matplotlib")
    except ImportError as exc:
        raise MissingExtraError(
            f"a plot needs matplotlib, which cannot be imported ({exc}); run: pip install 'edgecnn[train]'"
        ) from exc
    if path.suffix.lower() != ".png":
        raise EdgecnnError(f"the plot is a PNG file, but {path} does not end in .png")
    if not path.parent.is_dir():
        raise EdgecnnError(f"cannot write {path}: there is no folder {path.parent}")


def plot_result(result: BenchResult, path: Path) -> None:
    """Draw inference time over threads, and what the soak showed if there was one, into a PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        EdgecnnError: the file cannot be written.
    """
    check_plot(path)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its remarks about fonts
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series = result.soak.samples if result.soak else None
    curves = _curves(series) if series else []
    figure = Figure(figsize=(8, 4 + 2 * len(curves)), layout="constrained")
    heights = [2.0, *[1.0] * len(curves)]
    axes = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    _draw_inference(axes[0], result)
    for below, (name, values) in zip(axes[1:], curves, strict=True):
        assert series is not None
        below.plot([second / 60 for second in series.seconds], values)
        below.set(ylabel=name)
        below.grid(alpha=0.3)
    if curves:
        axes[-1].set(xlabel="minutes")
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    try:
        write_atomically(path, picture.getvalue())
    except OSError as exc:
        raise EdgecnnError(f"cannot write {path}: {exc.strerror}") from exc


def _draw_inference(axes: Any, result: BenchResult) -> None:
    """Draw the medians, with a band from the smallest time to the 95th percentile."""
    from matplotlib.ticker import StrMethodFormatter

    for backend in dict.fromkeys(row.backend for row in result.inference):
        rows = [row for row in result.inference if row.backend == backend]
        threads = [row.num_threads for row in rows]
        axes.plot(threads, [row.p50_ms for row in rows], marker="o", label=backend)
        axes.fill_between(threads, [row.min_ms for row in rows], [row.p95_ms for row in rows], alpha=0.2)
    machine = result.machine.board or result.machine.cpu
    axes.set_title(f"{result.model.name} on {machine}"[:90], parse_math=False)
    axes.set(xlabel="threads", ylabel="ms per inference: min, p50, p95")
    medians = [row.p50_ms for row in result.inference]
    if max(medians) > _LARGEST_SPAN * min(medians):
        axes.set_yscale("log")  # else the fast ones would lie on the axis
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    else:
        axes.set_ylim(0, None)
    axes.set_xticks(sorted({row.num_threads for row in result.inference}))
    axes.legend()
    axes.grid(alpha=0.3)


def _curves(series: Series) -> list[tuple[str, Sequence[float]]]:
    """Return what was seen all the time, by name."""
    candidates: Sequence[tuple[str, Sequence[float | None]]] = (
        ("resident memory, MB", series.rss_mb),
        ("results per second", [None, *series.fps[1:]]),
        ("CPU, °C", series.cpu_temperature_c),
        ("CPU, MHz", series.cpu_mhz),
    )
    return [
        (name, [float("nan") if value is None else value for value in values])
        for name, values in candidates
        if any(value is not None for value in values)
    ]
