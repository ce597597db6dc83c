import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.imaging import encode_png

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


def picture(number: int) -> bytes:
    patches = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
    return encode_png(patches.repeat(8, axis=0).repeat(8, axis=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty pictures each of two classes."""
    for number in range(40):
        path = tmp_path / "pictures" / ("cat", "dog <b>ü")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    return tmp_path / "pictures"


def test_a_good_folder_is_said_to_be_one(run_edgecnn: RunEdgecnn, folder: Path) -> None:
    done = run_edgecnn("data", "check", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{folder}: 40 pictures, 40 readable, in 2 classes",
        "  cat           20",
        "  dog <b>ü      20",
        "fit to train on",
    ]
    assert done.stderr.startswith("looking at the pictures: 40 (")


def test_findings_are_grouped_and_have_examples_and_advice(run_edgecnn: RunEdgecnn, folder: Path) -> None:
    for number in range(5):
        (folder / "cat" / f"cut{number}.png").write_bytes(picture(90 + number)[:80])
    (folder / "cat" / "copy.png").write_bytes(picture(0))
    done = run_edgecnn("data", "check", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[3:] == [
        "error: pictures that are cut short or damaged: 5",
        "    cat/cut0.png, cat/cut1.png, cat/cut2.png, 2 more",
        "    → delete or replace (--fix-into leaves out)",
        "warning: the same file several times: 2 files in 1 groups",
        "    cat/0.png = cat/copy.png",
        "    → keep one (--fix-into does)",
        "fit to train on",
    ]


def test_a_folder_that_makes_a_worthless_model_ends_with_the_code_of_a_gate(
    run_edgecnn: RunEdgecnn, folder: Path
) -> None:
    for number in range(0, 10, 2):
        (folder / "dog <b>ü" / f"copy{number}.png").write_bytes(picture(number))
    done = run_edgecnn("data", "check", folder, "--json")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found["classes"] == {"cat": {"": 20}, "dog <b>ü": {"": 25}}
    assert (found["num_files"], found["num_readable"]) == (45, 45)
    assert found["worthless"][0] == "5 of the 20 pictures of class 'cat' lie in other classes, too"
    keys = {"kind", "severity", "text", "advice", "files", "worthless"}
    assert all(set(finding) == keys for finding in found["findings"])
    text = run_edgecnn("data", "check", folder)
    assert text.returncode == 3
    assert text.stdout.splitlines()[-1].startswith("not fit to train on: 5 of the 20 pictures of class 'cat' lie in")


def test_a_clean_copy_passes_the_check(run_edgecnn: RunEdgecnn, folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "empty.png").write_bytes(b"")
    (folder / "cat" / "wrong.jpg").write_bytes(picture(70))
    done = run_edgecnn("data", "check", folder, "--fix-into", tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f"wrote {tmp_path / 'clean'}: 40 files as they were, 1 left out, 1 renamed; see changes.json there"
    )
    assert json.loads(run_edgecnn("data", "check", tmp_path / "clean", "--json").stdout)["findings"] == []
    again = run_edgecnn("data", "check", folder, "--fix-into", tmp_path / "clean")
    assert again.returncode == 1
    assert "exists and is not an empty folder" in again.stderr
    assert "looking" not in again.stderr  # said before the work, not after it


def test_a_split_is_written_and_the_next_command_named(run_edgecnn: RunEdgecnn, folder: Path, tmp_path: Path) -> None:
    done = run_edgecnn("data", "split", folder, "--into", tmp_path / "new", "--val", "0.2", "--test", "0.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2 classes; train 28, val 8, test 4",
        f"wrote {tmp_path / 'new'}",
        f"next: edgecnn train {tmp_path / 'new'}",
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["split.json", "test", "train", "val"]
    check = run_edgecnn("data", "check", tmp_path / "new", "--json")
    assert json.loads(check.stdout)["classes"]["cat"] == {"train": 14, "val": 4, "test": 2}


def test_the_same_seed_writes_the_same_split(run_edgecnn: RunEdgecnn, folder: Path, tmp_path: Path) -> None:
    splits = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        done = run_edgecnn("data", "split", folder, "--into", tmp_path / name, "--seed", seed, "--json")
        assert json.loads(done.stdout)["num"] == {"train": 28, "val": 6, "test": 6}
        splits.append(json.loads((tmp_path / name / "split.json").read_bytes())["test"])
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("check", "nowhere"), 1, "nowhere does not exist"),
        (("split", "nowhere", "--into", "x"), 1, "nowhere does not exist"),
        (("split", ".", "--into", "x", "--val", "0.5", "--test", "0.5"), 2, "leave less than a tenth to train"),
        (("split", "."), 2, "Missing option '--into'"),
        (("mend", "."), 2, "No such command 'mend'"),
    ],
)
def test_mistakes_are_one_sentence(
    run_edgecnn: RunEdgecnn, tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run_edgecnn("data", *words, cwd=tmp_path)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_it_needs_no_tensorflow(folder: Path) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('tensorflow', 'keras', 'ai_edge_litert')))\n"
        "from edgecnn.cli.main import main; main(['data', 'check', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
