"""Making a complete edgecnn file of what the Edge TPU compiler wrote."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edgecnn.errors import ExportError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import split_files
from edgecnn.modelfile.edgetpu import read_compiled
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Graph, Tensor
from edgecnn.modelfile.manifest import SCHEMA, EdgeTpuPart, GoldenPart, Manifest, ModelPart
from edgecnn.modelfile.metadata import LABELS_FILE, MANIFEST_FILE, METADATA_NAME, attach_metadata, build_metadata
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.modelfile.structure import check_structure

SUFFIX = "_edgetpu"
# An Edge TPU rounds by itself and takes its softmax from a table, and no device was at hand to measure by how
# much: twice the tolerance of other CPU kernels, and at least this many codes, 6% of a score in 8 bits.
MIN_TOLERANCE_CODES = 16
_SCALE_TOLERANCE = 1e-6
_HIDDEN_NAME = b"EDGETPU_OLDMETA"
_METADATA, _METADATA_ENTRY_NAME = 6, 0


def compiled_path(plain: Path) -> Path:
    """Return the name of the compiled file beside its plain file: ``NAME_edgetpu.tflite``."""
    return plain.with_name(f"{plain.stem}{SUFFIX}.tflite")


def check_plain_name(path: Path) -> None:
    """Raise ExportError for a name that only the compiler's files have."""
    if path.stem.endswith(SUFFIX):
        raise ExportError(
            f"{path.name} is a name for what the Edge TPU compiler writes; call the plain file "
            f"{path.stem.removesuffix(SUFFIX) or 'model'}.tflite"
        )


def complete_compiled(plain: ModelFile, compiled: bytes, part: EdgeTpuPart) -> bytes:
    """Put labels, metadata, golden vectors and manifest into a compiled model.

    The golden vectors are those of the plain file, with more tolerance; so is the accuracy, for nothing
    here can run the result.

    Args:
        plain: the int8 file that was compiled, as edgecnn exported it.
        compiled: what the compiler wrote, with or without files behind the FlatBuffer.
        part: the compiler's facts.

    Returns:
        The bytes of the complete file, opened and checked once.

    Raises:
        ExportError: the result is not a compiled form of the plain file.
        ModelIntegrityError: it is damaged.
    """
    if plain.manifest is None:
        raise ExportError(f"{plain.path} was not exported by edgecnn: it has no golden vectors to hand on")
    model, _, _ = split_files(compiled)
    info = read_compiled(model)
    if info is None:
        raise ExportError("the file has no part for the Edge TPU: the compiler did not write it, or it mapped nothing")
    if part.status != "compiled" or part.subgraphs != info.num_custom_operators:
        raise ExportError(f"the record speaks of {part.subgraphs} parts, the file has {info.num_custom_operators}")
    graph = Graph.parse(model)
    check_structure(graph)
    check_same_ends(plain, graph)
    model = _with_metadata(plain, model, graph)
    manifest = _manifest(plain.manifest, model, part)
    others = {name: data for name, data in plain.files.items() if name not in (LABELS_FILE, MANIFEST_FILE)}
    data = pack_model_file(model, plain.labels, manifest, others)
    ModelFile.from_bytes(data, path=compiled_path(plain.path))
    return data


def check_same_ends(plain: ModelFile, graph: Graph) -> None:
    """Raise ExportError unless a compiled graph takes and gives exactly what the plain file does."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ExportError(f"the compiled file has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one")
    for what, ours, theirs in (
        ("input", plain.input, graph.tensors[graph.inputs[0]]),
        ("output", plain.output, graph.tensors[graph.outputs[0]]),
    ):
        if not _is_same(ours, theirs):
            raise ExportError(
                f"the compiled file was not made from {plain.path.name}: its {what} is {_describe(theirs)}, "
                f"the plain file's is {_describe(ours)}"
            )


def _is_same(ours: Tensor, theirs: Tensor) -> bool:
    same_scales = len(ours.scales) == len(theirs.scales) and all(
        abs(one - other) <= _SCALE_TOLERANCE * one for one, other in zip(ours.scales, theirs.scales, strict=True)
    )
    zero_points = [tensor.zero_points or (0,) for tensor in (ours, theirs)]
    shapes = [tuple(abs(size) for size in tensor.shape) for tensor in (ours, theirs)]
    return (
        same_scales
        and zero_points[0] == zero_points[1]
        and shapes[0] == shapes[1]
        and ours.dtype == theirs.dtype
        and ours.name == theirs.name
    )


def _describe(tensor: Tensor) -> str:
    scale = f", scale {tensor.scales[0]:.9g}, zero point {(tensor.zero_points or (0,))[0]}" if tensor.scales else ""
    return f"{tensor.name!r} ({tensor.dtype} {' x '.join(map(str, tensor.shape))}{scale})"


def _with_metadata(plain: ModelFile, model: bytes, graph: Graph) -> bytes:
    """Return the model with the plain file's TFLite Metadata, whether the compiler kept it or not."""
    payload = plain.graph.find_metadata(METADATA_NAME)
    found = graph.find_metadata(METADATA_NAME)
    if payload is None:
        assert plain.manifest is not None
        payload = build_metadata(
            name=plain.manifest.name, description=plain.manifest.description, contract=plain.contract
        )
    if found == payload:
        return model
    if found is not None:
        # Other metadata than ours: its entry stays, under a name of the same length that nobody looks for.
        model = _hide_metadata(model)
    return attach_metadata(model, payload)


def _hide_metadata(model: bytes) -> bytes:
    patched = bytearray(model)
    for entry in Table.root(model).tables(_METADATA):
        at = entry.position_of(_METADATA_ENTRY_NAME)
        if at is not None and entry.text(_METADATA_ENTRY_NAME) == METADATA_NAME:
            start = at + int.from_bytes(model[at : at + 4], "little") + 4
            patched[start : start + len(_HIDDEN_NAME)] = _HIDDEN_NAME
    return bytes(patched)


def _manifest(plain: Manifest, model: bytes, part: EdgeTpuPart) -> Manifest:
    tools = {**plain.tools, "edgetpu_compiler": part.compiler.removeprefix("edgetpu_compiler ")}
    return msgspec.structs.replace(
        plain,
        schema=SCHEMA,
        tools=tools,
        model=ModelPart(
            num_bytes=len(model),
            sha256=hashlib.sha256(model).hexdigest(),
            architecture=plain.model.architecture,
            run=plain.model.run,
        ),
        golden=_golden(plain.golden),
        target="edgetpu",
        edgetpu=part,
    )


def _golden(plain: GoldenPart) -> GoldenPart:
    if plain.tolerance_codes is None:
        raise ExportError("only a full-integer file can be compiled; export the run with --int8")
    return msgspec.structs.replace(plain, tolerance_codes=max(2 * plain.tolerance_codes, MIN_TOLERANCE_CODES))
