"""What can be known of a classifier that another tool wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgecnn.core.contract import InputContract
from edgecnn.core.labels import decode_labels
from edgecnn.errors import ModelFileError
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.metadata import METADATA_NAME

_TENSOR_AXIS_LABELS = 2
_NORMALIZATION = 1


def foreign_labels(graph: Graph, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the labels that TFLite Metadata names, out of the associated files.

    Raises:
        ModelFileError: there are none; class names are never invented.
    """
    for tensor in _tensor_metadata(graph, 3):
        for entry in tensor.tables(6):
            if entry.integer(2, "b") == _TENSOR_AXIS_LABELS and entry.text(0) in files:
                try:
                    return decode_labels(files[entry.text(0)])
                except ValueError as exc:
                    raise ModelFileError(f"the labels in the file cannot be used: {exc}") from exc
    raise ModelFileError("the file brings no labels; give the file that lists them with --labels LABELS.txt")


def foreign_contract(graph: Graph) -> InputContract:
    """Return the input contract of a model from elsewhere.

    An integer input takes raw pixels as its codes (int8: minus 128), which is how such
    classifiers are made; a float input must say its mean and standard deviation in TFLite Metadata.

    Raises:
        ModelFileError: a float input without that: guessing would give wrong answers silently.
    """
    picture = graph.tensors[graph.inputs[0]]
    _, height, width, _ = picture.shape
    try:
        if picture.dtype != "float32":
            return InputContract(width=width, height=height)
        for mean, std in _normalizations(graph):
            if len(set(mean)) == len(set(std)) == 1:
                return InputContract(width=width, height=height, mean=mean[0], std=std[0])
    except ValueError as exc:
        raise ModelFileError(f"the input cannot be served: {exc}") from exc
    raise ModelFileError(
        "the input takes floats, and no TFLite Metadata says which range of values they have; "
        "export the model with an integer input"
    )


def _normalizations(graph: Graph) -> Iterator[tuple[list[float], list[float]]]:
    """Yield mean and standard deviation, a number per channel or one for all, wherever they are stated."""
    for tensor in _tensor_metadata(graph, 2):
        for unit in tensor.tables(4):
            options = unit.table(1)
            if unit.integer(0, "B") == _NORMALIZATION and options:
                mean, std = options.array(0, "f4"), options.array(1, "f4")
                if mean is not None and std is not None:
                    yield mean.tolist(), std.tolist()


def _tensor_metadata(graph: Graph, field: int) -> list[Table]:
    """Return the metadata of the inputs (field 2) or outputs (field 3)."""
    payload = graph.find_metadata(METADATA_NAME)
    subgraphs = Table.root(payload).tables(3) if payload else []
    return subgraphs[0].tables(field) if subgraphs else []
