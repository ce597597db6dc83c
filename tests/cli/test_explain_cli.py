import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.explain.page.screens import TITLES
from edgecnn.testing.clips import write_clip

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def star(picture_folder: Path) -> Path:
    return min((picture_folder / "star").iterdir())


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """An empty folder to run in."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What went wrong, and nothing else."""
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.lower().startswith("error: ")]
    return line


def test_a_file_and_a_picture_give_one_page_that_needs_nothing_else(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, star, cwd=nowhere)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert [path.name for path in nowhere.iterdir()] == ["shapes-int8-explained.html"]
    page = (nowhere / "shapes-int8-explained.html").read_text("utf-8")
    for number, title in enumerate(TITLES.values(), start=1):
        assert f'<span class="disc">{number}</span> {title}' in page
    assert "star" in page
    assert not re.search(r"""src=["']?(?:https?:)?//|<link[^>]*href="http|url\(["']?http|@import""", page)
    assert "wrote shapes-int8-explained.html" in done.stderr


def test_json_and_png_are_the_same_content_and_no_page_is_written(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, star, "--json", "--png", nowhere / "png", cwd=nowhere)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["screens"]) == list(TITLES)
    assert told["explained"]["label"] == "star"
    assert not list(nowhere.glob("*.html"))
    named = set(re.findall(r'"([1-9]-[a-z]+-[^"]*\.png|head-[^"]*\.png)"', done.stdout))
    written = {path.name for path in (nowhere / "png").iterdir()}
    assert named
    assert named <= written


def test_labelled_pictures_give_the_picture_when_none_is_named(
    model_file: Path, picture_folder: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, "--data", picture_folder, "-o", "page.html", cwd=nowhere)
    assert done.returncode == 0, done.stderr
    assert f"no picture was named: taking {picture_folder}" in done.stderr
    assert (nowhere / "page.html").stat().st_size > 50_000


def test_a_folder_gives_its_first_picture(
    model_file: Path, star: Path, tmp_path: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, "--camera", star.parent, "-o", "page.html", cwd=nowhere)
    assert done.returncode == 0, done.stderr
    assert star.name in (nowhere / "page.html").read_text("utf-8")


def test_another_class_than_the_answer_may_be_explained(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, star, "--class", "square", "--json", cwd=nowhere)
    assert json.loads(done.stdout)["explained"]["label"] == "square"
    done = run_edgecnn("explain", model_file, star, "--class", "cube", cwd=nowhere)
    assert done.returncode == 2
    assert "Kreis ○, square, star, triangle" in done.stderr


def test_without_any_picture_it_says_how_to_give_one(model_file: Path, nowhere: Path, run_edgecnn: RunEdgecnn) -> None:
    done = run_edgecnn("explain", model_file, cwd=nowhere)
    assert done.returncode == 2
    assert "--camera 0" in one_sentence(done)


