"""The screen on dense networks: its sums, and the page that does them again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from small_network import SmallNetwork

from edgecnn.explain import Network
from edgecnn.modelfile import ModelFile

TIMES = "\N{MULTIPLICATION SIGN}"
CALCULATOR = '#dense [data-part="calculator"]'


def wide_network(num_classes: int = 5, *, half: bool = False) -> Network:
    """20 rows and 30 columns; 10 x 15 cells of 4 filters, which go into the classes as they are."""
    rng = np.random.default_rng(0)
    small = SmallNetwork(20, 30)
    maps = small.conv(0, rng.normal(size=(4, 3, 3, 3)), stride=(2, 2), padding="same", activation="relu", half=half)
    weights = rng.normal(size=(num_classes, 600)) / 1000
    return small.network(small.softmax(small.dense(small.flatten(maps), weights)))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def page(exported: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dense") / "page.html"
    return write_screens(path, make_material(Network(exported), noise(96, 96)), "dense")


@pytest.fixture
def open_dense(chromium: webdriver.Chrome, page: Path) -> Callable[..., webdriver.Chrome]:
    def open_it(width: int = DESK, *, dark: bool = False) -> webdriver.Chrome:
        open_page(chromium, page, width, dark=dark)
        return chromium

    return open_it


def write(browser: webdriver.Chrome, name: str, text: str) -> None:
    field = find(browser, f'{CALCULATOR} [name="{name}"]')
    field.clear()
    field.send_keys(text)


def result(browser: webdriver.Chrome) -> str:
    return find(browser, '#dense [data-part="result"]').text


def test_the_figures_are_those_done_by_hand() -> None:
    data = one_screen(make_material(wide_network(), noise(20, 30)), "dense").data
    assert (data["dense"]["inputs"], data["dense"]["hidden_units"]) == (20 * 30 * 3, 10 * 15 * 4)
    assert data["dense"]["weights"] == data["dense"]["multiplications"] == 1800 * 600
    assert data["dense"]["num_bytes"] == 4 * 1800 * 600
    first = data["first"]
    assert (first["weights"], first["connections"], first["uses"]) == (4 * 27, 27, 150)
    assert first["multiplications"] == 4 * 27 * 150
    assert data["network"]["weights"] == 4 * 27 + 600 * 5
    assert data["network"]["multiplications"] == 4 * 27 * 150 + 600 * 5
    assert data["network"]["dense_share"] == 3000 / 3108
    assert [layer["dense_weights"] for layer in data["layers"]] == [1800 * 600, 3000]


def test_the_article_s_network_has_188_trillion_weights_and_190_million_are_enough_for_ten_units() -> None:
    article = one_screen(make_material(wide_network(), noise(20, 30)), "dense").data["article"]
    assert article["weights"] == 3082 * 2031 * 3 * 10**7 == 187_786_260_000_000
    assert article["num_bytes"] == 751_145_040_000_000
    assert (article["boards"] - 1) * 4 * 2**30 < article["num_bytes"] <= article["boards"] * 4 * 2**30
    assert int(article["claim_suffices_for_units"]) == 10


def test_a_weight_takes_the_bytes_that_it_takes_in_the_file(exported: ModelFile) -> None:
    kinds = {
        "int8": one_screen(make_material(Network(exported), noise(96, 96)), "dense").data,
        "float16": one_screen(make_material(wide_network(half=True), noise(20, 30)), "dense").data,
    }
    assert {kind: data["weight"]["bytes"] for kind, data in kinds.items()} == {"int8": 1, "float16": 2}
    assert kinds["int8"]["dense"]["num_bytes"] == kinds["int8"]["dense"]["weights"]


def test_the_page_opens_with_the_article_s_sum(open_dense: Callable[..., webdriver.Chrome]) -> None:
    browser = open_dense()
    assert f"3,082 {TIMES} 2,031 {TIMES} 3 = 18,778,626 numbers" in result(browser)
    assert "187,786,260,000,000 weights (187.8 trillion)" in result(browser)
    assert "43,723" in find(browser, '#dense [data-part="consequences"]').text
    rows = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#dense .sum td:first-child")]
    assert rows == [
        *("3,082", f"{TIMES} 2,031", "3,082", "92,460", "6,164,000", "6,259,542"),
        *("6,259,542", f"{TIMES} 3", "18,778,626"),
        *("18,778,626", f"{TIMES} 10,000,000", "187,786,260,000,000"),
    ]
    assert console(browser) == []


def test_whatever_is_typed_is_multiplied_to_the_last_digit(open_dense: Callable[..., webdriver.Chrome]) -> None:
    browser = open_dense()
    for name, text in (("width", "123 456 789"), ("height", "987,654,321"), ("units", "999999999999999")):
        write(browser, name, text)
    find(browser, f'{CALCULATOR} [name="bytes"]').send_keys("4")
    weights = 123456789 * 987654321 * 3 * 999999999999999
    assert f"{weights:,} weights" in result(browser)
    consequences = find(browser, '#dense [data-part="consequences"]').text
    assert f"{4 * weights:,} bytes" in consequences
    assert f"{-(-4 * weights // (4 * 2**30)):,}" in consequences
    rows = browser.find_elements(By.CSS_SELECTOR, "#dense .sum tr.total td:first-child")
    assert rows[-1].get_attribute("textContent") == f"{weights:,}"
    assert console(browser) == []


@pytest.mark.parametrize("text", ["", "0", "-3", "1.5", "many", "9" * 16])
def test_what_is_no_count_is_refused_in_a_sentence(open_dense: Callable[..., webdriver.Chrome], text: str) -> None:
    browser = open_dense()
    write(browser, "units", text)
    assert "whole numbers from 1" in find(browser, '#dense [data-part="refused"]').text
    assert not find(browser, '#dense [data-part="worked"]').is_displayed()
    write(browser, "units", "7")
    assert not find(browser, '#dense [data-part="refused"]').is_displayed()
    assert f"{18_778_626 * 7:,} weights" in result(browser)


def test_the_other_example_is_this_network_s_first_layer(
    open_dense: Callable[..., webdriver.Chrome], exported: ModelFile
) -> None:
    browser = open_dense()
    browser.find_elements(By.CSS_SELECTOR, '#dense [data-part="examples"] button')[1].send_keys(Keys.ENTER)
    outputs = int(np.prod(Network(exported).convolutions[0].output_shape))
    assert f"{96 * 96 * 3 * outputs:,} weights" in result(browser)


def test_the_squares_are_to_scale(open_dense: Callable[..., webdriver.Chrome], exported: ModelFile) -> None:
    browser = open_dense()
    data = one_screen(make_material(Network(exported), noise(96, 96)), "dense").data
    dense, network = (
        float(square.get_attribute("width") or 0) ** 2
        for square in browser.find_elements(By.CSS_SELECTOR, '#dense [data-part="squares"] rect')
    )
    assert dense / network == pytest.approx(data["dense"]["weights"] / data["network"]["weights"])


def test_bars_are_chosen_with_the_keyboard_and_longer_for_more(open_dense: Callable[..., webdriver.Chrome]) -> None:
    browser = open_dense()
    memory = browser.find_elements(By.CSS_SELECTOR, '#dense [data-part="quantities"] button')[2]
    memory.send_keys(Keys.ENTER)
    assert memory.get_attribute("aria-pressed") == "true"
    lengths = [bar.size["width"] for bar in browser.find_elements(By.CSS_SELECTOR, "#dense .bar .track i")]
    assert lengths == sorted(lengths)
    assert lengths[0] > 0
    assert find(browser, "#dense .bar:nth-child(4) strong").text == "187.8 TB"


def test_arrow_keys_choose_an_output_and_show_what_it_sees(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(wide_network(), noise(20, 30))
    open_page(chromium, write_screens(tmp_path / "page.html", material, "dense"))
    picture, words = find(chromium, '#dense [data-part="sight"] svg'), '#dense [data-part="sight-words"]'
    # the windows of "same" begin at the first pixel here: no row is left over before it
    assert "row 5, column 7: it sees rows 10 to 12, columns 14 to 16" in find(chromium, words).text
    picture.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert "row 6, column 8: it sees rows 12 to 14, columns 16 to 18" in find(chromium, words).text
    picture.send_keys(Keys.SHIFT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert "rows 18 to 19, columns 28 to 29" in find(chromium, words).text
    chromium.find_elements(By.CSS_SELECTOR, '#dense [data-part="kinds"] button')[1].send_keys(Keys.ENTER)
    assert "sees all 1,800 numbers" in find(chromium, words).text


@pytest.mark.parametrize(("width", "dark"), [(PHONE, False), (DESK, True)])
def test_a_network_of_a_thousand_classes_is_told_where_its_weights_are(
    chromium: webdriver.Chrome, tmp_path: Path, width: int, dark: bool
) -> None:
    material = make_material(wide_network(1000), noise(20, 30))
    open_page(chromium, write_screens(tmp_path / "page.html", material, "dense"), width, dark=dark)
    assert "Most of what this network learned is there" in find(chromium, "#dense").text
    assert overflow_px(chromium) <= 0
    assert console(chromium) == []


def test_a_phone_shows_it_without_scrolling_sideways(open_dense: Callable[..., webdriver.Chrome]) -> None:
    browser = open_dense(PHONE)
    assert overflow_px(browser) <= 0
    assert console(browser) == []


def test_a_network_without_a_dense_layer_and_with_an_unknown_step_says_so(
    chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    small = SmallNetwork(12, 12)
    maps = small.conv(0, np.ones((3, 3, 3, 3)))
    odd = small.other(maps, "ABS", small.shapes[maps])
    material = make_material(small.network(small.softmax(small.mean(odd))), noise(12, 12))
    open_page(chromium, write_screens(tmp_path / "page.html", material, "dense"))
    text = find(chromium, "#dense").text
    assert "No layer of this network is dense" in text
    assert "Not counted, because what these steps do is not known here: abs_1x." in text
    assert console(chromium) == []


def test_a_convolution_over_a_single_cell_counts_as_the_dense_layer_that_it_is() -> None:
    small = SmallNetwork(12, 12)
    maps = small.conv(0, np.ones((4, 3, 3, 3)))
    scores = small.conv(small.pool(maps, (10, 10), kind="AVERAGE"), np.ones((7, 1, 1, 4)))
    data = one_screen(make_material(small.network(small.flatten(scores)), noise(12, 12)), "dense").data
    assert data["network"]["dense_weights"] == 28
    assert data["network"]["dense_share"] == 28 / (28 + 108)
