"""Everything about a model file, as plain data and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from edgecnn.modelfile.graph import Tensor
from edgecnn.modelfile.manifest import ConfidencePart
from edgecnn.modelfile.modelfile import ModelFile


def summarize(file: ModelFile) -> dict[str, Any]:
    """Return what ``edgecnn inspect --json`` prints: plain dicts, lists, text and numbers.

    Keys: ``file``, ``num_bytes``, ``labels``, ``contract``, ``input``, ``output``, ``operators``
    (in order, with the names of what they compute), ``operator_counts``, ``num_weights``,
    ``associated_files`` (name to bytes) and ``manifest`` (null for a file from elsewhere).
    """
    graph = file.graph
    return {
        "file": str(file.path),
        "num_bytes": file.num_bytes,
        "labels": list(file.labels),
        "contract": asdict(file.contract),
        "input": _describe_tensor(file.input),
        "output": _describe_tensor(file.output),
        "operators": [
            {
                "name": operator.name,
                "version": operator.version,
                "inputs": [_describe_tensor(graph.tensors[index]) for index in operator.inputs if index >= 0],
                "outputs": [_describe_tensor(graph.tensors[index]) for index in operator.outputs],
            }
            for operator in graph.operators
        ],
        "operator_counts": dict(Counter(operator.name for operator in graph.operators)),
        "num_weights": graph.num_weights(),
        "associated_files": {name: len(data) for name, data in file.files.items()},
        "manifest": file.manifest.to_builtins() if file.manifest else None,
    }


def format_summary(file: ModelFile) -> str:
    """Return the summary as lines for people."""
    summary = summarize(file)
    counts = ", ".join(f"{count} {name}" for name, count in summary["operator_counts"].items())
    rows = [
        ("file", f"{summary['file']}, {file.num_bytes / 1e6:.2f} MB, {summary['num_weights']:,} weights"),
        ("classes", f"{len(file.labels)}: {_shorten(', '.join(file.labels))}"),
        ("input", f"{_text_of(file.input)}; RGB pixels, {_geometry(file)}"),
        ("output", _text_of(file.output)),
        ("operators", f"{len(file.graph.operators)}: {counts}"),
        ("inside", ", ".join(f"{name} ({size:,} bytes)" for name, size in summary["associated_files"].items()) or "-"),
    ]
    rows += _manifest_rows(file) if file.manifest else [("manifest", "none: the file was not exported by edgecnn")]
    return "\n".join(f"{title:<12}{text}" for title, text in rows)


def _manifest_rows(file: ModelFile) -> list[tuple[str, str]]:
    manifest = file.manifest
    assert manifest is not None
    accuracy, calibration, golden = manifest.accuracy, manifest.calibration, manifest.golden
    per_class = ", ".join(f"{label} {num}" for label, num in calibration.per_class.items())
    golden_bytes = sum(len(vector.output_bytes()) for vector in golden.vectors)
    return [
        ("name", manifest.name + (f": {manifest.description}" if manifest.description else "")),
        (
            "made",
            f"{manifest.created} by " + ", ".join(f"{tool} {version}" for tool, version in manifest.tools.items()),
        ),
        ("from", f"run {manifest.model.run!r}, architecture {manifest.model.architecture}"),
        ("recipe", f"{manifest.recipe.kind}, {manifest.recipe.quantizer}"),
        ("calibration", f"{calibration.num} pictures of the {calibration.split} split ({_shorten(per_class)})"),
        (
            "accuracy",
            f"{accuracy.top1:.1%} on {accuracy.num} {accuracy.split} pictures; float {accuracy.float_top1:.1%}, "
            f"drop {accuracy.drop_points:.2f} of {accuracy.max_drop_points:g} points allowed, "
            f"agreement {accuracy.agreement:.1%}",
        ),
        *_confidence_rows(manifest.confidence),
        (
            "golden",
            f"{len(golden.vectors)} vectors ({golden_bytes:,} bytes) by {golden.runtime}; "
            f"other kernels may differ by {golden.tolerance_codes} codes",
        ),
        ("sha256", manifest.model.sha256),
    ]


def _confidence_rows(confidence: ConfidencePart | None) -> list[tuple[str, str]]:
    if confidence is None:
        return []
    text = (
        f"below a score of {confidence.unknown_below:.3f}, "
        f"which {confidence.kept:.1%} of {confidence.num} {confidence.split} pictures reach"
    )
    return [("unknown", text)]


def _describe_tensor(tensor: Tensor) -> dict[str, Any]:
    """Return a tensor's name, shape, dtype and quantization; per-channel scales as their range."""
    quantization: dict[str, Any] | None = None
    if len(tensor.scales) == 1:
        quantization = {"scale": tensor.scales[0], "zero_point": (tensor.zero_points or (0,))[0]}
    elif tensor.scales:
        quantization = {
            "axis": tensor.axis,
            "num_scales": len(tensor.scales),
            "min_scale": min(tensor.scales),
            "max_scale": max(tensor.scales),
        }
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype, "quantization": quantization}


def _text_of(tensor: Tensor) -> str:
    shape = " x ".join(map(str, tensor.shape))
    if len(tensor.scales) != 1:
        return f"{tensor.dtype} {shape}"
    return f"{tensor.dtype} {shape}, scale {tensor.scales[0]:.9g}, zero point {(tensor.zero_points or (0,))[0]}"


def _geometry(file: ModelFile) -> str:
    contract = file.contract
    how = {"squash": "stretched", "crop": "cropped to shape", "fit": "fitted with grey bars"}[contract.aspect]
    center = f", centre {contract.crop_fraction:.1%}" if contract.crop_fraction < 1 else ""
    return f"{how} to {contract.width} x {contract.height}{center}"


def _shorten(text: str, max_chars: int = 120) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
