import json
import re
from types import SimpleNamespace

import pytest

from genre_spark.reporting import pages

HOSTILE = "</script><img src=http://127.0.0.1:9/x onerror=alert(1)> & \u2028 '\""


def manifest(labelled):
    return SimpleNamespace(
        rows=SimpleNamespace(labelled=labelled),
        labels=SimpleNamespace(genres={"rock": 200, "jazz": 50}),
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
            "track_id": f"id{i:04d}" if i else 'id,"0"',
            "synthetic_genre": "loud fast" if i % 2 else "quiet acoustic",
            "synthetic_genre_distance": 0.5 + i / 1000,
            "genre": "rock" if i % 5 else "jazz",
            "genre_confidence": i / 250,
            "genre_accepted": i >= 200,
            "genre_top3": [{"genre": "rock", "probability": 0.75}],
            "genre_why": [{"feature": "tempo" if i % 2 else "energy", "effect": 1.23456}],
            "n_imputed": 0,
        }
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("browse") / "browse.html"
    path.write_text(pages.labels(manifest(4000), tracks()), encoding="utf-8")
    return path


def test_the_page_holds_its_tracks_as_data_and_no_secret(page):
    text = page.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script id="page-data"[^>]*>(.*?)</script>', text, re.S)[1])
    assert [len(data["rows"]), data["rows"][0][0]] == [250, HOSTILE]
    assert data["genres"] == ["jazz", "rock"]
    assert "A sample of 250 of 4,000 tracks of https://***@" in text
    assert "secret" not in text
    assert text.count("</script>") == 3
    assert "1.2346" in text


def test_a_label_that_is_no_number_does_not_make_the_page_empty():
    bad = {"genre_confidence": float("nan"), "genre_why": [{"effect": float("inf")}]}
    html = pages.labels(manifest(1), [{**tracks(1)[0], **bad}])
    text = re.search(r'<script id="page-data"[^>]*>(.*?)</script>', html, re.DOTALL)
    data = json.loads(text[1], parse_constant=pytest.fail)
    assert data["rows"][0][data["columns"].index("genre_confidence")] is None


def test_an_empty_catalogue_has_a_page_too(tmp_path):
    text = pages.labels(manifest(0), [])
    assert '"rows":[]' in text
