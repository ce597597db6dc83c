"""``edgecnn report``, and the report at the end of a training."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.train.report import REPORT_JSON, REPORT_PAGE

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def trained(picture_folder: Path, run_edgecnn: RunEdgecnn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("reported")
    shutil.copytree(picture_folder, folder / "pictures")
    options = ("--arch", "lite0", "--size", "64", "--epochs", "0")
    done = run_edgecnn("train", folder / "pictures", "-o", folder / "run", *options, timeout_s=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_training_leaves_a_report_that_can_be_written_again_with_the_same_words(
    trained: Path, run_edgecnn: RunEdgecnn
) -> None:
    run = trained / "run"
    before = json.loads((run / REPORT_JSON).read_text("utf-8"))
    (run / REPORT_PAGE).unlink()
    done = run_edgecnn("report", run, "--json", timeout_s=120)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert (run / REPORT_PAGE).stat().st_size > 10_000
    assert again["verdict"] == before["verdict"]
    assert again["num_doubts"] == before["num_doubts"]
    assert [one["confusions"] for one in again["figures"]] == [one["confusions"] for one in before["figures"]]
    assert again["curve"]["errors"] == pytest.approx(before["curve"]["errors"], abs=0.05)


@pytest.mark.slow
def test_pictures_that_vanished_since_are_counted_and_the_recorded_figures_stay(
    trained: Path, run_edgecnn: RunEdgecnn, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    before = json.loads((run / REPORT_JSON).read_text("utf-8"))
    config = json.loads((run / "config.json").read_text("utf-8"))
    moved = tmp_path / "pictures"
    shutil.copytree(config["data_root"], moved)
    lost = json.loads((run / "split.json").read_text("utf-8"))["test"][0]
    (moved / lost).unlink()
    (run / "config.json").write_text(json.dumps(config | {"data_root": str(moved)}), "utf-8")
    done = run_edgecnn("report", run, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert f"1 of {before['figures'][0]['num']} test pictures cannot be read any more" in done.stderr
    after = json.loads((run / REPORT_JSON).read_text("utf-8"))
    assert after["figures"][0]["top1"] == before["figures"][0]["top1"]


@pytest.mark.slow
def test_a_run_without_any_of_its_pictures_still_gets_a_page(
    trained: Path, run_edgecnn: RunEdgecnn, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    config = json.loads((run / "config.json").read_text("utf-8"))
    (run / "config.json").write_text(json.dumps(config | {"data_root": str(tmp_path / "gone")}), "utf-8")
    done = run_edgecnn("report", run, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("missing:") == 3
    assert "No learning curve" in (run / REPORT_PAGE).read_text("utf-8")


def test_a_folder_that_is_no_run_is_one_sentence(run_edgecnn: RunEdgecnn, picture_folder: Path) -> None:
    done = run_edgecnn("report", picture_folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "is not a training run" in done.stderr
    assert not (picture_folder / REPORT_PAGE).exists()
