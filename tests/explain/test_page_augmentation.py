from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from scipy.stats import binomtest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.explain import Network
from edgecnn.explain.page.screens.augmentation_words import chance_of_split
from edgecnn.explain.page.training import Epoch, Trained, TrainingRecord

HOSTILE = "<script>alert(1)</script>"
NUM_VAL = 50


def epochs(stage: str, accuracies: list[tuple[float, float]]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(stage=stage, accuracy=train, loss=2 - train, val_accuracy=val, val_loss=1.5 - val)
        for train, val in accuracies
    )


def trained(name: str, right: int, only_model: int, **changes: Any) -> Trained:
    """A network that knows ``right`` of the 50 validation pictures; the model knows 40."""
    made = Trained(
        name=name,
        change=f"something about {name}",
        num_weights=1000,
        num_multiplications=20_000,
        epochs=epochs("scratch", [(0.4, 0.3), (0.9, right / NUM_VAL)]),
        train_accuracy=0.9,
        train_loss=0.3,
        val_accuracy=right / NUM_VAL,
        val_loss=0.5,
        only_model=only_model,
        only_this=right - 40 + only_model,
        seconds=12.5,
    )
    return replace(made, **changes)


MODEL = trained("model", 40, 0)
RECORD = TrainingRecord(
    run="run-1",
    num_train=300,
    num_val=NUM_VAL,
    seed=7,
    changes=("mirrored left to right", "turned by up to 10 degrees"),
    from_scratch=True,
    max_epochs=3,
    interrupted=False,
    epochs=epochs("scratch", [(0.4, 0.3), (0.7, 0.8), (0.9, 0.7)]),
    kept=("scratch", 2),
    sheet=np.full((68, 212, 3), 90, np.uint8),
    sheet_labels=(HOSTILE, "كلب " * 30),
    no_sheet="",
    trained=(MODEL, trained("no-augmentation", 30, 12), trained("no-pooling", 41, 3), trained("neither", 40, 0)),
    failed=(("neither", f"no memory {HOSTILE}"),),
)


@pytest.fixture(scope="module")
def network(model_file: Path) -> Network:
    return Network.open(model_file)


def data_of(network: Network, record: TrainingRecord | None, **other: Any) -> dict[str, Any]:
    screen = one_screen(make_material(network, picture_for(network), training=record, **other), "augmentation")
    assert screen.missing is None
    return screen.data


def picture_for(network: Network) -> np.ndarray[Any, Any]:
    width, height = network.file.contract.size_wh
    return synthetic_picture(1, width, height)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (4, 4), (12, 2), (3, 40), (5000, 4800)])
def test_the_chance_of_a_split_is_that_of_the_exact_binomial_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert chance_of_split(first, second) == pytest.approx(expected, rel=1e-9)


def test_curves_are_arrays_over_all_epochs_with_their_stages(network: Network) -> None:
    record = replace(
        RECORD,
        epochs=epochs("head", [(0.4, 0.3), (0.5, 0.6)]) + epochs("fine-tuning", [(0.9, 0.8)]),
        kept=("fine-tuning", 1),
    )
    training = data_of(network, record)["training"]
    assert training["curves"]["stages"] == [{"name": "head", "epochs": 2}, {"name": "fine-tuning", "epochs": 1}]
    np.testing.assert_allclose(training["curves"]["val_accuracy"], [0.3, 0.6, 0.8])
    assert training["kept"] == 2


def test_the_finding_says_who_is_better_and_how_much_of_it_may_be_chance(network: Network) -> None:
    worse, better, same = data_of(network, RECORD)["training"]["findings"]
    assert (
        "recognizes 40 of 50 validation pictures, the one without augmentation 30: 10 fewer, 20.0" in worse["outcome"]
    )
    assert worse["chance"] == pytest.approx(binomtest(12, 14).pvalue)
    assert "12 by yours, 2 by the other" in worse["sentences"][0]
    assert better["outcome"].endswith("41: 1 more, 2.0 points.")
    assert "may well be chance" in better["sentences"][0]
    assert same["outcome"].endswith("40: as many.")
    assert same["sentences"][0] == "Both are right about the very same pictures."


def test_a_variant_of_another_size_is_said_to_be_one(network: Network) -> None:
    larger = trained("no-pooling", 41, 3, num_weights=64_000)
    [finding] = data_of(network, replace(RECORD, trained=(MODEL, larger)))["training"]["findings"]
    assert finding["sentences"][-1].startswith("It has 64,000 weights, yours 1,000")


def test_augmentation_is_not_blamed_where_the_network_was_still_learning(network: Network) -> None:
    better = trained("no-augmentation", 50, 0, train_accuracy=1.0)
    record = replace(RECORD, kept=("scratch", 3), trained=(MODEL, better))
    [finding] = data_of(network, record)["training"]["findings"]
    assert "with more --epochs this may turn round" in finding["sentences"][-1]
    [finding] = data_of(network, replace(record, max_epochs=30))["training"]["findings"]
    assert not any("--epochs" in sentence for sentence in finding["sentences"])


