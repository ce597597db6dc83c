"""What the command line says about pictures of things that a model was never shown."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.imaging import encode_png

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def noise_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    for seed in range(5):
        picture = np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)
        (folder / f"{seed}.png").write_bytes(encode_png(picture))
    return folder


def results(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()[:-1]]


def test_noise_is_unknown_and_shapes_keep_their_names(
    run_edgecnn: RunEdgecnn, careful_file: Path, noise_folder: Path, picture_folder: Path
) -> None:
    noise = results(run_edgecnn("run", careful_file, "--camera", noise_folder, "--json"))
    assert {line["decision"]["label"] for line in noise} == {"unknown"}
    assert all(line["decision"]["index"] is None for line in noise)
    assert all(line["familiarity"] == line["decision"]["score"] < 0.5 for line in noise)
    shapes = results(run_edgecnn("run", careful_file, "--camera", picture_folder, "--json"))
    assert sum(line["decision"]["label"] == "unknown" for line in shapes) < 0.15 * len(shapes)
    for line in shapes:
        expected = line["categories"][0]["label"] if line["familiarity"] >= 0.5 else "unknown"
        assert line["decision"]["label"] == expected


def test_with_a_feature_map_a_given_threshold_is_one_for_the_familiarity(
    run_edgecnn: RunEdgecnn, careful_file: Path, noise_folder: Path, picture_folder: Path
) -> None:
    anything = results(run_edgecnn("run", careful_file, "--camera", noise_folder, "--json", "--unknown-below", "0"))
    assert all(line["decision"]["label"] != "unknown" for line in anything)
    strict = results(run_edgecnn("run", careful_file, "--camera", picture_folder, "--json", "--unknown-below", "0.99"))
    for line in strict:
        assert (line["decision"]["label"] == "unknown") == (np.float32(line["familiarity"]) < np.float32(0.99))


def test_smoothing_and_confirmation_work_on_familiarity(
    run_edgecnn: RunEdgecnn, careful_file: Path, noise_folder: Path
) -> None:
    rules = ("--smooth", "mean:2", "--confirm", "3", "--hysteresis", "0.1")
    lines = results(run_edgecnn("run", careful_file, "--camera", noise_folder, "--json", *rules))
    labels = [line["decision"] and line["decision"]["label"] for line in lines]
    assert labels == [None, None, "unknown", "unknown", "unknown"]


def test_a_person_reads_unknown(run_edgecnn: RunEdgecnn, careful_file: Path, noise_folder: Path) -> None:
    done = run_edgecnn("run", careful_file, "--camera", noise_folder, "--sink", "console")
    assert done.returncode == 0
    assert all(": unknown  " in line for line in done.stdout.splitlines())


def test_the_golden_vectors_of_a_file_with_a_feature_map_are_met(run_edgecnn: RunEdgecnn, careful_file: Path) -> None:
    assert run_edgecnn("verify", careful_file).returncode == 0


def test_training_says_that_it_does_not_look_at_unknown_things(
    run_edgecnn: RunEdgecnn, noise_folder: Path, tmp_path: Path
) -> None:
    for name in ("cat", "dog", "_unknown"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(10):
            broken = b"no picture" if name == "dog" else (noise_folder / "0.png").read_bytes()
            (tmp_path / "pictures" / name / f"{index}.png").write_bytes(broken)
    # It ends before any training, as one class has no picture that can be read.
    done = run_edgecnn("train", tmp_path / "pictures", "-o", tmp_path / "run", "--arch", "tiny")
    assert done.returncode == 1
    assert "2 classes; " in done.stderr
    assert "10 pictures in _unknown show none of them: training does not look at them" in done.stderr