def test_what_cannot_be_explained_is_said_in_one_sentence_and_leaves_nothing(
    model_file: Path, compiled_file: Path, star: Path, tmp_path: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(star.read_bytes()[:100])
    strangers = tmp_path / "strangers"
    for label in ("cat", "dog"):
        (strangers / label).mkdir(parents=True)
        shutil.copy(star, strangers / label / "1.png")
    for arguments, words in (
        ((model_file, broken), "broken.png"),
        ((model_file, tmp_path / "no.png"), "no.png"),
        ((model_file, star, "--data", strangers), "cat, dog"),
        ((model_file, star, "--data", tmp_path / "nowhere"), "nowhere"),
        ((compiled_file, star), "shapes.tflite, which lies beside it"),
        ((star, star), star.name),
        ((model_file, star, "-o", tmp_path), "is a folder"),
        ((model_file, star, "-o", tmp_path / "no" / "page.html"), "there is no folder"),
        ((model_file, star, "--png", star), "give --png the name of a folder"),
        ((model_file, star, "--run", tmp_path), str(tmp_path)),
        ((model_file, "--camera", tmp_path / "no.mp4"), "no.mp4"),
    ):
        done = run_edgecnn("explain", *arguments, cwd=nowhere)
        assert done.returncode in (1, 4), (arguments, done.stderr)
        assert words in one_sentence(done)
    assert not list(nowhere.iterdir())


def test_options_that_would_change_nothing_are_refused(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    for option, value, words in (("--split", "test", "--data DIR"), ("--fps", "5", "--fps is for a camera")):
        done = run_edgecnn("explain", model_file, star, option, value, cwd=nowhere)
        assert done.returncode == 2
        assert words in one_sentence(done)


def test_the_file_to_hold_against_must_be_the_same_network_in_floats(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, star, "--against", model_file, cwd=nowhere)
    assert done.returncode == 1
    assert "computes in int8; give the same network in floats" in one_sentence(done)


def test_a_name_of_any_bytes_is_written_as_json_that_can_be_read(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    odd = nowhere / os.fsdecode(b"st\xffr.png")
    shutil.copy(star, odd)
    done = run_edgecnn("explain", model_file, odd, "--json", cwd=nowhere, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["picture"] == odd.name


def test_labelled_pictures_that_cannot_be_read_are_passed_over_for_the_next(
    model_file: Path, star: Path, picture_folder: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    for label in ("square", "star"):
        (nowhere / "pictures" / label).mkdir(parents=True)
        (nowhere / "pictures" / label / "0.png").write_bytes(star.read_bytes()[:100])
    shutil.copy(star, nowhere / "pictures" / "star" / "1.png")
    done = run_edgecnn("explain", model_file, "--data", "pictures", "--json", cwd=nowhere)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["picture"] == "1.png"
    assert told["screens"]["detectors"]["data_set"]["num_unreadable"] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is there on Linux only")
def test_json_that_finds_no_room_is_said_in_one_sentence(model_file: Path, star: Path, nowhere: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "edgecnn", "explain", model_file, star, "--json"]
        done = subprocess.run(command, cwd=nowhere, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot write the JSON: No space left on device" in one_sentence(done)


def test_a_reader_that_leaves_early_is_no_error_and_the_page_is_written(
    model_file: Path, star: Path, nowhere: Path
) -> None:
    command = [sys.executable, "-m", "edgecnn", "explain", model_file, star, "--json", "-o", "page.html"]
    with subprocess.Popen(command, cwd=nowhere, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.read(1) == "{"
        started.stdout.close()
        assert started.stderr is not None
        said = started.stderr.read()
        assert started.wait(timeout=60) == 0, said
    assert "Error" not in said
    assert (nowhere / "page.html").is_file()


def test_serving_takes_nothing_that_belongs_to_a_page(
    model_file: Path, star: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    done = run_edgecnn("explain", model_file, star, "--serve", "--json", cwd=nowhere)
    assert done.returncode == 2
    assert "PICTURE, --json" in done.stderr


@pytest.mark.slow
def test_the_float_file_and_the_run_beside_are_found_by_themselves(
    trained_run: Path, tmp_path: Path, nowhere: Path, run_edgecnn: RunEdgecnn
) -> None:
    beside = tmp_path / "exports"
    beside.mkdir()
    shutil.copytree(trained_run, beside / "run")
    done = run_edgecnn(
        *("export", beside / "run", "--int8", "--float32", "-o", beside, "--max-drop", "5"), timeout_s=300
    )
    assert done.returncode == 0, done.stderr
    done = run_edgecnn("explain", beside / "run-int8.tflite", "--json", cwd=nowhere)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["other"]["file"] == "run-float32.tflite"
    assert told["other"]["label"] == told["answers"][0]["label"]
    assert "no picture was named" in done.stderr  # one that training kept aside
    assert told["screens"]["augmentation"]["missing"] is None


def test_a_clip_can_be_explained(model_file: Path, tmp_path: Path, nowhere: Path, run_edgecnn: RunEdgecnn) -> None:
    clip = tmp_path / "clip.avi"
    write_clip(clip, 5)
    done = run_edgecnn("explain", model_file, "--camera", clip, "--json", cwd=nowhere)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["picture"]