@pytest.mark.parametrize(
    ("val_losses", "words"),
    [
        ([1.0, 0.5, 0.9], "Learning on made it no better at new pictures: overfitting."),
        ([1.0, 0.7, 0.5], "at the end: no sign of overfitting there"),
        ([1.0, 0.5, 0.51], "would probably bring little"),
    ],
)
def test_the_words_about_the_curves_follow_the_validation_loss(
    network: Network, val_losses: list[float], words: str
) -> None:
    rows = [replace(row, val_loss=loss) for row, loss in zip(RECORD.epochs, val_losses, strict=True)]
    said = data_of(network, replace(RECORD, epochs=tuple(rows)))["training"]["curve_words"]
    assert words in " ".join(said)


def test_a_gap_is_called_learned_by_heart_only_when_it_is_more_than_luck(network: Network) -> None:
    def said(num_val: int) -> str:
        record = replace(RECORD, num_val=num_val, epochs=epochs("scratch", [(0.9, 0.8)]), kept=("scratch", 1))
        return " ".join(data_of(network, record)["training"]["curve_words"])

    assert "10.0 points more" in said(1000)
    assert "points more" not in said(20)


def test_the_screen_answers_the_slider_at_every_width(
    chromium: webdriver.Chrome, network: Network, tmp_path: Path
) -> None:
    material = make_material(network, picture_for(network), training=RECORD)
    page = write_screens(tmp_path / "page.html", material, "augmentation")
    for width in (PHONE, DESK):
        open_page(chromium, page, width, dark=width == DESK)
        assert overflow_px(chromium) <= 0
        assert len(chromium.find_elements(By.CSS_SELECTOR, "#augmentation .chart svg")) == 6
        readout = find(chromium, "#augmentation .readout")
        assert readout.text.startswith("Epoch 2: training 70.0%, validation 80.0%")
        find(chromium, "#augmentation .epoch").send_keys(Keys.ARROW_RIGHT)
        assert readout.text.startswith("Epoch 3: training 90.0%, validation 70.0%")
        assert find(chromium, "#augmentation .names").text.startswith(HOSTILE)
        assert chromium.execute_script("return document.querySelector('#augmentation .sheet img').naturalWidth") == 212
    assert console(chromium) == []


def test_without_a_run_the_screen_teaches_on_the_users_own_picture(
    chromium: webdriver.Chrome, network: Network, tmp_path: Path
) -> None:
    material = make_material(network, picture_for(network), no_training=f"There is no run {HOSTILE}.")
    page = write_screens(tmp_path / "page.html", material, "augmentation")
    open_page(chromium, page, PHONE)
    drawn = "return [...document.querySelectorAll('#augmentation .copies canvas')].map(canvas => canvas.toDataURL())"
    before = chromium.execute_script(drawn)
    assert len(set(before)) == 6
    find(chromium, "#augmentation .again button").send_keys(Keys.ENTER)
    assert set(chromium.execute_script(drawn)).isdisjoint(before)
    text = find(chromium, "#augmentation").text
    assert f"There is no run {HOSTILE}." in text
    assert "edgecnn train PICTURES -o RUN --ablation" in text
    assert overflow_px(chromium) <= 0
    assert console(chromium) == []


def test_where_every_variant_failed_the_screen_does_not_say_that_none_was_tried(
    chromium: webdriver.Chrome, network: Network, tmp_path: Path
) -> None:
    material = make_material(network, picture_for(network), training=replace(RECORD, trained=(MODEL,)))
    open_page(chromium, write_screens(tmp_path / "page.html", material, "augmentation"), PHONE)
    text = find(chromium, "#augmentation").text
    assert f"The network without both could not be trained: no memory {HOSTILE}" in text
    assert "did not try" not in text


def test_a_run_of_one_epoch_without_sheet_and_variants_is_still_a_screen(
    chromium: webdriver.Chrome, network: Network, tmp_path: Path
) -> None:
    record = replace(
        RECORD,
        epochs=RECORD.epochs[:1],
        kept=("scratch", 1),
        sheet=None,
        no_sheet="The pictures are gone.",
        trained=(),
        failed=(),
    )
    page = write_screens(
        tmp_path / "page.html", make_material(network, picture_for(network), training=record), "augmentation"
    )
    open_page(chromium, page, PHONE)
    text = find(chromium, "#augmentation").text
    assert "The pictures are gone." in text
    assert "With --ablation, edgecnn train trains the same network" in text
    assert len(chromium.find_elements(By.CSS_SELECTOR, "#augmentation .copies canvas")) == 6
    assert console(chromium) == []
