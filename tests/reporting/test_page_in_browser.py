"""The page in a real browser, on a phone and on a desk; skipped where there is no browser."""

import pytest
from support import browser
from test_page import HOSTILE, labels_of, make, names_of

from genre_spark.publishing.manifest import Manifest
from genre_spark.reporting import page as report

PHONE, DESK = 390, 1200
LONG = tuple(f"{name} of very many words that never seem to end" for name in names_of("loud", 24))


@pytest.fixture(scope="module")
def chromium():
    found = browser.find()
    if not found:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is installed")
    return found


def bundles():
    """Bundles that strain a page, by what they are."""
    return {
        "full": make(),
        "clusters": make(classes=()),
        "hostile": make(names=HOSTILE, classes=HOSTILE),
        "many": make(names=LONG, classes=names_of("x" * 60, 114)),
        "two": make(names=names_of("a", 2), classes=names_of("b", 2)),
    }


@pytest.mark.parametrize(
    "which",
    [
        "full",
        "clusters",
        "hostile",
        *(pytest.param(one, marks=pytest.mark.long) for one in ("many", "two")),
    ],
)
def test_a_browser_shows_the_page_whole_and_finds_no_error(chromium, tmp_path, which):
    bundle = bundles()[which]
    page = report.compose(bundle, Manifest.model_validate(labels_of(bundle)))
    path = tmp_path / "report.html"
    path.write_text(page.html, encoding="utf-8")
    assert path.stat().st_size < 5_000_000
    seen = browser.look(chromium, path, tmp_path, PHONE)
    assert seen.console == []
    assert (seen.missing, seen.unnamed, seen.images) == (0, 0, len(page.answers))
    assert seen.requests == []
    assert seen.scripts == 0
    assert seen.repeated == []
    assert seen.width <= PHONE
    assert seen.levels[0] == 1
    steps = [after - before for before, after in zip(seen.levels, seen.levels[1:], strict=False)]
    assert max(steps) == 1
    if which == "full":
        assert browser.look(chromium, path, tmp_path, DESK).width <= DESK


def test_violations_would_be_found(chromium, tmp_path):
    path = tmp_path / "faulty.html"
    path.write_text(
        '<h1>a</h1><h3 id="i">b</h3><p id="i"></p><img src="http://127.0.0.1:9/gone.png">'
        '<div style="width:900px">wide</div><script>console.error("oh")</script>'
    )
    seen = browser.look(chromium, path, tmp_path, PHONE)
    assert seen.width >= 900
    assert (seen.images, seen.missing, seen.unnamed) == (1, 1, 1)
    assert seen.requests == ["http://127.0.0.1:9/gone.png"]
    assert seen.levels == [1, 3]
    assert seen.repeated == ["i"]
    assert seen.scripts == 1
    assert any("oh" in line for line in seen.console)
