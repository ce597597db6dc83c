"""The whole page, its data and its pictures."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from small_network import SmallNetwork

from edgecnn.errors import SinkError
from edgecnn.explain import Network
from edgecnn.explain.page import (
    Explanation,
    Image,
    Material,
    Screen,
    explain,
    render,
    to_json,
    write_page,
    write_pictures,
)
from edgecnn.explain.page.explanation import make_head
from edgecnn.explain.page.screens import TITLES
from edgecnn.imaging import load_input
from edgecnn.modelfile import ModelFile

HOSTILE = ("<script>window.hacked=1</script>", '"><img src=x onerror=window.hacked=1>', "{{7*7}}", "\u202ekcart " * 20)


@pytest.fixture(scope="module")
def material(exported: ModelFile, picture_folder: Path) -> Material:
    pixels = load_input(min((picture_folder / "star").iterdir()), exported.contract)
    return make_material(Network(exported), pixels)


@pytest.fixture(scope="module")
def explanation(material: Material) -> Explanation:
    return explain(material)


@pytest.fixture(scope="module")
def page(explanation: Explanation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, explanation)
    return path


@pytest.mark.parametrize(("width", "dark"), [(PHONE, False), (DESK, False), (DESK, True)])
def test_every_screen_draws_itself_without_a_complaint(
    chromium: webdriver.Chrome, page: Path, width: int, dark: bool
) -> None:
    open_page(chromium, page, width, dark=dark)
    assert console(chromium) == []
    assert overflow_px(chromium) <= 0
    for key, title in TITLES.items():
        section = find(chromium, f"#{key}")
        assert title in section.text
        assert section.rect["height"] > 200
    assert not chromium.find_elements(By.CSS_SELECTOR, ".missing")


def test_every_control_has_a_name_and_every_drawing_a_description(chromium: webdriver.Chrome, page: Path) -> None:
    open_page(chromium, page)
    nameless = chromium.execute_script(
        """
        const named = (element) => element.getAttribute("aria-label") || element.getAttribute("aria-labelledby")
          || element.getAttribute("title") || element.textContent.trim() || (element.labels && element.labels.length)
          || element.getAttribute("alt") || element.closest("[aria-hidden]") || element.querySelector("title");
        return [...document.querySelectorAll("button, select, input, a, canvas[tabindex], [role]")]
          .filter((element) => !element.closest("[hidden]") && !named(element))
          .map((element) => element.outerHTML.slice(0, 120));
        """
    )
    assert nameless == []
    undescribed = chromium.execute_script(
        "return [...document.images].filter((image) => image.getAttribute('alt') === null).map((i) => i.outerHTML)"
    )
    assert undescribed == []


def test_the_page_can_be_walked_through_with_the_keyboard(chromium: webdriver.Chrome, page: Path) -> None:
    open_page(chromium, page)
    body = find(chromium, "body")
    body.send_keys(Keys.TAB)
    assert chromium.switch_to.active_element.get_attribute("href").endswith("#numbers")
    chromium.switch_to.active_element.send_keys(Keys.TAB)
    chromium.switch_to.active_element.send_keys(Keys.ENTER)
    assert chromium.current_url.endswith("#sliding")


def test_names_of_classes_and_files_stay_text(chromium: webdriver.Chrome, material: Material, tmp_path: Path) -> None:
    file = replace(material.network.file, labels=HOSTILE)
    hostile = replace(material, network=Network(file), picture_name='<img src=x onerror="window.hacked=1">')
    write_page(tmp_path / "page.html", explain(hostile))
    for width in (PHONE, DESK):
        open_page(chromium, tmp_path / "page.html", width)
        assert chromium.execute_script("return window.hacked") is None
        assert console(chromium) == []
        assert overflow_px(chromium) <= 0
    assert "49" not in find(chromium, "h1").text


def test_a_script_that_was_smuggled_in_would_not_run(chromium: webdriver.Chrome, page: Path, tmp_path: Path) -> None:
    smuggled = page.read_text("utf-8").replace("<main>", "<main><script>window.hacked = 1</script>", 1)
    (tmp_path / "page.html").write_text(smuggled, "utf-8")
    open_page(chromium, tmp_path / "page.html")
    assert chromium.execute_script("return window.hacked") is None
    assert any("Content Security Policy" in message for message in console(chromium))


def test_the_json_is_json_and_names_every_picture_that_is_written(explanation: Explanation, tmp_path: Path) -> None:
    told = json.loads(json.dumps(to_json(explanation), allow_nan=False))
    written = write_pictures(tmp_path / "new" / "folder", explanation)
    named = set(re.findall(r'"([^"]+\.png)"', json.dumps(told))) - {told["picture"]}
    assert named == {path.name for path in written}
    for path in written:
        assert cv2.imread(str(path)) is not None
    assert set(told["screens"]) == set(TITLES)


def explanation_of(**data: Any) -> Explanation:
    return Explanation(head={}, screens=(Screen(number=1, key="numbers", title="One", data=data),))


def test_arrays_become_lists_with_six_digits_and_nothing_that_json_has_no_word_for() -> None:
    told = to_json(
        explanation_of(
            values=np.array([[1 / 3, np.nan], [np.inf, -2.0]], np.float32),
            codes=np.array([-128, 127], np.int8),
            one=np.nan,
        )
    )
    numbers = told["screens"]["numbers"]
    assert numbers["values"] == [[0.333333, None], [None, -2.0]]
    assert numbers["codes"] == [-128, 127]
    assert numbers["one"] is None


def test_pictures_keep_every_value(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    colour, grey = rng.integers(0, 256, (7, 5, 3), np.uint8), rng.integers(0, 256, (4, 6), np.uint8)
    explanation = explanation_of(
        pictures=[Image(name="In colour!", pixels=colour, quality=80), {"deep": Image(name="grey", pixels=grey)}]
    )
    paths = {path.name: path for path in write_pictures(tmp_path, explanation)}
    assert set(paths) == {"1-numbers-in-colour.png", "1-numbers-grey.png"}
    assert np.array_equal(cv2.imread(str(paths["1-numbers-in-colour.png"]))[:, :, ::-1], colour)
    assert np.array_equal(cv2.imread(str(paths["1-numbers-grey.png"]), cv2.IMREAD_GRAYSCALE), grey)


def test_a_page_that_cannot_be_written_leaves_the_old_one(explanation: Explanation, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot write"):
        write_page(tmp_path / "no" / "page.html", explanation)
    (tmp_path / "file").write_text("old")
    with pytest.raises(SinkError, match="cannot make the folder"):
        write_pictures(tmp_path / "file", explanation)
    assert (tmp_path / "file").read_text() == "old"


def test_a_screen_without_anything_to_show_says_why(
    chromium: webdriver.Chrome, material: Material, tmp_path: Path
) -> None:
    screens = (Screen(number=6, key="looked", title="Where it looked", data={}, missing="There is <b>nothing</b>."),)
    explanation = Explanation(head=explain(material).head, screens=(one_screen(material, "numbers"), *screens))
    write_page(tmp_path / "page.html", explanation)
    open_page(chromium, tmp_path / "page.html")
    assert find(chromium, "#looked .missing").text == "There is <b>nothing</b>."
    assert console(chromium) == []


def lead_of(material: Material) -> str:
    page = render(Explanation(head=make_head(material), screens=()))
    (lead,) = re.findall(r'<p class="lead">(It says .*?) This page', page)
    return re.sub(r"<[^>]*>", "", lead)


def test_a_picture_that_the_file_does_not_know_is_called_unknown(careful_file: Path) -> None:
    network = Network.open(careful_file)
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    material = make_material(network, noise)
    best = network.labels[int(network.scores(noise).argmax())]
    assert re.match(
        rf"It says unknown \(why\); of its classes, {best} has the highest score, [\d.]+%\.", lead_of(material)
    )


def test_scores_that_are_no_shares_are_not_said_in_percent(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    small = SmallNetwork(8, 8)
    maps = small.conv(0, np.full((2, 3, 3, 3), 0.01))
    logits = small.dense(small.mean(maps), [[100.0, 0.0], [-100.0, 0.0]])
    material = make_material(small.network(logits), np.full((8, 8, 3), 100, np.uint8))
    assert lead_of(material) == "It says class 0 with a score of 2,700."
    assert lead_of(replace(material, class_index=1)).endswith("You asked about class 1, which got \u22122,700.")
    open_page(chromium, write_screens(tmp_path / "page.html", material, "looked", "place"))
    assert "class 0 2,700." in find(chromium, '#place [data-part="answer"]').text
    assert "class 0 has a score of 2,700." in find(chromium, '#looked [data-part="score"]').text
    assert console(chromium) == []
