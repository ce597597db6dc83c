"""A manifest as lines for people."""

from __future__ import annotations

from edgecnn.modelfile.manifest import (
    CalibrationPart,
    ConfidencePart,
    EdgeTpuPart,
    GoldenPart,
    Manifest,
    RecipePart,
    Setting,
)


def manifest_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Return title and text of each line that a manifest gives."""
    accuracy, calibration, golden = manifest.accuracy, manifest.calibration, manifest.golden
    # Nothing at export can run a compiled file: its record is that of the file that was compiled.
    is_compiled = manifest.edgetpu is not None and manifest.edgetpu.status == "compiled"
    measured = " by the plain int8 file" if is_compiled else ""
    golden_bytes = sum(len(vector.output_bytes()) for vector in golden.vectors)
    return [
        ("name", manifest.name + (f": {manifest.description}" if manifest.description else "")),
        (
            "made",
            f"{manifest.created} by " + ", ".join(f"{tool} {version}" for tool, version in manifest.tools.items()),
        ),
        ("from", f"run {manifest.model.run!r}, architecture {manifest.model.architecture}"),
        *_target_rows(manifest),
        *_recipe_rows(manifest.recipe),
        *_calibration_rows(calibration),
        (
            "accuracy",
            f"{accuracy.top1:.1%}{measured} on {accuracy.num} {accuracy.split} pictures; "
            f"float {accuracy.float_top1:.1%}, drop {accuracy.drop_points:.2f} of "
            f"{accuracy.max_drop_points:g} points allowed, agreement {accuracy.agreement:.1%}",
        ),
        *_confidence_rows(manifest.confidence, is_compiled),
        (
            "golden",
            f"{len(golden.vectors)} vectors ({golden_bytes:,} bytes) by {golden.runtime}; "
            f"other kernels may differ by {_tolerance(golden)}",
        ),
        ("sha256", manifest.model.sha256),
    ]


def _calibration_rows(calibration: CalibrationPart | None) -> list[tuple[str, str]]:
    if calibration is None:
        return []
    per_class = ", ".join(f"{label} {num}" for label, num in calibration.per_class.items())
    source = "a folder of its own" if calibration.split == "folder" else f"the {calibration.split} split"
    return [("calibration", f"{calibration.num} pictures of {source} ({shorten(per_class)})")]


def _tolerance(golden: GoldenPart) -> str:
    if golden.tolerance_codes is None:
        return f"{golden.tolerance_score:g} in a score"
    return f"{golden.tolerance_codes} codes"


def _target_rows(manifest: Manifest) -> list[tuple[str, str]]:
    rows = [("made for", manifest.target)] if manifest.target != "cpu" else []
    return rows + (_edgetpu_rows(manifest.edgetpu) if manifest.edgetpu else [])


def _edgetpu_rows(part: EdgeTpuPart) -> list[tuple[str, str]]:
    who = f"compiled by {part.compiler}" if part.status == "compiled" else "checked, NOT compiled; predicted"
    text = (
        f"{who}: {part.mapped} of {part.operators} operators mapped, {part.subgraphs} subgraph(s), "
        f"{part.cached_bytes / 1024:,.1f} KiB cached, {part.streamed_bytes / 1024:,.1f} KiB streamed"
    )
    return [("edge tpu", text)]


def _recipe_rows(recipe: RecipePart) -> list[tuple[str, str]]:
    rung = f", {recipe.rung}" if recipe.rung else ""
    rows = [("recipe", f"{recipe.kind}, {recipe.quantizer}{rung}")]
    if recipe.settings:
        rows.append(("settings", ", ".join(f"{name} {_setting(value)}" for name, value in recipe.settings.items())))
    return rows + [
        ("tried", f"{tried.rung}: {tried.top1:.1%}, drop {tried.drop_points:.2f}, agreement {tried.agreement:.1%}")
        for tried in recipe.tried
    ]


def _setting(value: Setting) -> str:
    return (
        shorten(", ".join(value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _confidence_rows(confidence: ConfidencePart | None, is_compiled: bool) -> list[tuple[str, str]]:
    if confidence is None:
        return []
    what = "score" if confidence.method == "max_score" else f"familiarity (by {confidence.method})"
    limit = (
        f"below a {what} of {confidence.unknown_below:.3f}, "
        f"which {confidence.kept:.1%} of {confidence.num} {confidence.split} pictures reach"
    )
    if is_compiled and confidence.score_below is not None:
        limit = f"below a score of {confidence.score_below:.3f}; a compiled file shows nothing but its scores"
    rows = [("unknown", limit)]
    if confidence.auroc:
        values = ", ".join(f"{method} {value:.3f}" for method, value in confidence.auroc.items())
        against = f" against {confidence.against}" if confidence.against else ""
        rows.append(("auroc", f"{values}{against}"))
    if confidence.ece_before is not None and confidence.ece_after is not None:
        error = f"expected calibration error {confidence.ece_before:.3f} before, {confidence.ece_after:.3f} after"
        rows.append(("temperature", f"{confidence.temperature:.4g}; {error}"))
    elif confidence.temperature != 1.0:
        rows.append(("temperature", f"{confidence.temperature:.4g}"))
    return rows


def shorten(text: str, max_chars: int = 120) -> str:
    """Return the text, cut with an ellipsis where it is longer than ``max_chars``."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
