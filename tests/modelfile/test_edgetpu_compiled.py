"""Reading what the Edge TPU compiler wrote: Google's own files, the stand-in's, and damaged ones."""

import random
import struct
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.archive import split_files
from edgecnn.modelfile.edgetpu import CompiledInfo, read_compiled
from edgecnn.modelfile.edgetpu.compiled import FAKE_MAGIC, custom_payloads, read_parameters
from edgecnn.modelfile.edgetpu.flexbuffer import read_blobs
from edgecnn.modelfile.edgetpu.weights import share_of_weights
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.structure import check_structure
from edgecnn.testing.fake_edgetpu import DESCRIPTION, fake_compiled, fake_payload


def compiled(shared_data: Path, size: str = "0.25_128") -> bytes:
    path = shared_data / "models" / "coral" / f"mobilenet_v1_{size}_quant_edgetpu.tflite"
    return split_files(path.read_bytes())[0]


def executable(kind: int, parameters: bytes, chunks: list[bytes]) -> bytes:
    """A DarwiNN executable with the fields that are read."""
    builder = flatbuffers.Builder(256)
    bitstreams = []
    for chunk in chunks:
        data = builder.CreateByteVector(chunk)
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, data, 0)
        bitstreams.append(builder.EndObject())
    builder.StartVector(4, len(bitstreams), 4)
    for offset in reversed(bitstreams):
        builder.PrependUOffsetTRelative(offset)
    instructions, chip = builder.EndVector(), builder.CreateString("beagle")
    data = builder.CreateByteVector(parameters)
    builder.StartObject(14)
    builder.PrependUOffsetTRelativeSlot(5, instructions, 0)
    builder.PrependUOffsetTRelativeSlot(6, data, 0)
    builder.PrependUOffsetTRelativeSlot(10, chip, 0)
    builder.PrependInt32Slot(12, 1000 + kind, 0)
    builder.PrependInt16Slot(13, kind, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def package(executables: list[bytes], version: int = 13) -> bytes:
    builder = flatbuffers.Builder(256)
    strings = [builder.CreateByteVector(data) for data in executables]
    builder.StartVector(4, len(strings), 4)
    for offset in reversed(strings):
        builder.PrependUOffsetTRelative(offset)
    several = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, several, 0)
    builder.Finish(builder.EndObject())
    inner = bytes(builder.Output())
    builder = flatbuffers.Builder(256)
    data = builder.CreateByteVector(inner)
    builder.StartObject(2)
    builder.PrependInt32Slot(0, version, 0)
    builder.PrependUOffsetTRelativeSlot(1, data, 0)
    builder.Finish(builder.EndObject(), b"DWN1")
    return bytes(builder.Output())


def flexbuffer_of(blob: bytes) -> bytes:
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Key("4")
        builder.Blob(blob)
    return bytes(builder.Finish())


