import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.testing import write_clip

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--threads", "1", "--seconds", "0.05")


def test_the_measurements_are_one_json_object_on_standard_output(run_edgecnn: RunEdgecnn, model_file: Path) -> None:
    done = run_edgecnn("bench", model_file, "--threads", "2,1,2", "--seconds", "0.05", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["schema"] == 1
    assert {row["num_threads"] for row in value["inference"]} == {1, 2}
    assert value["best"]["backend"] in {row["backend"] for row in value["inference"]}
    assert value["end_to_end"]["source"] == "synthetic"
    assert value["end_to_end"]["frames"] > 0
    assert value["soak"] is None
    assert value["model"]["sha256"] == hashlib.sha256(model_file.read_bytes()).hexdigest()
    assert "end to end" in done.stderr


def test_the_page_for_people_is_on_standard_output(run_edgecnn: RunEdgecnn, model_file: Path) -> None:
    done = run_edgecnn("bench", model_file, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "* best: " in done.stdout
    assert "the clip is synthetic" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_soak_on_a_clip_and_its_plot(run_edgecnn: RunEdgecnn, model_file: Path, tmp_path: Path) -> None:
    clip, plot = write_clip(tmp_path / "clip.avi", 6), tmp_path / "plot.png"
    done = run_edgecnn("bench", model_file, "--camera", clip, *QUICK, "--soak", "0.04", "--plot", plot, "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["soak"]["asked_s"] == pytest.approx(2.4)
    assert value["soak"]["fps_first"] > 0
    assert value["preprocessing"][-1]["picture"] == f"video:{clip}"
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_soak_ends_it_with_what_was_measured(model_file: Path, number: int) -> None:
    command = [sys.executable, "-m", "edgecnn", "bench", model_file, *QUICK, "--soak", "60", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr is not None
        while "preparing pictures" not in process.stderr.readline():
            pass
        time.sleep(1.5)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    value = json.loads(output)
    assert 0 < value["soak"]["seconds"] < 60
    assert value["end_to_end"]["frames"] > 0
    assert any("was ended after" in sentence for sentence in value["remarks"])


def test_ctrl_c_before_the_soak_leaves_nothing(model_file: Path) -> None:
    command = [sys.executable, "-m", "edgecnn", "bench", model_file, "--seconds", "600", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert "interrupted" in errors


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--threads", "0"),
        ("--threads", "65"),
        ("--threads", "1,,2"),
        ("--threads", "all"),
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--soak", "0"),
        ("--soak", "-1"),
        ("--soak", "nan"),
    ],
)
def test_a_number_that_makes_no_sense_is_a_usage_error(
    run_edgecnn: RunEdgecnn, model_file: Path, option: str, value: str
) -> None:
    done = run_edgecnn("bench", model_file, option, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: edgecnn bench" in done.stderr


def test_a_missing_camera_is_exit_code_4(run_edgecnn: RunEdgecnn, model_file: Path) -> None:
    done = run_edgecnn("bench", model_file, "--camera", "97")
    assert (done.returncode, done.stdout) == (4, "")
    assert "there is no camera /dev/video97" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.tflite"],
        ["--camera", "missing.avi"],
        ["--camera", "no-such-scheme:x"],
        ["--labels", "missing.txt"],
        ["--plot", "no/such/folder/plot.png"],
        ["--plot", "plot.jpg"],
    ],
)
def test_what_is_not_there_is_one_sentence_and_exit_code_1(
    run_edgecnn: RunEdgecnn, model_file: Path, tmp_path: Path, arguments: list[str]
) -> None:
    file = [] if arguments[0].endswith(".tflite") else [model_file]
    done = run_edgecnn("bench", *file, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("error: ")


def test_a_plot_without_matplotlib_says_what_to_install(model_file: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['matplotlib'] = None; from edgecnn.cli.main import main; main()"
    command = [sys.executable, "-c", code, "bench", str(model_file), "--plot", str(tmp_path / "plot.png")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60, env=os.environ)
    assert done.returncode == 1
    assert "pip install 'edgecnn[train]'" in done.stderr
    assert done.stdout == ""
