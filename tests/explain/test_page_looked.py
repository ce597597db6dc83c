import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from small_network import SmallNetwork

from edgecnn.explain import Network, class_activation_map, contributions, occlusion_map
from edgecnn.explain.page import Explanation, to_json
from edgecnn.explain.page.screens.looked import STEPS
from edgecnn.imaging import decode_picture, upright
from edgecnn.modelfile import ModelFile

HEIGHT, WIDTH = 20, 24
ROWS, COLUMNS = slice(12, 16), [*range(5, 8), *range(12, 15), *range(19, 22)]
LABELS = ("<img src=x onerror=alert(1)>", "שלום עולם " * 30)


def spot_network(*, shift: int = 0, branches: bool = False, strength: float = 100.0) -> Network:
    """Class 0 is as sure as the picture is red.

    With a shift its maps have everything that many cells too far up and left, which changes no answer as long as
    nothing is pushed over the border. With branches the way from the maps to the classes cannot be followed.
    """
    red = np.zeros((2, 1 + 2 * shift, 1 + 2 * shift, 3))
    red[0, -1, -1] = np.array([1.0, -0.5, -0.5]) / 255
    red[1, shift, shift, 2] = 1 / 255
    small = SmallNetwork(HEIGHT, WIDTH)
    maps = small.conv(0, red, padding="same", activation="relu")
    mean = small.mean(maps)
    if branches:
        mean, strength = small.add(mean, small.mean(small.relu(maps))), strength / 2
    dense = small.dense(mean, np.array([[strength, 0.0], [0.0, 0.1]]), np.array([-1.0, 0.0]))
    return Network(replace(small.file(small.softmax(dense)), labels=LABELS), num_threads=1)


def red_spots() -> np.ndarray[Any, Any]:
    pixels = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    pixels[ROWS, COLUMNS] = (255, 0, 0)
    return pixels


def looked_at(network: Network, **other: Any) -> dict[str, Any]:
    screen = one_screen(make_material(network, red_spots(), class_index=0, **other), "looked")
    assert screen.missing is None
    return screen.data


def test_both_methods_are_asked_for_each_class() -> None:
    network = spot_network()
    data = looked_at(network)
    places, covered = data["methods"]
    look = network.look(red_spots())
    for row, class_index in enumerate((0, 1)):
        assert data["classes"][row]["index"] == class_index
        np.testing.assert_array_equal(places["heat"][row], class_activation_map(look, class_index))
        np.testing.assert_array_equal(covered["heat"][row], occlusion_map(network, red_spots(), class_index))
    assert [one["method"] for one in data["methods"]] == ["class activation", "occlusion"]
    assert places["heat"][0][ROWS, COLUMNS].sum() == pytest.approx(places["heat"][0].sum())


def test_many_places_are_shown_in_blocks_whose_parts_still_add_up() -> None:
    small = SmallNetwork(70, 130)
    maps = small.conv(0, np.random.default_rng(0).normal(size=(4, 1, 1, 3)) / 256, activation="relu")
    network = small.network(small.softmax(small.dense(small.mean(maps), np.eye(4))))
    pixels = np.random.default_rng(1).integers(0, 256, (70, 130, 3), dtype=np.uint8)
    heat = one_screen(make_material(network, pixels), "looked").data["methods"][0]["heat"]
    assert heat.shape == (4, 35, 44)
    whole = class_activation_map(network.look(pixels))
    assert heat[0, 1, 2] == pytest.approx(whole[2:4, 6:9].sum(), rel=1e-4)
    assert heat[0].sum() == pytest.approx(whole.sum(), rel=1e-4)


def test_a_right_map_passes_the_test() -> None:
    for method in looked_at(spot_network())["methods"]:
        assert method["test"]["verdict"] == "good"
        assert method["test"]["num_beaten"] == method["test"]["num_random"] > 2
        assert "points at what this network used" in method["test"]["sentence"]


