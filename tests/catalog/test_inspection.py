"""Looking into a table that nobody has mapped yet."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from support.generated import make_rows, make_tracks

from genre_spark.catalog import advice, inspection
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.inspection_results import (
    Column,
    FeatureFacts,
    InspectedRows,
    Inspection,
    Reading,
)
from genre_spark.config import load_settings
from genre_spark.errors import InputError, OutputError
from genre_spark.schema import FEATURE_NAMES
from genre_spark.source import Dataset

SETTINGS = load_settings().catalog
# Of these tracks neither major nor minor is just about half, so that a lost row moves no median.
SEED = 8
PERCENT = ("danceability", "energy", "speechiness", "acousticness", "instrumentalness", "liveness",
           "valence")  # fmt: skip


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """200 tracks and some bad rows in a table with names and units of its own."""
    tracks = make_tracks(200, seed=SEED)
    table = pd.DataFrame(
        {
            "Spotify URI": tracks["track_id"],
            "Track Name": tracks["title"],
            "Artist(s)": [f"['{artist}', 'Somebody']" for artist in tracks["artist"]],
            "Top Genre": tracks["genre"].where(tracks.index != 3),
            "Length (Duration)": (tracks["duration_ms"] / 1000).round(1),
            "BPM": tracks["tempo"],
            "Loudness (dB)": tracks["loudness"],
            "Key": np.array(["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"])[
                tracks["key"].astype(int)
            ],
            "Mode": np.where(tracks["mode"] == 1, "Major", "Minor"),
            **{f"{name} %": (100 * tracks[name]).round(1) for name in PERCENT},
            "Popularity": 50,
        }
    )
    table["Popularity"] = table["Popularity"].astype(object)
    # An exponent, or an id, that ends the process of `pandas.to_numeric`.
    table.loc[6, "Popularity"] = "5e2147483648"
    table.loc[7, "BPM"] = 9999
    table.loc[8, [f"{name} %" for name in PERCENT]] = -5
    path = tmp_path_factory.mktemp("strange") / "export.csv"
    pd.concat([table, table.head(5)]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def found(spark, strange):
    return inspection.inspect(spark, Source(str(strange), Dataset()), False, SETTINGS)


def test_a_table_with_names_and_units_of_its_own_is_read_as_what_it_is(found):
    assert set(found.mapping) == {
        "track_id", "title", "artist", "artists", "genre", "duration_ms", "tempo", "loudness", "key",
        "mode",
        *PERCENT,
    }  # fmt: skip
    tracks = make_tracks(200, seed=SEED)
    for name in FEATURE_NAMES:
        median = np.median(tracks[name])
        assert found.features[name].median == pytest.approx(median, rel=0.1, abs=0.51), name
    assert found.artists == tracks["artist"].nunique()


def test_what_would_become_of_the_rows_is_reported_and_of_which_values(found):
    assert (found.rows.read, found.rows.accepted) == (205, 199)
    assert found.rows.reasons["duplicate_track_id"] == 5
    assert found.rows.reasons["too_many_imputed"] == 1
    assert found.rows.with_genre == 198
    assert found.features["tempo"].out_of_range == 1
    assert found.features["energy"].out_of_range == 1
    assert found.rows.refused == pytest.approx(1 / 205)


def test_columns_are_described_as_they_stand(found):
    by_name = {column.name: column for column in found.columns}
    assert by_name["BPM"].high == 9999
    assert by_name["energy %"].filled == 1
    assert by_name["Popularity"].median == 50
    assert by_name["Key"].numeric == 0


def test_the_command_drafts_a_file_that_finds_the_same_and_is_left_alone_after(
    strange, command, tmp_path
):
    used = ["Spotify URI", "BPM", "Loudness (dB)", "Mode", "energy %"]
    table = pd.read_csv(strange, usecols=used)
    strange, file = tmp_path / "export.csv", tmp_path / "mine.yaml"
    table.to_csv(strange, index=False)
    catalog = ["inspect", "--catalog", strange, "--json"]
    summary = json.loads(command(*catalog, "--output", file))
    tempo = summary["mapping"]["tempo"]
    assert (tempo["expression"], tempo["source"], tempo["why"]) == ("BPM", "BPM", "")
    assert all(float(value) == float(outcome) for value, outcome in tempo["examples"])
    assert tempo["not_understood"] == pytest.approx(1 / 205)
    assert summary["next"].startswith(f"look {file} over, edit it, then: genre-spark cluster ")
    assert yaml.safe_load(file.read_text())["columns"]["tempo"] == "BPM"
    again = json.loads(command(*catalog, "--dataset", file))
    assert again["rows"] == summary["rows"]
    assert again["features"] == summary["features"]
    assert again["next"].startswith(f"genre-spark cluster --catalog {strange} --dataset {file}")
    told = command(*catalog, "--output", file, expect=OutputError.exit_code)
    assert "exists; choose another name" in told


def test_a_table_of_which_nothing_is_known_is_described_all_the_same(spark, tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"c1": ["a", "b"], "c2": [0.1, None]}).to_parquet(path)
    found = inspection.inspect(spark, Source(str(path), Dataset()), False, SETTINGS)
    assert (found.mapping, found.rows, found.features) == ({}, None, {})
    assert [(c.name, c.filled, c.high) for c in found.columns] == [
        ("c1", 1, None),
        ("c2", 0.5, 0.1),
    ]
    notes = found.notes
    assert notes[0] == "no column is unique for each track; map one to track_id"
    assert any("at least 3 features are needed" in note for note in notes)


def test_a_mapping_that_does_not_fit_the_table_is_reported(spark, strange):
    dataset = Dataset(columns={"track_id": "`Spotify URI`", "tempo": "speed"})
    with pytest.raises(InputError, match="tempo cannot be made from 'speed'"):
        inspection.inspect(spark, Source(str(strange), dataset), True, SETTINGS)


# What is said of it, without Spark.

READ = InspectedRows(**dict(make_rows(100)), refused=0.01)
FEATURE = FeatureFacts(
    missing=0, not_a_number=0, out_of_range=0, low=None, median=None, high=None, possible=(1, 350)
)


def notes(rows=None, features=None, without=()):
    names = [n for n in ("track_id", "artist", "genre", *FEATURE_NAMES) if n not in without]
    readings = {name: Reading(name, name, name) for name in names}
    found = Inspection(
        catalog="t.csv",
        columns=(Column("x", "string", 1.0),),
        mapping=readings,
        features=features or {},
        rows=READ.model_copy(update=rows or {}),
    )
    return list(advice.notes(found, SETTINGS))


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({"without": ("key", "mode")}, "no column looks like key, mode: they are not used"),
        ({"without": ("artist",)}, "no column looks like an artist"),
        ({"without": ("genre",)}, "no genres: cluster and score need none; train does"),
        ({"rows": {"with_genre": 0}}, "no genres: cluster and score need none; train does"),
        ({"rows": {"duplicates": 21}}, "21% of its rows repeat a track_id"),
        ({"rows": {"duplicates": 20}}, None),
        ({"rows": {"accepted": 94, "refused": 0.06}}, "6.0% of 100 rows would be quarantined"),
        ({"features": {"tempo": FEATURE}}, None),
    ],
)
def test_what_would_stand_in_the_way_is_reported(case, told):
    found = notes(**case)
    assert len(found) == (told is not None)
    assert not found or told in found[0]


def test_a_table_whose_columns_have_the_right_names_needs_no_file():
    readings = {name: Reading(name, name, name) for name in ("track_id", *FEATURE_NAMES)}
    found = Inspection(catalog="t.csv", columns=(), mapping=readings, rows=READ)
    said = advice.next_command(found, None, None)
    assert said == "genre-spark cluster --catalog t.csv --output models/mine"
