"""The page to search a labelled catalogue: in a real browser where there is one."""

import json
import re
from types import SimpleNamespace

import pytest
from support import browser

from genre_spark.errors import OutputError
from genre_spark.platform.storage import LocalStorage
from genre_spark.reporting import browse_page

PHONE, DESK = 390, 1200
HOSTILE = "</script><img src=http://127.0.0.1:9/x onerror=alert(1)> & \u2028 '\""


def manifest(labelled):
    """As much of a manifest as the page reads."""
    return SimpleNamespace(
        rows=SimpleNamespace(labelled=labelled),
        source=SimpleNamespace(path="https://me:secret@host/tracks.parquet"),
        scored_at="2026-11-26T01:02:03+00:00",
        model_id="0123456789abcdef",
    )


def tracks(n=250):
    """Tracks of two genres, the first one with a hostile title."""
    return [
        {
            "title": HOSTILE if i == 0 else f"Song {i} of many words",
            "artist": f"Artist {i % 7}",
            "album": None,
            "track_id": f"id{i:04d}",
            "synthetic_genre": "loud fast" if i % 2 else "quiet acoustic",
            "synthetic_genre_distance": 0.5 + i / 1000,
            "genre": "rock" if i % 5 else "jazz",
            "genre_confidence": i / 250,
            "genre_accepted": i >= 200,
            "genre_top3": [{"genre": "rock", "probability": 0.75}],
            "genre_why": [{"feature": "energy", "effect": 1.23456}],
            "n_imputed": 0,
        }
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("browse") / "browse.html"
    path.write_text(browse_page.render(manifest(4000), tracks()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium():
    found = browser.find()
    if not found:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is installed")
    return found


def test_the_page_holds_its_tracks_as_data_and_no_secret(page):
    text = page.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S)[1])
    assert [len(data["rows"]), data["rows"][0][0]] == [250, HOSTILE]
    assert data["about"].startswith(
        "250 of 4,000 tracks, from all over the catalogue of https://***@"
    )
    assert "secret" not in text
    assert text.count("</script>") == 2
    assert "1.2346" in text


def test_an_empty_catalogue_has_a_page_too(tmp_path):
    text = browse_page.render(manifest(0), [])
    assert '"rows":[]' in text


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_browser_shows_the_page_whole_and_loads_nothing_else(chromium, page, tmp_path, width):
    seen = browser.look(chromium, page, tmp_path, width)
    assert (seen.console, seen.requests, seen.repeated) == ([], [], [])
    assert seen.width <= width
    assert seen.levels == [1]


@pytest.mark.parametrize(
    ("filters", "status"),
    [
        ("", "250 of 250 tracks, 100 shown"),
        ("q=SONG+245&genre=jazz", "1 of 250 tracks, 1 shown"),
        ("synthetic=loud+fast&accepted=1", "25 of 250 tracks, 25 shown"),
        ("sure=0.9", "25 of 250 tracks, 25 shown"),
        ("q=onerror", "1 of 250 tracks, 1 shown"),
    ],
)
def test_tracks_are_found_by_words_genre_confidence_and_acceptance(
    chromium, page, tmp_path, filters, status
):
    shown = browser.dom(chromium, f"{page.as_uri()}#{filters}", tmp_path)
    assert f'role="status">{status}<' in shown
    assert "<img" not in shown


def test_only_an_earlier_page_is_replaced(page, tmp_path):
    browse_page.check(LocalStorage(), str(page))
    browse_page.check(LocalStorage(), str(tmp_path / "new.html"))
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(OutputError, match=r"is no page of genre-spark labels"):
        browse_page.check(LocalStorage(), str(tmp_path / "mine.html"))
