"""The live view's page in a real browser."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live_view import live_view, until
from page_browser import DESK, PHONE, console, find, overflow_px
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from edgecnn.errors import SourceError
from edgecnn.explain import Network
from edgecnn.runtime.plugins import open_source
from edgecnn.testing import ScriptedLiveSource, ScriptedSource

CARD = "synthetic:320x240@30"
HOSTILE = ("<script>window.hacked=1</script>", '"><img src=x onerror=hacked=1>', "\u202eabc {{7*7}}", "W" * 300)


@pytest.fixture
def network(exported) -> Network:
    return Network(exported, num_threads=1)


@pytest.fixture(scope="module")
def second_chromium(start_chromium: Callable[..., webdriver.Chrome]) -> webdriver.Chrome:
    """Another browser: of the tabs of one only the one in front draws."""
    return start_chromium("browser")


def open_live(browser: webdriver.Chrome, url: str, width: int = DESK, *, dark: bool = False) -> None:
    """Open the page and wait for its first picture."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get(url)
    until(lambda: number(browser) >= 0)


def number(browser: webdriver.Chrome) -> int:
    """Number of the picture that is shown."""
    return int(browser.execute_script("return drawn"))


def content(browser: webdriver.Chrome, canvas: str) -> str:
    """What a canvas shows."""
    return str(browser.execute_script(f"return document.getElementById('{canvas}').toDataURL()"))


def text(browser: webdriver.Chrome, selector: str) -> str:
    return find(browser, selector).text


def leave(browser: webdriver.Chrome) -> None:
    """Let the page ask no more, so that a view that ends is no error of its console."""
    browser.get("about:blank")


@pytest.mark.parametrize(("width", "dark"), [(DESK, False), (PHONE, True)])
def test_the_page_moves_with_the_camera(chromium, network: Network, width: int, dark: bool) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url, width, dark=dark)
        before = {canvas: content(chromium, canvas) for canvas in ("picture", "heat", "maps")}
        seen = number(chromium)
        until(lambda: number(chromium) > seen + 3)
        for canvas, was in before.items():
            until(lambda canvas=canvas, was=was: content(chromium, canvas) != was)
        until(lambda: "pictures per second" in text(chromium, "#rate") and not text(chromium, "#rate").startswith("0"))
        assert "old" in text(chromium, "#age")
        assert text(chromium, "#answer-label") in (*network.labels, "unknown")
        announced = find(chromium, "[aria-live=polite]").get_attribute("textContent")
        assert announced in (*network.labels, "unknown")
        rows = [one.text for one in chromium.find_elements("css selector", "#classes bdi")]
        assert rows == list(network.labels)
        assert len(chromium.find_elements("css selector", "#votes li")) == 10
        assert " 24 maps" in text(chromium, "#maps-count")
        assert overflow_px(chromium) <= 0
        assert console(chromium) == []
        lightness = chromium.execute_script("return getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
        assert (int(lightness) < 128) == dark
        leave(chromium)


def test_layers_are_chosen_by_list_buttons_and_keys(chromium, network: Network) -> None:
    layers = [layer for layer in network.layers if layer.is_map and layer.kind != "conversion"]
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)

        def shown() -> str:
            return str(chromium.execute_script("return shown && network.layers[$('layer').selectedIndex].name"))

        def is_drawn(place: int) -> bool:
            return bool(chromium.execute_script("return shown.maps.layer") == layers[place].index)

        Select(find(chromium, "#layer")).select_by_index(4)
        until(lambda: is_drawn(4))
        rows, columns, channels = layers[4].output_shape
        assert text(chromium, "#maps-caption").startswith(f"{rows} \u00d7 {columns} cells")
        assert f" {channels} maps" in text(chromium, "#maps-count")
        find(chromium, "#next").click()
        until(lambda: is_drawn(5))
        chromium.execute_script("document.activeElement.blur()")
        find(chromium, "body").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        until(lambda: is_drawn(3))
        assert shown() == layers[3].name
        for _ in range(9):
            find(chromium, "#previous").click()
        until(lambda: is_drawn(0))
        assert console(chromium) == []
        leave(chromium)


