"""A real browser for pages."""

from collections.abc import Callable

import pytest
from selenium import webdriver


@pytest.fixture(scope="session")
def chromium(start_chromium: Callable[..., webdriver.Chrome]) -> webdriver.Chrome:
    """Headless Chromium; its log of the page's console is kept."""
    return start_chromium("browser")
