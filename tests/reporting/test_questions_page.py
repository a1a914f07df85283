"""The page of questions in a real browser; skipped if there is none."""

import csv
import io

import pytest
from support import browser

from genre_spark.catalog import answers
from genre_spark.pipelines.suggest import COLUMNS
from genre_spark.reporting import pages

HOSTILE = '</script><script>alert(1)</script>"<img src=x onerror=alert(1)>'
QUESTIONS = [
    {"track_id": f"=1+{i},\"'", "artist": HOSTILE, "title": f"{HOSTILE} {i}", "album": None,
     "genre": "", "tracks": 10 - i, "why": "rock or pop?", "x": 50.0, "y": 10.0 * i}
    for i in range(6)
]  # fmt: skip
_ACTS = """(() => {
  const press = key => document.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const type = text => {
    const form = document.getElementById("other");
    form.elements.genre.value = text;
    form.requestSubmit();
  };
  // Chooses, skips, goes back, changes a choice, adds a genre, does not know.
  press("1"); press("ArrowRight"); press("2"); press("ArrowLeft"); press("1");
  press("9"); type("  Dub   techno "); press("0"); type("ROCK");
})()"""


@pytest.fixture(scope="module")
def chromium():
    with browser.started() as found:
        yield found


@pytest.fixture
def page(tmp_path):
    made = pages.questions(QUESTIONS, COLUMNS, ["rock", "pop"], [(1.0, 2.0)], HOSTILE)
    path = tmp_path / "questions.html"
    path.write_text(made, encoding="utf-8")
    return path


def test_answers_by_keys_are_kept_over_a_reload_and_exported(chromium, page):
    chromium.open(page)
    chromium.run(_ACTS)
    chromium.reload()
    exported = chromium.run("toCsv()")
    ids = [one["track_id"] for one in QUESTIONS]
    said = dict(zip([0, 2, 3, 4, 5], ["rock", "rock", "Dub techno", "?", "rock"], strict=True))
    assert answers.read({"answers.csv": exported}) == {ids[i]: genre for i, genre in said.items()}
    rows = list(csv.DictReader(io.StringIO(exported.removeprefix("\ufeff"))))
    assert [row["title"] for row in rows] == [one["title"] for one in QUESTIONS]
    assert tuple(rows[0]) == COLUMNS
    shown = [one.text for one in chromium.find("#genres button")]
    assert shown == ["1 rock", "2 pop", "3 Dub techno"]
    assert chromium.text("#status") == "Question 6 of 6; 5 answered"
    assert [len(chromium.find("#map circle")), len(chromium.find("main img"))] == [2, 0]
    assert chromium.run("document.getElementById('done').value") == 5
    link = chromium.run("document.getElementById('listen').href")
    assert link.startswith("https://duckduckgo.com/?q=%3C%2Fscript")


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone_loads_nothing_and_is_accessible(chromium, page, dark):
    chromium.open(page, browser.PHONE, dark)
    assert chromium.faults() == {}
    assert chromium.violations() == {}
