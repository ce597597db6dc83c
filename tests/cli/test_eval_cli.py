import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgecnn

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_a_run_and_its_file_are_judged_on_the_test_split_that_the_run_recorded(
    trained_run: Path, exported_file: Path, run_edgecnn: RunEdgecnn
) -> None:
    judged = json.loads(run_edgecnn("eval", trained_run, exported_file, "--json").stdout)
    recorded = json.loads((trained_run / "metrics.json").read_text("utf-8"))["test"]
    assert judged[0]["top1"] == pytest.approx(recorded["top1"])
    assert judged[0]["confusion"] == recorded["confusion"]
    assert [one["split"] for one in judged] == ["test", "test"]
    assert judged[0]["agreement"] is None
    assert judged[1]["agreement"] >= 0.9


@pytest.mark.slow
def test_versus_is_one_more_model(trained_run: Path, exported_file: Path, run_edgecnn: RunEdgecnn) -> None:
    judged = json.loads(run_edgecnn("eval", exported_file, "--versus", trained_run, "--json").stdout)
    assert [Path(one["model"]) for one in judged] == [exported_file, trained_run]


@pytest.mark.slow
def test_the_folder_that_was_split_is_judged_where_training_did_not_look(
    trained_run: Path, run_edgecnn: RunEdgecnn
) -> None:
    judged = json.loads(run_edgecnn("eval", trained_run, trained_run.parent / "shapes", "--json").stdout)
    assert judged["split"] == "test"
    assert judged["num"] == len(json.loads((trained_run / "split.json").read_text("utf-8"))["test"])


def test_one_model_gives_one_object_with_the_promised_keys(
    model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("eval", model_file, picture_folder, "--json")
    judged = json.loads(done.stdout)
    assert judged["num"] == 48
    assert judged["split"] == "all"
    assert 0.8 <= judged["top1"] <= judged["top3"] <= 1.0
    assert set(judged["per_class"]) == {"Kreis ○", "square", "star", "triangle"}
    assert [sum(row) for row in judged["confusion"]] == [12, 12, 12, 12]
    assert sum(judged["confusion"][index][index] for index in range(4)) / 48 == pytest.approx(judged["top1"])


def test_every_figure_comes_with_how_far_it_is_to_be_believed(
    model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn
) -> None:
    judged = json.loads(run_edgecnn("eval", model_file, picture_folder, "--json").stdout)
    low, high = judged["intervals"]["top1"]
    assert low < judged["top1"] <= high
    assert high - low > 0.05  # 48 pictures deserve a wide bar
    low, high = judged["intervals"]["macro_f1"]
    assert low <= judged["macro_f1"] <= high
    assert set(judged["intervals"]["recall"]) == set(judged["per_class"])
    assert sum(part["num"] for part in judged["calibration"]) == 48
    assert 0.0 <= judged["ece"] <= 1.0
    assert judged["mcnemar"] is None
    assert "robustness" not in judged


def test_two_models_are_compared_by_the_pictures_that_only_one_of_them_knows(
    model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("eval", model_file, model_file, picture_folder)
    assert "won 0 and lost 0 pictures" in done.stdout
    assert "no more than chance" in done.stdout


def test_robust_judges_spoiled_pictures_too(model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn) -> None:
    judged = json.loads(run_edgecnn("eval", model_file, picture_folder, "--robust", "--json").stdout)
    spoiled = {one["change"]: one for one in judged["robustness"]}
    assert set(spoiled) == {"shift", "brightness", "blur", "noise", "jpeg"}
    for one in spoiled.values():
        assert len(one["amounts"]) == len(one["top1"])
        assert all(share["low"] <= share["value"] <= share["high"] for share in one["top1"])
    noise = [share["value"] for share in spoiled["noise"]["top1"]]
    assert noise[-1] <= noise[0] <= judged["top1"]
    assert "jpeg" in run_edgecnn("eval", model_file, picture_folder, "--robust").stdout


def test_people_get_a_table(model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn) -> None:
    done = run_edgecnn("eval", model_file, picture_folder)
    assert done.returncode == 0
    assert "top 1" in done.stdout
    assert "Kreis ○" in done.stdout
    assert "judging on 48 pictures" in done.stderr


def test_eval_and_the_python_interface_agree_picture_by_picture(
    model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn
) -> None:
    classifier = edgecnn.load(str(model_file))
    right = 0
    for picture in picture_folder.rglob("*.png"):
        pixels = cv2.imdecode(np.frombuffer(picture.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        top = classifier.classify(pixels).top
        right += top is not None and top.label == picture.parent.name
    judged = json.loads(run_edgecnn("eval", model_file, picture_folder, "--json").stdout)
    assert right / 48 == pytest.approx(judged["top1"])


def test_a_broken_picture_is_named_and_left_out(
    model_file: Path, picture_folder: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(picture_folder, folder)
    (folder / "star" / "text.jpg").write_text("no picture", "utf-8")
    done = run_edgecnn("eval", model_file, folder, "--json")
    judged = json.loads(done.stdout)
    assert judged["num"] == 48
    assert "text.jpg is not a picture" in judged["unreadable"][0]
    assert "text.jpg" in done.stderr


def test_a_class_that_the_model_does_not_know_is_an_error(
    model_file: Path, picture_folder: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(picture_folder, folder)
    (folder / "star").rename(folder / "comet")
    done = run_edgecnn("eval", model_file, folder)
    assert done.returncode == 1
    assert "does not know: comet" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("{model}",),
        ("{pictures}",),
        ("{model}", "{pictures}", "--data", "{pictures}"),
        ("model.onnx", "{pictures}", "--unknown", "{pictures}"),
    ],
)
def test_contradictory_words_are_usage_errors(
    model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn, words: tuple[str, ...]
) -> None:
    filled = [word.format(model=model_file, pictures=picture_folder) for word in words]
    assert run_edgecnn("eval", *filled).returncode == 2


def test_a_split_that_the_folder_does_not_have_is_an_error(
    model_file: Path, picture_folder: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("eval", model_file, picture_folder, "--split", "test")
    assert done.returncode == 1
    assert "has no split 'test'" in done.stderr
