import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, repository]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def bare_installation(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The folder of programs of an environment that has the wheel and none of its extras."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", wheel], check=True, capture_output=True, timeout=300)
    return folder / "bin"


def run(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60, check=False)


def test_the_wheel_carries_weights_and_the_published_model_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "edgecnn/py.typed",
        "edgecnn/train/weights/efficientnet_lite0.npz",
        "edgecnn/published/imagenet-lite0/imagenet-lite0.tflite",
    } <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"edgecnn"}
    assert wheel.stat().st_size < 15e6


def test_without_extras_help_works(bare_installation: Path, tmp_path: Path) -> None:
    done = run(bare_installation / "edgecnn", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "edgecnn train PICTURES" in done.stdout


@pytest.mark.parametrize(("verb", "extra"), [("train", "train"), ("export", "train"), ("run", "device")])
def test_without_extras_a_verb_says_which_one_to_install(
    bare_installation: Path, tmp_path: Path, verb: str, extra: str
) -> None:
    done = run(bare_installation / "edgecnn", verb, "something", cwd=tmp_path)
    assert done.returncode == 1
    assert f"pip install 'edgecnn[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_extras_the_published_model_can_be_inspected(bare_installation: Path, tmp_path: Path) -> None:
    done = run(bare_installation / "edgecnn", "inspect", "imagenet-lite0", cwd=tmp_path)
    assert done.returncode == 0
    assert "1000: tench" in done.stdout
