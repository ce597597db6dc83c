"""The fourth screen: what every layer made of the picture, as data and in a real browser."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from page_browser import PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait
from small_network import SmallNetwork

from edgecnn.explain import Network, before_activation, clamp_of, compare, difference, pool_window, receptive_field
from edgecnn.explain.page import Explanation, Material, render, to_json, write_pictures
from edgecnn.explain.page.explanation import make_head
from edgecnn.explain.page.screens.maps_atlas import Stack, reduce, share_out, tile
from edgecnn.modelfile import ModelFile

RNG = np.random.default_rng(4)
FIRST = RNG.uniform(-0.2, 0.2, (5, 3, 3, 3)).round(2)
SECOND = RNG.uniform(-0.5, 0.5, (4, 3, 3, 5)).round(2)
LAST = RNG.uniform(-1, 1, (3, 4)).round(2)
HOSTILE = "<img src=x onerror=window.hacked=1>/convolution"


def small_pair() -> tuple[Network, Network]:
    """A network of 16 x 12 pixels in int8 and in floats: ReLU, a pooling, a convolution without ReLU, a mean."""
    return build("int8"), build("float32")


def build(dtype: str) -> Network:
    is_int8 = dtype == "int8"
    small = SmallNetwork(12, 16, dtype, 1 / 128, 0)
    factor = 1 if is_int8 else 1 / 128  # the float file reads raw pixels

    def options(count: int, scale: float, zero: int) -> dict[str, Any]:
        return {"weight_scales": [0.01] * count, "output": (scale, zero)} if is_int8 else {}

    maps = small.conv(
        0, FIRST * factor, activation="relu", padding="same", name="net/first/convolution", **options(5, 0.01, -128)
    )
    maps = small.conv(small.pool(maps, (2, 2)), SECOND, [0.1, 0, -0.1, 0.2], padding="same", **options(4, 0.02, 3))
    end = small.dense(small.mean(maps), LAST, **options(3, 0.02, 0))
    return small.network(small.softmax(end))


def random_pixels(network: Network, seed: int = 0) -> NDArray[np.uint8]:
    contract = network.file.contract
    return np.random.default_rng(seed).integers(0, 256, (contract.height, contract.width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pair() -> Material:
    mine, other = small_pair()
    return make_material(mine, random_pixels(mine), other=other, other_name="float.tflite")


@pytest.fixture(scope="module")
def export(exported: ModelFile) -> Material:
    """A real export: four poolings, fused batch normalization."""
    network = Network(exported)
    return make_material(network, random_pixels(network))


@pytest.fixture(scope="module")
def pair_page(pair: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_screens(tmp_path_factory.mktemp("maps") / "pair.html", pair, "maps")


@pytest.fixture(scope="module")
def export_page(export: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_screens(tmp_path_factory.mktemp("maps") / "export.html", export, "maps")


def maps_of(material: Material) -> dict[str, Any]:
    return one_screen(material, "maps").data


def from_network(network: Network, **other: Any) -> dict[str, Any]:
    return maps_of(make_material(network, random_pixels(network), **other))


def untile(maps: dict[str, Any], atlas: dict[str, Any]) -> NDArray[np.int64]:
    """The bytes of an atlas as (rows, columns, maps)."""
    rows, columns, pixels = maps["rows"], maps["columns"], atlas["image"].pixels
    across = pixels.shape[1] // columns
    places = [divmod(index, across) for index in range(len(maps["channels"]))]
    cut = [pixels[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns] for y, x in places]
    return np.stack(cut, axis=2).astype(np.int64)


def values_in(maps: dict[str, Any]) -> NDArray[np.float64]:
    """What the page takes for the maps' values."""
    numbers = np.zeros((maps["rows"], maps["columns"], len(maps["channels"])), np.int64)
    for atlas in maps["numbers"]["bytes"]:
        numbers = 256 * numbers + untile(maps, atlas)
    return np.asarray(maps["numbers"]["start"] + maps["numbers"]["step"] * numbers)


