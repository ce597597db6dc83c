import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]
KINDS = ("int8", "int16x8", "dynamic", "fp16", "float32")


@pytest.fixture(scope="session")
def all_variants(trained_run: Path, run_edgecnn: RunEdgecnn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    done = run_edgecnn(
        *("export", trained_run, "--all", "--gpu", "--onnx", "-o", folder, "--max-drop", "5"), timeout_s=300
    )
    assert done.returncode == 0, done.stderr
    assert "times the" in done.stderr  # what each variant costs here
    return folder


def path_of(folder: Path, kind: str) -> Path:
    (path,) = folder.glob(f"*-{kind}.tflite")
    return path


def manifest_of(run_edgecnn: RunEdgecnn, path: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(run_edgecnn("inspect", path, "--json").stdout)["manifest"]
    return manifest


@pytest.mark.parametrize("kind", KINDS)
def test_every_variant_is_a_complete_file_that_repeats_its_golden_vectors(
    all_variants: Path, run_edgecnn: RunEdgecnn, kind: str
) -> None:
    path = path_of(all_variants, kind)
    manifest = manifest_of(run_edgecnn, path)
    assert manifest["recipe"]["kind"] == kind
    assert manifest["accuracy"]["agreement"] >= 0.9
    assert ("calibration" in manifest) == (kind in ("int8", "int16x8"))
    for options in ((), ("--builtin-kernels",)):
        done = run_edgecnn("verify", path, *options)
        assert done.returncode == 0, done.stdout


def test_a_damaged_float_file_is_found_by_verify(all_variants: Path, run_edgecnn: RunEdgecnn, tmp_path: Path) -> None:
    content = bytearray(path_of(all_variants, "fp16").read_bytes())
    content[len(content) // 2] ^= 0x40
    (tmp_path / "damaged.tflite").write_bytes(content)
    assert run_edgecnn("verify", tmp_path / "damaged.tflite").returncode == 3


def test_sizes_fall_with_the_precision(all_variants: Path) -> None:
    size = {kind: path_of(all_variants, kind).stat().st_size for kind in KINDS}
    assert size["float32"] > size["fp16"] > size["int8"]


def test_one_table_compares_all_variants_the_onnx_file_and_the_run(
    all_variants: Path, trained_run: Path, picture_folder: Path, run_edgecnn: RunEdgecnn
) -> None:
    (onnx,) = all_variants.glob("*.onnx")
    targets = [*(path_of(all_variants, kind) for kind in KINDS), onnx, trained_run]
    judged = json.loads(run_edgecnn("eval", *targets, picture_folder, "--json").stdout)
    assert [Path(one["model"]) for one in judged] == targets
    by_kind = dict(zip((*KINDS, "onnx", "run"), judged, strict=True))
    for kind in ("fp16", "float32", "onnx", "run"):
        assert by_kind[kind]["confusion"] == by_kind["run"]["confusion"]
    for kind, one in by_kind.items():
        assert one["num_bytes"] > 0
        assert one["ms_per_picture"] > 0
        if kind == "float32":
            assert (one["reference"], one["agreement"], one["drop_points"]) == (None, None, None)
        else:
            assert one["reference"] == str(path_of(all_variants, "float32"))
            drops = {
                label: 100 * (by_kind["float32"]["per_class"][label]["recall"] - figures["recall"])
                for label, figures in one["per_class"].items()
            }
            assert one["drop_points"] == pytest.approx(drops)
    text = run_edgecnn("eval", *targets, picture_folder).stdout
    assert "points of recall lost against" in text
    assert "MB" in text


def test_the_onnx_file_takes_one_picture_and_names_its_classes(all_variants: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    (path,) = all_variants.glob("*.onnx")
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    shape = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 32, 32, 3]
    stated = json.loads({entry.key: entry.value for entry in model.metadata_props}["edgecnn"])
    assert stated["labels"] == ["Kreis ○", "square", "star", "triangle"]


def test_an_onnx_file_of_somebody_else_is_refused_in_one_sentence(
    all_variants: Path, picture_folder: Path, run_edgecnn: RunEdgecnn, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    (path,) = all_variants.glob("*.onnx")
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    done = run_edgecnn("eval", tmp_path / "bare.onnx", picture_folder)
    assert done.returncode == 1
    assert "edgecnn export RUN --onnx" in done.stderr
    (tmp_path / "text.onnx").write_text("no model", "utf-8")
    done = run_edgecnn("eval", tmp_path / "text.onnx", picture_folder)
    assert done.returncode == 1
    assert "onnxruntime cannot open" in done.stderr


def test_a_file_for_the_gpu_is_marked(all_variants: Path, run_edgecnn: RunEdgecnn) -> None:
    assert manifest_of(run_edgecnn, path_of(all_variants, "gpu"))["target"] == "gpu"
    assert manifest_of(run_edgecnn, path_of(all_variants, "fp16")).get("target", "cpu") == "cpu"


def test_several_files_need_a_folder(trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn) -> None:
    done = run_edgecnn("export", trained_run, "--int8", "--fp16", "-o", tmp_path / "model.tflite")
    assert done.returncode == 2
    assert "must be a folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_scores_are_calibrated_in_the_file_itself(all_variants: Path, run_edgecnn: RunEdgecnn) -> None:
    confidence = manifest_of(run_edgecnn, path_of(all_variants, "float32"))["confidence"]
    assert confidence["temperature"] != 1.0
    assert confidence["ece_after"] <= confidence["ece_before"]


def test_a_recipe_makes_the_same_file_again(trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn) -> None:
    (tmp_path / "recipe.json").write_text('{"rung": "mse", "settings": {"pictures": 40}}', "utf-8")
    command = ("export", trained_run, "--recipe", tmp_path / "recipe.json", "--max-drop", "100", "-o")
    manifests = []
    for name in ("first.tflite", "second.tflite"):
        done = run_edgecnn(*command, tmp_path / name, timeout_s=300)
        assert done.returncode == 0, done.stderr
        manifests.append(manifest_of(run_edgecnn, tmp_path / name))
    assert manifests[0]["model"]["sha256"] == manifests[1]["model"]["sha256"]
    assert manifests[0]["recipe"]["rung"] == "mse"
    assert manifests[0]["recipe"]["settings"]["pictures"] == 40
    assert manifests[0]["calibration"]["num"] == 40


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ('{"rung": "magic"}', "there is no rung 'magic'"),
        ('{"rung": "mse", "settings": {"colour": 3}}', "has no setting 'colour'"),
        ('{"rung": "mse", "settings": {"pictures": "many"}}', "must be a whole number"),
        ("not JSON", "is not one"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused_before_any_work(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn, recipe: str, sentence: str
) -> None:
    (tmp_path / "recipe.json").write_text(recipe, "utf-8")
    done = run_edgecnn("export", trained_run, "--recipe", tmp_path / "recipe.json", "-o", tmp_path / "m.tflite")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "converting" not in done.stderr
    assert not (tmp_path / "m.tflite").exists()


def copy_as_noise(source: Path, target: Path) -> None:
    random = np.random.default_rng(0)
    for path in source.rglob("*.png"):
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target / path.parent.name / path.name), random.integers(0, 256, (32, 32, 3), np.uint8))


def test_noise_is_refused_for_calibration_with_exit_code_3(
    trained_run: Path, picture_folder: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    copy_as_noise(picture_folder, tmp_path / "noise")
    done = run_edgecnn("export", trained_run, "--calib", tmp_path / "noise", "-o", tmp_path / "m.tflite", timeout_s=120)
    assert done.returncode == 3
    assert "noise" in done.stderr
    assert not (tmp_path / "m.tflite").exists()


def test_other_pictures_of_the_same_classes_may_set_the_ranges(
    trained_run: Path, picture_folder: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    output = tmp_path / "m.tflite"
    done = run_edgecnn(
        *("export", trained_run, "--calib", picture_folder, "--max-drop", "5", "-o", output), timeout_s=120
    )
    assert done.returncode == 0, done.stderr
    calibration = manifest_of(run_edgecnn, output)["calibration"]
    assert (calibration["split"], calibration["num"]) == ("folder", 48)


def test_the_pictures_that_measure_may_not_set_the_ranges(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    root = trained_run.parent / "shapes"
    for path in json.loads((trained_run / "split.json").read_text("utf-8"))["val"]:
        (tmp_path / "copies" / Path(path).parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, tmp_path / "copies" / Path(path).parent.name)
    done = run_edgecnn(
        *("export", trained_run, "--calib", tmp_path / "copies", "-o", tmp_path / "m.tflite"), timeout_s=120
    )
    assert done.returncode == 3
    assert "measure the accuracy" in done.stderr