def test_a_map_that_points_beside_the_spots_is_said_to_be_wrong() -> None:
    right, wrong = spot_network(), spot_network(shift=4)
    np.testing.assert_allclose(right.scores(red_spots()), wrong.scores(red_spots()), atol=1e-6)
    places, covered = looked_at(wrong)["methods"]
    assert places["heat"][0].max() > 0
    assert np.abs(places["heat"][0][ROWS, COLUMNS]).max() < 1e-6
    assert places["test"]["verdict"] == "wrong"
    assert not places["test"]["is_better_than_chance"]
    assert places["test"]["sentence"].endswith("do not trust this map.")
    assert covered["test"]["verdict"] == "good"


def test_a_score_that_does_not_move_proves_nothing() -> None:
    for method in looked_at(spot_network(strength=0.01))["methods"]:
        assert method["test"]["verdict"] == "still"
        assert "cannot tell a right map from a wrong one" in method["test"]["sentence"]


def test_where_the_way_cannot_be_followed_places_are_covered() -> None:
    network = spot_network(branches=True)
    (method,) = looked_at(network, other=network, other_name="float.tflite")["methods"]
    assert method["method"] == "occlusion"
    assert method["heat"].shape == method["other"].shape == (2, 12, 12)
    y, x = np.unravel_index(int(method["heat"][0].argmax()), (12, 12))
    assert ROWS.start <= (y + 0.5) * HEIGHT / 12 < ROWS.stop
    assert int((x + 0.5) * WIDTH / 12) in COLUMNS


def test_two_files_are_compared_by_the_correlation_of_their_maps() -> None:
    same, moved = (
        looked_at(spot_network(), other=other, other_name="float.tflite")["methods"][0]
        for other in (spot_network(), spot_network(shift=6))
    )
    assert same["correlations"] == pytest.approx([1.0, 1.0])
    assert moved["correlations"][0] == pytest.approx(
        np.corrcoef(moved["heat"][0].ravel(), moved["other"][0].ravel())[0, 1], abs=1e-6
    )
    assert moved["correlations"][0] < 0.5


def test_a_map_that_is_the_same_everywhere_has_no_correlation() -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    material = make_material(spot_network(), pixels, other=spot_network(), other_name="float.tflite")
    assert one_screen(material, "looked").data["methods"][0]["correlations"] == [None, None]


def test_the_parts_of_the_places_are_the_logit_of_an_int8_export(exported: ModelFile) -> None:
    network = Network(exported)
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    data = one_screen(make_material(network, pixels), "looked").data
    for row, one in enumerate(data["classes"]):
        votes = contributions(network.look(pixels), one["index"])
        parts = float(data["methods"][0]["heat"][row].sum())
        assert parts + votes.positions_bias + votes.positions_rest == pytest.approx(votes.logit, abs=1e-3)


@pytest.mark.parametrize("method", [0, 1])
def test_the_picture_of_each_step_gives_the_score_of_the_curve(method: int) -> None:
    network = spot_network()
    data = looked_at(network)
    tested, order = data["methods"][method]["test"], data["methods"][method]["order"].pixels
    assert len(tested["shares"]) == STEPS + 1
    for step in range(STEPS + 1):
        is_covered = 1 + (255 - order.astype(int)) // (255 // STEPS) <= step
        assert is_covered.mean() == pytest.approx(tested["shares"][step], abs=1e-2)
        deleted = np.where(is_covered[..., np.newaxis], data["grey"], red_spots())
        inserted = np.where(is_covered[..., np.newaxis], red_spots(), data["blurred"].pixels)
        assert network.scores(deleted)[0] == pytest.approx(tested["deletion"][step], abs=1e-6)
        assert network.scores(inserted)[0] == pytest.approx(tested["insertion"][step], abs=1e-6)