def test_the_codes_of_an_int8_file_are_in_the_page_exactly(export: Material) -> None:
    look, seen = export.look(), 0
    for row in maps_of(export)["layers"]:
        maps = row["maps"]
        if maps is None:
            continue
        seen += 1
        codes = look.codes(row["index"])[:, :, maps["channels"]]
        (atlas,) = maps["numbers"]["bytes"]
        np.testing.assert_array_equal(untile(maps, atlas) + maps["numbers"]["first_code"], codes)
        assert atlas["sum"] == untile(maps, atlas).sum()
        np.testing.assert_allclose(values_in(maps), look.values(row["index"])[:, :, maps["channels"]], rtol=1e-6)
    assert seen == 9


def test_the_values_of_a_float_file_are_in_the_page_to_one_part_in_65535() -> None:
    network = build("float32")
    row = from_network(network)["layers"][0]
    values = network.look(random_pixels(network)).values(0)[:, :, row["maps"]["channels"]]
    assert len(row["maps"]["numbers"]["bytes"]) == 2
    np.testing.assert_allclose(values_in(row["maps"]), values, atol=float(np.ptp(values)) / 65535)


def test_the_maps_with_the_most_contrast_come_first(export: Material) -> None:
    row = maps_of(export)["layers"][1]
    contrast = export.look().values(1).std(axis=(0, 1))
    assert row["maps"]["channels"].tolist() == sorted(range(24), key=lambda channel: -contrast[channel])


def test_the_share_of_zeros_is_that_of_the_files_own_values(export: Material) -> None:
    look, data = export.look(), maps_of(export)
    for row in data["layers"]:
        if row["activation"] != "relu":
            assert row["zeros"] is None
            continue
        values = look.values(row["index"])
        assert row["zeros"] == pytest.approx((values == 0).mean())
        np.testing.assert_allclose(row["maps"]["zeros"], (values == 0).mean(axis=(0, 1))[row["maps"]["channels"]])
        assert row["num_silent"] == (values == 0).all(axis=(0, 1)).sum()
    all_values = np.concatenate([look.values(f"conv{number}").ravel() for number in (1, 2, 3, 4)])
    assert data["relu"]["zeros"] == pytest.approx((all_values == 0).mean())
    assert (data["relu"]["num_layers"], data["relu"]["num_fused"]) == (4, 4)


def test_what_is_before_relu_becomes_what_the_file_has_when_it_is_cut_off(export: Material) -> None:
    look = export.look()
    for row in maps_of(export)["layers"]:
        if row["maps"] is None or row["maps"]["before"] is None:
            continue
        maps, before = row["maps"], row["maps"]["before"]
        values = before["step"] * (untile(maps, before["bytes"][0]) - 128)
        limits = clamp_of(export.network, row["index"])
        cut = np.clip(values, limits.low, limits.high)
        np.testing.assert_allclose(cut, values_in(maps), atol=before["step"] / 2 + maps["numbers"]["step"])
        exact = before_activation(look, row["index"])[:, :, maps["channels"]]
        np.testing.assert_allclose(values, exact, atol=before["step"] * 0.501)


def test_some_maps_before_their_activation_are_those_of_all() -> None:
    small = SmallNetwork(9, 8)
    grouped = small.conv(0, RNG.uniform(-1, 1, (6, 3, 3, 1)), activation="relu", padding="same")
    wide = small.depthwise(grouped, RNG.uniform(-1, 1, (1, 3, 3, 12)), [0.5] * 12, activation="relu6")
    dense = small.dense(small.mean(wide), RNG.uniform(-1, 1, (5, 12)), activation="relu")
    network = small.network(small.softmax(dense))
    look = network.look(random_pixels(network))
    for layer in network.layers:
        if layer.weights is not None:
            channels = RNG.permutation(layer.output_shape[-1])[:3]
            every = before_activation(look, layer)
            np.testing.assert_allclose(before_activation(look, layer, channels), every[:, :, channels], rtol=1e-6)


