import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]
LABELS = ["Kreis ○", "square", "star", "triangle"]


def inspect(run_edgecnn: RunEdgecnn, file: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(run_edgecnn("inspect", file, "--json").stdout)
    return summary


def test_the_exported_file_takes_raw_pixels_and_holds_nothing_but_integers(
    exported_file: Path, run_edgecnn: RunEdgecnn
) -> None:
    summary = inspect(run_edgecnn, exported_file)
    assert summary["input"]["dtype"] == summary["output"]["dtype"] == "uint8"
    assert summary["input"]["shape"] == [1, 32, 32, 3]
    assert summary["input"]["quantization"] == {"scale": 1 / 128, "zero_point": 128}
    dtypes = {
        tensor["dtype"] for operator in summary["operators"] for tensor in operator["inputs"] + operator["outputs"]
    }
    assert dtypes <= {"int8", "uint8", "int32"}
    assert summary["labels"] == LABELS


def test_the_manifest_says_what_was_measured_and_on_which_pictures(
    trained_run: Path, exported_file: Path, run_edgecnn: RunEdgecnn
) -> None:
    manifest = inspect(run_edgecnn, exported_file)["manifest"]
    accuracy = manifest["accuracy"]
    judged = json.loads(run_edgecnn("eval", trained_run, exported_file, "--split", "val", "--json").stdout)
    assert [accuracy["float_top1"], accuracy["top1"]] == pytest.approx([one["top1"] for one in judged])
    assert accuracy["agreement"] == pytest.approx(judged[1]["agreement"])
    assert accuracy["drop_points"] == pytest.approx(100 * (judged[0]["top1"] - judged[1]["top1"]), abs=1e-5)
    assert accuracy["split"] == "val"
    assert accuracy["num"] == judged[0]["num"]


def test_the_threshold_for_unknown_is_what_19_of_20_validation_pictures_reach(
    trained_run: Path, exported_file: Path, run_edgecnn: RunEdgecnn, picture_folder: Path
) -> None:
    confidence = inspect(run_edgecnn, exported_file)["manifest"]["confidence"]
    num = json.loads(run_edgecnn("eval", trained_run, "--split", "val", "--json").stdout)["num"]
    assert (confidence["method"], confidence["split"], confidence["num"]) == ("max_score", "val", num)
    assert confidence["kept"] >= 0.95
    assert 0.0 < confidence["unknown_below"] <= 1.0
    assert f"below a score of {confidence['unknown_below']:.3f}" in run_edgecnn("inspect", exported_file).stdout
    result = run_edgecnn("run", exported_file, "--camera", picture_folder, "--json")
    for line in map(json.loads, result.stdout.splitlines()[:-1]):
        best = line["categories"][0]
        is_unknown = best["score"] < confidence["unknown_below"]
        assert line["decision"]["label"] == ("unknown" if is_unknown else best["label"])


def test_calibration_pictures_are_balanced_and_come_from_the_training_split_alone(
    trained_run: Path, exported_file: Path, run_edgecnn: RunEdgecnn
) -> None:
    calibration = inspect(run_edgecnn, exported_file)["manifest"]["calibration"]
    train = json.loads((trained_run / "split.json").read_text("utf-8"))["train"]
    # There are fewer than 200, so all of them serve.
    assert calibration["num"] == len(train)
    assert max(calibration["per_class"].values()) - min(calibration["per_class"].values()) == 0
    digests = sorted(hashlib.sha256((trained_run.parent / "shapes" / path).read_bytes()).hexdigest() for path in train)
    assert calibration["sha256"] == hashlib.sha256("\n".join(digests).encode()).hexdigest()


def test_the_screen_shows_steps_and_the_log_has_the_converters_words(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn(
        "export", trained_run, "-o", tmp_path / "model.tflite", "--max-drop", "5", "--json", timeout_s=300
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["schema"] == 3
    assert "Keras" in done.stderr
    assert "converting to int8" in done.stderr
    assert "Captures" not in done.stderr
    assert "I0000" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.export.log", "model.tflite"]
    assert (tmp_path / "model.export.log").stat().st_size > 0


def test_a_file_that_lost_too_much_is_refused_and_the_old_one_stays(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    output = tmp_path / "model.tflite"
    output.write_bytes(b"the file of yesterday")
    done = run_edgecnn("export", trained_run, "--int8", "-o", output, "--max-drop", "-100", timeout_s=300)
    assert done.returncode == 3
    assert "points of accuracy, more than the -100 allowed" in done.stderr
    assert output.read_bytes() == b"the file of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.export.log", "model.tflite"]


def test_golden_pictures_travel_in_the_file_only_when_asked_for(
    trained_run: Path, exported_file: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    assert set(inspect(run_edgecnn, exported_file)["associated_files"]) == {"labels.txt", "edgecnn.json"}
    output = tmp_path / "with.tflite"
    options = ("--golden-pictures", "2", "--max-drop", "5")
    assert run_edgecnn("export", trained_run, "-o", output, *options, timeout_s=300).returncode == 0
    assert {"golden/0.png", "golden/1.png"} < set(inspect(run_edgecnn, output)["associated_files"])
    verified = run_edgecnn("verify", output, "--json")
    assert verified.returncode == 0
    assert [result["name"] for result in json.loads(verified.stdout)["results"]][-2:] == [
        "golden/0.png",
        "golden/1.png",
    ]


def test_an_operator_that_int8_does_not_have_is_named(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    script = (
        "import sys, keras\n"
        "picture = keras.Input((32, 32, 3))\n"
        "x = keras.layers.Rescaling(1 / 128, -1.0, name='normalization')(picture)\n"
        "x = keras.layers.GlobalAveragePooling2D()(x)\n"
        "x = keras.ops.erfinv(keras.ops.tanh(x))\n"
        "keras.Model(picture, keras.layers.Dense(4, activation='softmax')(x)).save(sys.argv[1])\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", script, run / "model.keras"], check=True, env=environment, timeout=120)
    done = run_edgecnn("export", run, "-o", tmp_path / "model.tflite", timeout_s=300)
    assert done.returncode == 1
    assert "rfinv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model.tflite").exists()


def test_a_full_disk_leaves_nothing_behind(trained_run: Path, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    script = f'mount -t tmpfs -o size=200k none "{place}" && "$@"; code=$?; ls -A "{place}"; exit $code'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    probe = subprocess.run([*unshare, f'mount -t tmpfs none "{place}"'], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("a small disk needs unshare and the right to mount a tmpfs in a namespace of its own")
    command = [sys.executable, "-m", "edgecnn", "export", trained_run, "-o", place / "model.tflite", "--max-drop", "5"]
    done = subprocess.run(
        [*unshare, script, "sh", *map(str, command)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.split() in ([], ["model.export.log"])


def test_an_interrupted_export_leaves_no_file(trained_run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgecnn", "export", str(trained_run), "-o", str(tmp_path / "model.tflite")]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "converting" in line:
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["model.export.log"]


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("no/such/folder/model.tflite", "there is no folder"),
        ("model_edgetpu.tflite", "is a name for what the Edge TPU compiler writes"),
        ("model.bin", "must end in .tflite"),
    ],
)
def test_a_bad_place_for_the_file_is_told_before_any_work(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn, output: str, sentence: str
) -> None:
    done = run_edgecnn("export", trained_run, "-o", output, cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "scoring" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--fp16", "--recipe", "recipe.json"), "--recipe is for int8 files only"),
        (("--fp16", "--calib", "pictures"), "--calib is for int8 and int16x8 files only"),
        (("--plain", "model.tflite"), "--plain goes with --adopt only"),
        (("--min-runtime", "13"), "go with --edgetpu only"),
        (("--compiler", "none"), "go with --edgetpu only"),
        (("--adopt", "model_edgetpu.tflite"), "--adopt takes no RUN"),
        (("--seed", "-1"), "-1 is not in the range"),
    ],
)
def test_an_option_that_nothing_would_listen_to_is_a_usage_error(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn, options: tuple[str, ...], sentence: str
) -> None:
    done = run_edgecnn("export", trained_run, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_pictures_for_calibration_is_told_before_any_work(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    (tmp_path / "empty").mkdir()
    done = run_edgecnn("export", trained_run, "-o", tmp_path / "model.tflite", "--calib", tmp_path / "empty")
    assert done.returncode == 3
    assert "holds no pictures to calibrate with" in done.stderr
    assert "reading" not in done.stderr


def test_what_is_not_a_run_is_said_to_be_none(tmp_path: Path, run_edgecnn: RunEdgecnn) -> None:
    done = run_edgecnn("export", tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    assert "is not a training run" in done.stderr


def test_pictures_that_are_gone_are_named_and_can_be_pointed_to(
    trained_run: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    config = json.loads((run / "config.json").read_text("utf-8"))
    config["data_root"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config), "utf-8")
    done = run_edgecnn("export", run, "-o", tmp_path / "model.tflite", timeout_s=120)
    assert done.returncode == 1
    assert "gone" in done.stderr
    found = run_edgecnn(
        *("export", run, "-o", tmp_path / "model.tflite", "--data", trained_run.parent / "shapes", "--max-drop", "5"),
        timeout_s=300,
    )
    assert found.returncode == 0, found.stderr
