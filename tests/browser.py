"""A Chromium without a window, driven through its own driver; nothing is downloaded for it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Names under which systems have the two programs.
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_DRIVERS = ("chromedriver", "chromium-driver", "chromium.chromedriver")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--force-device-scale-factor=1", "--hide-scrollbars", "--window-size=1300,900"),
)
#: Far longer than a page takes, on a machine that is busy.
_PATIENCE = 60.0


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A driver of the browser, with an empty profile; the test is skipped where it is not installed."""
    browser, driver = (next(filter(None, map(shutil.which, names)), None) for names in (_BROWSERS, _DRIVERS))
    if browser is None or driver is None:
        pytest.skip(f"no {'Chromium' if browser is None else 'chromedriver'} is installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


def wait_for(browser: Any, condition: str) -> None:
    """Wait until an expression of JavaScript is true."""
    end = time.monotonic() + _PATIENCE
    while not browser.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < end, f"never {condition}; {browser.get_log('browser')}"
        time.sleep(0.02)


def open_page(browser: Any, page: Path) -> None:
    """Open a page of images from the disk, and wait for its first image."""
    browser.get(page.resolve().as_uri())
    wait_for(browser, "document.documentElement.dataset.ready")
    settle(browser)


def settle(browser: Any) -> None:
    """Wait until what was asked for is drawn."""
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));")
