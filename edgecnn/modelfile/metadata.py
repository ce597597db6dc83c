"""TFLite Metadata: what other programs (MediaPipe Tasks, Netron) read in a model file.

The format is a second FlatBuffer in a buffer of the model. The model's own tables are not
rewritten: a new root is put in front of them that points at the old ones, so every byte of
the converter's work stays as it was.

Reference: ``metadata_schema.fbs`` (file identifier ``M001``); numbers below are its field numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.core.contract import InputContract
from edgecnn.errors import ExportError, MissingExtraError
from edgecnn.modelfile.flatbuffer import Table

METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
LABELS_FILE = "labels.txt"
MANIFEST_FILE = "edgecnn.json"
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1
_NORMALIZATION = 1
_RGB = 1
_DESCRIPTIONS, _TENSOR_AXIS_LABELS = 1, 2
_ALIGNMENT = 16
_NUM_ROOT_FIELDS = 8


def build_metadata(*, name: str, description: str, contract: InputContract) -> bytes:
    """Return TFLite Metadata for a classifier of RGB pictures with its labels in ``labels.txt``."""
    builder = _new_builder(1024)
    image = _table(builder, {0: ("i8", _RGB), 1: ("offset", _size(builder, contract))})
    content = _table(builder, {0: ("u8", _IMAGE_PROPERTIES), 1: ("offset", image)})
    mean, std = _floats(builder, [contract.mean]), _floats(builder, [contract.std])
    options = _table(builder, {0: ("offset", mean), 1: ("offset", std)})
    unit = _table(builder, {0: ("u8", _NORMALIZATION), 1: ("offset", options)})
    picture = _table(
        builder,
        {
            0: ("offset", builder.CreateString("image")),
            1: ("offset", builder.CreateString("RGB picture, raw pixels 0 to 255")),
            3: ("offset", content),
            4: ("offset", _tables(builder, [unit])),
            5: ("offset", _stats(builder, 0.0, 255.0)),
        },
    )
    feature = _table(builder, {})
    labels = _file(builder, LABELS_FILE, "class names in output order, one a line", _TENSOR_AXIS_LABELS)
    scores = _table(
        builder,
        {
            0: ("offset", builder.CreateString("scores")),
            1: ("offset", builder.CreateString("one score per class")),
            3: ("offset", _table(builder, {0: ("u8", _FEATURE_PROPERTIES), 1: ("offset", feature)})),
            5: ("offset", _stats(builder, 0.0, 1.0)),
            6: ("offset", _tables(builder, [labels])),
        },
    )
    inputs, outputs = _tables(builder, [picture]), _tables(builder, [scores])
    subgraph = _table(builder, {2: ("offset", inputs), 3: ("offset", outputs)})
    manifest = _file(builder, MANIFEST_FILE, "edgecnn's manifest", _DESCRIPTIONS)
    root = _table(
        builder,
        {
            0: ("offset", builder.CreateString(name)),
            1: ("offset", builder.CreateString(description)),
            3: ("offset", _tables(builder, [subgraph])),
            6: ("offset", _tables(builder, [manifest])),
            7: ("offset", builder.CreateString("1.0.0")),
        },
    )
    builder.Finish(root, METADATA_IDENTIFIER)
    return bytes(builder.Output())


def attach_metadata(model: bytes, payload: bytes) -> bytes:
    """Return the model with ``payload`` as its TFLite Metadata.

    Args:
        model: a FlatBuffer as the converter wrote it.
        payload: what ``build_metadata`` returned.

    Raises:
        ExportError: the model has fields that this version of edgecnn does not know, or has
            TFLite Metadata already.
    """
    root = Table.root(model)
    if any(root.has(field) for field in range(_NUM_ROOT_FIELDS, 32)):
        raise ExportError("the converter wrote a model format that is newer than this edgecnn; upgrade edgecnn")
    if any(entry.text(0) == METADATA_NAME for entry in root.tables(6)):
        raise ExportError("the model has TFLite Metadata already; give the file as the converter wrote it")
    old = model + bytes(-len(model) % _ALIGNMENT)
    builder = _new_builder(len(old) + len(payload) + 4096)
    # FlatBuffers grow from the back: with the old bytes at the end, new tables may point into them.
    builder.Prep(_ALIGNMENT, len(old))
    builder.head -= len(old)
    builder.Bytes[builder.head : builder.head + len(old)] = old
    keep = _Kept(builder, len(old))

    buffers = root.tables(4)
    data = _bytes(builder, payload)
    buffer = _table(builder, {0: ("offset", data)})
    entry = _table(builder, {0: ("offset", builder.CreateString(METADATA_NAME)), 1: ("u32", len(buffers))})
    fields: dict[int, tuple[str, int]] = {0: ("u32", root.integer(0, "I"))}
    for field in (1, 2, 7):
        if tables := root.tables(field):
            fields[field] = ("offset", keep.tables(tables))
    if description := root.text(3):
        fields[3] = ("offset", builder.CreateString(description))
    fields[4] = ("offset", keep.tables(buffers, buffer))
    if old_entries := root.integers(5):
        fields[5] = ("offset", _integers(builder, old_entries))
    fields[6] = ("offset", keep.tables(root.tables(6), entry))
    builder.Finish(_table(builder, fields), b"TFL3")
    return bytes(builder.Output())


class _Kept:
    """Refers to tables of the old model, which lies at the very end of the builder's bytes."""

    def __init__(self, builder: Any, num_bytes: int) -> None:
        self._builder, self._num_bytes = builder, num_bytes

    def tables(self, old: Sequence[Table], *new: int) -> int:
        """Write a vector of old tables followed by new ones."""
        return _tables(self._builder, [self._num_bytes - table.position for table in old] + list(new))


def _new_builder(num_bytes: int) -> Any:
    try:
        import flatbuffers
    except ImportError as exc:
        raise MissingExtraError("writing model files needs flatbuffers; run: pip install 'edgecnn[train]'") from exc
    return flatbuffers.Builder(num_bytes)


def _table(builder: Any, fields: dict[int, tuple[str, int]]) -> int:
    """Write a table; ``fields`` maps a field number to its kind and value."""
    add = {
        "offset": builder.PrependUOffsetTRelativeSlot,
        "u8": builder.PrependUint8Slot,
        "i8": builder.PrependInt8Slot,
        "u32": builder.PrependUint32Slot,
    }
    builder.StartObject(max(fields, default=-1) + 1)
    for field, (kind, value) in fields.items():
        add[kind](field, value, 0)
    offset: int = builder.EndObject()
    return offset


def _tables(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end


def _integers(builder: Any, values: Sequence[int]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependInt32(value)
    end: int = builder.EndVector()
    return end


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    end: int = builder.EndVector()
    return end


def _bytes(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), _ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    end: int = builder.EndVector()
    return end


def _size(builder: Any, contract: InputContract) -> int:
    return _table(builder, {0: ("u32", contract.width), 1: ("u32", contract.height)})


def _stats(builder: Any, low: float, high: float) -> int:
    maximum, minimum = _floats(builder, [high]), _floats(builder, [low])
    return _table(builder, {0: ("offset", maximum), 1: ("offset", minimum)})


def _file(builder: Any, name: str, description: str, kind: int) -> int:
    text, about = builder.CreateString(name), builder.CreateString(description)
    return _table(builder, {0: ("offset", text), 1: ("offset", about), 2: ("i8", kind)})
