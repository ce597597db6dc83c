"""A stranger, MediaPipe Tasks, reads the same file and comes to the same result."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.data import ImageFolder
from edgecnn.imaging import encode_png, load_input
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.find_model import published_models

pytestmark = pytest.mark.slow

Results = dict[str, list[tuple[str, float]]]


@pytest.fixture(scope="module")
def mediapipe_python(repository: Path) -> Path:
    """The Python of an environment that holds mediapipe and nothing else; it is made once and kept."""
    folder = repository / ".mediapipe-venv"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    steps = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "mediapipe"],
    ]
    if not _has_mediapipe(python):
        for step in steps:
            done = subprocess.run(step, capture_output=True, encoding="utf-8", timeout=600, check=False)
            if done.returncode:
                pytest.skip(f"cannot make an environment with mediapipe: {_last_line(done.stderr)}")
        if not _has_mediapipe(python):
            pytest.skip("mediapipe was installed, but cannot be imported here; it needs libEGL and libGLESv2")
    return python


def _has_mediapipe(python: Path) -> bool:
    if not python.is_file():
        return False
    code = "from mediapipe.tasks.python import vision"
    return subprocess.run([python, "-c", code], capture_output=True, timeout=120, check=False).returncode == 0


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "no reason was given"


def ask_mediapipe(python: Path, repository: Path, model: Path, pictures: Sequence[Path]) -> Results:
    script = repository / "tools" / "check_mediapipe.py"
    done = subprocess.run(
        [python, script, model, *pictures], capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    results: Results = json.loads(done.stdout)["results"]
    return results


def test_mediapipe_names_the_same_class_for_every_picture(
    mediapipe_python: Path, repository: Path, model_file: Path, picture_folder: Path
) -> None:
    folder = ImageFolder.scan(picture_folder)
    pictures = [folder.root / picture.path for picture in folder.pictures]
    classifier = Classifier.load(model_file, num_threads=1)
    theirs = ask_mediapipe(mediapipe_python, repository, model_file, pictures)
    assert len(theirs) == 48
    for picture in pictures:
        scores = classifier.scores(load_input(picture, classifier.contract))
        label, score = theirs[str(picture)][0]
        # The two resize differently, so a picture on the edge between two classes may fall either way.
        assert label == classifier.labels[scores.argmax()] or score < 0.6
        assert score == pytest.approx(scores.max(), abs=0.2)


def test_mediapipe_gives_the_same_scores_where_nothing_is_to_be_resized(
    mediapipe_python: Path, repository: Path, model_file: Path, picture_folder: Path, tmp_path: Path
) -> None:
    classifier = Classifier.load(model_file, num_threads=1)
    ours = {}
    for index, source in enumerate(sorted(picture_folder.rglob("*.png"))):
        pixels = load_input(source, classifier.contract)
        path = tmp_path / f"{index}.png"
        path.write_bytes(encode_png(pixels))
        ours[str(path)] = dict(zip(classifier.labels, classifier.scores(pixels).tolist(), strict=True))
    theirs = ask_mediapipe(mediapipe_python, repository, model_file, list(map(Path, ours)))
    assert {picture: dict(map(tuple, best)) for picture, best in theirs.items()} == ours


def test_mediapipe_reads_the_published_model_as_edgecnn_does(
    mediapipe_python: Path, repository: Path, shared_data: Path
) -> None:
    model = published_models()["imagenet-lite0"]
    classifier = Classifier.load(model)
    # MediaPipe takes all of a picture and stretches it, whatever the model was trained with.
    contract = replace(classifier.contract, aspect="squash", crop_fraction=1.0)
    photos = sorted((shared_data / "photos").iterdir())
    theirs = ask_mediapipe(mediapipe_python, repository, model, photos)
    for photo in photos:
        scores = classifier.scores(load_input(photo, contract))
        label, score = theirs[str(photo)][0]
        best = sorted(range(len(scores)), key=lambda index: -scores[index])[:2]
        assert label in [classifier.labels[index] for index in best]
        assert label == classifier.labels[best[0]] or score < 0.6