def test_a_paused_page_stands_still_and_can_still_be_explored(chromium, network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)
        find(chromium, "body").send_keys(Keys.SPACE)
        until(lambda: text(chromium, "#rate") == "paused")
        time.sleep(0.3)  # an answer that was on its way
        seen, picture, maps = number(chromium), content(chromium, "picture"), content(chromium, "maps")
        find(chromium, "#next").click()
        until(lambda: content(chromium, "maps") != maps)
        assert (number(chromium), content(chromium, "picture")) == (seen, picture)
        age = chromium.execute_script("return performance.now() - shown.takenAt")
        until(lambda: chromium.execute_script("return performance.now() - shown.takenAt") > age + 300)
        assert number(chromium) == seen
        assert find(chromium, "#pause").get_attribute("aria-pressed") == "true"
        find(chromium, "#pause").click()
        until(lambda: number(chromium) > seen)
        assert console(chromium) == []
        leave(chromium)


def test_another_class_is_explained_by_a_click_on_it(chromium, network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)
        buttons = chromium.find_elements("css selector", "#classes button")
        for button in (buttons[2], buttons[3]):
            button.click()
            name = button.find_element("tag name", "bdi").text
            until(
                lambda name=name: name in text(chromium, "#votes-caption") and name in text(chromium, "#heat-caption")
            )
        assert [button.get_attribute("aria-pressed") for button in buttons] == ["false", "false", "false", "true"]
        buttons[3].click()
        best = "return network.labels[shown.best] === network.labels[shown.explained]"
        until(lambda: chromium.execute_script(best))
        leave(chromium)


def test_a_strange_picture_is_unknown_and_most_like_something(chromium, careful_file: Path) -> None:
    network = Network.open(careful_file)
    noise = np.random.default_rng(2).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    with live_view(network, ScriptedSource([noise])) as view:
        assert view.look().about["familiar"]["is_unknown"]
        open_live(chromium, view.url)
        assert (
            text(chromium, "#answer-label") == find(chromium, "#announcement").get_attribute("textContent") == "unknown"
        )
        best = network.labels[chromium.execute_script("return shown.best")]
        assert text(chromium, "#answer-badge") == f"most like {best}"
        leave(chromium)


def test_the_heat_map_can_be_taken_off(chromium, network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)
        assert find(chromium, "#heat").is_displayed()
        find(chromium, "body").send_keys("h")
        until(lambda: not find(chromium, "#heat").is_displayed())
        assert find(chromium, "#heat-button").get_attribute("aria-pressed") == "false"
        leave(chromium)


def test_two_browsers_watch_at_once_each_its_own_layer(chromium, second_chromium, network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)
        open_live(second_chromium, view.url, PHONE)
        find(second_chromium, "body").send_keys(Keys.ARROW_RIGHT)
        seen = [number(one) for one in (chromium, second_chromium)]
        until(lambda: number(chromium) > seen[0] + 5 and number(second_chromium) > seen[1] + 5)
        layers = [one.execute_script("return shown.maps.layer") for one in (chromium, second_chromium)]
        assert layers[0] != layers[1]
        leave(chromium)
        leave(second_chromium)
        assert view.end().most_viewers == 2


def test_a_camera_that_is_lost_and_comes_back_is_said(chromium, network: Network) -> None:
    camera = ScriptedLiveSource([np.full((96, 96, 3), 90, np.uint8)])
    with live_view(network, camera) as view:
        open_live(chromium, view.url)
        camera.opening_errors = [SourceError("still out")] * 2
        camera.show(SourceError("the cable <b>is out</b>"))
        until(lambda: "The camera is away: the cable <b>is out</b>" in text(chromium, "#trouble"))
        seen = number(chromium)
        camera.show(np.full((96, 96, 3), 120, np.uint8))
        until(lambda: number(chromium) > seen)
        until(lambda: text(chromium, "#trouble") == "")
        assert console(chromium) == []
        leave(chromium)


