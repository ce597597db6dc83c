"""The first screen: the picture as numbers, as data and in a real browser."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from small_network import SmallNetwork

from edgecnn.core.contract import InputContract
from edgecnn.explain import Network
from edgecnn.explain.page import Material
from edgecnn.explain.page.explanation import make_head
from edgecnn.modelfile import ModelFile

IDENTITY = np.eye(3).reshape(3, 1, 1, 3)


def random_pixels(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def material(exported: ModelFile) -> Material:
    return make_material(Network(exported), random_pixels(96, 96))


@pytest.fixture(scope="module")
def page(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_screens(tmp_path_factory.mktemp("numbers") / "page.html", material, "numbers")


def numbers_of(network: Network, pixels: NDArray[np.uint8] | None = None) -> dict[str, Any]:
    contract = network.file.contract
    shown = random_pixels(contract.height, contract.width) if pixels is None else pixels
    return one_screen(make_material(network, shown), "numbers").data


def magnified(browser: webdriver.Chrome) -> list[list[list[int]]]:
    script = """return [...document.querySelectorAll('#numbers .magnifier tbody tr')].map(
        (row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent.split('\\n')))"""
    return [[[int(value) for value in cell] for cell in row] for row in browser.execute_script(script)]


def test_the_screen_holds_every_number_of_the_picture(material: Material) -> None:
    data = one_screen(material, "numbers").data
    np.testing.assert_array_equal(make_head(material)["pixels"], material.pixels)
    assert data["num_values"] == 27648
    for index, image in enumerate(data["channels"]):
        np.testing.assert_array_equal(image.pixels, material.pixels[:, :, index])


def test_what_an_export_reads_is_measured_in_it(material: Material) -> None:
    data = one_screen(material, "numbers").data
    assert data["input"]["dtype"] == "uint8"
    assert (data["input"]["scale"], data["input"]["zero_point"]) == (1 / 128, 128)
    for line in data["reads"]:
        assert line == pytest.approx({"mean": 128, "std": 128, "black": -1, "white": 127 / 128})


def test_normalization_in_the_graph_is_read_for_each_channel() -> None:
    small = SmallNetwork(20, 20)
    slopes, starts = np.array([1 / 58, 1 / 57, 1 / 64]), np.array([-2.1, -2.0, -1.8])
    scaled = small.multiply(0, small.constant(slopes.reshape(1, 1, 1, 3).astype(np.float32)))
    moved = small.add(scaled, small.constant(starts.reshape(1, 1, 1, 3).astype(np.float32)))
    data = numbers_of(small.network(small.mean(small.conv(moved, IDENTITY))))
    assert [step["operator"] for step in data["steps"]] == ["MUL", "ADD"]
    assert [line["std"] for line in data["reads"]] == pytest.approx(1 / slopes)
    assert [line["black"] for line in data["reads"]] == pytest.approx(starts)
    assert [line["white"] for line in data["reads"]] == pytest.approx(starts + 255 * slopes)


def test_normalization_before_the_network_counts_too() -> None:
    small = SmallNetwork(20, 20)
    file = small.file(small.mean(small.conv(0, IDENTITY)))
    asks = replace(file, contract=InputContract(height=20, width=20, mean=127.5, std=127.5))
    data = numbers_of(Network(asks, num_threads=1))
    assert (data["input"]["mean"], data["input"]["std"], data["input"]["scale"]) == (127.5, 127.5, None)
    assert data["reads"][0] == pytest.approx({"mean": 127.5, "std": 127.5, "black": -1, "white": 1})


def test_constants_are_called_normalization_only_where_no_step_follows(material: Material, tmp_path: Path) -> None:
    small = SmallNetwork(20, 20, "int8", 1 / 128, 0)
    scaled = small.multiply(0, small.constant(np.full((1, 1, 1, 3), 64, np.int8), (1 / 128, 0)))
    made = small.conv(scaled, IDENTITY, weight_scales=[1 / 127] * 3, output=(0.02, 0))
    with_step = make_material(small.network(small.mean(made)), random_pixels(20, 20))
    for one, is_all in ((material, True), (with_step, False)):
        text = write_screens(tmp_path / "page.html", one, "numbers").read_text("utf-8")
        assert ("Nothing is computed." in text) is is_all
        assert ("these two constants are that normalization" in text) is is_all
    reads = one_screen(with_step, "numbers").data["reads"][0]
    assert (reads["black"], reads["white"]) == pytest.approx((-0.5, 127 / 256), abs=1 / 128)  # of a rounded step


def test_an_input_of_int8_reads_what_its_scale_says() -> None:
    small = SmallNetwork(20, 20, "int8", 1 / 64, -28)
    made = small.conv(0, IDENTITY, weight_scales=[1 / 127] * 3, output=(0.02, 0))
    data = numbers_of(small.network(small.mean(made)))
    assert data["input"]["dtype"] == "int8"
    assert data["reads"][2] == pytest.approx({"mean": 100, "std": 64, "black": -100 / 64, "white": 155 / 64})


def test_the_reading_does_not_depend_on_the_picture(material: Material) -> None:
    black = one_screen(replace(material, pixels=np.zeros((96, 96, 3), np.uint8)), "numbers").data
    assert black["reads"] == one_screen(material, "numbers").data["reads"]


def test_filters_that_read_no_single_pixel_have_no_line() -> None:
    small = SmallNetwork(8, 8)
    pooled = small.network(small.mean(small.conv(small.pool(0, (2, 2), kind="AVERAGE"), IDENTITY)))
    assert numbers_of(pooled)["reads"] is None
    small = SmallNetwork(8, 8)
    blurred = small.pool(0, (3, 3), kind="AVERAGE", stride=(1, 1), padding="same")
    assert numbers_of(small.network(small.mean(small.conv(blurred, IDENTITY))))["reads"] is None


def test_the_magnifier_shows_the_numbers_of_the_picture_where_the_keys_lead(
    chromium: webdriver.Chrome, page: Path, material: Material
) -> None:
    open_page(chromium, page)
    np.testing.assert_array_equal(magnified(chromium), material.pixels[44:52, 44:52])
    canvas = find(chromium, "#numbers canvas.picture")
    canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    np.testing.assert_array_equal(magnified(chromium), material.pixels[45:53, 46:54])
    here = material.pixels[49, 50].tolist()
    said = find(chromium, "#numbers .pixel").text
    assert said.startswith(f"Row 49, column 50: red {here[0]}, green {here[1]}, blue {here[2]}.")
    canvas.send_keys(Keys.SHIFT, *[Keys.ARROW_UP] * 6, *[Keys.ARROW_LEFT] * 6, Keys.NULL)
    np.testing.assert_array_equal(magnified(chromium), material.pixels[:8, :8])
    assert find(chromium, "#numbers td.chosen").get_attribute("textContent") == "\n".join(
        str(value) for value in material.pixels[0, 0].tolist()
    )
    assert not console(chromium)


def test_the_magnifier_follows_the_pointer_into_the_corner(
    chromium: webdriver.Chrome, page: Path, material: Material
) -> None:
    open_page(chromium, page)
    canvas = find(chromium, "#numbers canvas.picture")
    right, bottom = canvas.size["width"] // 2 - 2, canvas.size["height"] // 2 - 2
    ActionChains(chromium).move_to_element_with_offset(canvas, right, bottom).perform()
    np.testing.assert_array_equal(magnified(chromium), material.pixels[88:, 88:])
    assert find(chromium, "#numbers .pixel").text.startswith("Row 95, column 95:")


def test_one_channel_can_be_seen_by_itself(chromium: webdriver.Chrome, page: Path, material: Material) -> None:
    open_page(chromium, page, PHONE)
    chromium.find_elements(By.CSS_SELECTOR, "#numbers .controls button")[2].send_keys(Keys.ENTER)
    np.testing.assert_array_equal(magnified(chromium), material.pixels[44:52, 44:52, 1:2])
    corner = "return [...document.querySelector('#numbers canvas').getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert chromium.execute_script(corner) == [*[int(material.pixels[0, 0, 1])] * 3, 255]


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_numbers_fit_on_the_screen(chromium: webdriver.Chrome, page: Path, width: int) -> None:
    open_page(chromium, page, width, dark=width == DESK)
    assert overflow_px(chromium) <= 0
    table, section = find(chromium, "#numbers .magnifier").rect, find(chromium, "#numbers").rect
    assert table["x"] + table["width"] <= section["x"] + section["width"]
    assert not console(chromium)


def test_a_picture_smaller_than_the_magnifier_is_shown_whole(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    small = SmallNetwork(3, 5)
    network, pixels = small.network(small.mean(small.conv(0, IDENTITY))), random_pixels(3, 5)
    open_page(chromium, write_screens(tmp_path / "page.html", make_material(network, pixels), "numbers"))
    np.testing.assert_array_equal(magnified(chromium), pixels)
    assert not console(chromium)


@pytest.mark.parametrize(
    ("aspect", "fraction", "words"),
    [
        ("squash", 1.0, "so that things look squashed"),
        ("crop", 1.0, "as much was cut off at both ends"),
        ("fit", 0.875, "87.5% of its width and height. It was resized as a whole until it fitted"),
    ],
)
def test_the_page_says_how_the_photograph_became_so_small(
    exported: ModelFile, tmp_path: Path, aspect: Any, fraction: float, words: str
) -> None:
    contract = replace(exported.contract, aspect=aspect, crop_fraction=fraction)
    material = make_material(Network(replace(exported, contract=contract)), random_pixels(96, 96))
    wide = replace(material, photograph=random_pixels(300, 400))
    text = " ".join(write_screens(tmp_path / "page.html", wide, "numbers").read_text("utf-8").split())
    assert "300 pixels, 360,000 numbers; this network takes exactly 96" in text
    assert words in text
