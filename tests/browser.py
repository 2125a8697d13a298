"""A headless browser for tests of pages: opens one at a given width and tells what is wrong with it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed"
)

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
_FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")

# Folded parts are opened first: what cannot be seen has no size. Pictures inside drawings are loaded once more by hand,
# as a drawing does not tell whether it could show them.
_FAULTS = """
const done = arguments[arguments.length - 1];
document.querySelectorAll("details").forEach(details => details.open = true);
const faults = [], page = document.documentElement;
if (page.scrollWidth > window.innerWidth)
  faults.push(`the page scrolls sideways: ${page.scrollWidth} px in a window of ${window.innerWidth} px`);
const name = element =>
  element.getAttribute("alt") || element.getAttribute("aria-label") || element.outerHTML.slice(0, 80);
for (const image of document.images)
  if (image.naturalWidth === 0) faults.push(`broken picture: ${name(image)}`);
for (const drawing of document.querySelectorAll("svg")) {
  const box = drawing.getBBox(), seen = drawing.getBoundingClientRect();
  if (!(box.width > 0 && seen.width > 0 && seen.height > 0)) faults.push(`empty drawing: ${name(drawing)}`);
}
const inside = [...document.querySelectorAll("svg image")].map(image => new Promise(resolve => {
  const probe = new Image();
  probe.onload = resolve;
  probe.onerror = () => { faults.push(`broken picture inside: ${name(image.closest("svg"))}`); resolve(); };
  probe.src = image.href.baseVal;
}));
Promise.all(inside).then(() => done(faults));
"""


@contextmanager
def browser() -> Iterator:
    """A browser with nothing remembered from before, as a selenium driver."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with TemporaryDirectory() as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()


def faults(driver, page: Path, width: int, dark: bool = False) -> list[str]:
    """What is wrong with `page` in a window `width` pixels wide: console errors, broken figures, sideways scrolling.

    Whatever it loads from outside of itself is a fault too. All folded parts are open while it looks.
    """
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        driver.get_log(log)  # what an earlier page left behind
    driver.get(page.resolve().as_uri())
    found = driver.execute_async_script(_FAULTS)
    found += [f"loaded from elsewhere: {url}" for url in _requested(driver) if url != page.resolve().as_uri()]
    return found + [f"console: {entry['message']}" for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def _requested(driver) -> list[str]:
    """Addresses that the page asked for, those that hold their own data apart."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith("data:")]