def test_the_maps_stand_in_the_json_and_the_pictures_by_name() -> None:
    screen = one_screen(make_material(spot_network(), red_spots()), "looked")
    written = to_json(Explanation(head={}, screens=(screen,)))["screens"]["looked"]
    first = written["methods"][0]
    assert np.shape(first["heat"]) == (2, HEIGHT, WIDTH)
    assert first["order"] == "6-looked-order-by-class-activation.png"
    assert first["pictures"] == ["6-looked-class-activation-in-this-file.png"]
    assert len(first["test"]["random_deletions"]) == first["test"]["num_random"]


def test_the_heat_map_is_a_picture_too() -> None:
    (picture,) = looked_at(spot_network())["methods"][0]["pictures"]
    assert picture.pixels[14, 13].tolist() == pytest.approx([0.8 * 214 + 17, 0.8 * 96 + 17, 0.8 * 20 + 17], abs=2)
    assert picture.pixels[3, 3].tolist() == [60, 60, 60]


# ---- in the browser ----------------------------------------------------------------------------------------------


def open_screen(browser: webdriver.Chrome, page: Path, width: int = DESK, *, dark: bool = False) -> None:
    open_page(browser, page, width, dark=dark)
    WebDriverWait(browser, 10).until(lambda _: text(browser, "score"))


def part(name: str) -> str:
    return f"#looked [data-part={name}]"


def text(browser: webdriver.Chrome, name: str) -> str:
    return find(browser, part(name)).text


def drawn(browser: webdriver.Chrome, name: str) -> np.ndarray[Any, Any]:
    """A canvas's pixels: uint8, shape (height, width, 3), RGB."""
    address = browser.execute_script("return document.querySelector(arguments[0]).toDataURL()", part(name))
    frame = decode_picture(base64.b64decode(address.split(",")[1]), name)
    return upright(frame)[:, :, ::-1]  # BGR to RGB


def slide(browser: webdriver.Chrome, name: str, value: int) -> None:
    browser.execute_script(
        "const control = document.querySelector(arguments[0]); control.value = arguments[1];"
        "control.dispatchEvent(new Event('input'));",
        part(name),
        value,
    )


def press(browser: webdriver.Chrome, words: str) -> None:
    button = find(browser, "#looked").find_element(By.XPATH, f".//button[text()='{words}']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    button.click()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    material = make_material(
        spot_network(), red_spots(), class_index=0, other=spot_network(), other_name="float.tflite"
    )
    return write_screens(tmp_path_factory.mktemp("looked") / "page.html", material, "looked")


def test_the_heat_lies_on_the_spots_and_can_be_faded_away(chromium: webdriver.Chrome, page: Path) -> None:
    open_screen(chromium, page)
    slide(chromium, "opacity", 0)
    plain = drawn(chromium, "mine").astype(int)
    slide(chromium, "opacity", 100)
    heated = drawn(chromium, "mine").astype(int)
    side = heated.shape[0] / HEIGHT
    y, x = round(14 * side), round(13.5 * side)
    assert plain[y, x].tolist() == pytest.approx([255, 0, 0], abs=25)
    assert heated[y, x].tolist() == pytest.approx([214, 96, 20], abs=10)
    far = round(5 * side), round(5 * side)
    assert heated[far].tolist() == pytest.approx(plain[far].tolist(), abs=10)
    np.testing.assert_array_equal(heated, drawn(chromium, "other"))
    assert "correlation of 1.000" in text(chromium, "agreement")


def test_another_class_has_another_map(chromium: webdriver.Chrome, page: Path) -> None:
    open_screen(chromium, page)
    before = drawn(chromium, "mine")
    Select(find(chromium, part("class"))).select_by_index(1)
    assert (drawn(chromium, "mine") != before).any()
    assert LABELS[1].strip() in text(chromium, "agreement")


