"""Makes explain pages and opens them in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from edgecnn.explain import Network
from edgecnn.explain.page import Explanation, Material, Screen, render
from edgecnn.explain.page.explanation import make_head
from edgecnn.explain.page.screens import TITLES, gather_screen

PHONE, DESK = 390, 1280
_TIMEOUT_S = 30


def make_material(network: Network, pixels: NDArray[np.uint8], **other: Any) -> Material:
    """Material whose photograph is the picture that the network sees."""
    return Material(network=network, pixels=pixels, photograph=pixels, picture_name="picture.png", **other)


def one_screen(material: Material, key: str) -> Screen:
    """A screen by itself."""
    return gather_screen(material, key)


def write_screens(path: Path, material: Material, *keys: str) -> Path:
    """A page with some of the screens, or with all of them."""
    screens = tuple(gather_screen(material, key) for key in keys or TITLES)
    path.write_text(render(Explanation(head=make_head(material), screens=screens)), "utf-8")
    return path


def open_page(browser: webdriver.Chrome, page: Path, width: int = DESK, *, dark: bool = False) -> None:
    """Open a page as a phone or a desktop shows it, and wait until all of its screens have drawn themselves."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")  # what an earlier page said is no longer wanted
    browser.get(page.as_uri())
    all_ready = "return [...document.querySelectorAll('section.screen')].every(section => section.dataset.ready)"
    WebDriverWait(browser, _TIMEOUT_S).until(lambda _: browser.execute_script(all_ready))


def find(browser: webdriver.Chrome, selector: str) -> WebElement:
    """The first element of a CSS selector."""
    return browser.find_element(By.CSS_SELECTOR, selector)


def console(browser: webdriver.Chrome) -> list[str]:
    """What the page complained about; errors of scripts and of the content policy are among it."""
    return [entry["message"] for entry in browser.get_log("browser")]


def overflow_px(browser: webdriver.Chrome) -> int:
    """How far the page is wider than the window."""
    return int(browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth"))
