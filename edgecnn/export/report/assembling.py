"""From an export's material to everything that its report says."""

from __future__ import annotations

from edgecnn.core.progress import Progress
from edgecnn.data import load_pixels
from edgecnn.errors import ExportError
from edgecnn.export.calibration import choose_calibration
from edgecnn.export.quantize.layer_errors import LayerError, layer_errors
from edgecnn.export.report.classes import MAX_CHANGED, changed_pictures, compare_classes, judge_answers
from edgecnn.export.report.contents import LayerRow, Report, TensorRange
from edgecnn.export.report.layers import layer_rows
from edgecnn.export.report.material import ReportMaterial
from edgecnn.export.report.pictures import thumbnails
from edgecnn.export.report.ranges import measure_ranges
from edgecnn.export.report.reliability import measure_reliability

NUM_LAYER_PICTURES = 16
_NUM_SLOW_PICTURES = 4  # LiteRT has no fast kernels for 16-bit activations: each takes ten times as long


def assemble(material: ReportMaterial, progress: Progress) -> tuple[Report, list[str | None]]:
    """Measure the layers and gather everything else.

    Returns:
        The report, and the ``data:`` address of each of its changed pictures, None for one that is gone.

    Raises:
        BackendUnavailableError: the runtime here cannot run one of the two networks.
    """
    notes: dict[str, str] = {}
    rows, worst, num_layer_pictures = _measure_layers(material, progress, notes)
    changed, indices = changed_pictures(material)
    shown = [material.pictures[index] for index in indices[:MAX_CHANGED]]
    report = Report(
        verdict=judge_answers(material),
        rows=rows,
        num_operators=len(material.file.graph.operators),
        num_layer_pictures=num_layer_pictures,
        worst=worst,
        classes=compare_classes(material),
        changed=changed[:MAX_CHANGED],
        num_changed=len(changed),
        reliability=measure_reliability(material),
        warnings=material.warnings,
        notes=notes,
        manifest=material.manifest,
    )
    return report, thumbnails(material.root, shown, material.file.contract)


def _measure_layers(
    material: ReportMaterial, progress: Progress, notes: dict[str, str]
) -> tuple[tuple[LayerRow, ...], tuple[TensorRange, ...], int]:
    num = _NUM_SLOW_PICTURES if material.manifest.recipe.kind == "int16x8" else NUM_LAYER_PICTURES
    chosen = choose_calibration(material.pictures, num, seed=0)
    pixels = load_pixels(material.root, chosen, material.float_contract).pixels
    if not len(pixels):
        notes["layers"] = "The pictures cannot be read any more, so no layer was compared."
        return (), (), 0
    try:
        errors = layer_errors(material.float_model, material.file.model, material.float_contract, pixels, progress)
    except ExportError as exc:
        notes["layers"] = f"The layers were not compared: {exc}."
        return (), (), 0
    graph = material.file.graph
    rows = layer_rows(errors, graph, material.layers)
    worst = sorted((row for row in rows if row.rank), key=lambda row: row.rank or 0)
    ranges = measure_ranges(material, worst, _float_operators(errors), pixels)
    if not ranges:
        notes["ranges"] = "The layers with the most noise compute in floats in this file: no code limits their range."
    return rows, ranges, len(pixels)


def _float_operators(errors: tuple[LayerError, ...]) -> dict[int, int]:
    return {error.operator: error.float_operator for error in errors}
