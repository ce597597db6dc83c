import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.data import load_pixels
from edgecnn.train.ablation_record import ABLATION_FILE, read_ablation
from edgecnn.train.run_folder import HISTORY_FILE, METRICS_FILE, SHEET_FILE, RunFolder

DRAW_SHAPES = Path(__file__).parents[2] / "tools" / "draw_shapes.py"
PER_CLASS = 20
SMALL = ("--arch", "tiny", "--size", "32", "--epochs", "2")
RUN_FILES = [
    "config.json",
    "history.json",
    "labels.txt",
    "metrics.json",
    "model.keras",
    "plots/augmentation.png",
    "plots/confusion.png",
    "plots/curves.png",
    "report.html",
    "report.json",
    "split.json",
]


def edgecnn(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecnn", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


def start(*words: object) -> subprocess.Popen[str]:
    """Start the command with the signals of a terminal's foreground job, whatever pytest itself ignores."""
    return subprocess.Popen(
        [sys.executable, "-m", "edgecnn", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def signal_after(process: subprocess.Popen[str], signals: Sequence[tuple[str, signal.Signals]]) -> str:
    """Send each signal when a line with its text comes on stderr; return all of stderr."""
    lines, waiting = [], list(signals)
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if waiting and waiting[0][0] in line:
                process.send_signal(waiting.pop(0)[1])
    assert not waiting
    return "".join(lines)


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def history_of(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((run / HISTORY_FILE).read_bytes())
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "shapes"
    subprocess.run([sys.executable, str(DRAW_SHAPES), str(folder), "--per-class", str(PER_CLASS)], check=True)
    return folder


@pytest.fixture
def own_shapes(shapes: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(shapes, tmp_path / "pictures"))


@pytest.fixture(scope="module")
def finished(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    run = tmp_path_factory.mktemp("finished") / "run"
    return run, edgecnn("train", shapes, "-o", run, *SMALL, "--json")


def test_a_run_holds_all_that_it_should_and_nothing_else(finished: tuple[Path, Any]) -> None:
    run, process = finished
    assert process.returncode == 0, process.stderr
    assert files_of(run) == RUN_FILES
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_json_is_one_object_on_stdout_with_the_metrics_of_the_run(finished: tuple[Path, Any]) -> None:
    run, process = finished
    printed = json.loads(process.stdout)
    assert printed["run"] == str(run)
    assert printed["metrics"] == json.loads((run / METRICS_FILE).read_bytes())
    assert printed["metrics"]["test"]["num"] == 4 * 3
    assert printed["seconds"] > 0


def test_stderr_has_our_own_lines_only(finished: tuple[Path, Any]) -> None:
    own = ("4 classes;", "looking for copies", "reading ", "scratch ", "scoring ", "computing ")
    assert [line for line in finished[1].stderr.splitlines() if not line.startswith(own)] == []


def test_labels_that_are_not_ascii_survive(finished: tuple[Path, Any]) -> None:
    assert RunFolder.open(finished[0]).labels == ("Kreis ○", "square", "star", "triangle")


def test_the_splits_are_disjoint_and_hold_every_class(finished: tuple[Path, Any]) -> None:
    splits = RunFolder.open(finished[0]).splits
    everything = [picture for name in ("train", "val", "test") for picture in splits.select(name)]
    assert len(set(everything)) == len(everything) == 4 * PER_CLASS
    for name in ("train", "val", "test"):
        assert {picture.label_index for picture in splits.select(name)} == {0, 1, 2, 3}


def test_the_saved_model_scores_the_test_pictures_as_the_metrics_say(finished: tuple[Path, Any]) -> None:
    from edgecnn.train.keras_model import load_keras_scorer

    run = RunFolder.open(finished[0])
    pictures = load_pixels(run.data_root, run.splits.test, run.contract)
    scores = load_keras_scorer(run).scores(pictures.pixels)
    assert scores.dtype == np.float32
    top1 = json.loads((finished[0] / METRICS_FILE).read_bytes())["test"]["top1"]
    assert (scores.argmax(axis=1) == pictures.label_indices).mean() == pytest.approx(top1)


def test_the_same_seed_gives_the_same_history_and_another_seed_another(
    finished: tuple[Path, Any], shapes: Path, tmp_path: Path
) -> None:
    for seed in (0, 1):
        edgecnn("train", shapes, "-o", tmp_path / str(seed), *SMALL, "--seed", seed)
    assert history_of(tmp_path / "0") == history_of(finished[0])
    assert history_of(tmp_path / "1") != history_of(finished[0])


def test_a_summary_names_the_run_and_the_next_command(own_shapes: Path, tmp_path: Path) -> None:
    process = edgecnn("train", own_shapes, *SMALL, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "edgecnn export runs/pictures-1 --int8" in process.stdout
    assert files_of(tmp_path / "runs" / "pictures-1") == RUN_FILES


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_during_the_epochs_keeps_a_run_that_can_be_used(
    shapes: Path, tmp_path: Path, name: signal.Signals
) -> None:
    process = start("train", shapes, "-o", tmp_path / "run", *SMALL, "--epochs", 5000, "--patience", 5000)
    stderr = signal_after(process, [("scratch 2/5000", name)])
    assert process.returncode == 0, stderr
    assert "interrupted: the best weights so far are kept" in stderr
    assert files_of(tmp_path / "run") == RUN_FILES
    run = RunFolder.open(tmp_path / "run")
    assert run.config.interrupted
    assert len(run.read_history()) >= 2
    assert json.loads((tmp_path / "run" / METRICS_FILE).read_bytes())["test"]["num"] == 12
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_ctrl_c_before_the_first_epoch_leaves_nothing(shapes: Path, tmp_path: Path) -> None:
    process = start("train", shapes, "-o", tmp_path / "runs" / "run", *SMALL)
    stderr = signal_after(process, [("reading val pictures", signal.SIGINT)])
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "interrupted; nothing unfinished was left behind"
    assert list(tmp_path.iterdir()) == []


def test_a_second_ctrl_c_gives_up_at_once_and_leaves_nothing(shapes: Path, tmp_path: Path) -> None:
    process = start("train", shapes, "-o", tmp_path / "run", *SMALL, "--epochs", 5000)
    stderr = signal_after(process, [("scratch 1/5000", signal.SIGINT), ("interrupted: ", signal.SIGINT)])
    assert process.returncode == 130, stderr
    assert list(tmp_path.iterdir()) == []


def test_broken_pictures_are_named_and_recorded_and_the_test_is_read_last(own_shapes: Path, tmp_path: Path) -> None:
    for split, numbers in (("train", range(12)), ("val", range(12, 16)), ("test", range(16, 20))):
        for label in ("square", "star"):
            target = tmp_path / "given" / split / label
            target.mkdir(parents=True)
            for number in numbers:
                shutil.copy(own_shapes / label / f"{number:03}.png", target)
    given = tmp_path / "given"
    text, cut, late = given / "train/square/note.jpg", given / "train/star/cut.jpg", given / "test/star/016.png"
    text.write_text("this is no picture")
    _, encoded = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    cut.write_bytes(encoded.tobytes()[:400])
    late.write_bytes(b"")
    shutil.copy(own_shapes / "star" / "000.png", os.fsencode(given / "train" / "star") + b"/\xff.png")
    for number in range(4, 12):  # square now has three times the pictures of star
        (given / "train" / "star" / f"{number:03}.png").unlink()
    process = edgecnn("train", given, "-o", tmp_path / "run", *SMALL)
    assert process.returncode == 0, process.stderr
    lines = process.stderr.splitlines()
    skipped = [index for index, line in enumerate(lines) if line.startswith("skipped: ")]
    last_epoch = max(index for index, line in enumerate(lines) if line.startswith("scratch "))
    for path, index in ((text, skipped[0]), (cut, skipped[1]), (late, skipped[3])):
        assert str(path) in lines[index]
    assert "udcff.png is not UTF-8; rename it" in lines[skipped[2]]
    assert skipped[2] < last_epoch < skipped[3]
    run = RunFolder.open(tmp_path / "run")
    assert [picture.path for picture in run.config.skipped] == [
        "train/square/note.jpg",
        "train/star/cut.jpg",
        "train/star/\\udcff.png",
        "test/star/016.png",
    ]
    assert {path.path.split("/")[0] for path in run.splits.train} == {"train"}
    assert {path.path.split("/")[0] for path in run.splits.test} == {"test"}
    assert (len(run.splits.train), len(run.splits.val), len(run.splits.test)) == (16, 8, 7)
    assert run.config.class_weights == pytest.approx({"square": 16 / 24, "star": 16 / 8})
    assert "rare classes count more: square 0.67, star 2.00" in process.stderr


def one_class(folder: Path) -> str:
    for label in ("square", "star", "triangle"):
        shutil.rmtree(folder / label)
    return "must hold at least two class folders"


def empty_class(folder: Path) -> str:
    (folder / "empty").mkdir()
    return "holds no pictures"


def class_of_broken_pictures(folder: Path) -> str:
    for path in (folder / "star").iterdir():
        path.write_text("no picture")
    return "class 'star' has no readable picture in the split 'train'"


def missing_folder(folder: Path) -> str:
    shutil.rmtree(folder)
    return "does not exist"


@pytest.mark.parametrize("spoil", [one_class, empty_class, class_of_broken_pictures, missing_folder])
def test_bad_pictures_are_one_sentence_and_leave_nothing(own_shapes: Path, tmp_path: Path, spoil: Any) -> None:
    sentence = spoil(own_shapes)
    process = edgecnn("train", own_shapes, "-o", tmp_path / "run", *SMALL)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("error: ")
    assert process.stderr.count("error: ") == 1
    assert sentence in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""
    assert [path.name for path in tmp_path.iterdir() if path != own_shapes] == []


def test_an_existing_run_is_kept_until_a_new_one_is_whole(
    finished: tuple[Path, Any], own_shapes: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished[0], tmp_path / "run"))
    refused = edgecnn("train", own_shapes, "-o", run, *SMALL)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "add --overwrite to replace it" in refused.stderr
    before = (run / "model.keras").read_bytes()
    class_of_broken_pictures(own_shapes)
    assert edgecnn("train", own_shapes, "-o", run, *SMALL, "--overwrite").returncode == 1
    assert (run / "model.keras").read_bytes() == before


def test_a_place_that_cannot_be_written_is_refused_before_a_picture_is_read(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process = edgecnn("train", shapes, "-o", tmp_path / "file" / "run", *SMALL)
    assert process.returncode == 1
    assert process.stderr.startswith("error: cannot write a run to ")
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--augment", "mirror"], "'mirror' is not one of flip, shift, zoom, rotate, light"),
        (["--augment", "flip,none"], "'none' is not one of"),
        (["--arch", "tiny", "--epochs", "0"], "epochs must be at least 1"),
        (["--learning-rate", "nan"], "learning"),
        (["--size", "8"], "--size"),
        (["--arch", "resnet"], "--arch"),
    ],
)
def test_an_impossible_option_is_a_usage_error(shapes: Path, tmp_path: Path, words: list[str], complaint: str) -> None:
    process = edgecnn("train", shapes, "-o", tmp_path / "run", *words)
    assert process.returncode == 2
    assert complaint in process.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 2])
def test_lite0_trains_its_head_and_then_its_tail(shapes: Path, tmp_path: Path, epochs: int) -> None:
    run = tmp_path / "run"
    process = edgecnn("train", shapes, "-o", run, "--size", "64", "--epochs", epochs, "--json")
    assert process.returncode == 0, process.stderr
    stages = ["head", "fine-tuning"][: 1 + bool(epochs)]
    assert list(dict.fromkeys(row["stage"] for row in history_of(run))) == stages
    opened = RunFolder.open(run)
    assert [stage.name for stage in opened.config.stages] == stages
    # A head learns from pictures as they are: there is no sheet of what augmentation made of them.
    assert files_of(run) == [name for name in RUN_FILES if epochs or name != SHEET_FILE]
    kept = opened.config.stages[-1] if opened.config.stages[-1].kept else opened.config.stages[0]
    best = next(row for row in opened.read_history() if (row.stage, row.epoch) == (kept.name, kept.best_epoch))
    assert best.val_accuracy == pytest.approx(json.loads(process.stdout)["metrics"]["val"]["top1"], abs=0.1)


def test_the_preview_is_the_sheet_that_training_leaves_and_trains_nothing(
    finished: tuple[Path, Any], shapes: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    process = edgecnn("train", shapes, *SMALL, "--preview", sheet, cwd=tmp_path)
    assert (process.returncode, process.stdout) == (0, ""), process.stderr
    assert sheet.read_bytes() == (finished[0] / SHEET_FILE).read_bytes()
    assert list(tmp_path.iterdir()) == [sheet]


def test_a_preview_of_no_change_or_in_no_folder_is_refused(shapes: Path, tmp_path: Path) -> None:
    unchanged = edgecnn("train", shapes, *SMALL, "--augment", "none", "--preview", tmp_path / "sheet.png")
    assert unchanged.returncode == 2
    assert "changes no picture" in unchanged.stderr
    nowhere = edgecnn("train", shapes, *SMALL, "--preview", tmp_path / "nowhere" / "sheet.png")
    assert nowhere.returncode == 1
    assert nowhere.stderr.splitlines()[-1].startswith("error: cannot write the contact sheet")


@pytest.mark.slow
def test_ctrl_c_among_the_variants_keeps_the_model_and_the_finished_variants(
    finished: tuple[Path, Any], shapes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start("train", shapes, "-o", run, *SMALL, "--ablation")
    stderr = signal_after(process, [("variant 2 of 3", signal.SIGINT)])
    assert process.returncode == 0, stderr
    assert "interrupted: the model is kept; finished variants: 1" in stderr
    record = read_ablation(RunFolder.open(run))
    assert record is not None
    assert [one.name for one in record.variants] == ["model", "no-augmentation"]
    assert files_of(run) == sorted([*RUN_FILES, ABLATION_FILE])
    assert history_of(run) == history_of(finished[0])


@pytest.mark.slow
def test_ctrl_c_after_the_head_keeps_the_head(shapes: Path, tmp_path: Path) -> None:
    process = start("train", shapes, "-o", tmp_path / "run", "--size", "64")
    stderr = signal_after(process, [("the head alone recognizes", signal.SIGINT)])
    assert process.returncode == 0, stderr
    run = RunFolder.open(tmp_path / "run")
    assert run.config.interrupted
    assert [(stage.name, stage.kept) for stage in run.config.stages] == [("head", True)]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
