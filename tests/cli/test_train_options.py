import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.progress import SilentProgress
from edgecnn.data import ImageFolder, load_pixels
from edgecnn.modelfile import ModelFile
from edgecnn.train.recipe import Distillation, Recipe
from edgecnn.train.run_folder import MODEL_FILE, RunFolder
from edgecnn.train.teacher import open_teacher

DRAW_SHAPES = Path(__file__).parents[2] / "tools" / "draw_shapes.py"
SMALL = ("--arch", "tiny", "--size", "32", "--epochs", "2")


def edgecnn(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecnn", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "shapes"
    subprocess.run([sys.executable, str(DRAW_SHAPES), str(folder), "--per-class", "20"], check=True)
    return folder


@pytest.fixture(scope="module")
def teacher(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("teacher") / "large"
    words = ("--arch", "tiny", "--size", "48", "--epochs", "3", "--lr-schedule", "constant", "--label-smoothing", "0")
    process = edgecnn("train", shapes, "-o", run, *words)
    assert process.returncode == 0, process.stderr
    return run


@pytest.mark.slow
def test_a_run_records_its_recipe_and_its_teacher(shapes: Path, teacher: Path, tmp_path: Path) -> None:
    words = ("--teacher", teacher, "--teacher-weight", "0.5", "--ema", "0.9", "--mixup", "0.2", "--cutmix", "1")
    process = edgecnn("train", shapes, "-o", tmp_path / "run", *SMALL, *words, "--json")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["metrics"]["val"]["num"] > 0
    assert "reading train pictures for the teacher" in process.stderr
    config = RunFolder.open(tmp_path / "run").config
    assert config.recipe == Recipe(ema=0.9, mixup=0.2, cutmix=1.0)
    assert config.options.teacher == teacher
    assert config.distillation == Distillation(weight=0.5)
    assert config.teacher is not None
    assert config.teacher.name == "large"
    assert config.teacher.sha256 == sha256((teacher / MODEL_FILE).read_bytes()).hexdigest()
    assert RunFolder.open(teacher).config.recipe == Recipe(lr_schedule="constant", label_smoothing=0.0)


@pytest.mark.slow
def test_a_teacher_of_another_split_is_one_sentence_and_leaves_nothing(
    shapes: Path, teacher: Path, tmp_path: Path
) -> None:
    process = edgecnn("train", shapes, "-o", tmp_path / "run", *SMALL, "--teacher", teacher, "--seed", 5)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith(f"error: the teacher {teacher} has learnt from ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_exported_file_of_floats_teaches_as_its_run_does(shapes: Path, teacher: Path, tmp_path: Path) -> None:
    from edgecnn.train.distillation import soften
    from edgecnn.train.keras_model import load_keras_scorer

    file, folder, run = tmp_path / "large.tflite", ImageFolder.scan(shapes), RunFolder.open(teacher)
    process = edgecnn("export", teacher, "--float32", "-o", file)
    assert process.returncode == 0, process.stderr
    opened = open_teacher(file, folder, run.splits, SilentProgress())
    assert opened.record.sha256 == sha256(file.read_bytes()).hexdigest()
    pixels = load_pixels(shapes, run.splits.train[:5], opened.contract).pixels
    scores, own = opened.load()(pixels), load_keras_scorer(run).scores(pixels)
    # An exported file's scores are calibrated: its logits are those of the run, divided by one number.
    manifest = ModelFile.open(file).manifest
    assert manifest is not None
    assert manifest.confidence is not None
    np.testing.assert_allclose(scores, soften(np.log(own), manifest.confidence.temperature), atol=1e-4)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--arch", "lite0", "--cutmix", "1"), "take mixup"),
        (("--teacher-temperature", "2"), "teacher_temperature needs a teacher"),
        (("--ema", "1"), "--ema"),
        (("--lr-schedule", "step"), "'step' is not one of 'cosine', 'linear', 'constant'"),
    ],
)
def test_what_nothing_listens_to_is_refused_before_anything_is_read(words: Any, complaint: str, tmp_path: Path) -> None:
    process = edgecnn("train", tmp_path, *words)
    assert process.returncode == 2
    assert complaint in process.stderr


def test_the_help_names_every_option_with_its_default() -> None:
    text = " ".join(edgecnn("train", "--help").stdout.split())
    own = Recipe()
    for name, value in (("label-smoothing", own.label_smoothing), ("weight-decay", own.weight_decay), ("ema", own.ema)):
        assert f"[default: {value}]" in text.split(f"--{name} ")[1].split(" --")[0]
    assert "[default: cosine]" in text.split("--lr-schedule ")[1].split(" --")[0]
