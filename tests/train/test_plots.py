from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.evaluate.metrics import evaluate_scores
from edgecnn.train.plots import choose_fonts, plot_confusion, plot_curves
from edgecnn.train.run_folder import HistoryRow

HARD_LABELS = ("Straße", "$cost$", "猫", "क्षेत्र", "🐈", "\U000e0041", "x" * 200)


def row(stage: str, epoch: int) -> HistoryRow:
    return HistoryRow(
        stage=stage,
        epoch=epoch,
        loss=1.0 / epoch,
        accuracy=1.0 - 0.5 / epoch,
        val_loss=1.1 / epoch,
        val_accuracy=1.0 - 0.6 / epoch,
        learning_rate=1e-3,
        seconds=1.0,
    )


# Warnings are errors here, so a missing glyph fails the test.
def test_labels_of_any_script_are_drawn_without_a_word(tmp_path: Path) -> None:
    truth = np.arange(len(HARD_LABELS))
    metrics = evaluate_scores(np.eye(len(HARD_LABELS), dtype=np.float32), truth, HARD_LABELS)
    plot_confusion(metrics, "title", tmp_path / "plots" / "confusion.png")
    assert cv2.imread(str(tmp_path / "plots" / "confusion.png")).std() > 0


def test_a_label_that_no_font_holds_is_drawn_by_its_number() -> None:
    _, labels = choose_fonts(("cat", "\U000e0041"))
    assert labels == ("cat", "class 1")


def test_a_hundred_classes_still_make_a_picture(tmp_path: Path) -> None:
    metrics = evaluate_scores(np.eye(100, dtype=np.float32), np.arange(100), [str(index) for index in range(100)])
    plot_confusion(metrics, "title", tmp_path / "confusion.png")
    assert cv2.imread(str(tmp_path / "confusion.png")).shape[0] < 3000


@pytest.mark.parametrize("rows", [[row("scratch", 1)], [row("head", 1), row("head", 2), row("fine-tuning", 1)]])
def test_the_curves_of_one_epoch_and_of_two_stages_are_drawn(rows: list[HistoryRow], tmp_path: Path) -> None:
    plot_curves(rows, tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")).std() > 0