def test_a_view_that_ends_is_said_and_the_next_one_is_shown(
    chromium, network: Network, foreign_file, labels_file
) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)
    until(lambda: "edgecnn does not answer" in text(chromium, "#trouble"))
    other = Network.open(foreign_file, labels_path=labels_file)
    with live_view(other, open_source(CARD), port=view.address[1]):
        until(lambda: text(chromium, "#file") == foreign_file.name)
        until(lambda: number(chromium) >= 0 and text(chromium, "#trouble") == "")
        assert "no threshold" in text(chromium, "#familiar")
        leave(chromium)


def test_names_of_classes_are_shown_and_never_obeyed(chromium, exported) -> None:
    network = Network(replace(exported, labels=HOSTILE, path=Path("<b>caf\udce9.tflite")))
    with live_view(network, open_source(CARD)) as view:
        for width in (PHONE, DESK):
            open_live(chromium, view.url, width)
            assert overflow_px(chromium) <= 0
        rows = [one.get_attribute("textContent") for one in chromium.find_elements("css selector", "#classes bdi")]
        assert rows == list(HOSTILE)
        assert chromium.execute_script("return window.hacked") is None
        assert chromium.find_elements("css selector", "[onerror], [onclick], main img, b") == []
        assert console(chromium) == []
        leave(chromium)


def test_a_slow_browser_draws_fewer_maps_and_says_so(chromium, network: Network) -> None:
    with live_view(network, open_source("synthetic:640x480@30")) as view:
        open_live(chromium, view.url)
        Select(find(chromium, "#layer")).select_by_index(4)
        until(lambda: "of 96 maps" in text(chromium, "#maps-count"))
        chromium.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 30})
        try:
            until(lambda: "fewer to keep up" in text(chromium, "#maps-count"))
            few = chromium.execute_script("return shown.maps.channels.length")
        finally:
            chromium.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 1})
        until(lambda: chromium.execute_script("return shown.maps.channels.length") > few)
        leave(chromium)


def test_the_age_counts_the_way_to_the_browser(chromium, network: Network) -> None:
    def slow_down(latency_ms: int) -> None:
        conditions = {"offline": False, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1}
        chromium.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    with live_view(network, open_source(CARD)) as view:
        chromium.execute_cdp_cmd("Network.enable", {})
        slow_down(500)
        try:
            open_live(chromium, view.url)
            assert chromium.execute_script("return performance.now() - shown.takenAt") >= 500
        finally:
            slow_down(0)
            chromium.execute_cdp_cmd("Network.disable", {})
        leave(chromium)


def test_a_page_in_the_background_asks_for_nothing(chromium, network: Network) -> None:
    with live_view(network, open_source(CARD)) as view:
        open_live(chromium, view.url)
        page = chromium.current_window_handle
        chromium.switch_to.new_window("tab")
        time.sleep(1.0)
        chromium.close()
        chromium.switch_to.window(page)
        seen = number(chromium)
        until(lambda: number(chromium) > seen)
        pause_ms = "return Math.max(...meter.drawnAt.map((time, i) => i ? time - meter.drawnAt[i - 1] : 0))"
        assert chromium.execute_script(pause_ms) > 700
        leave(chromium)


@pytest.mark.parametrize("number_", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_while_a_browser_watches(chromium, model_file: Path, number_: signal.Signals) -> None:
    command = [sys.executable, "-m", "edgecnn", "explain", str(model_file), "--camera", CARD, "--serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = process.stderr.readline().split()[0]
        open_live(chromium, url)
        process.send_signal(number_)
        output, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "pictures shown to 1 browser" in output + errors
    until(lambda: "edgecnn does not answer" in text(chromium, "#trouble"))
    leave(chromium)
