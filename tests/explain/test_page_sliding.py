"""The second screen: a filter that slides, as data and in a real browser."""

from collections.abc import Iterator
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
from selenium.webdriver.support.ui import WebDriverWait
from small_network import SmallNetwork

from edgecnn.explain import Network, WindowSum, window_sum
from edgecnn.explain.agreement import agreement
from edgecnn.explain.page import Material
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph

HOSTILE = "<script>window.hacked=1</script>"


def random_pixels(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def random_weights(*shape: int) -> NDArray[np.floating]:
    return np.random.default_rng(1).normal(0, 0.3, shape)


def int8_options(count: int) -> dict[str, Any]:
    return {"weight_scales": np.linspace(0.004, 0.008, count), "output": (0.03, -20)}


def float_network(**options: Any) -> Network:
    small = SmallNetwork(9, 8)
    scaled = small.multiply(0, small.constant(np.full((1, 1, 1, 3), 1 / 128, np.float32)))
    made = small.conv(scaled, random_weights(4, 3, 3, 3), [0.1, -0.2, 0.3, 0], **options)
    return small.network(small.mean(made))


def int8_network(weights: NDArray[np.floating], dtype: str = "int8", **options: Any) -> Network:
    small = SmallNetwork(9, 8, dtype, 1 / 128, 0 if dtype == "int8" else 128)
    made = small.conv(0, weights, np.linspace(-0.5, 0.5, len(weights)), **int8_options(len(weights)), **options)
    return small.network(small.mean(made))


def depthwise_network() -> Network:
    small = SmallNetwork(9, 8, "int8", 1 / 128, 0)
    made = small.depthwise(
        0, random_weights(1, 3, 3, 6), np.zeros(6), stride=(2, 2), padding="same", activation="relu6", **int8_options(6)
    )
    return small.network(small.mean(made))


def padded_network() -> Network:
    small = SmallNetwork(9, 8, "int8", 1 / 128, 3)
    around = small.pad(0, 1, 0, 2, 1)
    return small.network(small.mean(small.conv(around, random_weights(4, 3, 3, 3), stride=(2, 2), **int8_options(4))))


def pooled_network() -> Network:
    small = SmallNetwork(18, 16)
    pooled = small.pool(0, (2, 2), kind="AVERAGE")
    return small.network(small.mean(small.conv(pooled, random_weights(4, 3, 3, 3), padding="same")))


def dynamic_network() -> Network:
    small, weights = SmallNetwork(9, 8), random_weights(8, 3, 3, 3)
    made = small.conv(0, weights, weight_scales=np.abs(weights).max(axis=(1, 2, 3)) / 127, padding="same")
    return small.network(small.mean(made))


def without_bias() -> Network:
    small = SmallNetwork(9, 8)
    return small.network(small.mean(small.conv(0, random_weights(4, 3, 3, 3), padding="same")))


NETWORKS: dict[str, Any] = {
    "float valid": lambda: float_network(activation="relu"),
    "float same": lambda: float_network(padding="same", stride=(2, 2), activation="relu6"),
    "float dilated": lambda: float_network(dilation=(2, 3)),
    "int8 valid": lambda: int8_network(random_weights(4, 3, 3, 3), stride=(2, 2)),
    "int8 same": lambda: int8_network(random_weights(4, 3, 3, 3), padding="same", activation="relu"),
    "int8 same, stride 2": lambda: int8_network(
        random_weights(4, 3, 3, 3), padding="same", stride=(2, 2), activation="relu6"
    ),
    "int8 even": lambda: int8_network(random_weights(4, 4, 2, 3), padding="same", stride=(2, 1)),
    "int8 one by one": lambda: int8_network(random_weights(4, 1, 1, 3)),
    "depthwise": depthwise_network,
    "after a padding": padded_network,
    "after a pooling": pooled_network,
    "dynamic range": dynamic_network,
    "no bias": without_bias,
}


def material_of(network: Network) -> Material:
    return make_material(network, random_pixels(network.file.contract.height, network.file.contract.width))


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def shown_cell(browser: webdriver.Chrome) -> dict[str, float]:
    """The numbers of the table that leads from the products to the file's number."""
    script = """return [...document.querySelectorAll('#sliding .steps tr')].map(
        (row) => [row.children[0].textContent, row.children[1].textContent])"""
    return {name: number(value) for name, value in browser.execute_script(script)}


def grids(browser: webdriver.Chrome) -> list[list[float]]:
    """Numbers, weights and products of each channel, one after the other."""
    script = """return [...document.querySelectorAll('#sliding .trio table')].map(
        (table) => [...table.querySelectorAll('td')].map((cell) => cell.textContent))"""
    return [[number(text) for text in grid] for grid in browser.execute_script(script)]


def choose_filter(browser: webdriver.Chrome, index: int) -> None:
    browser.find_elements(By.CSS_SELECTOR, "#sliding .filters button")[index].send_keys(Keys.ENTER)


def go_to(browser: webdriver.Chrome, row: int, column: int, canvas: str = ".map") -> None:
    """Walk to a cell of a map of less than 30 x 30 by the keys."""
    far = [*[Keys.ARROW_UP] * 3, *[Keys.ARROW_LEFT] * 3]
    near = [*[Keys.ARROW_DOWN] * row, *[Keys.ARROW_RIGHT] * column]
    find(browser, f"#sliding {canvas}").send_keys(Keys.SHIFT, *far, Keys.NULL, *near)


def check_cell(browser: webdriver.Chrome, wanted: WindowSum) -> None:
    """Whether the page says of its cell what ``window_sum`` says."""
    assert wanted.agrees
    found = shown_cell(browser)
    assert found["sum"] == pytest.approx(wanted.total, rel=1e-4, abs=1e-5)
    assert found["plus the bias"] == pytest.approx(wanted.bias, rel=1e-4, abs=1e-6)
    assert found["after the activation"] == pytest.approx(wanted.clamped, rel=1e-4, abs=1e-5)
    assert found["the file itself computed"] == pytest.approx(wanted.file_value, rel=1e-4, abs=1e-6)
    assert find(browser, "#sliding .verdict").text.startswith("equal")
    shown = grids(browser)
    for channel in range(min(3, wanted.values.shape[2])):
        parts: list[NDArray[Any]] = [wanted.values, wanted.weights, wanted.products]
        for index, part in enumerate(parts):
            largest = max(1e-9, float(np.abs(part).max()))
            np.testing.assert_allclose(shown[3 * channel + index], part[:, :, channel].ravel(), atol=0.06 * largest)


@pytest.fixture(scope="module")
def tiny(exported: ModelFile) -> Material:
    return make_material(Network(exported), random_pixels(96, 96, 3))


@pytest.fixture(scope="module")
def tiny_page(tiny: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_screens(tmp_path_factory.mktemp("sliding") / "page.html", tiny, "sliding")


@pytest.fixture
def calm(chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """A browser of somebody who wants nothing to move."""
    yield chromium
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_sums_what_the_file_summed_in_every_corner(
    chromium: webdriver.Chrome, tmp_path: Path, name: str
) -> None:
    material = material_of(NETWORKS[name]())
    open_page(chromium, write_screens(tmp_path / "page.html", material, "sliding"))
    layer, look = material.network.convolutions[0], material.look()
    rows, columns, channels = layer.output_shape
    filters = one_screen(material, "sliding").data["shown"].tolist()
    assert filters == list(range(channels))
    for index, cell in enumerate([(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1), (rows // 2, 1)]):
        choose_filter(chromium, index % channels)
        go_to(chromium, *cell)
        check_cell(chromium, window_sum(look, layer, *cell, filters[index % channels]))
    assert not console(chromium)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_cells_are_compared_as_each_cell_is(name: str) -> None:
    material = material_of(NETWORKS[name]())
    layer, look = material.network.convolutions[0], material.look()
    cells = [window_sum(look, layer, *cell) for cell in np.ndindex(*layer.output_shape)]
    found = agreement(look, layer)
    assert (found.num_cells, found.num_agreeing) == (len(cells), sum(cell.agrees for cell in cells))
    assert found.num_agreeing == found.num_cells
    largest = max(abs(cell.clamped - cell.file_value) for cell in cells)
    assert found.max_abs == pytest.approx(largest, rel=1e-2, abs=1e-4 * max(abs(cell.total) for cell in cells))
    if found.step:
        assert found.num_same_codes is not None
        assert found.num_same_codes >= 0.95 * found.num_cells


def test_a_file_that_computes_something_else_is_found_out(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    said, real = (int8_network(weights, padding="same").file for weights in wrong_in_one_weight())
    lying = Network(replace(real, graph=Graph.parse(said.model)), num_threads=1)
    found = agreement(material_of(lying).look(), 0)
    assert 0 < found.num_agreeing < found.num_cells
    assert found.max_abs > found.step
    open_page(chromium, write_screens(tmp_path / "page.html", material_of(lying), "sliding"))
    choose_filter(chromium, 2)
    go_to(chromium, 4, 4)
    assert find(chromium, "#sliding .verdict").text == "not equal"
    assert chromium.find_elements(By.CSS_SELECTOR, "#sliding .note.warn")


def wrong_in_one_weight() -> Iterator[NDArray[np.floating]]:
    weights = random_weights(4, 3, 3, 3)
    yield weights.copy()
    weights[2, 1, 1] += 0.5
    yield weights


def test_the_page_says_which_layer_has_no_bias(tmp_path: Path) -> None:
    for name, has_bias in (("no bias", False), ("int8 same", True)):
        material = material_of(NETWORKS[name]())
        assert one_screen(material, "sliding").data["has_bias"] is has_bias
        text = write_screens(tmp_path / "page.html", material, "sliding").read_text("utf-8")
        assert ("(this layer has none: 0)" in text) is not has_bias


def test_an_export_agrees_in_all_cells(tiny: Material) -> None:
    found = one_screen(tiny, "sliding").data["agreement"]
    assert found["num_cells"] == 96 * 96 * tiny.network.convolutions[0].output_shape[2]
    assert found["num_agreeing"] == found["num_cells"]


def test_the_window_follows_the_pointer_over_the_picture_and_over_the_map(
    chromium: webdriver.Chrome, tiny: Material, tiny_page: Path
) -> None:
    open_page(chromium, tiny_page)
    shown = one_screen(tiny, "sliding").data
    number = int(shown["shown"][shown["start"]["filter"]])
    for canvas, share in ((".input", 0.25), (".map", 0.5)):
        element = find(chromium, f"#sliding {canvas}")
        chromium.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", element)
        step = int(element.size["width"] * (share - 0.5)), int(element.size["height"] * (0.75 - 0.5))
        ActionChains(chromium).move_to_element_with_offset(element, *step).perform()
        words = find(chromium, "#sliding .place").text.split(":")[0].split()
        row, column = int(words[3].strip(",")), int(words[5])
        assert (abs(row - 72), abs(column - share * 96)) <= (1, 1)
        check_cell(chromium, window_sum(tiny.look(), tiny.network.convolutions[0], row, column, number))
    assert not console(chromium)


def test_the_frame_hangs_over_the_border_in_the_corner(chromium: webdriver.Chrome, tiny_page: Path) -> None:
    open_page(chromium, tiny_page)
    canvas = find(chromium, "#sliding .input")
    canvas.send_keys(Keys.SHIFT, *[Keys.ARROW_UP] * 10, *[Keys.ARROW_LEFT] * 10, Keys.NULL)
    assert "corner is at row \u22121, column \u22121" in find(chromium, "#sliding .place").text
    frame, stage = find(chromium, "#sliding .frame").rect, canvas.rect
    assert (frame["x"], frame["y"]) == pytest.approx((stage["x"], stage["y"]), abs=1)
    assert len(chromium.find_elements(By.CSS_SELECTOR, "#sliding .trio:first-child td.rim")) == 5


def test_play_slides_the_filter_cell_by_cell_and_can_be_stopped(chromium: webdriver.Chrome, tiny_page: Path) -> None:
    open_page(chromium, tiny_page)
    play = find(chromium, "#sliding .play")
    play.send_keys(Keys.ENTER)
    assert play.text == "Pause"
    in_first_row = "return /row 0, column [1-9]/.test(document.querySelector('#sliding .place').textContent)"
    WebDriverWait(chromium, 30, poll_frequency=0.05).until(lambda _: chromium.execute_script(in_first_row))
    play.send_keys(Keys.ENTER)
    assert play.text == "Play"
    empty = """const map = document.querySelector('#sliding .map');
        return map.getContext('2d').getImageData(0, map.height - 1, 1, 1).data[3]"""
    assert chromium.execute_script(empty) == 0
    find(chromium, "#sliding .map").send_keys(Keys.ARROW_DOWN)
    assert chromium.execute_script(empty) == 255


def test_a_short_film_comes_to_its_end(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    small = SmallNetwork(3, 4)
    network = small.network(small.mean(small.conv(0, random_weights(2, 2, 2, 3))))
    open_page(chromium, write_screens(tmp_path / "page.html", material_of(network), "sliding"))
    play = find(chromium, "#sliding .play")
    play.send_keys(Keys.ENTER)
    WebDriverWait(chromium, 30).until(lambda _: play.text == "Play")
    assert "row 1, column 2:" in find(chromium, "#sliding .place").text
    assert "Row 1, column 2:" in find(chromium, "#sliding .verdict-words").text


def test_nothing_moves_by_itself_where_motion_is_unwanted(calm: webdriver.Chrome, tmp_path: Path) -> None:
    page = write_screens(tmp_path / "page.html", material_of(float_network()), "sliding")
    open_page(calm, page)
    unwanted = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    calm.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": unwanted})
    calm.refresh()
    WebDriverWait(calm, 30).until(lambda _: calm.find_elements(By.CSS_SELECTOR, "#sliding[data-ready]"))
    assert not find(calm, "#sliding .play").is_displayed()
    go_to(calm, 0, 5)
    find(calm, "#sliding .next-cell").send_keys(Keys.ENTER)
    assert "row 1, column 0:" in find(calm, "#sliding .place").text


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_filter_slides_on_a_phone_and_on_a_desk(chromium: webdriver.Chrome, tiny_page: Path, width: int) -> None:
    open_page(chromium, tiny_page, width, dark=width == DESK)
    assert overflow_px(chromium) <= 0
    assert find(chromium, "#sliding .verdict").text == "equal within one step"
    assert not console(chromium)


def test_of_many_filters_only_some_travel_and_the_page_says_so(tmp_path: Path) -> None:
    small = SmallNetwork(224, 224)
    weights = random_weights(12, 3, 3, 3)
    weights[::2] = 0  # these maps are all the same
    material = material_of(small.network(small.mean(small.conv(0, weights, padding="same"))))
    data = one_screen(material, "sliding").data
    assert 4 <= len(data["shown"]) < 6
    assert all(index % 2 for index in data["shown"].tolist())
    assert data["agreement"]["num_cells"] == 224 * 224 * 12
    page = write_screens(tmp_path / "page.html", material, "sliding")
    assert f"{len(data['shown'])} of 12 are on this page" in page.read_text("utf-8")


def test_many_channels_are_looked_at_one_by_one(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    small = SmallNetwork(4, 6)
    deep = small.concatenate(small.concatenate(0, small.relu(0)), small.relu(0))
    network = small.network(small.mean(small.conv(deep, random_weights(2, 3, 3, 9))))
    material = material_of(network)
    open_page(chromium, write_screens(tmp_path / "page.html", material, "sliding"))
    choice = find(chromium, "#sliding select")
    choice.send_keys(Keys.END)
    go_to(chromium, 1, 2)
    choose_filter(chromium, 1)
    wanted = window_sum(material.look(), network.convolutions[0], 1, 2, 1)
    assert shown_cell(chromium)["sum"] == pytest.approx(wanted.total, rel=1e-4)
    np.testing.assert_allclose(grids(chromium)[0], wanted.values[:, :, 8].ravel(), atol=1)
    assert not console(chromium)


def test_names_from_the_file_stay_text(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    small = SmallNetwork(6, 6)
    network = small.network(small.mean(small.conv(0, random_weights(2, 3, 3, 3), name=HOSTILE)))
    open_page(chromium, write_screens(tmp_path / "page.html", material_of(network), "numbers", "sliding"))
    assert chromium.execute_script("return window.hacked") is None
    assert not console(chromium)


def test_the_whole_numbers_lead_to_the_code_in_the_file(chromium: webdriver.Chrome, tiny_page: Path) -> None:
    open_page(chromium, tiny_page)
    last = "return document.querySelector('#sliding .integers dd:last-child').textContent"
    clamped, in_the_file = chromium.execute_script(last).split("clamped ")[1].split("; in the file ")
    assert clamped == in_the_file
