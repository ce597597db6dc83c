"""A converted network as a model file in memory, checked like any file, before it has a manifest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.export.integer_check import check_operators, check_pixel_input
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.manifest import Variant
from edgecnn.modelfile.metadata import attach_metadata, build_metadata
from edgecnn.modelfile.structure import check_structure


def contract_of(kind: Variant, contract: InputContract) -> InputContract:
    """Return what the input of a variant wants to see: all but ``int8`` normalize raw pixels themselves."""
    return contract if kind == "int8" else replace(contract, mean=0.0, std=1.0)


def make_draft(
    model: bytes, *, path: Path, labels: tuple[str, ...], contract: InputContract, name: str = "", description: str = ""
) -> ModelFile:
    """Add TFLite Metadata to a FlatBuffer, check its structure and return it as a file without a manifest."""
    described = attach_metadata(model, build_metadata(name=name, description=description, contract=contract))
    graph = Graph.parse(described)
    check_structure(graph)
    return ModelFile(
        path=path,
        model=described,
        graph=graph,
        labels=labels,
        contract=contract,
        manifest=None,
        files={},
        num_bytes=len(described),
    )


def check_draft(draft: ModelFile, kind: Variant, layers: Collection[str], *, integer_only: bool) -> str:
    """Read a converted graph back and return in one sentence what it is.

    Raises:
        UnsupportedOpError: an operator is custom, of open size, or in floats where that may not be.
        ExportError: a raw pixel is not its own code at the input of an ``int8`` file.
    """
    check_operators(draft.graph, layers, integer_only=integer_only)
    if kind == "int8":
        check_pixel_input(draft.graph, draft.contract)
    integers = ", all in integers" if integer_only else ""
    return f"read back: {len(draft.graph.operators)} operators{integers}, all of fixed size"