def model_with(payload: bytes, like: bytes) -> bytes:
    """A compiled model whose operator holds ``payload``."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(like, 0))
    model.subgraphs[0].operators[0].customOptions = list(payload)
    builder = flatbuffers.Builder(len(payload) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def fake(bare_model: bytes) -> bytes:
    return fake_compiled(bare_model)


@pytest.mark.parametrize(
    ("size", "cached", "instructions", "narrow"),
    [("0.25_128", 566_912, 170_032, 8_996), ("0.5_160", 1_473_280, 205_936, 20_512)],
)
def test_googles_files_say_what_they_take(
    shared_data: Path, size: str, cached: int, instructions: int, narrow: int
) -> None:
    assert read_compiled(compiled(shared_data, size)) == CompiledInfo(
        is_fake=False,
        num_custom_operators=1,
        num_cpu_operators=0,
        min_runtime_version=12,
        cached_bytes=cached,
        streamed_bytes=0,
        instruction_bytes=instructions,
        activation_bytes_per_tile=narrow,
        chip="beagle",
    )


@pytest.mark.parametrize("size", ["0.25_128", "0.5_160"])
@pytest.mark.parametrize("other", ["0.25_128", "0.5_160"])
def test_the_weights_of_a_plain_file_are_found_in_its_own_compiled_form_only(
    shared_data: Path, size: str, other: str
) -> None:
    plain = shared_data / "models" / "coral" / f"mobilenet_v1_{size}_quant.tflite"
    graph = Graph.parse(split_files(plain.read_bytes())[0])
    share = share_of_weights(graph, read_parameters(compiled(shared_data, other)))
    assert share == 1.0 if size == other else share < 0.02


def test_no_weights_are_found_where_there_are_none(fake: bytes, bare_model: bytes) -> None:
    assert read_parameters(fake) == b""
    assert share_of_weights(Graph.parse(bare_model), b"") == 0.0
    assert share_of_weights(Graph.parse(fake), b"") == 0.0


def test_a_plain_file_was_not_compiled(bare_model: bytes) -> None:
    assert read_compiled(bare_model) is None


def test_parameters_are_cached_or_streamed_by_the_kind_of_their_executable(fake: bytes) -> None:
    parts = [executable(1, b"c" * 700, [b"once"]), executable(2, b"s" * 50, [b"a" * 10, b"b" * 20])]
    payload = flexbuffer_of(package(parts))
    info = read_compiled(model_with(payload, fake))
    assert info is not None
    assert (info.cached_bytes, info.streamed_bytes, info.instruction_bytes) == (700, 50, 30)
    assert (info.min_runtime_version, info.activation_bytes_per_tile, info.chip) == (13, 1002, "beagle")
    alone = flexbuffer_of(package([executable(0, b"s" * 9, [])], version=14))
    assert read_compiled(model_with(alone, fake)) == info._replace(
        min_runtime_version=14,
        cached_bytes=0,
        streamed_bytes=9,
        instruction_bytes=0,
        activation_bytes_per_tile=1000,
    )


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "leads outside"),
        (b"\x00\x00\x00\x00", "no map"),
        (flexbuffer_of(b"nothing that anybody knows"), "no DWN1 package"),
        (flexbuffer_of(package([])), "nothing to run"),
        (flexbuffer_of(package([executable(0, b"", [])], version=0)), "impossible runtime version 0"),
        (flexbuffer_of(package([executable(0, b"", [])], version=2000)), "impossible runtime version 2000"),
        (flexbuffer_of(package([b"short"])), "leads outside"),
        (flexbuffer_of(package([executable(0, b"x" * 99, [])])[:-40]), "cut short"),
        (flexbuffer_of(package([executable(0, b"", [])]))[:-1] + b"\x07", "no map"),
    ],
)
def test_a_payload_that_is_none_is_an_integrity_error(fake: bytes, payload: bytes, message: str) -> None:
    with pytest.raises(ModelIntegrityError, match=message):
        read_compiled(model_with(payload, fake))


def test_a_damaged_compiled_file_is_read_or_is_an_integrity_error(shared_data: Path) -> None:
    whole = compiled(shared_data)
    rng = random.Random(0)
    # The payload's ends are where its tables lie; the middle is instructions and parameters.
    places = [
        *range(0, 1200, 3),
        *range(len(whole) - 1600, len(whole)),
        *(rng.randrange(len(whole)) for _ in range(200)),
    ]
    outcomes = set()
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        try:
            outcomes.add(type(read_compiled(bytes(damaged))))
        except ModelIntegrityError:
            outcomes.add(ModelIntegrityError)
    assert {CompiledInfo, ModelIntegrityError} <= outcomes
    for end in range(0, len(whole), 90_001):
        with pytest.raises(ModelIntegrityError):
            read_compiled(whole[:end])


@given(st.binary(max_size=200))
def test_any_bytes_as_a_map_are_blobs_or_an_integrity_error(data: bytes) -> None:
    try:
        blobs = read_blobs(data)
    except ModelIntegrityError:
        return
    assert all(len(blob) <= len(data) for blob in blobs.values())


@given(st.dictionaries(st.text("abc123", min_size=1, max_size=4), st.binary(max_size=3000), max_size=6))
def test_what_the_flexbuffer_library_writes_is_read(blobs: dict[str, bytes]) -> None:
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, blob in blobs.items():
            builder.Key(name)
            builder.Blob(blob)
    assert read_blobs(bytes(builder.Finish())) == blobs


def test_a_map_that_claims_too_much_is_refused() -> None:
    data = struct.pack("<IIII", 0, 1 << 30, 0, 4) + bytes([(9 << 2) | 2, 4])
    with pytest.raises(ModelIntegrityError, match="claims"):
        read_blobs(data)


def test_the_stand_ins_file_says_fake_everywhere(fake: bytes, bare_model: bytes) -> None:
    info = read_compiled(fake)
    assert info is not None
    assert (info.is_fake, info.chip, info.min_runtime_version) == (True, "FAKE", None)
    assert Table.root(fake).text(3) == DESCRIPTION
    payloads, num_cpu = custom_payloads(fake)
    assert num_cpu == 0
    assert fake_payload(payloads[0]) == bare_model
    assert fake.find(FAKE_MAGIC) % 16 == 0
    with pytest.raises(ModelIntegrityError, match="no FAKE"):
        fake_payload(b"DWN1")


def test_the_stand_ins_file_takes_and_gives_what_the_network_does(fake: bytes, bare_model: bytes) -> None:
    graph, original = Graph.parse(fake), Graph.parse(bare_model)
    check_structure(graph)
    ends = [
        (graph.tensors[index], original.tensors[other])
        for index, other in zip((*graph.inputs, *graph.outputs), (*original.inputs, *original.outputs), strict=True)
    ]
    assert all(made._replace(buffer=0) == real._replace(buffer=0) for made, real in ends)


def test_a_file_that_is_half_fake_is_refused(fake: bytes, shared_data: Path) -> None:
    real, _ = custom_payloads(compiled(shared_data))
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(fake, 0))
    twin = schema.OperatorT()
    twin.inputs, twin.outputs = [0], [1]
    twin.customOptions = list(real[0])
    model.subgraphs[0].operators.append(twin)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ModelIntegrityError, match="mixes real and FAKE"):
        read_compiled(bytes(builder.Output()))
