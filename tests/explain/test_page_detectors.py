"""The screen about filters, as data and in a real browser."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from small_network import SmallNetwork

from edgecnn.data import ImageFolder, Picture
from edgecnn.explain import Network, feature_maps, filters
from edgecnn.explain.page import Material, PictureSet, to_json
from edgecnn.explain.page.explanation import Explanation, make_head
from edgecnn.imaging import load_input
from edgecnn.modelfile import ModelFile

RED = np.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3).repeat(3, axis=1).repeat(3, axis=2)
HOSTILE = ("<script>window.hacked=1</script>", '"><img src=x onerror=hacked=1>', "</script>{{7*7}}", "\u202etriangle")


@pytest.fixture(scope="module")
def pictures(picture_folder: Path) -> PictureSet:
    folder = ImageFolder.scan(picture_folder)
    return PictureSet(root=folder.root, split="all", pictures=folder.pictures)


@pytest.fixture(scope="module")
def material(exported: ModelFile, pictures: PictureSet) -> Material:
    pixels = load_input(pictures.root / pictures.pictures[0].path, exported.contract)
    return make_material(Network(exported), pixels, pictures=pictures)


@pytest.fixture(scope="module")
def data(material: Material) -> dict[str, Any]:
    return one_screen(material, "detectors").data


@pytest.fixture(scope="module")
def page(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_screens(tmp_path_factory.mktemp("detectors") / "page.html", material, "detectors")


def gather(network: Network, pixels: NDArray[np.uint8], pictures: PictureSet | None = None) -> dict[str, Any]:
    return one_screen(make_material(network, pixels, pictures=pictures), "detectors").data


def draw_spots(folder: Path, count: int) -> PictureSet:
    """Black pictures of 10 x 12 pixels, each with a red spot, the last one with the brightest."""
    for number in range(count):
        pixels = np.zeros((10, 12, 3), np.uint8)
        pixels[4:7, number % 9 : number % 9 + 3, 2] = number % 255 + 1
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    pictures = tuple(Picture(f"{number}.png", number % 2) for number in range(count))
    return PictureSet(root=folder, split="test", pictures=pictures)


def red_finder() -> Network:
    small = SmallNetwork(10, 12)
    finder = np.concatenate([RED, -RED])
    return small.network(small.mean(small.conv(0, finder, activation="relu")))


def tile_of(sheet: dict[str, Any], index: int) -> NDArray[np.uint8]:
    (height, width), (row, column) = sheet["tile"], divmod(index, sheet["columns"])
    cut: NDArray[np.uint8] = sheet["sheet"].pixels[row * height :, column * width :][:height, :width]
    return cut


def canvas_pixels(browser: webdriver.Chrome, selector: str) -> NDArray[np.uint8]:
    """A canvas as RGBA, shape (rows, columns, 4)."""
    values, width = browser.execute_script(
        "const canvas = document.querySelector(arguments[0]);"
        "return [[...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data], canvas.width]",
        selector,
    )
    return np.array(values, np.uint8).reshape(-1, width, 4)


def wait_for(browser: webdriver.Chrome, script: str) -> Any:
    return WebDriverWait(browser, 10).until(lambda _: browser.execute_script(f"return {script}"))


def sums_in_table(browser: webdriver.Chrome) -> dict[str, float]:
    rows = browser.find_elements(By.CSS_SELECTOR, "#detectors .sum tbody tr")
    texts = {row.find_element(By.TAG_NAME, "th").text: row.find_element(By.CLASS_NAME, "number").text for row in rows}
    return {name: float(text.replace("\u2212", "-")) for name, text in texts.items()}


def test_the_first_layer_is_shown_by_its_own_weights(data: dict[str, Any], material: Material) -> None:
    weights = filters(material.network, "conv1")
    assert (data["first"]["weights"] == weights).all()
    assert data["first"]["largest"] == np.abs(weights).max()
    assert data["first"]["reads_colors"]


def test_partial_sums_are_the_products_of_one_channel_and_add_up_to_the_files_number(
    data: dict[str, Any], material: Material
) -> None:
    look = material.look()
    for layer in data["layers"]:
        sums, strongest = layer["sums"], layer["strongest"]
        added = np.nansum(sums["partial"], axis=1) + sums["rest"] + sums["bias"]
        assert added == pytest.approx(sums["total"])
        assert (np.abs(np.maximum(sums["total"], 0) - layer["peaks"][strongest]) <= sums["tolerance"]).all()
        weights = filters(material.network, layer["index"])
        inputs = np.pad(look.input_values(layer["index"]), ((1, 1), (1, 1), (0, 0)))
        for position in (0, len(strongest) - 1):
            y, x = sums["cells"][position]
            under = inputs[y : y + 3, x : x + 3].astype(float)
            own = (under * weights[strongest[position]]).sum(axis=(0, 1))
            channels = sums["channels"][position]
            shown = channels >= 0
            assert sums["partial"][position][shown] == pytest.approx(own[channels[shown]], abs=1e-5)
            assert own.max() == pytest.approx(sums["partial"][position][0], abs=1e-5)
            slices = weights[strongest[position]][:, :, channels[shown]].transpose(2, 0, 1)
            assert (sums["slices"][position][shown] == slices).all()


def test_the_place_of_a_filter_is_where_its_map_is_largest(data: dict[str, Any], material: Material) -> None:
    look = material.look()
    for layer in data["layers"]:
        maps = feature_maps(look, layer["index"])
        assert (layer["peaks"] == maps.max(axis=(0, 1))).all()
        order = layer["peaks"][layer["strongest"]]
        assert (np.diff(order) <= 0).all()
        assert len(order) == maps.shape[2]  # a network this small tells the sum of every filter
        for channel, (y, x) in zip(layer["strongest"], layer["sums"]["cells"], strict=True):
            assert maps[y, x, channel] == layer["peaks"][channel]


def test_small_maps_are_what_the_layer_reads(data: dict[str, Any], material: Material) -> None:
    layer = data["layers"][3]
    assert layer["input"] == [12, 12, 96]
    values = material.look().input_values("conv4")
    for index in (0, len(layer["maps"]["channels"]) - 1):
        channel = layer["maps"]["channels"][index]
        small = tile_of(layer["maps"], index).astype(float)
        assert layer["maps"]["largest"][index] == pytest.approx(np.abs(values[:, :, channel]).max())
        assert (small - 128) / 120 * layer["maps"]["largest"][index] == pytest.approx(
            values[:, :, channel], abs=layer["maps"]["largest"][index] / 29
        )


def test_patches_of_a_data_set_are_the_largest_values_with_their_pictures(
    data: dict[str, Any], material: Material, pictures: PictureSet
) -> None:
    network, contract = material.network, material.network.file.contract
    maps = [
        feature_maps(network.look(load_input(pictures.root / one.path, contract)), "conv3") for one in pictures.pictures
    ]
    layer, shown = data["layers"][2], data["data_set"]
    paths = [one.path for one in pictures.pictures]
    assert shown["num_pictures"] == 48
    for channel in (0, 40, 95):
        peaks = np.array([one[:, :, channel].max() for one in maps])
        assert layer["patches"]["values"][channel].tolist() == sorted(peaks.tolist(), reverse=True)[:9]
        for slot, picture in enumerate(layer["patches"]["pictures"][channel].tolist()):
            index = paths.index(shown["paths"][picture])
            assert peaks[index] == layer["patches"]["values"][channel, slot]
            assert shown["labels"][picture] == pictures.pictures[index].label_index


def test_a_patch_shows_what_excited_the_filter(tmp_path: Path) -> None:
    found = gather(red_finder(), np.zeros((10, 12, 3), np.uint8), draw_spots(tmp_path, 5))
    layer, shown = found["layers"][0], found["data_set"]
    assert layer["patches"]["values"][0].tolist()[:5] == [45, 36, 27, 18, 9]
    assert [shown["paths"][index] for index in layer["patches"]["pictures"][0][:5]] == [
        "4.png", "3.png", "2.png", "1.png", "0.png",
    ]  # fmt: skip
    assert layer["boxes"][layer["patches"]["box"][0][:5]].tolist() == [
        [4, left, 7, left + 3] for left in (4, 3, 2, 1, 0)
    ]
    assert layer["patches"]["pictures"][0][5:].tolist() == [-1] * 4
    position = layer["strongest"].tolist().index(0)
    assert (tile_of(layer["crops"], position * 9) == (5, 0, 0)).all()
    # The other filter cannot see anything in these pictures; the page says so by its floor.
    assert np.nanmax(layer["patches"]["values"][1]) <= layer["floor"] == 0


def test_of_many_pictures_the_page_holds_some_and_names_the_others(tmp_path: Path) -> None:
    small = SmallNetwork(10, 12)
    many = np.random.default_rng(3).normal(size=(400, 3, 3, 3))
    network = small.network(small.mean(small.conv(0, many)))
    rng = np.random.default_rng(4)
    for number in range(1100):
        cv2.imwrite(str(tmp_path / f"{number}.bmp"), rng.integers(0, 256, (10, 12, 3), np.uint8))
    given = PictureSet(root=tmp_path, split="all", pictures=tuple(Picture(f"{n}.bmp", n % 3) for n in range(1100)))
    found = gather(network, np.zeros((10, 12, 3), np.uint8), given)
    shown, layer = found["data_set"], found["layers"][0]
    used = np.unique(layer["patches"]["pictures"])
    assert shown["num_shown"] == 768 < len(shown["paths"]) == len(used) == used.max() + 1
    first = load_input(tmp_path / shown["paths"][0], network.file.contract)
    assert (tile_of(shown, 0) == first).all()


def test_grouped_and_depthwise_filters_name_the_channels_that_they_read() -> None:
    small = SmallNetwork(9, 7)
    wide = small.conv(0, np.random.default_rng(0).normal(size=(4, 1, 1, 3)), activation="relu")
    deep = small.depthwise(wide, np.random.default_rng(1).normal(size=(1, 3, 3, 8)))
    groups = small.conv(deep, np.random.default_rng(2).normal(size=(6, 3, 3, 4)), padding="same")
    pixels = np.random.default_rng(5).integers(0, 256, (9, 7, 3), np.uint8)
    first, second, third = gather(small.network(small.mean(groups)), pixels)["layers"]
    assert [layer["form"] for layer in (first, second, third)] == ["pointwise", "depthwise", "grouped"]
    assert second["sums"]["channels"][:, 0].tolist() == [channel // 2 for channel in second["strongest"]]
    for channel, read in zip(third["strongest"], third["sums"]["channels"], strict=True):
        assert set(read.tolist()) == ({0, 1, 2, 3} if channel < 3 else {4, 5, 6, 7})
    assert all(layer["sums"]["agrees"].all() for layer in (first, second, third))
    assert third["size"] == [5, 5]


def test_pictures_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    given = draw_spots(tmp_path, 3)
    (tmp_path / "1.png").write_bytes(b"no picture")
    shown = gather(red_finder(), np.zeros((10, 12, 3), np.uint8), given)["data_set"]
    assert (shown["num_pictures"], shown["num_unreadable"]) == (2, 1)
    assert set(shown["paths"]) == {"0.png", "2.png"}


def test_json_tells_layer_filter_value_picture_and_box(tmp_path: Path) -> None:
    material = make_material(red_finder(), np.zeros((10, 12, 3), np.uint8), pictures=draw_spots(tmp_path, 5))
    told = to_json(Explanation(head=make_head(material), screens=(one_screen(material, "detectors"),)))
    screen = told["screens"]["detectors"]
    patches = screen["layers"][0]["patches"]
    assert patches["values"][0][0] == 45
    assert screen["data_set"]["paths"][patches["pictures"][0][0]] == "4.png"
    assert screen["layers"][0]["boxes"][patches["box"][0][0]] == [4, 4, 7, 7]
    assert patches["values"][0][8] is None


@pytest.mark.slow
def test_filters_are_drawn_as_their_weights(chromium: webdriver.Chrome, page: Path, data: dict[str, Any]) -> None:
    open_page(chromium, page)
    weights, largest = data["first"]["weights"], data["first"]["largest"]
    boldest = int(np.abs(weights).max(axis=(1, 2, 3)).argmax())
    assert f"Filter {boldest} of 24" in find(chromium, "[data-part=filter-name]").text
    colors = canvas_pixels(chromium, "[data-part=filter-slices] canvas")[:, :, :3].astype(float)
    assert np.abs(colors - (127.5 + 127.5 * weights[boldest] / largest)).max() <= 1
    red = canvas_pixels(chromium, "[data-part=filter-slices] figure:nth-child(2) canvas").astype(int)
    is_orange = red[:, :, 0] > red[:, :, 2]
    clear = np.abs(weights[boldest, :, :, 0]) > largest / 20
    assert (is_orange == (weights[boldest, :, :, 0] > 0))[clear].all()

    # The sheet of all filters: 15 pixels for a weight, 4 between two filters, 9 filters in a row.
    sheet = canvas_pixels(chromium, "[data-part=filters]")[:, :, :3].astype(float)
    for index in (0, 10, 23):
        row, column = divmod(index, 9)
        middles = sheet[row * 49 + 9 : row * 49 + 48 : 15, column * 49 + 9 : column * 49 + 48 : 15]
        assert np.abs(middles - (127.5 + 127.5 * weights[index] / largest)).max() <= 1

    find(chromium, "[data-part=own-scale]").click()
    own = canvas_pixels(chromium, "[data-part=filters]")[:, :, :3].astype(float)
    assert np.abs(own[9:48:15, 9:48:15] - (127.5 + 127.5 * weights[0] / np.abs(weights[0]).max())).max() <= 1


@pytest.mark.slow
def test_arrow_keys_choose_a_filter_of_the_first_layer_and_a_button_looks_for_it(
    chromium: webdriver.Chrome, page: Path
) -> None:
    open_page(chromium, page)
    canvas = find(chromium, "[data-part=filters]")
    canvas.send_keys(Keys.ARROW_LEFT * 9, Keys.ARROW_UP * 3)
    assert "Filter 0 of 24" in find(chromium, "[data-part=filter-name]").text
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert "Filter 10 of 24" in find(chromium, "[data-part=filter-name]").text
    find(chromium, "[data-part=filter-find]").send_keys(Keys.ENTER)
    assert "1. conv1" in str(Select(find(chromium, "[data-part=layer]")).first_selected_option.text)
    assert find(chromium, "[data-part=filter]").get_attribute("value") == "10"
    assert "The maps that it reads are the picture's colours" in find(chromium, "[data-part=sum-words]").text
    assert {"red", "green", "blue"} <= set(sums_in_table(chromium))


@pytest.mark.slow
def test_layer_and_filter_change_place_patches_and_receptive_field(
    chromium: webdriver.Chrome, page: Path, data: dict[str, Any]
) -> None:
    open_page(chromium, page)
    seen = []
    for index, channel in ((1, 5), (1, 6), (3, 6)):
        Select(find(chromium, "[data-part=layer]")).select_by_value(str(index))
        field = find(chromium, "[data-part=filter]")
        field.clear()
        field.send_keys(str(channel), Keys.ENTER)
        layer = data["layers"][index]
        top, left, bottom, right = layer["boxes"][layer["box"][channel]].tolist()
        style = chromium.execute_script("return document.querySelector('[data-part=box]').getAttribute('style')")
        box = dict(part.strip().split(": ") for part in style.rstrip("; ").split(";"))
        assert {name: float(value.rstrip("%")) for name, value in box.items()} == pytest.approx(
            {"left": left / 0.96, "top": top / 0.96, "width": (right - left) / 0.96, "height": (bottom - top) / 0.96},
            abs=1e-3,
        )
        words = find(chromium, "[data-part=place]").text
        assert f"Filter {channel} of {layer['name']}" in words
        assert f"can see {layer['size'][0]} \u00d7 {layer['size'][1]} of" in words
        captions = [one.text for one in chromium.find_elements(By.CSS_SELECTOR, "[data-part=patches] figcaption")]
        best = data["data_set"]["paths"][layer["patches"]["pictures"][channel][0]]
        assert best.split("/")[-1] in captions[0]
        here = find(chromium, ".fields .here title").get_attribute("textContent")
        assert str(here).startswith(layer["name"])
        seen.append((words, tuple(captions)))
    assert len(set(seen)) == 3
    assert not console(chromium)


@pytest.mark.slow
def test_the_table_of_the_sum_adds_up(chromium: webdriver.Chrome, page: Path) -> None:
    open_page(chromium, page)
    rows = sums_in_table(chromium)
    total, own = rows.pop("sum"), rows.pop("the number that the file computed")
    rows.pop("after ReLU")
    assert sum(rows.values()) == pytest.approx(total, abs=0.01 * sum(map(abs, rows.values())))
    assert own == pytest.approx(max(0, total), abs=0.1)
    assert "agrees" in find(chromium, "[data-part=sum-verdict]").text
    slices = chromium.find_elements(By.CSS_SELECTOR, "#detectors .sum canvas")
    assert len(slices) == 12


@pytest.mark.slow
def test_patches_are_cut_out_of_the_pictures(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(red_finder(), np.full((10, 12, 3), 9, np.uint8), pictures=draw_spots(tmp_path, 200))
    page = write_screens(tmp_path / "page.html", material, "detectors")
    open_page(chromium, page)
    wait_for(chromium, "document.querySelector('[data-part=patches] canvas').width === 160")
    cut = canvas_pixels(chromium, "[data-part=patches] canvas").reshape(-1, 4)
    assert (cut == (200, 0, 0, 255)).all()
    assert "199.png" in find(chromium, "[data-part=patches] figcaption").text
    find(chromium, "[data-part=filter]").send_keys(Keys.ARROW_UP, Keys.ENTER)
    assert "None of the 200 pictures excites it" in find(chromium, "[data-part=patches-note]").text
    assert "does not answer to your picture" in find(chromium, "[data-part=place]").text
    assert not find(chromium, "[data-part=box]").is_displayed()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(PHONE, False), (PHONE, True), (DESK, True)])
def test_hostile_names_stay_text_on_every_screen(
    chromium: webdriver.Chrome, material: Material, tmp_path: Path, width: int, dark: bool
) -> None:
    for index, one in enumerate(("a<script>hacked=1<", "b\"onerror='hacked=1'", "c\u202egpj", "d" * 180)):
        pixels = np.random.default_rng(index).integers(0, 256, (96, 96, 3), np.uint8)
        (tmp_path / f"{one}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    given = tuple(Picture(path.name, index) for index, path in enumerate(sorted(tmp_path.glob("*.png"))))
    network = Network(replace(material.network.file, labels=HOSTILE))
    hostile = make_material(network, material.pixels, pictures=PictureSet(root=tmp_path, split="<b>", pictures=given))
    open_page(chromium, write_screens(tmp_path / "page.html", hostile, "detectors"), width, dark=dark)
    captions = " ".join(one.text for one in chromium.find_elements(By.CSS_SELECTOR, "[data-part=patches] figcaption"))
    assert HOSTILE[0] in captions
    assert "d" * 180 in captions
    assert chromium.execute_script("return window.hacked") is None
    assert overflow_px(chromium) <= 0
    assert not console(chromium)


@pytest.mark.slow
def test_without_a_data_set_the_picture_itself_gives_the_patch(
    chromium: webdriver.Chrome, material: Material, tmp_path: Path
) -> None:
    page = write_screens(tmp_path / "page.html", replace(material, pictures=None), "detectors")
    open_page(chromium, page, PHONE)
    assert "--data FOLDER" in find(chromium, "[data-part=patches-note]").text
    wait_for(chromium, "document.querySelector('[data-part=patches] canvas').width === 256")
    assert len(chromium.find_elements(By.CSS_SELECTOR, "[data-part=patches] figure")) == 1
    assert page.stat().st_size < 500_000


def tall_filters(rng: np.random.Generator) -> Network:
    """Wide picture, tall filters; the second layer has so much padding that some cells see nothing else."""
    small = SmallNetwork(8, 40)
    tall = small.conv(0, rng.normal(size=(5, 7, 1, 3)), stride=(1, 2), activation="relu")
    padded = small.pad(tall, 4, 0, 0, 4)
    return small.network(small.mean(small.conv(padded, rng.normal(size=(3, 3, 3, 5)))))


def depthwise_first(rng: np.random.Generator) -> Network:
    small = SmallNetwork(9, 9)
    first = small.depthwise(0, rng.normal(size=(1, 3, 3, 6)), padding="same", activation="relu6")
    return small.network(small.mean(small.conv(first, rng.normal(size=(1100, 1, 1, 6)), activation="relu")))


def sees_everything(rng: np.random.Generator) -> Network:
    """A cell of the second layer sees everything, that of the third is the only one, and never answers."""
    small = SmallNetwork(6, 5)
    first = small.conv(0, rng.normal(size=(4, 3, 3, 3)), padding="same", dilation=(2, 2))
    mixed = small.reshape(first, small.constant(np.array([1, 6, 5, 4], np.int32)), (1, 6, 5, 4))
    second = small.conv(mixed, rng.normal(size=(4, 6, 5, 4)))
    return small.network(small.flatten(small.conv(second, -np.ones((1, 1, 1, 4)), [-1e6], activation="relu")))


@pytest.mark.slow
@pytest.mark.parametrize("build", [tall_filters, depthwise_first, sees_everything])
@pytest.mark.parametrize("with_data", [False, True])
def test_every_layer_and_filter_of_strange_networks_is_shown(
    chromium: webdriver.Chrome, build: Any, with_data: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    network = build(rng)
    height, width = network.file.contract.height, network.file.contract.width
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 256, (height, width, 3), np.uint8))
    given = PictureSet(root=tmp_path, split="all", pictures=tuple(Picture(f"{n}.png", 0) for n in range(3)))
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    material = make_material(network, pixels, pictures=given if with_data else None)
    open_page(chromium, write_screens(tmp_path / "page.html", material, "detectors"), PHONE)
    words = chromium.execute_script(
        """const [layer, filter] = ["layer", "filter"].map((name) => document.querySelector(`[data-part=${name}]`));
        const seen = [];
        for (const option of layer.options) {
          layer.value = option.value; layer.dispatchEvent(new Event("change"));
          for (const wanted of [0, Number(filter.max), 1e9, -1]) {
            filter.value = wanted; filter.dispatchEvent(new Event("change"));
            seen.push(document.querySelector("#detectors").innerText);
          }
        }
        return seen"""
    )
    assert len(words) == 4 * len(network.convolutions)
    assert not any("undefined" in one or "NaN" in one or "null" in one for one in words)
    assert overflow_px(chromium) <= 0
    assert not console(chromium)
