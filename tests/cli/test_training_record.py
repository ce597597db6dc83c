import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec import json, structs

from edgecnn.cli.training_record import find_run, read_training
from edgecnn.core.contract import InputContract
from edgecnn.core.labels import encode_labels
from edgecnn.data import ImageFolder
from edgecnn.errors import RunError
from edgecnn.explain import Network
from edgecnn.train import TrainConfig, run_folder
from edgecnn.train.ablation_record import ABLATION_FILE, AblationRecord, FailedVariant, MeasuredFigures, VariantRecord
from edgecnn.train.contact_sheet import draw_sheet_of
from edgecnn.train.run_folder import HistoryRow, RunConfig, RunFolder, StageRecord, encode_json

ROWS = tuple(
    HistoryRow(
        stage="scratch",
        epoch=epoch,
        loss=1.0,
        accuracy=0.5,
        val_loss=0.9,
        val_accuracy=0.6,
        learning_rate=0.001,
        seconds=1.0,
    )
    for epoch in (1, 2)
)


@pytest.fixture
def near(
    model_file: Path, picture_folder: Path, exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the model file, with the run that it names in ``runs/`` beside it and nothing else around."""
    shutil.copyfile(model_file, tmp_path / "file.tflite")
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs" / "shapes", exported.labels, exported.contract, picture_folder)
    return tmp_path


def write_run(path: Path, labels: tuple[str, ...], contract: InputContract, pictures: Path) -> None:
    options = TrainConfig(data=pictures, architecture="tiny", size_px=contract.width)
    config = RunConfig(
        format=run_folder.RUN_FORMAT,
        version=run_folder.RUN_VERSION,
        tools={},
        architecture="tiny",
        input=contract,
        options=options,
        schedule=options.schedule,
        data_root=str(pictures),
        has_given_splits=False,
        seed=0,
        class_weights=None,
        skipped=(),
        interrupted=False,
        stages=(StageRecord(name="scratch", seconds=1.0, epochs=2, best_epoch=1, kept=True),),
    )
    train = [picture.path for picture in ImageFolder.scan(pictures).pictures]
    path.mkdir(parents=True)
    (path / run_folder.MODEL_FILE).write_bytes(b"nobody loads it")
    (path / run_folder.LABELS_FILE).write_bytes(encode_labels(labels))
    (path / run_folder.CONFIG_FILE).write_bytes(encode_json(config))
    (path / run_folder.SPLIT_FILE).write_bytes(encode_json({"train": train[1:], "val": train[:1], "test": []}))
    (path / run_folder.HISTORY_FILE).write_bytes(encode_json(ROWS))
    (path / run_folder.METRICS_FILE).write_bytes(encode_json({"val": {"num": 36, "top1": 1.0}, "test": None}))


def edit_config(run: Path, **changes: Any) -> None:
    config = json.decode((run / run_folder.CONFIG_FILE).read_bytes(), type=dict)
    (run / run_folder.CONFIG_FILE).write_bytes(json.encode(config | changes))


@pytest.mark.parametrize("place", ["runs/shapes", "shapes"])
def test_the_run_is_found_by_its_name_near_the_file(near: Path, place: str) -> None:
    shutil.move(near / "runs" / "shapes", near / "kept")
    shutil.move(near / "kept", near / place)
    run, reason = find_run(Network.open(near / "file.tflite"), None)
    assert run is not None
    assert run.path.resolve() == (near / place).resolve()
    assert reason == ""


def test_a_run_in_the_current_folder_is_found_for_a_file_from_elsewhere(near: Path, model_file: Path) -> None:
    run, _ = find_run(Network.open(model_file), None)
    assert run is not None
    assert run.path.resolve() == near / "runs" / "shapes"


def test_a_file_whose_run_is_not_near_says_which_it_was(near: Path) -> None:
    shutil.rmtree(near / "runs")
    run, reason = find_run(Network.open(near / "file.tflite"), None)
    assert run is None
    assert reason == "The file was trained in the run 'shapes', which does not lie beside it."


def test_a_file_from_elsewhere_names_no_run(foreign_file: Path, labels_file: Path) -> None:
    run, reason = find_run(Network.open(foreign_file, labels_path=labels_file), None)
    assert run is None
    assert "was not made by edgecnn export" in reason


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"input": {"width": 64, "height": 96}}, "it takes 64 by 96 pixels, the file 96 by 96"),
        ({"input": {"width": 96, "height": 96, "aspect": "crop"}}, "it prepares its pictures otherwise"),
        ({"architecture": "lite0"}, "its network is lite0, the file's tiny"),
    ],
)
def test_a_run_that_is_not_the_files_is_not_taken_for_it(near: Path, changes: dict[str, Any], difference: str) -> None:
    network, path = Network.open(near / "file.tflite"), near / "runs" / "shapes"
    edit_config(path, **changes)
    run, reason = find_run(network, None)
    assert run is None
    assert difference in reason
    with pytest.raises(RunError, match=f"is not what file.tflite was trained in: {difference}"):
        find_run(network, path)


def test_a_run_of_other_classes_or_a_damaged_one_is_not_taken(near: Path) -> None:
    network, path = Network.open(near / "file.tflite"), near / "runs" / "shapes"
    (path / run_folder.SPLIT_FILE).write_text("{")
    run, reason = find_run(network, None)
    assert run is None
    assert "split.json is damaged" in reason
    (path / run_folder.LABELS_FILE).write_bytes(encode_labels(("a", "b", "c", "d")))
    (path / run_folder.SPLIT_FILE).write_bytes(encode_json({"train": [], "val": ["a/1.png"], "test": []}))
    assert "its classes are others" in find_run(network, None)[1]


def test_a_run_that_was_trained_again_since_is_not_taken(near: Path) -> None:
    path = near / "runs" / "shapes" / run_folder.METRICS_FILE
    network = Network.open(near / "file.tflite")
    for top1, found in ((35 / 36, True), (34 / 36, False)):  # another processor may turn one picture of 36
        path.write_bytes(encode_json({"val": {"num": 36, "top1": top1}, "test": None}))
        run, reason = find_run(network, None)
        assert (run is not None) == found
        assert ("it was trained again after the file was exported" in reason) != found
    path.write_bytes(encode_json({"val": {"num": 40, "top1": 0.5}, "test": None}))
    assert find_run(network, None)[0] is not None


def test_a_run_without_a_record_of_its_training_is_not_taken(near: Path) -> None:
    network, path = Network.open(near / "file.tflite"), near / "runs" / "shapes"
    (path / run_folder.HISTORY_FILE).write_bytes(encode_json(ROWS[1:]))  # not the epoch that gave the weights
    run, reason = find_run(network, None)
    assert run is None
    assert "holds no record of how its model was trained" in reason
    (path / run_folder.HISTORY_FILE).write_text("[")
    assert "history.json is damaged" in find_run(network, None)[1]


def test_an_older_run_has_its_sheet_drawn_from_its_pictures(near: Path, picture_folder: Path) -> None:
    run = RunFolder.open(near / "runs" / "shapes")
    record = read_training(run)
    assert record.sheet is not None
    expected = draw_sheet_of(picture_folder, run.splits.train, run.contract, run.config.options)
    np.testing.assert_array_equal(record.sheet, expected)
    assert record.sheet_labels == run.labels
    assert [epoch.val_accuracy for epoch in record.epochs] == [0.6, 0.6]
    assert record.kept == ("scratch", 1)
    assert (record.trained, record.failed, record.no_sheet) == ((), (), "")


def test_the_sheet_of_a_run_comes_before_one_that_is_drawn_anew(near: Path) -> None:
    path = near / "runs" / "shapes" / run_folder.SHEET_FILE
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((9, 9, 3), (10, 20, 30), np.uint8))
    sheet = read_training(RunFolder.open(near / "runs" / "shapes")).sheet
    assert sheet is not None
    assert sheet[0, 0].tolist() == [30, 20, 10]


def test_a_run_whose_pictures_are_gone_says_how_to_draw_the_sheet(near: Path) -> None:
    edit_config(near / "runs" / "shapes", data_root=str(near / "gone"))
    record = read_training(RunFolder.open(near / "runs" / "shapes"))
    assert record.sheet is None
    assert "no longer in" in record.no_sheet
    assert "--preview sheet.png" in record.no_sheet


def test_a_training_that_changed_no_picture_says_so(near: Path) -> None:
    path = near / "runs" / "shapes"
    options = json.decode((path / run_folder.CONFIG_FILE).read_bytes())["options"]
    edit_config(path, options=options | {"augment": []})
    record = read_training(RunFolder.open(path))
    assert (record.sheet, record.changes) == (None, ())
    assert "changed no picture" in record.no_sheet


def test_variants_and_failures_are_read(near: Path) -> None:
    path = near / "runs" / "shapes"
    figures = MeasuredFigures(accuracy=0.8, loss=0.5)
    model = VariantRecord(
        name="model",
        change="nothing is left out",
        augmented=True,
        pooled=True,
        num_weights=10,
        num_multiplications=20,
        rows=ROWS,
        train=figures,
        val=figures,
        only_model=0,
        only_variant=0,
        seconds=2.0,
    )
    other = structs.replace(model, name="no-pooling", only_model=3, only_variant=1)
    failed = (FailedVariant(name="neither", reason="no memory"),)
    record = AblationRecord(num_train=4, num_val=4, variants=(model, other), failed=failed)
    (path / ABLATION_FILE).write_bytes(encode_json(record))
    read = read_training(RunFolder.open(path))
    assert [(one.name, one.only_model, one.only_this) for one in read.trained] == [
        ("model", 0, 0),
        ("no-pooling", 3, 1),
    ]
    assert read.failed == (("neither", "no memory"),)
