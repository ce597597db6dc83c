import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.labels import digest_labels, encode_labels
from edgecnn.errors import EdgecnnError, ModelIntegrityError, ModelVersionError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import append_files, split_files
from edgecnn.modelfile.manifest import MAX_MANIFEST_BYTES, read_manifest

REAL = json.loads(
    split_files((Path(__file__).parents[1] / "fixtures" / "shapes-int8.tflite").read_bytes())[1]["edgecnn.json"]
)
FREE_FORM = {("tools",), ("calibration", "per_class")}  # their keys are names of programs and of classes
Place = tuple[Any, ...]


def places(value: Any, here: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every value in the manifest with the keys and positions that lead there."""
    if here:
        yield here, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*here, key))


PLACES = dict(places(REAL))
FIELDS = [place for place in PLACES if place[:-1] not in FREE_FORM and not isinstance(place[-1], int)]
OBJECTS = [(), *(place for place, value in PLACES.items() if isinstance(value, dict) and place not in FREE_FORM)]


def changed(place: Place, value: Any = None, *, delete: bool = False, add: str = "") -> bytes:
    """Return the manifest with one value replaced, deleted, or with a key added to the object there."""
    manifest = json.loads(json.dumps(REAL))
    target = manifest
    for key in place if add else place[:-1]:
        target = target[key]
    if add:
        target[add] = value
    elif delete:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return json.dumps(manifest).encode()


def refuse(data: bytes, match: str = "edgecnn.json is not a valid manifest") -> None:
    with pytest.raises(ModelIntegrityError, match=match):
        read_manifest(data).input.to_contract()


def test_the_real_manifest_is_read_and_written_back() -> None:
    manifest = read_manifest(json.dumps(REAL).encode())
    assert json.loads(json.dumps(manifest.to_builtins())) == REAL
    assert json.loads(manifest.to_json()) == REAL
    assert manifest.to_json().decode("utf-8").count("\n") > 50


@pytest.mark.parametrize("place", OBJECTS, ids=str)
def test_a_key_that_nobody_knows_is_refused_wherever_it_stands(place: Place) -> None:
    refuse(changed(place, 1, add="note"), "Object contains unknown field `note`")


@pytest.mark.parametrize("place", FIELDS, ids=str)
def test_a_key_that_is_missing_is_refused_by_its_name(place: Place) -> None:
    words = {
        "calibration": "a file of the kind int8 needs calibration, which is missing",
        "tolerance_codes": "golden vectors have either tolerance_codes or tolerance_score",
    }
    refuse(changed(place, delete=True), words.get(str(place[-1]), f"missing required field `{place[-1]}`"))


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_value_of_another_type_is_refused(place: Place) -> None:
    value = PLACES[place]
    wrong: list[Any] = [None, [], {}, "text", 1.5, True]
    if isinstance(value, str):
        wrong = [None, [], {}, 7, True]
    elif isinstance(value, float) or place[-1] == "seed":
        wrong = [[], {}, "text", True]
    elif isinstance(value, list):
        wrong = [None, {}, "text", 7, []]
    elif isinstance(value, dict):
        wrong = [None, [], "text", 7]
    if place[-1] == "picture":
        wrong = [[], {}, "text", 7, True]
    for other in wrong:
        refuse(changed(place, other))


OUT_OF_RANGE: list[tuple[Place, Any]] = [
    (("schema",), 0),
    (("schema",), -1),
    (("name",), ""),
    (("name",), "x" * 129),
    (("description",), "x" * 4097),
    (("input", "width"), 0),
    (("input", "height"), 4097),
    (("input", "width"), 96.5),
    (("input", "aspect"), "stretch"),
    (("input", "crop_fraction"), 0.0),
    (("input", "crop_fraction"), 1.1),
    (("input", "crop_fraction"), 1e400),
    (("input", "mean"), -1.0),
    (("input", "mean"), 256.0),
    (("input", "std"), 0.0),
    (("labels", "num"), 0),
    (("labels", "sha256"), "0" * 63),
    (("labels", "sha256"), "G" * 64),
    (("model", "sha256"), REAL["model"]["sha256"].upper()),
    (("model", "num_bytes"), -1),
    (("recipe", "kind"), "float32"),
    (("calibration", "num"), -1),
    (("calibration", "split"), "test"),
    (("accuracy", "split"), "all"),
    (("accuracy", "top1"), 1.01),
    (("accuracy", "float_top1"), -0.01),
    (("accuracy", "agreement"), 2),
    (("golden", "tolerance_codes"), 256),
    (("golden", "tolerance_codes"), -1),
    (("golden", "generator"), ""),
    (("golden", "vectors"), []),
    (("golden", "vectors"), REAL["golden"]["vectors"] * 9),
    (("golden", "vectors", 0, "seed"), 65536),
    (("golden", "vectors", 0, "seed"), None),
    (("golden", "vectors", 0, "picture"), "golden/0.png"),
    (("golden", "vectors", 0), {"seed": None, "picture": "../../etc/passwd", "output": ""}),
    (("golden", "vectors", 0), {"seed": None, "picture": "golden/0.png/../x", "output": ""}),
]


@pytest.mark.parametrize(("place", "value"), OUT_OF_RANGE, ids=lambda value: str(value)[:40])
def test_a_value_out_of_range_is_refused(place: Place, value: Any) -> None:
    refuse(changed(place, value), r"edgecnn\.json")


@pytest.mark.parametrize("schema", [4, 1000, 1 << 40])
def test_a_newer_manifest_asks_for_a_newer_edgecnn_whatever_else_is_in_it(schema: int) -> None:
    for data in (changed(("schema",), schema), json.dumps({"schema": schema, "everything": "new"}).encode()):
        with pytest.raises(ModelVersionError, match=f"has schema {schema}, this edgecnn reads up to 3; run: pip"):
            read_manifest(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe{}",
        b'{"schema": 1',
        b"{'schema': 1}",
        json.dumps(REAL).encode() + b"{}",
        json.dumps(REAL).encode("utf-16"),
        json.dumps(REAL).encode().replace(b'"name": "', b'"name": "\xff'),
        json.dumps({**REAL, "name": "\ud800"}).encode(),
        b'{"schema": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps(REAL).replace('"top1": 1.0', '"top1": NaN').encode(),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_not_the_manifest_is_refused(data: bytes) -> None:
    refuse(data)


def test_a_huge_manifest_is_refused_before_it_is_read() -> None:
    padded = json.dumps(REAL).encode() + b" " * MAX_MANIFEST_BYTES
    refuse(padded, f"has {len(padded)} bytes; at most {MAX_MANIFEST_BYTES} are allowed")


def test_a_golden_output_that_is_not_base64_is_refused() -> None:
    manifest = read_manifest(changed(("golden", "vectors", 0, "output"), "no base64!"))
    with pytest.raises(ModelIntegrityError, match="a golden output is not base64"):
        manifest.golden.vectors[0].output_bytes()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(PLACES, key=str)), json_values)
def test_any_value_anywhere_gives_a_manifest_or_an_error_of_edgecnn(place: Place, value: Any) -> None:
    data = changed(place, value)
    try:
        manifest = read_manifest(data)
        manifest.input.to_contract()
    except EdgecnnError:
        return
    assert msgspec.json.decode(manifest.to_json()) == msgspec.json.decode(data)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_error_of_edgecnn(data: bytes) -> None:
    with pytest.raises(EdgecnnError):
        read_manifest(data)


def with_manifest(exported: ModelFile, data: bytes, labels: bytes | None = None) -> ModelFile:
    """Open the exported file with another manifest, and perhaps other labels, in it."""
    files = {**exported.files, "edgecnn.json": data, "labels.txt": labels or exported.files["labels.txt"]}
    return ModelFile.from_bytes(append_files(exported.model, files), path=Path("model.tflite"))


def test_a_file_with_its_own_manifest_written_again_is_the_same_file(exported: ModelFile) -> None:
    assert exported.manifest is not None
    assert with_manifest(exported, exported.manifest.to_json()).manifest == exported.manifest


def test_a_manifest_of_another_network_is_refused(exported: ModelFile) -> None:
    for change in (("model", "sha256"), "0" * 64), (("model", "num_bytes"), len(exported.model) - 1):
        with pytest.raises(ModelIntegrityError, match="the network is not the one that was exported"):
            with_manifest(exported, changed(*change))


def test_an_input_that_the_network_does_not_have_is_refused(exported: ModelFile) -> None:
    with pytest.raises(ModelIntegrityError, match=r"but the manifest says \(96, 97, 3\)"):
        with_manifest(exported, changed(("input", "width"), 97))


@pytest.mark.parametrize(
    "labels",
    [
        ("square", "Kreis ○", "star", "triangle"),
        ("Kreis ○", "square", "star", "Triangle"),
        ("Kreis ○", "square", "star"),
        ("Kreis ○", "square", "star", "triangle", "more"),
    ],
)
def test_labels_that_were_swapped_changed_or_shortened_are_refused(
    exported: ModelFile, labels: tuple[str, ...]
) -> None:
    with pytest.raises(ModelIntegrityError, match=r"labels\.txt in the file is not the one that was exported"):
        with_manifest(exported, exported.files["edgecnn.json"], encode_labels(labels))


def test_labels_that_are_no_labels_are_refused(exported: ModelFile) -> None:
    with pytest.raises(ModelIntegrityError, match=r"labels\.txt in the file is missing or damaged"):
        with_manifest(exported, exported.files["edgecnn.json"], b"Kreis\n\n\n")


def test_more_labels_than_outputs_are_refused_even_if_the_manifest_agrees(exported: ModelFile) -> None:
    labels = ("a", "b", "c", "d", "e")
    part = {"num": 5, "sha256": digest_labels(labels)}
    with pytest.raises(ModelIntegrityError, match="there are 5 labels for 4 outputs"):
        with_manifest(exported, changed(("labels",), part), encode_labels(labels))


def test_a_file_without_its_labels_is_refused(exported: ModelFile) -> None:
    data = append_files(exported.model, {"edgecnn.json": exported.files["edgecnn.json"]})
    with pytest.raises(ModelIntegrityError, match=r"labels\.txt in the file is missing"):
        ModelFile.from_bytes(data, path=Path("model.tflite"))


def test_a_file_without_its_manifest_is_not_taken_for_a_foreign_one(exported: ModelFile) -> None:
    data = append_files(exported.model, {"labels.txt": exported.files["labels.txt"]})
    with pytest.raises(ModelIntegrityError, match="its labels and manifest are missing: the file was cut short"):
        ModelFile.from_bytes(data, path=Path("model.tflite"))


CONFIDENCE = {"method": "max_score", "unknown_below": 0.5, "kept": 0.95, "split": "val", "num": 254}


def test_a_rejection_threshold_is_read_from_schema_2_and_is_absent_from_schema_1() -> None:
    read = read_manifest(json.dumps({**REAL, "schema": 2, "confidence": CONFIDENCE}).encode())
    assert read.confidence is not None
    assert read.confidence.unknown_below == 0.5
    assert read_manifest(json.dumps({**REAL, "schema": 2}).encode()).confidence is None
    refuse(json.dumps({**REAL, "schema": 1, "confidence": CONFIDENCE}).encode(), "confidence came with schema 2")


@pytest.mark.parametrize("key", list(CONFIDENCE))
def test_a_rejection_threshold_is_whole_and_in_range(key: str) -> None:
    for value in (None, -0.1, 1.1, "test", -1):
        if (key, value) != ("num", 1.1):
            refuse(json.dumps({**REAL, "schema": 2, "confidence": {**CONFIDENCE, key: value}}).encode())
    cut = {name: value for name, value in CONFIDENCE.items() if name != key}
    refuse(json.dumps({**REAL, "schema": 2, "confidence": cut}).encode())


def with_confidence(**confidence: Any) -> bytes:
    return json.dumps({**REAL, "schema": 3, "confidence": confidence}).encode()


BY_FEATURES = {
    **CONFIDENCE,
    "method": "feature_distance",
    "temperature": 1.25,
    "ece_before": 0.11,
    "ece_after": 0.03,
    "threshold": -0.9,
    "typical": -0.7,
    "score_below": 0.4,
    "features_sha256": "0" * 64,
    "auroc": {"max_score": 0.8, "energy": 0.75, "feature_distance": 0.9},
    "against": "strange pictures",
}


def test_a_rejection_method_is_read_from_schema_3_and_written_back() -> None:
    manifest = read_manifest(with_confidence(**BY_FEATURES))
    assert json.loads(manifest.to_json())["confidence"] == BY_FEATURES
    assert read_manifest(manifest.to_json()) == manifest


@pytest.mark.parametrize("key", sorted(set(BY_FEATURES) - set(CONFIDENCE)))
def test_what_schema_3_brought_is_refused_in_schema_2(key: str) -> None:
    confidence = {**CONFIDENCE, key: BY_FEATURES[key]}
    refuse(json.dumps({**REAL, "schema": 2, "confidence": confidence}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"method": "odin"},
        {"method": "max_score"},
        {"method": "energy"},
        {"features_sha256": None},
        {"features_sha256": "0" * 63},
        {"threshold": None},
        {"typical": None},
        {"score_below": None},
        {"score_below": 1.1},
        {"threshold": -0.7},
        {"threshold": -1e7},
        {"unknown_below": 0.6},
        {"temperature": 0.0},
        {"temperature": 1001},
        {"ece_before": -0.1},
        {"auroc": {"odin": 0.9}},
        {"auroc": {"energy": 1.1}},
    ],
    ids=str,
)
def test_a_rejection_method_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    refuse(with_confidence(**{**BY_FEATURES, **change}))


def test_energy_needs_no_features() -> None:
    by_energy = {key: value for key, value in BY_FEATURES.items() if key != "features_sha256"} | {"method": "energy"}
    assert read_manifest(with_confidence(**by_energy)).confidence is not None
