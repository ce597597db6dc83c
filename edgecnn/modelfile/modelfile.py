"""A model file opened: checked from the first byte to the last before anything runs it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.core.contract import InputContract
from edgecnn.core.labels import decode_labels, digest_labels, encode_labels
from edgecnn.core.quantization import QuantParams
from edgecnn.errors import ModelFileError, ModelIntegrityError
from edgecnn.modelfile.archive import append_files, split_files
from edgecnn.modelfile.familiar import check_familiarity
from edgecnn.modelfile.foreign import foreign_contract, foreign_labels
from edgecnn.modelfile.graph import FILE_IDENTIFIER, Graph, Tensor
from edgecnn.modelfile.metadata import LABELS_FILE, MANIFEST_FILE, METADATA_NAME
from edgecnn.modelfile.structure import check_structure

if TYPE_CHECKING:
    from edgecnn.modelfile.manifest import Manifest

MAX_MODEL_BYTES = 512 << 20
_CODE_DTYPES = ("uint8", "int8", "int16")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A classifier's ``.tflite``, its labels and what it says about itself.

    Attributes:
        path: where it was read.
        model: the FlatBuffer alone, as an interpreter takes it.
        graph: the network.
        labels: class names in output order.
        contract: what the input wants to see.
        manifest: edgecnn's own record; None for a file from elsewhere.
        files: associated files by name.
        num_bytes: size of the whole file.
    """

    path: Path
    model: bytes
    graph: Graph
    labels: tuple[str, ...]
    contract: InputContract
    manifest: Manifest | None
    files: Mapping[str, bytes]
    num_bytes: int

    @property
    def unknown_below(self) -> float | None:
        """The familiarity below which an answer means ``unknown``, 0 to 1; None if the file says nothing about that.

        By the method ``max_score`` it is a threshold for the best score itself.
        """
        confidence = self.manifest.confidence if self.manifest else None
        return confidence.unknown_below if confidence else None

    @classmethod
    def open(cls, path: Path, *, labels_path: Path | None = None) -> ModelFile:
        """Read and check a model file.

        Args:
            path: the ``.tflite``.
            labels_path: a labels file, for a model from elsewhere that brings none.

        Raises:
            ModelFileError: it cannot be read, or lacks what a classifier needs.
            ModelIntegrityError: it is damaged, truncated or contradicts itself.
            ModelVersionError: a newer edgecnn wrote it.
        """
        data = _read(path)
        try:
            return cls.from_bytes(data, path=path, labels=_read_labels(labels_path) if labels_path else None)
        except ModelFileError as exc:
            raise type(exc)(f"{path}: {exc}") from exc.__cause__

    @classmethod
    def from_bytes(cls, data: bytes, *, path: Path, labels: tuple[str, ...] | None = None) -> ModelFile:
        """Check a model file's content; the errors of ``open`` without the path in front."""
        _check_kind(data)
        model, files, exact = split_files(data)
        manifest = _read_manifest(files[MANIFEST_FILE]) if MANIFEST_FILE in files else None
        if manifest:
            _check_digest(model, manifest, exact)
        graph = Graph.parse(model)
        check_structure(graph)
        _check_ends(graph)
        if manifest:
            if labels:
                raise ModelFileError("the file brings its own labels; leave out --labels")
            labels, contract = _own_labels(files, manifest), manifest.input.to_contract()
            check_familiarity(manifest.confidence, graph, files)
        else:
            _check_not_cut(graph)
            labels, contract = labels or foreign_labels(graph, files), foreign_contract(graph)
        opened = cls(
            path=path,
            model=model,
            graph=graph,
            labels=labels,
            contract=contract,
            manifest=manifest,
            files=files,
            num_bytes=len(data),
        )
        opened._check_agreement()
        return opened

    @property
    def input(self) -> Tensor:
        """The tensor that takes the picture."""
        return self.graph.tensors[self.graph.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The tensor that holds one score per class."""
        return self.graph.tensors[self.graph.outputs[0]]

    @property
    def output_quantization(self) -> QuantParams | None:
        """Scale and zero point of the scores; None when they are floats already."""
        return quantization_of(self.output)

    def _check_agreement(self) -> None:
        """Raise unless labels, contract and tensors describe one and the same classifier."""
        num_outputs = self.output.shape[-1]
        if len(self.labels) != num_outputs:
            raise ModelIntegrityError(
                f"there are {len(self.labels)} labels for {num_outputs} outputs; give the labels file of this model"
            )
        wanted = (self.contract.height, self.contract.width, 3)
        if self.input.shape[1:] != wanted:
            raise ModelIntegrityError(f"the input has shape {self.input.shape}, but the manifest says {wanted}")


def pack_model_file(model: bytes, labels: tuple[str, ...], manifest: Manifest, extra: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a complete model file: FlatBuffer, labels, manifest, further files."""
    return append_files(model, {LABELS_FILE: encode_labels(labels), MANIFEST_FILE: manifest.to_json(), **extra})


def quantization_of(tensor: Tensor) -> QuantParams | None:
    """Return the scale and zero point of a tensor that has one of each, else None."""
    if tensor.dtype not in _CODE_DTYPES or len(tensor.scales) != 1:
        return None
    zero_point = tensor.zero_points[0] if tensor.zero_points else 0
    return QuantParams(scale=tensor.scales[0], zero_point=zero_point, dtype=tensor.dtype)  # type: ignore[arg-type]  # checked above


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ModelFileError(
            f"{path} is a folder, not a .tflite file; of a training run, make one with: edgecnn export {path}"
        )
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise ModelFileError(f"{path} has {size >> 20} MiB; a model file has at most {MAX_MODEL_BYTES >> 20}")
        return path.read_bytes()
    except OSError as exc:
        raise ModelFileError(f"cannot read the model file {path}: {exc.strerror}") from exc


def _read_labels(path: Path) -> tuple[str, ...]:
    try:
        return decode_labels(path.read_bytes())
    except OSError as exc:
        raise ModelFileError(f"cannot read the labels file {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ModelFileError(f"the labels file {path} cannot be used: {exc}") from exc


def _check_kind(data: bytes) -> None:
    """Say what a file that is no model is instead."""
    if data[4:8] == FILE_IDENTIFIER:
        return
    if not data:
        kind = "is empty"
    elif data.startswith(b"PK"):
        kind = "is a zip archive (a .keras file is one, too)"
    elif data.startswith(b"\x89HDF"):
        kind = "is an HDF5 file"
    elif all(byte >= 32 or byte in b"\t\r\n\f" for byte in data[:256]):
        kind = "is a text file"
    else:
        kind = "lacks the TFL3 mark at byte 4"
    raise ModelIntegrityError(f"this is not a .tflite model: it {kind}; make one with: edgecnn export RUN --int8")


def _read_manifest(data: bytes) -> Manifest:
    # Imported here: it takes longer than all else in this package, and a file from elsewhere has none.
    from edgecnn.modelfile.manifest import read_manifest

    return read_manifest(data)


def _check_digest(model: bytes, manifest: Manifest, exact: bool) -> None:
    if not exact:
        raise ModelIntegrityError("there are bytes in the file that belong to nothing; export it again")
    if len(model) != manifest.model.num_bytes or hashlib.sha256(model).hexdigest() != manifest.model.sha256:
        raise ModelIntegrityError(
            "the network is not the one that was exported (its SHA-256 differs): the file is damaged; "
            "copy it again or export it again"
        )


def _check_not_cut(graph: Graph) -> None:
    metadata = graph.find_metadata(METADATA_NAME)
    if metadata and MANIFEST_FILE.encode() in metadata:
        raise ModelIntegrityError("its labels and manifest are missing: the file was cut short; copy it again")


def _check_ends(graph: Graph) -> None:
    """Raise unless the graph takes one picture and gives one vector of scores."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelFileError(
            f"the network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; a classifier has one each"
        )
    picture, scores = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    if (
        len(picture.shape) != 4
        or picture.shape[0] not in (1, -1)
        or picture.shape[3] != 3
        or min(picture.shape[1:]) < 1
    ):
        raise ModelFileError(f"the input has shape {picture.shape}; expected (1, height, width, 3) of an RGB picture")
    if picture.dtype not in ("uint8", "int8", "float32") or scores.dtype not in ("uint8", "int8", "float32"):
        raise ModelFileError(f"the ends are {picture.dtype} and {scores.dtype}; expected uint8, int8 or float32")
    if len(scores.shape) != 2 or scores.shape[0] not in (1, -1) or scores.shape[1] < 1:
        raise ModelFileError(f"the output has shape {scores.shape}; expected (1, number of classes)")
    for end in (picture, scores):
        if end.dtype != "float32" and len(end.scales) != 1:
            raise ModelIntegrityError(f"the {end.dtype} tensor {end.name!r} has no scale to read it by")


def _own_labels(files: Mapping[str, bytes], manifest: Manifest) -> tuple[str, ...]:
    try:
        labels = decode_labels(files[LABELS_FILE])
    except (KeyError, ValueError) as exc:
        raise ModelIntegrityError(f"labels.txt in the file is missing or damaged: {exc}") from exc
    if len(labels) != manifest.labels.num or digest_labels(labels) != manifest.labels.sha256:
        raise ModelIntegrityError("labels.txt in the file is not the one that was exported; export the file again")
    return labels
