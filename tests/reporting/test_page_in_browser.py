"""The report and the page of labels in a real browser; skipped where there is none."""

import csv

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from support import browser
from test_browse_page import manifest, tracks
from test_page import HOSTILE, compose, labels_of, make, names_of

from genre_spark.reporting import pages

LONG = tuple(f"{name} of very many words that never seem to end" for name in names_of("loud", 24))
BUNDLES = {
    "full": make(),
    "clusters": make(classes=()),
    "hostile": make(names=HOSTILE, classes=HOSTILE),
    "many": make(names=LONG, classes=names_of("x" * 60, 114)),
    "two": make(names=names_of("a", 2), classes=names_of("b", 2)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def chromium(folder):
    with browser.started(str(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def reports(folder):
    """Pages that strain a browser, by what they are."""
    for name, bundle in BUNDLES.items():
        row = {"genre": "jazz", "genre_confidence": 0.91}
        page = compose(bundle, labels_of(bundle), {"t7": row}).html
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in BUNDLES}


@pytest.fixture(scope="module")
def labels(folder):
    path = folder / "browse.html"
    path.write_text(pages.labels(manifest(4000), tracks()), encoding="utf-8")
    return path


@pytest.mark.parametrize("which", BUNDLES)
def test_a_report_is_drawn_whole_without_an_error(chromium, reports, which):
    chromium.open(reports[which], browser.PHONE)
    chromium.draw_all()
    assert chromium.faults() == {}
    assert not chromium.find("img")


@pytest.mark.parametrize("width", [browser.PHONE, browser.DESK, browser.WIDE])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_their_window_and_axe_finds_nothing_serious(
    chromium, reports, labels, width, dark
):
    for page in (reports["full"], labels):
        chromium.open(page, width, dark)
        chromium.draw_all()
        assert chromium.faults() == {}
        assert chromium.violations() == {}


def colours(chromium):
    """How many pixels of the map are of which colour."""
    return chromium.run(
        "(() => { const c = document.querySelector('.map canvas'), n = {};"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " for (let i = 0; i < d.length; i += 4) { const k = d.slice(i, i + 3).join();"
        " n[k] = (n[k] || 0) + 1; } return n; })()"
    )


def test_the_map_finds_an_artist_and_isolates_a_synthetic_genre(chromium, reports):
    chromium.open(reports["full"])
    chromium.wait("document.querySelector('.map canvas')")
    before = colours(chromium)
    chromium.find("#search")[0].send_keys("LOUD 7")
    assert chromium.text("#found") == "17 of 200 tracks"
    assert chromium.text("#hits li") == "loud 7 – Song 7 · 7 loud 7 · jazz 91%"
    chromium.wait("document.querySelectorAll('#hits li').length === 17")
    assert colours(chromium) != before
    chromium.find("#search")[0].clear()
    button = chromium.find('[data-isolate="3"]')[0]
    button.send_keys(Keys.ENTER)
    assert button.get_attribute("aria-pressed") == "true"
    assert len(colours(chromium)) != len(before)
    button.send_keys(Keys.ENTER)
    assert not chromium.find('[aria-pressed="true"]')


def test_the_pointer_on_a_track_shows_who_it_is(chromium, reports):
    chromium.open(reports["full"])
    chromium.wait("document.querySelector('.map canvas')")
    # Where the track is drawn, by the chart's own scales.
    at = chromium.wait(
        "(() => { const v = views.get(map); if (!v) return null;"
        " const one = figures.map.map.layer[0].data.values[7], [x0, y0] = v.origin();"
        " return [v.padding().left + x0 + v.scale('x')(one.x),"
        " v.padding().top + y0 + v.scale('y')(one.y)]; })()"
    )
    canvas = chromium.find(".map canvas")[0]
    chromium.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    size = canvas.size
    pointer = ActionChains(chromium.chrome)
    x, y = round(at[0] - size["width"] / 2), round(at[1] - size["height"] / 2)
    pointer.move_to_element_with_offset(canvas, x - 3, y).move_by_offset(3, 0).perform()
    chromium.wait("document.querySelector('#vg-tooltip-element.visible')")
    told = chromium.text("#vg-tooltip-element")
    assert told.startswith("Song 7")
    assert "jazz 91%" in told


def test_tables_sort_by_numbers_and_fold(chromium, reports):
    chromium.open(reports["many"])
    table = "[...document.querySelectorAll('table')].find(one => one.tHead.textContent.includes('danceability'))"
    tracks = f"[...{table}.tBodies[0].rows].map(row => +row.cells[1].dataset.key)"
    assert not chromium.run(f"{table}.checkVisibility()")
    chromium.run(f"{table}.closest('details').querySelector('summary').click()")
    assert chromium.run(f"{table}.checkVisibility()")
    for direction, reverse in (("descending", True), ("ascending", False)):
        chromium.run(f"{table}.tHead.rows[0].cells[1].querySelector('button').click()")
        shown = chromium.run(tracks)
        assert shown == sorted(shown, reverse=reverse)
        assert chromium.run(f"{table}.tHead.rows[0].cells[1].ariaSort") == direction


@pytest.mark.parametrize(
    ("filters", "status"),
    [
        ("", "250 of 250 tracks, 100 shown"),
        ("q=SONG+245&genre=jazz", "1 of 250 tracks, 1 shown"),
        ("synthetic=loud+fast&accepted=1", "25 of 250 tracks, 25 shown"),
        ("least=0.9", "25 of 250 tracks, 25 shown"),
        ("most=0.1", "26 of 250 tracks, 26 shown"),
        ("why=tempo", "125 of 250 tracks, 100 shown"),
        ("q=onerror", "1 of 250 tracks, 1 shown"),
    ],
)
def test_tracks_are_found_by_words_genre_confidence_feature_and_acceptance(
    chromium, labels, filters, status
):
    chromium.open(labels, fragment=f"#{filters}")
    assert chromium.text("#status") == status
    assert not chromium.find("#tracks img")
    assert chromium.faults() == {}


def test_corrections_by_choice_and_by_key_are_saved_as_answers(chromium, labels, folder):
    chromium.open(labels)
    first, second = chromium.find(".track")[:2]
    first.find_element("css selector", "select").send_keys("rock")
    key = second.find_element("css selector", "summary")
    key.send_keys("2")
    key.send_keys("1")
    key.send_keys(Keys.ARROW_DOWN, "2")
    chromium.run("document.activeElement.blur()")
    third = chromium.find(".track")[2].find_element("css selector", "summary")
    third.send_keys("0")
    assert chromium.text("#corrections") == "2 corrections"
    chromium.find("#save")[0].click()
    saved = folder / "answers.csv"
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(chromium.chrome, 60).until(lambda _: saved.exists() and saved.stat().st_size)
    with saved.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["track_id", "genre"], ['id,"0"', "rock"], ["id0001", "jazz"],
        ]  # fmt: skip
    # The page asks before it is left with corrections.
    key.send_keys("0")
    first.find_element("css selector", "summary").send_keys("0")
    assert chromium.text("#corrections") == "No corrections"
