"""Pictures of a training: how it went, and which classes it takes for which."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgecnn.evaluate.metrics import Metrics
from edgecnn.train.run_folder import HistoryRow


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back matplotlib's remarks about its font cache, which no user of a training needs."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


with _quiet():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

MAX_LABEL_CHARS = 24
MAX_NUMBERED_CLASSES = 25


def plot_curves(rows: Sequence[HistoryRow], path: Path) -> None:
    """Draw loss and accuracy over the epochs of all stages into a PNG file."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    epochs = np.arange(1, len(rows) + 1)
    starts = [index for index in range(1, len(rows)) if rows[index].stage != rows[index - 1].stage]
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        axes.plot(epochs, [getattr(row, name) for row in rows], label="training")
        axes.plot(epochs, [getattr(row, f"val_{name}") for row in rows], label="validation")
        for start in starts:
            axes.axvline(start + 0.5, color="gray", linestyle=":", label=f"{rows[start].stage} begins")
        axes.set(xlabel="epoch", ylabel=name, ylim=(0, None))
        axes.legend()
        axes.grid(alpha=0.3)
    _save(figure, path)


def plot_confusion(metrics: Metrics, title: str, path: Path) -> None:
    """Draw which share of each true class got which label into a PNG file."""
    families, labels = choose_fonts(tuple(metrics.per_class))
    counts = np.array(metrics.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(24.0, 3.0 + 0.5 * len(labels))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    axes.set_xticks(range(len(labels)), labels, rotation=90, parse_math=False, fontfamily=families)
    axes.set_yticks(range(len(labels)), labels, parse_math=False, fontfamily=families)
    if len(labels) <= MAX_NUMBERED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            if count:
                axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8)
    _save(figure, path)


def choose_fonts(labels: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return installed font families that hold the labels' letters, and the labels as they can be drawn.

    A label with a letter that no font here has becomes ``class N``; a long one is cut.
    """
    families = [FontProperties().get_name()]
    missing = set("".join(labels)) - _letters_of(findfont(FontProperties()))
    for font in sorted(fontManager.ttflist, key=lambda entry: entry.name):
        # Colour fonts hold pictures, which Agg cannot draw, and a font of last resort holds empty boxes.
        if not missing or any(word in font.name for word in ("Emoji", "Color", "Last", "Resort")):
            continue
        if found := missing & _letters_of(font.fname):
            families.append(font.name)
            missing -= found
    return families, tuple(
        f"class {index}" if missing & set(label) else _cut(label) for index, label in enumerate(labels)
    )


def _letters_of(font_path: str) -> set[str]:
    return {chr(code) for code in get_font(font_path).get_charmap()}


def _cut(label: str) -> str:
    return label if len(label) <= MAX_LABEL_CHARS else f"{label[: MAX_LABEL_CHARS - 1]}…"


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _quiet():
        FigureCanvasAgg(figure).print_png(path)
