"""The page of a training report in a real browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_material import make_material
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from edgecnn.train.report import REPORT_PAGE, ReportMaterial, write_report

PHONE, DESK = 390, 1280
HOSTILE = (
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=hacked=1>',
    "</title></script>{{7*7}}",
    "\u202e\u05e9\u05dc\u05d5\u05dd",
    "a" * 120,
)


@pytest.fixture(scope="module")
def browser(start_chromium: Callable[..., webdriver.Chrome]) -> webdriver.Chrome:
    return start_chromium("browser", "performance")


@pytest.fixture(scope="module")
def material() -> ReportMaterial:
    """A training with three mistakes on its test pictures."""
    return make_material(spread=1.5, wrong={0: 1, 1: 1, 13: 2})


def open_page(browser: webdriver.Chrome, folder: Path, material: ReportMaterial, width: int = DESK) -> None:
    write_report(folder, material)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get((folder / REPORT_PAGE).as_uri())


def console(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def overflow_px(browser: webdriver.Chrome) -> int:
    return int(browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth"))


def press_with_script(browser: webdriver.Chrome, selector: str) -> None:
    """Press a button wherever it is: the bar at the top may cover it."""
    browser.execute_script("arguments[0].click()", browser.find_element(By.CSS_SELECTOR, selector))


def cell(row: int, column: int) -> str:
    return f"[data-split='0'] button[data-row='{row}'][data-column='{column}']"


def test_the_page_works_without_a_word_on_the_console_and_without_asking_anybody(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    open_page(browser, tmp_path, material)
    assert browser.execute_script("return document.body.dataset.ready") == "yes"
    assert console(browser) == []
    requests = [
        entry["message"] for entry in browser.get_log("performance") if 'Network.requestWillBeSent"' in entry["message"]
    ]
    assert not [one for one in requests if '"url":"http' in one]
    assert "91.7%" in browser.find_element(By.ID, "verdict").text


def test_a_number_of_the_matrix_shows_its_pictures(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    open_page(browser, tmp_path, material)
    press_with_script(browser, cell(0, 1))
    panel = browser.find_element(By.CSS_SELECTOR, ".behind")
    assert "2 of glass called metal" in panel.text
    images = panel.find_elements(By.CSS_SELECTOR, "img")
    assert [image.get_attribute("alt") for image in images] == ["test/0/0.png", "test/0/1.png"]
    assert all(browser.execute_script("return arguments[0].naturalWidth", image) > 0 for image in images)


def test_the_matrix_is_one_stop_for_the_tabulator_and_arrows_move_in_it(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    open_page(browser, tmp_path, material)
    stops = browser.find_elements(By.CSS_SELECTOR, "[data-split='0'] button[tabindex='0']")
    assert len(stops) == 1
    browser.execute_script("arguments[0].focus()", stops[0])

    def press(key: str) -> tuple[str | None, str | None]:
        browser.switch_to.active_element.send_keys(key)
        now = browser.switch_to.active_element
        return now.get_attribute("data-row"), now.get_attribute("data-column")

    assert press(Keys.ARROW_RIGHT) == ("0", "1")
    assert press(Keys.ARROW_DOWN) == ("1", "1")
    assert press(Keys.ARROW_RIGHT) == ("1", "2")
    assert press(Keys.ARROW_RIGHT) == ("1", "2")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert "1 of metal called paper" in browser.find_element(By.CSS_SELECTOR, ".behind").text


def test_names_of_any_kind_are_text_and_fit_a_phone(browser: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(HOSTILE, spread=3.0, wrong={0: 1, 13: 0, 25: 3}, names=HOSTILE)
    open_page(browser, tmp_path, replace(material, name="<b>run</b>"), PHONE)
    assert overflow_px(browser) <= 0
    assert browser.execute_script("return window.hacked === undefined")
    assert console(browser) == []
    press_with_script(browser, "button.wrong")
    assert HOSTILE[0] in browser.find_element(By.CSS_SELECTOR, ".behind").text
    assert browser.find_element(By.TAG_NAME, "h1").text == "<b>run</b>"
    assert overflow_px(browser) <= 0


def test_a_thousand_classes_fit_a_phone_and_their_pairs_can_be_chosen(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    labels = tuple(f"class {number}" for number in range(1000))
    material = make_material(labels, sizes={"train": 1, "val": 1, "test": 1}, wrong={5: 7}, known=None)
    open_page(browser, tmp_path, material, PHONE)
    assert overflow_px(browser) <= 0
    press_with_script(browser, ".pairs button")
    assert "1 of class 5 called class 7" in browser.find_element(By.CSS_SELECTOR, ".behind").text


def test_a_run_without_its_pictures_has_a_page_that_says_so(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    gone = replace(
        material, pictures={}, judged={}, known=None, missing=("36 of 36 test pictures cannot be read any more",)
    )
    open_page(browser, tmp_path, gone)
    assert "36 of 36 test pictures cannot be read any more" in browser.find_element(By.ID, "verdict").text
    press_with_script(browser, cell(0, 1))
    assert "cannot be read any more" in browser.find_element(By.CSS_SELECTOR, ".behind").text
    assert console(browser) == []