def test_the_grid_is_shown_without_smoothing_on_demand(chromium: webdriver.Chrome, page: Path) -> None:
    open_screen(chromium, page)
    press(chromium, "cover and see")
    before = drawn(chromium, "mine")
    find(chromium, part("raw")).click()
    assert (drawn(chromium, "mine") != before).any()
    assert text(chromium, "size") == "12 \u00d7 12 cells"


@pytest.mark.parametrize("name", ["mine", "other"])
def test_arrow_keys_read_the_map_in_both_files(chromium: webdriver.Chrome, page: Path, name: str) -> None:
    open_screen(chromium, page)
    heat = class_activation_map(spot_network().look(red_spots()), 0)
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    canvas = find(chromium, part(name))
    for key, place in ((Keys.ARROW_RIGHT, (y, x + 1)), (Keys.ARROW_UP, (y - 1, x + 1))):
        canvas.send_keys(key)
        value = float(heat[place])
        said = text(chromium, "cell")
        assert said.startswith(f"Row {place[0]}, column {place[1]}:")
        assert float(said.split(" is ")[1].split(",")[0]) == pytest.approx(value, rel=1e-2)
        assert said.endswith("in floats.")


def test_covering_step_by_step_shows_the_measured_score_and_picture(chromium: webdriver.Chrome, page: Path) -> None:
    data = looked_at(spot_network())
    tested, grey = data["methods"][0]["test"], data["grey"]
    open_screen(chromium, page)
    for step in (1, STEPS // 2, STEPS):
        slide(chromium, "step", step)
        assert f"{tested['shares'][step]:.0%} covered" in text(chromium, "score")
        assert f"{100 * tested['deletion'][step]:.1f}%" in text(chromium, "score")
        covered = (drawn(chromium, "covered") == grey).all(axis=2)
        assert covered.mean() == pytest.approx(tested["shares"][step], abs=0.01)
    press(chromium, "show the brightest")
    assert "100% shown" in text(chromium, "score")
    np.testing.assert_array_equal(drawn(chromium, "covered"), red_spots())


def test_the_test_plays_by_itself_and_stops(chromium: webdriver.Chrome, page: Path) -> None:
    open_screen(chromium, page)
    slide(chromium, "step", STEPS - 1)
    press(chromium, "Play")
    WebDriverWait(chromium, 10).until(lambda _: text(chromium, "score").startswith("100% covered"))
    assert find(chromium, part("play")).text == "Play"
    press(chromium, "Play")  # once more from the beginning
    assert find(chromium, part("play")).text == "Stop"
    WebDriverWait(chromium, 10).until(lambda _: text(chromium, "score").startswith("6% covered"))
    press(chromium, "Stop")
    assert find(chromium, part("play")).text == "Play"


def test_the_page_says_that_a_wrong_map_is_wrong(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(spot_network(shift=4), red_spots(), class_index=0)
    open_screen(chromium, write_screens(tmp_path / "page.html", material, "looked"))
    assert text(chromium, "verdict").endswith("do not trust this map.")
    assert "warn" in (find(chromium, part("verdict")).get_attribute("class") or "")
    press(chromium, "cover and see")
    assert text(chromium, "verdict").startswith("Passed both tests.")


def test_names_of_classes_are_text_and_fit_a_phone(chromium: webdriver.Chrome, page: Path) -> None:
    for width, dark in ((PHONE, False), (PHONE, True), (DESK, True)):
        open_screen(chromium, page, width, dark=dark)
        assert overflow_px(chromium) <= 0
        assert LABELS[0] in find(chromium, "#looked .lead").text
        assert chromium.find_elements(By.CSS_SELECTOR, "#looked img[onerror]") == []
    assert console(chromium) == []


def test_occlusion_alone_has_no_choice_of_method(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(spot_network(branches=True), red_spots())
    open_screen(chromium, write_screens(tmp_path / "page.html", material, "looked"), PHONE)
    assert "Cover and see" in text(chromium, "explanation")
    assert chromium.find_elements(By.CSS_SELECTOR, part("method")) == []
    assert console(chromium) == []