def test_a_fused_relu_is_said_to_be_one_and_so_is_a_folded_normalization(export: Material) -> None:
    row = maps_of(export)["layers"][1]
    assert (row["activation"], row["is_fused"], set(row["was"])) == ("relu", True, {"conv1", "conv1_bn", "conv1_relu"})
    assert row["normalization"] == ["conv1_bn"]
    assert (row["clamp"]["low"], row["clamp"]["low_code"], row["clamp"]["low_by_range"]) == (0.0, -128, True)


def test_a_relu_of_its_own_has_the_files_own_values_before_it() -> None:
    small = SmallNetwork(6, 6)
    network = small.network(small.mean(small.relu(small.conv(0, FIRST / 128))))
    row = from_network(network)["layers"][1]
    values = network.look(random_pixels(network)).values(0)[:, :, row["maps"]["channels"]]
    before = row["maps"]["before"]
    shown = before["step"] * (untile(row["maps"], before["bytes"][0]) - 128)
    np.testing.assert_allclose(shown, values, atol=before["step"] * 0.501)
    assert (row["kind"], row["is_fused"]) == ("activation", False)
    assert row["zeros"] == pytest.approx((values <= 0).mean())


def test_the_difference_is_the_other_file_minus_this_one(pair: Material) -> None:
    look, other = pair.look(), pair.other_look()
    assert other is not None
    pairs = {found.mine.index: found for found in pair.pairs()}
    compared = 0
    for row in maps_of(pair)["layers"]:
        maps = row["maps"]
        if maps is None:
            continue
        compared += 1
        found = pairs[row["index"]]
        expected = (other.values(found.other) - look.values(found.mine))[:, :, maps["channels"]]
        step = maps["difference"]["step"]
        shown = step * (untile(maps, maps["difference"]["bytes"][0]) - 128)
        np.testing.assert_allclose(shown, expected, atol=step * 0.501)
        assert row["against"]["sqnr_db"] == difference(look, other, found).sqnr_db
        assert row["against"]["largest"] == pytest.approx(
            np.abs(other.values(found.other) - look.values(found.mine)).max()
        )
    assert compared == 3


def test_the_worst_layer_is_the_one_with_the_fewest_decibels(pair: Material) -> None:
    data = maps_of(pair)
    decibels = {row["name"]: row["against"]["sqnr_db"] for row in data["layers"] if row["kind"] != "softmax"}
    worst = data["comparison"]["worst"]
    assert worst["sqnr_db"] == min(decibels.values()) == decibels[worst["name"]]
    assert worst["noise_share"] == pytest.approx(10 ** (-worst["sqnr_db"] / 20))


def test_a_file_alone_says_how_to_get_the_comparison(export: Material) -> None:
    data = maps_of(export)
    assert data["comparison"] is None
    assert "--against FLOAT.tflite" in data["not_compared"]


def test_a_file_of_another_network_is_not_compared_and_the_rest_is_there(export: Material) -> None:
    other = build("float32")
    data = maps_of(make_material(export.network, export.pixels, other=other, other_name="x"))
    assert "is not the same network" in data["not_compared"]
    assert data["layers"][1]["maps"]["difference"] is None


def test_a_file_beside_itself_has_no_difference_anywhere(exported: ModelFile) -> None:
    network = Network(exported)
    data = from_network(network, other=Network(exported), other_name="again.tflite")
    assert data["comparison"]["num_equal"] == data["comparison"]["num_layers"]


def test_four_by_four_numbers_are_pooled_to_two_by_two_and_the_liveliest_window_is_shown() -> None:
    small = SmallNetwork(4, 4)
    red = np.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
    made = small.pool(small.conv(0, red), (2, 2))
    network = small.network(small.mean(small.conv(made, np.ones((7, 2, 2, 1)))))
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:, :, 0] = [[1, 3, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 9]]
    pool = maps_of(make_material(network, pixels))["pools"][0]
    assert pool["after"].tolist() == [[[6, 8], [3, 9]]]
    assert pool["start"] == [1, 1]  # 0 to 9
    # Behind it 7 filters of 2 x 2 stand on one place; without it they would stand on 3 x 3.
    assert (pool["next"]["multiplications"], pool["next"]["without"]) == (28, 28 * 9)


