"""A page in a real browser: Chromium, headless, driven by selenium; tests skip where it is missing."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PHONE, DESK, WIDE = 390, 1200, 1920
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def started(downloads: str = "") -> Iterator["Browser"]:
    """A browser; skips the test if Chromium or its driver is not installed."""
    binary, driver = (
        next(filter(None, map(shutil.which, NAMES)), None),
        shutil.which("chromedriver"),
    )
    if not binary or not driver:
        pytest.skip("no browser: needs Debian's chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": downloads})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


class Browser:
    def __init__(self, chrome):
        self.chrome = chrome

    def open(self, path, width=DESK, dark=False, fragment=""):
        """Loads a page in a window so many pixels wide."""
        device = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        # The same page with another fragment would not be loaded again.
        self.chrome.get("about:blank")
        self.chrome.get_log("browser")
        self.chrome.get(path.as_uri() + fragment)

    def reload(self):
        """Loads the page again as a user does: the same process, so nothing stored is in flight."""
        self.chrome.refresh()

    def run(self, script, *arguments):
        return self.chrome.execute_script(f"return {script}", *arguments)

    def find(self, selector):
        return self.chrome.find_elements("css selector", selector)

    def text(self, selector):
        return self.run("document.querySelector(arguments[0]).textContent", selector)

    def wait(self, condition):
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.chrome, 60).until(lambda _: self.run(condition))

    def draw_all(self):
        self.wait(
            "dispatchEvent(new Event('beforeprint')) && [...document.querySelectorAll('.chart')].every(one => one.querySelector('canvas'))"
        )

    def faults(self):
        """Sideways scrolling, requests, repeated ids, and what the console reports."""
        wide = self.run("document.documentElement.scrollWidth - innerWidth")
        requests = self.run("performance.getEntriesByType('resource').map(one => one.name)")
        ids = self.run("[...document.querySelectorAll('[id]')].map(one => one.id)")
        repeated = {one for one in ids if ids.count(one) > 1}
        return {
            name: found
            for name, found in {
                "pixels too wide": max(0, wide),
                "requests": requests,
                "repeated ids": repeated,
                "console": [line["message"] for line in self.chrome.get_log("browser")],
            }.items()
            if found
        }

    def violations(self):
        """Serious violations of accessibility that axe-core finds, by rule."""
        axe = pytest.importorskip("axe_selenium_python", reason="axe is not installed")
        script = files(axe) / "node_modules" / "axe-core" / "axe.min.js"
        # Not as an element of the page, whose policy forbids it.
        self.chrome.execute_script(script.read_text("utf-8"))
        self.chrome.set_script_timeout(120)
        found = self.chrome.execute_async_script(
            "const done = arguments[0]; axe.run().then(one => done(JSON.stringify(one.violations)))"
        )
        return {
            one["id"]: [node["html"][:200] for node in one["nodes"]][:3]
            for one in json.loads(found)
            if one["impact"] in ("serious", "critical")
        }
