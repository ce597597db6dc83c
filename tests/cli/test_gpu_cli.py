"""``--backend gpu`` as people meet it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edgecnn.core.synthetic import synthetic_picture

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]
NO_DRIVER = {"VK_DRIVER_FILES": "/nowhere/driver.json", "VK_ICD_FILENAMES": "/nowhere/driver.json"}


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "waves.png"
    cv2.imwrite(str(path), synthetic_picture(4, 160, 120))
    return path


@pytest.fixture(scope="module")
def environment(software_gpu: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {**software_gpu, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("trials"))}


def test_run_gives_the_same_labels_and_says_that_the_cpu_is_faster(
    run_edgecnn: RunEdgecnn, model_file: Path, picture: Path, environment: dict[str, str]
) -> None:
    on_cpu = run_edgecnn("run", model_file, "--camera", picture, "--backend", "cpu", "--json")
    on_gpu = run_edgecnn("run", model_file, "--camera", picture, "--backend", "gpu", "--json", env=environment)
    assert on_gpu.returncode == 0, on_gpu.stderr
    (cpu_result,), (gpu_result,) = (_results(done.stdout) for done in (on_cpu, on_gpu))
    for right, found in zip(cpu_result["categories"], gpu_result["categories"], strict=True):
        assert found["label"] == right["label"]
        assert found["score"] == pytest.approx(right["score"], abs=0.05)
    assert "WebGPU on SwiftShader" in on_gpu.stderr
    assert "leave out --backend gpu to take the CPU" in on_gpu.stderr
    assert "INFO" not in on_gpu.stderr
    assert "ERROR" not in on_gpu.stderr


def test_verify_replays_the_golden_vectors_on_the_gpu(
    run_edgecnn: RunEdgecnn, model_file: Path, environment: dict[str, str]
) -> None:
    done = run_edgecnn("verify", model_file, "--backend", "gpu", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["passed"]
    assert "WebGPU on SwiftShader" in outcome["backend"]


def test_without_a_gpu_it_says_so_in_one_line(
    run_edgecnn: RunEdgecnn, model_file: Path, picture: Path, tmp_path: Path
) -> None:
    environment = {**NO_DRIVER, "XDG_CACHE_HOME": str(tmp_path)}
    done = run_edgecnn("run", model_file, "--camera", picture, "--backend", "gpu", "--json", env=environment)
    assert done.returncode == 5
    assert done.stdout == ""
    assert "the GPU cannot be used: there is no " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def _results(output: str) -> list[dict]:
    return [line for line in map(json.loads, output.splitlines()) if "categories" in line]