def test_every_window_of_a_pooling_is_what_the_file_computed(export: Material) -> None:
    look, data = export.look(), maps_of(export)
    assert [pool["name"] for pool in data["pools"]] == [*(f"conv{number}_pool" for number in (1, 2, 3, 4)), "avg_pool"]
    assert [pool["is_global"] for pool in data["pools"]] == [False] * 4 + [True]
    for pool in data["pools"][:4]:
        y, x = pool["start"]
        window = pool_window(look, pool["layer"], y, x, int(pool["channels"][0]))
        top, left = 2 * y, 2 * x
        np.testing.assert_array_equal(window.values, pool["before"][0, top : top + 2, left : left + 2])
        assert window.file_value == pool["after"][0, y, x]


def test_a_network_without_pooling_says_what_its_strides_save() -> None:
    small = SmallNetwork(9, 8)
    maps = small.conv(0, np.ones((4, 3, 3, 3)), stride=(2, 2), padding="same")
    maps = small.depthwise(maps, np.ones((1, 3, 3, 4)), stride=(2, 1))
    network = small.network(small.mean(maps))
    data = from_network(network)
    first, second = data["strides"]
    assert (first["before"], first["after"], first["stride"]) == ([9, 8], [5, 4], [2, 2])
    assert (first["multiplications"], first["without"]) == (5 * 4 * 108, 9 * 8 * 108)
    assert (second["multiplications"], second["without"]) == (2 * 2 * 36, 3 * 2 * 36)
    assert [pool["is_global"] for pool in data["pools"]] == [True]


def test_steps_that_are_not_looked_into_are_there_under_their_own_names() -> None:
    small = SmallNetwork(6, 6)
    maps = small.other(small.conv(0, FIRST / 128), "FLOOR", (1, 4, 4, 5))
    network = small.network(small.mean(maps))
    row = from_network(network)["layers"][1]
    assert (row["operator"], row["kind"]) == ("FLOOR", "other")
    assert "does not look into" in row["does"]
    np.testing.assert_allclose(
        values_in(row["maps"]), network.look(random_pixels(network)).values(1)[:, :, row["maps"]["channels"]], atol=1e-3
    )


def test_what_is_no_maps_says_so_and_the_rest_is_there() -> None:
    small = SmallNetwork(4, 4)
    maps = small.conv(0, FIRST / 128)
    shape = small.constant(np.array([1, 1, 2, 2, 5], np.int32))
    back = small.constant(np.array([1, 2, 2, 5], np.int32))
    maps = small.reshape(small.reshape(maps, shape, (1, 1, 2, 2, 5)), back, (1, 2, 2, 5))
    data = from_network(small.network(small.mean(maps)))
    assert data["layers"][1]["shape"] is None
    assert "which is no maps" in data["layers"][1]["nothing"]
    assert data["layers"][2]["maps"] is not None


def test_vectors_are_numbers_and_the_last_ones_are_those_of_the_classes(pair: Material) -> None:
    rows = {row["kind"]: row for row in maps_of(pair)["layers"]}
    look = pair.look()
    for kind in ("global_average", "dense", "softmax"):
        np.testing.assert_array_equal(rows[kind]["vector"]["values"], look.values(rows[kind]["index"]))
        np.testing.assert_array_equal(rows[kind]["vector"]["codes"], look.codes(rows[kind]["index"]))
    assert [rows[kind]["vector"]["is_classes"] for kind in ("global_average", "dense", "softmax")] == [
        False,
        True,
        True,
    ]


