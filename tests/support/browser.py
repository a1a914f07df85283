"""A page as a real browser sees it: Chromium, headless, with nothing but its command line."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# The page stands in a frame as wide as a phone, so that its own rules for widths apply.
_FRAME = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="frame" src="{page}" width="{width}" height="900" style="border:0"></iframe>
<script id="found" type="application/json"></script>
<script>
document.getElementById("frame").onload = () => {{
  const frame = document.getElementById("frame"), page = frame.contentDocument;
  page.querySelectorAll("details").forEach(one => one.open = true);
  const images = [...page.images];
  const ids = [...page.querySelectorAll("[id]")].map(one => one.id);
  document.getElementById("found").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth,
    images: images.length,
    missing: images.filter(one => !one.complete || !one.naturalWidth).length,
    unnamed: images.filter(one => !one.alt).length,
    requests: frame.contentWindow.performance.getEntriesByType("resource").map(one => one.name),
    levels: [...page.querySelectorAll("h1,h2,h3,h4")].map(one => +one.tagName[1]),
    repeated: ids.filter((id, i) => ids.indexOf(id) !== i),
    scripts: page.scripts.length,
  }});
}};
</script>
"""


@dataclass(frozen=True)
class Seen:
    """What a browser found on a page.

    Attributes
    ----------
    width : int
        Of the content in pixels; more than the window's is a page that scrolls sideways.
    images, missing, unnamed : int
        Pictures, those that did not load, and those without a text.
    requests : list of str
        What it loaded beside the page.
    levels : list of int
        Of the headings, in order.
    repeated : list of str
        Ids that stand twice.
    scripts : int
    console : list of str
        What it wrote to the console.
    """

    width: int
    images: int
    missing: int
    unnamed: int
    requests: list[str]
    levels: list[int]
    repeated: list[str]
    scripts: int
    console: list[str]


def find() -> str | None:
    """The browser's path, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def look(browser: str, page: Path, folder: Path, width: int) -> Seen:
    """Loads a page in a window so many pixels wide; `folder` takes what that needs."""
    outer = folder / "frame.html"
    outer.write_text(_FRAME.format(page=page.as_uri(), width=width), encoding="utf-8")
    done = _load(browser, outer.as_uri(), folder)
    found = re.search(r'<script id="found"[^>]*>(.*?)</script>', done.stdout, re.DOTALL)
    if not found or not found[1]:
        raise AssertionError(f"{browser} did not load {page}: {done.stderr[-2000:]}")
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Seen(**json.loads(found[1]), console=console)


def dom(browser: str, url: str, folder: Path) -> str:
    """What a page's scripts have made of it, as HTML; `folder` takes what that needs."""
    return _load(browser, url, folder).stdout


def _load(browser: str, url: str, folder: Path) -> subprocess.CompletedProcess:
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--allow-file-access-from-files", "--enable-logging=stderr", "--window-size=1280,1000",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", "--dump-dom", url,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
