"""Everything about a model file, as plain data and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from edgecnn.modelfile.edgetpu.compiled import CompiledInfo, read_compiled
from edgecnn.modelfile.graph import Tensor
from edgecnn.modelfile.manifest_rows import manifest_rows, shorten
from edgecnn.modelfile.modelfile import ModelFile


def summarize(file: ModelFile) -> dict[str, Any]:
    """Return what ``edgecnn inspect --json`` prints: plain dicts, lists, text and numbers.

    Keys: ``file``, ``num_bytes``, ``labels``, ``contract``, ``input``, ``output``, ``operators``
    (in order, with the names of what they compute), ``operator_counts``, ``num_weights``,
    ``associated_files`` (name to bytes), ``edgetpu`` (what the Edge TPU compiler left in the file, see
    ``CompiledInfo``; null where it did not write it) and ``manifest`` (null for a file from elsewhere).
    """
    graph = file.graph
    compiled = read_compiled(file.model)
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
        "edgetpu": compiled._asdict() if compiled else None,
        "manifest": file.manifest.to_builtins() if file.manifest else None,
    }


def format_summary(file: ModelFile) -> str:
    """Return the summary as lines for people."""
    summary = summarize(file)
    counts = ", ".join(f"{count} {name}" for name, count in summary["operator_counts"].items())
    rows = [
        ("file", f"{summary['file']}, {file.num_bytes / 1e6:.2f} MB, {summary['num_weights']:,} weights"),
        ("classes", f"{len(file.labels)}: {shorten(', '.join(file.labels))}"),
        ("input", f"{_text_of(file.input)}; RGB pixels, {_geometry(file)}"),
        ("output", _text_of(file.output)),
        ("operators", f"{len(file.graph.operators)}: {counts}"),
        ("inside", ", ".join(f"{name} ({size:,} bytes)" for name, size in summary["associated_files"].items()) or "-"),
    ]
    rows += _compiled_rows(read_compiled(file.model))
    rows += (
        manifest_rows(file.manifest) if file.manifest else [("manifest", "none: the file was not exported by edgecnn")]
    )
    return "\n".join(f"{title:<12}{text}" for title, text in rows)


def _compiled_rows(compiled: CompiledInfo | None) -> list[tuple[str, str]]:
    if compiled is None:
        return []
    if compiled.is_fake:
        return [("compiled", "FAKE: written by a stand-in for tests; no Edge TPU can run it")]
    text = (
        f"for the Edge TPU ({compiled.chip}), runtime {compiled.min_runtime_version} or newer: "
        f"{compiled.cached_bytes / 1024:,.1f} KiB of parameters cached, "
        f"{compiled.streamed_bytes / 1024:,.1f} KiB streamed and {compiled.instruction_bytes / 1024:,.1f} KiB of "
        f"instructions sent for every picture; {compiled.num_cpu_operators} operators left to the CPU"
    )
    return [("compiled", text)]


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