def test_numbers_without_bounds_do_not_stop_the_screen() -> None:
    small = SmallNetwork(4, 4)
    network = small.network(small.mean(small.conv(0, np.full((2, 1, 1, 3), 3e38))))
    material = make_material(network, np.full((4, 4, 3), 200, np.uint8))
    data = to_json(Explanation(head={}, screens=(one_screen(material, "maps"),)))["screens"]["maps"]
    assert data["layers"][0]["largest"] is None
    json.dumps(data, allow_nan=False)


@given(
    st.lists(st.tuples(st.integers(2, 60), st.integers(2, 60), st.integers(1, 300), st.integers(1, 4)), min_size=1),
    st.integers(20_000, 300_000),
)
def test_what_is_shared_out_fits(sizes: list[tuple[int, int, int, int]], budget: int) -> None:
    stacks = [Stack(*size) for size in sizes]
    shares = share_out(stacks, budget)
    for stack, share in zip(stacks, shares, strict=True):
        assert 1 <= share.num_maps <= min(stack.channels, 48)
    used = sum(
        share.num_maps * -(-stack.rows // share.factor) * -(-stack.columns // share.factor) * stack.planes
        for stack, share in zip(stacks, shares, strict=True)
    )
    assert used <= budget


def test_small_stacks_are_shared_out_whole() -> None:
    shares = share_out([Stack(6, 6, 20, 2), Stack(112, 112, 32, 2)], 100_000)
    assert shares[0] == (1, 20)
    assert shares[1].factor > 1
    assert shares[1].num_maps >= 10


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_a_reduced_cell_is_the_mean_of_its_block(hw: tuple[int, int], factor: int, seed: int) -> None:
    maps = np.random.default_rng(seed).normal(size=(*hw, 2)).astype(np.float32)
    small = reduce(maps, factor)
    for y, x in np.ndindex(*small.shape[:2]):
        block = maps[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        np.testing.assert_allclose(small[y, x], block.mean(axis=(0, 1)), atol=1e-6)


def test_a_large_layer_is_reduced_in_the_page_and_whole_in_its_file(tmp_path: Path) -> None:
    small = SmallNetwork(400, 300)
    maps = small.conv(0, np.repeat(FIRST, 4, axis=0) / 128, activation="relu", padding="same")
    network = small.network(small.mean(small.conv(maps, np.ones((30, 1, 1, 20)))))
    material = make_material(network, random_pixels(network))
    screen = one_screen(material, "maps")
    row = screen.data["layers"][0]
    assert row["maps"]["factor"] > 1
    values = material.look().values(0)[:, :, row["maps"]["channels"]]
    np.testing.assert_allclose(values_in(row["maps"]), reduce(values, row["maps"]["factor"]), atol=1e-3)
    explanation = Explanation(head={}, screens=(screen,))
    names = {path.name for path in write_pictures(tmp_path, explanation)}
    whole = row["maps"]["complete"]
    assert whole.pixels.shape == (4 * 401, 5 * 301)
    stored = to_json(explanation)["screens"]["maps"]["layers"][0]["maps"]["complete"]
    assert stored in names
    page = render(Explanation(head=make_head(material), screens=(screen,)))
    found = re.search(r'id="data-maps">(.*?)</script>', page)
    assert found is not None
    shown = json.loads(found[1])["layers"][0]["maps"]
    assert shown["complete"] == {"width": 5 * 301, "height": 4 * 401, "name": whole.name}
    assert shown["numbers"]["bytes"][0]["image"]["src"].startswith("data:image/png")


def test_tiles_stand_row_by_row() -> None:
    maps = np.arange(1, 13, dtype=np.uint8).reshape(3, 2, 2).transpose(1, 2, 0)
    assert tile(maps).tolist() == [[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 0, 0], [11, 12, 0, 0]]


# ---- in a browser --------------------------------------------------------------------------------------------------


def choose(browser: webdriver.Chrome, index: int) -> None:
    """Choose a layer and wait until its maps are drawn."""
    browser.execute_script(f"document.querySelector('#maps .strip [data-layer=\"{index}\"]').click()")
    wait_for(browser, index)


def wait_for(browser: webdriver.Chrome, index: int) -> None:
    WebDriverWait(browser, 10).until(lambda _: find(browser, "#maps").get_attribute("data-shown") == str(index))


def shown_value(browser: webdriver.Chrome, version: str) -> float:
    return float(str(find(browser, f'#maps [data-version="{version}"] output').get_attribute("data-value")))


def bring(browser: webdriver.Chrome, found: WebElement) -> None:
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)


def press(browser: webdriver.Chrome, selector: str, *keys: str) -> None:
    found = find(browser, selector)
    browser.execute_script("arguments[0].focus()", found)
    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def views(browser: webdriver.Chrome) -> list[str]:
    return [button.text for button in browser.find_elements(By.CSS_SELECTOR, "#maps .views button")]


def press_button(browser: webdriver.Chrome, text: str) -> None:
    script = "[...document.querySelectorAll('#maps button')].find((one) => one.textContent === arguments[0]).click()"
    browser.execute_script(script, text)


@pytest.mark.parametrize("dark", [False, True])
def test_every_layer_shows_itself_and_the_console_stays_empty(
    chromium: webdriver.Chrome, export_page: Path, export: Material, dark: bool
) -> None:
    open_page(chromium, export_page, dark=dark)
    choose(chromium, 0)
    for index, layer in enumerate(export.network.layers):
        wait_for(chromium, index)
        assert find(chromium, "#maps .chosen .name").text == layer.name
        assert find(chromium, "#maps .chosen .operator").text == layer.operator
        pressed = find(chromium, '#maps .strip [aria-pressed="true"]')
        assert (pressed.get_attribute("data-layer"), layer.name in pressed.text) == (str(index), True)
        assert find(chromium, "#maps .for-maps").is_displayed() == layer.is_map
        assert find(chromium, "#maps .for-vector").is_displayed() != layer.is_map
        chromium.execute_script("document.querySelector('#maps .following').click()")
    assert not find(chromium, "#maps .following").is_enabled()
    assert not find(chromium, "#maps .altered").is_displayed()
    assert console(chromium) == []


def test_the_value_at_a_place_is_what_the_file_computed_there(
    chromium: webdriver.Chrome, pair_page: Path, pair: Material
) -> None:
    look, other = pair.look(), pair.other_look()
    assert other is not None
    open_page(chromium, pair_page)
    choose(chromium, 0)
    press(chromium, "#maps .sheet", Keys.ARROW_RIGHT)
    channel = int(find(chromium, "#maps .channel").text.split()[0])
    assert channel == maps_of(pair)["layers"][0]["maps"]["channels"][1]
    press(chromium, '#maps [data-version="file"] canvas', Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert "Row 5, column 6 of map" in find(chromium, "#maps .readout").text
    here = 5, 6, channel
    assert shown_value(chromium, "file") == pytest.approx(look.values(0)[here], abs=1e-6)
    code = f"(code {look.codes(0)[here]})".replace("-", "\N{MINUS SIGN}")
    assert code in find(chromium, '#maps [data-version="file"] output').text
    maps = maps_of(pair)["layers"][0]["maps"]
    assert shown_value(chromium, "before") == pytest.approx(
        before_activation(look, 0)[here], abs=0.501 * maps["before"]["step"]
    )
    expected = difference(look, other, compare(pair.network, other.network)[0]).maps[here]
    assert shown_value(chromium, "difference") == pytest.approx(expected, abs=0.501 * maps["difference"]["step"])
    assert shown_value(chromium, "other") == pytest.approx(
        shown_value(chromium, "file") + shown_value(chromium, "difference"), abs=1e-6
    )


def test_a_click_enlarges_a_map_and_the_pointer_reads_its_values(
    chromium: webdriver.Chrome, export_page: Path, export: Material
) -> None:
    open_page(chromium, export_page)
    choose(chromium, 4)
    channels = maps_of(export)["layers"][4]["maps"]["channels"]
    sheet = find(chromium, "#maps .sheet")
    bring(chromium, sheet)
    tall, wide = sheet.size["height"], sheet.size["width"]
    ActionChains(chromium).move_to_element_with_offset(sheet, 8 - wide // 2, tall // 2 - 20).click().perform()
    channel = int(find(chromium, "#maps .channel").text.split()[0])
    assert channel in channels[1:]
    canvas = find(chromium, '#maps [data-version="file"] canvas')
    bring(chromium, canvas)
    size = canvas.size["width"]
    ActionChains(chromium).move_to_element_with_offset(
        canvas, round(size * (3.5 / 24 - 0.5)), round(size / 48)
    ).perform()
    assert f"Row 12, column 3 of map {channel}" in find(chromium, "#maps .readout").text
    assert shown_value(chromium, "file") == pytest.approx(export.look().values(4)[12, 3, channel], abs=1e-6)


def test_the_picture_shows_what_a_place_can_see(
    chromium: webdriver.Chrome, export_page: Path, export: Material
) -> None:
    open_page(chromium, export_page)
    choose(chromium, 3)
    press(chromium, '#maps [data-version="file"] canvas', *[Keys.ARROW_DOWN] * 3)
    readout = find(chromium, "#maps .readout").text
    y, x = (int(number) for number in re.findall(r"(?:Row|column) (\d+)", readout))
    box = receptive_field(export.network, 3).box(y, x)
    tall, wide = box.bottom - box.top, box.right - box.left
    assert find(chromium, "#maps .sees").text == f"{tall} \N{MULTIPLICATION SIGN} {wide} pixels"
    marker = find(chromium, "#maps .panels .marker")
    style = str(marker.get_attribute("style"))
    shown = {name: float(share) for name, share in re.findall(r"(\w+): ([\d.]+)%", style)}
    assert shown["top"] == pytest.approx(100 * box.top / 96, abs=0.01)
    assert shown["width"] == pytest.approx(100 * wide / 96, abs=0.01)


def test_the_sheet_shows_zeros_as_nothing_and_before_relu_what_they_were(
    chromium: webdriver.Chrome, pair_page: Path
) -> None:
    open_page(chromium, pair_page)
    choose(chromium, 0)
    assert views(chromium) == ["Before ReLU", "After ReLU: this file", "Float file", "Difference", "Side by side"]
    blue = """const sheet = document.querySelector('#maps .sheet'), context = sheet.getContext('2d');
        const pixels = context.getImageData(0, 0, sheet.width, sheet.height).data;
        let count = 0;
        for (let i = 0; i < pixels.length; i += 4) count += pixels[i + 3] && pixels[i + 2] > pixels[i] + 20;
        return count;"""
    assert chromium.execute_script(blue) == 0
    press_button(chromium, "Before ReLU")
    assert chromium.execute_script(blue) > 50
    assert "the file holds no such numbers" in find(chromium, "#maps .about-sheet").text
    press_button(chromium, "Side by side")
    assert "before relu | after relu: this file | float file | difference" in find(chromium, "#maps .about-sheet").text
    assert "Differences are drawn" in find(chromium, "#maps .beyond").text
    choose(chromium, 1)
    assert views(chromium) == ["This file", "Float file", "Difference", "Side by side"]


def test_keys_walk_through_the_layers(chromium: webdriver.Chrome, export_page: Path) -> None:
    open_page(chromium, export_page)
    wait_for(chromium, 1)
    press(chromium, '#maps .strip [aria-pressed="true"]', Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    wait_for(chromium, 3)
    press(chromium, '#maps .strip [aria-pressed="true"]', Keys.END)
    wait_for(chromium, 12)
    press(chromium, '#maps .zeros button[data-layer="5"]', Keys.ARROW_LEFT)
    wait_for(chromium, 3)
    reachable = chromium.execute_script("return document.querySelectorAll('#maps .strip [tabindex=\"0\"]').length")
    assert reachable == 1


def test_the_window_of_a_pooling_moves_and_holds_what_the_file_pooled(
    chromium: webdriver.Chrome, export_page: Path, export: Material
) -> None:
    open_page(chromium, export_page)
    pools = maps_of(export)["pools"]
    Select(find(chromium, "#maps .pool-controls select")).select_by_visible_text("conv3_pool")
    press(chromium, "#maps .pool-before", *[Keys.ARROW_UP] * 12, *[Keys.ARROW_LEFT] * 12)
    press(chromium, "#maps .pool-before", Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    shown = json.loads(str(find(chromium, "#maps .pool").get_attribute("data-window")))
    channel = int(pools[2]["channels"][0])
    window = pool_window(export.look(), "conv3_pool", 1, 2, channel)
    assert (shown["y"], shown["x"]) == (1, 2)
    assert shown["numbers"] == pytest.approx(window.values.ravel().tolist())
    assert (shown["result"], shown["stored"], shown["agrees"]) == (pytest.approx(window.file_value),) * 2 + (True,)
    assert "there: the same." in find(chromium, "#maps .result").text
    assert "23,887,872 times" in find(chromium, "#maps .about-pool").text  # 12 x 12 x 192 filters of 3 x 3 x 96


def test_a_mean_is_the_same_up_to_rounding(chromium: webdriver.Chrome, export_page: Path) -> None:
    open_page(chromium, export_page)
    Select(find(chromium, "#maps .pool-controls select")).select_by_visible_text("avg_pool")
    shown = json.loads(str(find(chromium, "#maps .pool").get_attribute("data-window")))
    assert len(shown["numbers"]) == 36
    assert shown["result"] == pytest.approx(np.mean(shown["numbers"]))
    assert shown["agrees"]
    assert "one window over the whole map" in find(chromium, "#maps .about-pool").text


def test_bars_stand_for_vectors_and_classes_have_their_names(chromium: webdriver.Chrome, pair_page: Path) -> None:
    open_page(chromium, pair_page)
    choose(chromium, 4)
    assert "One for each class" in find(chromium, "#maps .about-vector").text
    press(chromium, '#maps .bars [data-version="file"]', Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    assert find(chromium, "#maps .readout-vector").text.startswith("Number 1, class 1: this file")


def test_a_phone_shows_it_without_scrolling_sideways(
    chromium: webdriver.Chrome, export_page: Path, pair_page: Path
) -> None:
    for page in (export_page, pair_page):
        open_page(chromium, page, PHONE)
        choose(chromium, 1)
        press_button(chromium, "Side by side")
        for details in chromium.find_elements(By.CSS_SELECTOR, "#maps details"):
            chromium.execute_script("arguments[0].open = true", details)
        assert overflow_px(chromium) <= 0
        assert console(chromium) == []


def test_networks_from_elsewhere_have_a_screen_and_their_names_do_nothing(
    chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    small = SmallNetwork(7, 9)
    maps = small.conv(0, FIRST / 128, activation="relu6", padding="same", name=HOSTILE)
    maps = small.add(small.other(maps, "FLOOR", (1, 7, 9, 5)), maps)
    wide = small.concatenate(maps, small.pool(maps, (3, 2), stride=(1, 1), padding="same", kind="AVERAGE"))
    network = small.network(small.softmax(small.dense(small.flatten(wide), np.ones((2, 630)) / 1000)))
    page = write_screens(tmp_path / "elsewhere.html", make_material(network, random_pixels(network)), "maps")
    open_page(chromium, page)
    for layer in network.layers:
        choose(chromium, layer.index)
    assert find(chromium, "#maps .strip .box").text.splitlines()[1] == "FLOOR"
    choose(chromium, 2)
    assert "It reads" in find(chromium, "#maps .said").text
    assert chromium.execute_script("return window.hacked") is None
    shown = json.loads(str(find(chromium, "#maps .pool").get_attribute("data-window")))
    assert shown["agrees"]
    assert console(chromium) == []
