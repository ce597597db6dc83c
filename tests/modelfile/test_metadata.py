import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgecnn.core.contract import InputContract
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import ExportError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.metadata import attach_metadata, build_metadata

CONTRACT = InputContract(width=96, height=64, mean=127, std=128)
PAYLOAD = build_metadata(name="Obst ○", description="what it is", contract=CONTRACT)


def outputs(model: bytes) -> list[bytes]:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    made = []
    for seed in range(4):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], synthetic_picture(seed, 96, 96)[None])
        interpreter.invoke()
        made.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tobytes())
    return made


def test_attaching_metadata_leaves_the_outputs_byte_for_byte(bare_model: bytes) -> None:
    assert outputs(attach_metadata(bare_model, PAYLOAD)) == outputs(bare_model)


def test_attaching_metadata_leaves_the_converters_bytes_in_place(bare_model: bytes) -> None:
    attached = attach_metadata(bare_model, PAYLOAD)
    assert attached.rstrip(b"\x00").endswith(bare_model.rstrip(b"\x00"))
    assert (len(attached) - len(bare_model)) % 16 in (0, (-len(bare_model)) % 16)


def test_attaching_metadata_changes_nothing_but_the_metadata(bare_model: bytes) -> None:
    attached = attach_metadata(bare_model, PAYLOAD)
    before, after = Graph.parse(bare_model), Graph.parse(attached)
    assert (after.tensors, after.inputs, after.outputs) == (before.tensors, before.inputs, before.outputs)
    assert [op.name for op in after.operators] == [op.name for op in before.operators]
    assert len(after.buffers) == len(before.buffers) + 1
    assert after.metadata == (*before.metadata, ("TFLITE_METADATA", len(before.buffers)))
    assert after.find_metadata("TFLITE_METADATA") == PAYLOAD
    for index in range(len(before.buffers)):
        np.testing.assert_array_equal(after.buffer(index), before.buffer(index))


def test_the_schema_of_litert_reads_the_same_model(bare_model: bytes) -> None:
    before, after = (
        schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
        for model in (bare_model, attach_metadata(bare_model, PAYLOAD))
    )
    assert (after.version, after.description) == (before.version, before.description)
    assert [code.builtinCode for code in after.operatorCodes] == [code.builtinCode for code in before.operatorCodes]
    assert [entry.name for entry in after.metadata][-1] == b"TFLITE_METADATA"
    assert bytes(bytearray(after.buffers[after.metadata[-1].buffer].data)) == PAYLOAD
    assert after.signatureDefs[0].signatureKey == before.signatureDefs[0].signatureKey


def test_constants_keep_the_alignment_that_the_converter_gave_them(bare_model: bytes) -> None:
    places, num_constants = [], len(Graph.parse(bare_model).buffers)
    for model in (bare_model, attach_metadata(bare_model, PAYLOAD)):
        start, graph = np.frombuffer(model, np.uint8).ctypes.data, Graph.parse(model)
        places.append([(graph.buffer(index).ctypes.data - start) % 16 for index in range(num_constants)])
    assert places[0] == places[1]


def test_the_same_input_gives_the_same_bytes(bare_model: bytes) -> None:
    again = build_metadata(name="Obst ○", description="what it is", contract=CONTRACT)
    assert again == PAYLOAD
    assert attach_metadata(bare_model, again) == attach_metadata(bare_model, PAYLOAD)


def test_the_metadata_says_what_metadata_schema_fbs_asks_for() -> None:
    assert PAYLOAD[4:8] == b"M001"
    root = Table.root(PAYLOAD)
    assert (root.text(0), root.text(1)) == ("Obst ○", "what it is")
    (subgraph,) = root.tables(3)
    (picture,), (scores,) = subgraph.tables(2), subgraph.tables(3)

    content = picture.table(3)
    assert content is not None
    assert content.integer(0, "B") == 2  # ImageProperties
    image = content.table(1)
    assert image is not None
    assert image.integer(0, "b") == 1  # RGB
    size = image.table(1)
    assert size is not None
    assert (size.integer(0, "I"), size.integer(1, "I")) == (96, 64)
    (unit,) = picture.tables(4)
    assert unit.integer(0, "B") == 1  # NormalizationOptions
    options = unit.table(1)
    assert options is not None
    assert (list(options.array(0, "f4")), list(options.array(1, "f4"))) == ([127.0], [128.0])  # type: ignore[arg-type]  # both are there

    feature = scores.table(3)
    assert feature is not None
    assert feature.integer(0, "B") == 1  # FeatureProperties
    (labels,) = scores.tables(6)
    assert (labels.text(0), labels.integer(2, "b")) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS
    (manifest,) = root.tables(6)
    assert (manifest.text(0), manifest.integer(2, "b")) == ("edgecnn.json", 1)  # DESCRIPTIONS
    for tensor, limits in ((picture, (0.0, 255.0)), (scores, (0.0, 1.0))):
        stats = tensor.table(5)
        assert stats is not None
        assert (list(stats.array(1, "f4")), list(stats.array(0, "f4"))) == ([limits[0]], [limits[1]])  # type: ignore[arg-type]  # both are there


def test_a_real_export_carries_metadata_for_its_own_contract(exported: ModelFile) -> None:
    payload = exported.graph.find_metadata("TFLITE_METADATA")
    assert exported.manifest is not None
    assert payload == build_metadata(
        name=exported.manifest.name, description=exported.manifest.description, contract=exported.contract
    )


def test_a_model_that_has_metadata_is_not_given_any_twice(bare_model: bytes) -> None:
    with pytest.raises(ExportError, match="has TFLite Metadata already"):
        attach_metadata(attach_metadata(bare_model, PAYLOAD), PAYLOAD)


def test_a_model_of_a_newer_schema_is_refused_instead_of_losing_fields(bare_model: bytes) -> None:
    # A root table with twelve fields; the last one has something in it.
    vtable = struct.pack("<HH12H", 28, 16, 4, *[0] * 10, 8)
    root = struct.pack("<iIII", len(vtable), 3, 7, 0)
    model = struct.pack("<I", 8 + len(vtable)) + b"TFL3" + vtable + root
    with pytest.raises(ExportError, match="newer than this edgecnn; upgrade edgecnn"):
        attach_metadata(model, PAYLOAD)
