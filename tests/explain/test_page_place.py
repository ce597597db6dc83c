"""The screen on changed pictures: its numbers, and the page that shows them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from scipy.stats import binomtest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from small_network import SmallNetwork

from edgecnn.data import ImageFolder, Picture, load_pixels
from edgecnn.errors import DatasetError
from edgecnn.explain import CHANGES, Network, equivariance, equivariances, feature_maps, invariance_curve
from edgecnn.explain.page import Material, PictureSet
from edgecnn.modelfile import ModelFile

HOSTILE = "<script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def network(exported: ModelFile) -> Network:
    return Network(exported)


@pytest.fixture(scope="module")
def material(network: Network, picture_folder: Path) -> Material:
    """A picture of a star, and twelve pictures of all classes."""
    folder = ImageFolder.scan(picture_folder)
    pixels = load_pixels(folder.root, folder.pictures[24:25], network.file.contract).pixels[0]
    pictures = PictureSet(root=folder.root, split="all", pictures=folder.pictures[::4])
    return make_material(network, pixels, pictures=pictures)


@pytest.fixture(scope="module")
def page(material: Material, exported: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("place") / "page.html"
    return write_screens(path, replace(material, other=Network(exported), other_name="float"), "place")


@pytest.fixture
def opened(chromium: webdriver.Chrome, page: Path) -> Iterator[webdriver.Chrome]:
    open_page(chromium, page)
    yield chromium
    assert console(chromium) == []


def wide_network(num_classes: int = 3, stride: tuple[int, int] = (1, 1)) -> Network:
    rng = np.random.default_rng(0)
    small = SmallNetwork(24, 40)
    maps = small.conv(0, rng.normal(size=(4, 3, 3, 3)), padding="same", activation="relu", stride=stride)
    return small.network(small.softmax(small.dense(small.mean(maps), rng.normal(size=(num_classes, 4)) / 100)))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def choose(browser: webdriver.Chrome, change: str) -> None:
    cards = browser.find_elements(By.CSS_SELECTOR, '#place [data-part="changes"] button')
    cards[list(CHANGES).index(change)].send_keys(Keys.ENTER)


@pytest.mark.parametrize("change", CHANGES)
def test_the_curves_are_those_of_invariance_curve(material: Material, change: str) -> None:
    asked = replace(material, class_index=1, pictures=None)
    shown = {one["name"]: one for one in one_screen(asked, "place").data["changes"]}[change]
    curve = invariance_curve(material.network, material.pixels, [1], change)
    np.testing.assert_array_equal(shown["scores"], curve.scores[:, 0])
    for position, amount in enumerate(CHANGES[change].amounts):
        scores = material.network.scores(CHANGES[change].apply(material.pixels, amount, 0))
        assert shown["answers"][position] == material.labels[scores.argmax()]
        assert shown["answer_scores"][position] == scores.max()
        # smaller than 112 pixels: shown as the network saw it
        np.testing.assert_array_equal(
            shown["pictures"][position].pixels, CHANGES[change].apply(material.pixels, amount, 0)
        )
    assert shown["words"][shown["nothing"]] == "unchanged"


def test_the_answer_stays_from_the_unchanged_picture_outwards_until_it_is_another(material: Material) -> None:
    data = one_screen(replace(material, pictures=None), "place").data
    changed = 0
    for one in data["changes"]:
        low, high = one["kept"]
        assert low <= one["nothing"] <= high
        assert set(one["answers"][low : high + 1]) == {data["answer"]}
        assert low == 0 or one["answers"][low - 1] != data["answer"]
        assert high == len(one["answers"]) - 1 or one["answers"][high + 1] != data["answer"]
        changed += high - low + 1 < len(one["answers"])
    assert changed  # this network does not bear everything


def test_accuracy_is_counted_on_every_picture_with_its_interval(material: Material, network: Network) -> None:
    found = one_screen(material, "place").data["pictures"]
    assert (found["num"], found["num_all"], found["split"], found["unreadable"]) == (12, 12, "all", [])
    folder = material.pictures
    assert folder is not None
    sample = load_pixels(folder.root, folder.pictures, network.file.contract)
    for one in found["changes"]:
        known = CHANGES[one["name"]]
        assert known.amounts.index(known.nothing) in one["positions"]
        for position, shown in zip(one["positions"], one["accuracy"], strict=True):
            changed = [known.apply(pixels, known.amounts[position], n) for n, pixels in enumerate(sample.pixels)]
            hits = sum(
                network.scores(pixels).argmax() == right
                for pixels, right in zip(changed, sample.label_indices, strict=True)
            )
            interval = binomtest(int(hits), 12).proportion_ci(method="wilson")
            assert (shown["share"], shown["low"], shown["high"]) == pytest.approx(
                (hits / 12, interval.low, interval.high), abs=1e-9
            )


def test_of_many_pictures_a_hundred_are_drawn_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    material = make_material(wide_network(), noise(24, 40))
    cv2.imwrite(str(tmp_path / "good.png"), noise(8, 8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    names = ["good.png"] * 119 + ["broken.png"]
    pictures = tuple(Picture(path=name, label_index=2) for name in names)
    some = replace(material, pictures=PictureSet(root=tmp_path, split="test", pictures=pictures))
    found = one_screen(some, "place").data["pictures"]
    assert found["num"] + len(found["unreadable"]) == 100
    assert found["num_all"] == 120
    none = replace(material, pictures=PictureSet(root=tmp_path, split="test", pictures=pictures[-1:]))
    with pytest.raises(DatasetError, match=r"broken\.png"):
        one_screen(none, "place")


def test_maps_move_exactly_by_whole_cells_and_not_between_them(material: Material, network: Network) -> None:
    moved = one_screen(replace(material, pictures=None), "place").data["moved"]
    assert [layer["stride"] for layer in moved["layers"]] == sorted({layer["stride"] for layer in moved["layers"]})
    for layer in moved["layers"]:
        for shift, move, differing in zip(moved["shifts"], layer["moves"], layer["differing_percent"], strict=True):
            alone = equivariance(network, material.pixels, layer["name"], (0, shift))
            assert move["same_share"] == alone.same_share or np.isnan(alone.same_share)
            assert move["is_whole"] == (shift % layer["stride"] == 0)
            top, left, bottom, right = move["inner"]
            inner = differing[max(0, top - layer["top"]) : bottom - layer["top"], left:right]
            if move["is_whole"] and inner.size:
                assert move["same_share"] == 1.0
                assert not inner.any()
    assert moved["layers"][1]["moves"][0]["same_share"] < 1


def test_several_layers_are_compared_as_each_by_itself(material: Material, network: Network) -> None:
    both = equivariances(network, material.pixels, ["conv1", "conv2_pool"], (4, -8))
    for name, found in zip(("conv1", "conv2_pool"), both, strict=True):
        alone = equivariance(network, material.pixels, name, (4, -8))
        assert (found.same_share, found.num_cells, found.inner) == (alone.same_share, alone.num_cells, alone.inner)
        top, left, bottom, right = found.inner
        assert found.num_cells == (bottom - top) * (right - left)
        assert 1 - found.differing[top:bottom, left:right].mean() == pytest.approx(found.same_share, abs=1e-6)
        # up at the top and out at the left: the moved maps have no such cells
        assert np.isnan(found.differing[-found.cells_yx[0] :]).all()
        assert np.isnan(found.differing[:, : -found.cells_yx[1]]).all()


def test_what_pooling_forgets_is_measured(material: Material, network: Network) -> None:
    pooling = one_screen(replace(material, pictures=None), "place").data["moved"]["pooling"]
    aside = CHANGES["shift"].apply(material.pixels, 100 / 96, 0)
    for layer, key in (("conv1", "before"), ("conv1_pool", "after")):
        old, new = (feature_maps(network.look(pixels), layer) for pixels in (material.pixels, aside))
        assert pooling[key] == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old), rel=1e-5)
    assert pooling["name"] == "conv1_pool"


def test_the_slider_moves_picture_and_numbers(opened: webdriver.Chrome, material: Material) -> None:
    choose(opened, "rotation")
    picture, answer = find(opened, '#place [data-part="picture"]'), '#place [data-part="answer"]'
    assert "Unchanged" in find(opened, answer).text
    before = picture.get_attribute("src")
    slider = find(opened, '#place [data-part="amount"]')
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert slider.get_attribute("aria-valuetext") == "20° clockwise"
    curve = invariance_curve(material.network, material.pixels, None, "rotation", [20])
    assert f"20° clockwise: star {100 * curve.scores[0, 0]:.1f}%" in find(opened, answer).text
    assert picture.get_attribute("src") != before
    assert picture.get_attribute("alt") == "The picture, 20° clockwise, as the network sees it"
    slider.send_keys(Keys.HOME)
    assert "60° counterclockwise" in find(opened, answer).text
    assert "Of 12 pictures" in find(opened, answer).text
    assert "In floats" in find(opened, answer).text


def test_the_pointer_in_the_drawing_chooses_the_nearest_amount(opened: webdriver.Chrome, material: Material) -> None:
    curves = {change: invariance_curve(material.network, material.pixels, None, change) for change in CHANGES}
    change, answer = next(
        (change, material.labels[curve.answers[-1, 0]]) for change, curve in curves.items() if curve.accuracy[-1] == 0
    )
    choose(opened, change)
    chart = find(opened, '#place [data-part="chart"]')
    opened.execute_script("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", chart)
    webdriver.ActionChains(opened).move_to_element_with_offset(chart, chart.size["width"] // 2 - 3, 0).perform()
    slider = find(opened, '#place [data-part="amount"]')
    assert slider.get_attribute("value") == slider.get_attribute("max")
    assert find(opened, '#place [data-part="answer"] .badge').text == f"now {answer}"


def test_a_layer_and_a_move_are_chosen_and_told_in_words(opened: webdriver.Chrome) -> None:
    words = '#place [data-part="moved-words"]'
    assert "every value is the moved one, to the last digit" in find(opened, words).text
    Select(find(opened, '#place [data-part="layer"]')).select_by_index(1)
    assert "no whole number of cells of conv1_pool" in find(opened, words).text
    opened.find_elements(By.CSS_SELECTOR, '#place [data-part="shifts"] button')[1].send_keys(Keys.SPACE)
    assert (
        "A move by 2 pixels is one by one cell of conv1_pool: away from the borders every" in find(opened, words).text
    )
    assert find(opened, '#place [data-part="map"]').get_attribute("width") == "48"


def test_every_number_of_the_page_is_in_its_data(opened: webdriver.Chrome, page: Path) -> None:
    text = find(opened, "#data-place").get_attribute("textContent")
    data = json.loads(text or "")
    assert [one["name"] for one in data["changes"]] == list(CHANGES)
    assert len(find(opened, '#place [data-part="chart"]').find_elements(By.CSS_SELECTOR, ".many")) > 0
    assert page.stat().st_size < 700_000


@pytest.mark.parametrize(("width", "dark"), [(PHONE, False), (DESK, True)])
def test_it_fits_on_a_phone_and_in_the_dark(chromium: webdriver.Chrome, page: Path, width: int, dark: bool) -> None:
    open_page(chromium, page, width, dark=dark)
    assert overflow_px(chromium) <= 0
    for control in chromium.find_elements(By.CSS_SELECTOR, "#place select, #place input, #place button"):
        assert control.rect["x"] + control.rect["width"] <= width
    assert console(chromium) == []


@pytest.mark.parametrize("stride", [(1, 1), (3, 3)])
def test_a_wide_picture_and_a_thousand_hostile_names_are_shown_as_text(
    chromium: webdriver.Chrome, tmp_path: Path, stride: tuple[int, int]
) -> None:
    plain = wide_network(1000, stride)
    names = tuple(f"{HOSTILE} {index} \u05e9\u05dc\u05d5\u05dd {'long' * 20}" for index in range(1000))
    named = Network(replace(plain.file, labels=names))
    open_page(chromium, write_screens(tmp_path / "page.html", make_material(named, noise(24, 40)), "place"), PHONE)
    assert HOSTILE in find(chromium, '#place [data-part="answer"]').text
    assert chromium.execute_script("return window.hacked") is None
    assert "no pooling between its layers" in find(chromium, "#place").text
    skips = "No window of this network skips a pixel" in find(chromium, "#place").text
    assert skips == (stride == (1, 1))
    picture = find(chromium, '#place [data-part="picture"]')
    assert picture.size["width"] / picture.size["height"] == pytest.approx(40 / 24, rel=0.02)
    assert overflow_px(chromium) <= 0
    assert console(chromium) == []


def test_a_pooling_over_the_whole_map_is_told_as_what_forgets_the_place(
    chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    small = SmallNetwork(12, 12)
    maps = small.conv(0, np.random.default_rng(0).normal(size=(4, 3, 3, 3)))
    scores = small.conv(small.pool(maps, (10, 10), kind="AVERAGE"), np.eye(3, 4).reshape(3, 1, 1, 4))
    network = small.network(small.softmax(small.flatten(scores)))
    open_page(chromium, write_screens(tmp_path / "page.html", make_material(network, noise(12, 12)), "place"))
    text = find(chromium, "#place").text
    assert "no pooling between its layers" in text
    assert "At the end each map becomes one number over all its places" in text
    assert "No window of this network hangs over the border" in text
    assert console(chromium) == []
