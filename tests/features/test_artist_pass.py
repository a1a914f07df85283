"""Columns that reach Python workers."""

import pytest
from pyspark.sql import functions as F

from genre_spark.features import artist_pass
from genre_spark.schema import ARTIST, ARTISTS, TITLE

TITLES = {
    "Song (feat. B)": ["B"],
    "Song [ft. B, C & D]": ["B", "C", "D"],
    "Song featuring B and C": ["B", "C"],
    "Song (with B)": ["B"],
    "Song FEAT. B (live)": ["B"],
    "Dancing with B": [],
    "Feature (without B)": [],
    "Song (feat. 0 Degrees, 1 & 2)": ["0 Degrees", "1", "2"],
    "Song (feat. A)": [],
    None: [],
}


@pytest.mark.parametrize("listed", [False, True])
def test_artists_that_a_title_names_are_other_artists(spark, listed):
    rows = [(i, "A", ["A", "L"], title) for i, title in enumerate(TITLES)]
    schema = f"i int, {ARTIST} string, {ARTISTS} array<string>, {TITLE} string"
    expected = [[*(["L"] if listed else []), *names] for names in TITLES.values()]
    table = spark.createDataFrame(
        [(*row, names) for row, names in zip(rows, expected, strict=True)],
        f"{schema}, expected array<string>",
    )
    wanted = F.transform("expected", lambda name: F.xxhash64(name)).alias("wanted")
    found = table.select(artist_pass.other_artist_keys(listed).alias("found"), wanted)
    for row in found.collect():
        assert row["found"] == row["wanted"]


def test_a_catalogue_without_a_list_of_artists_has_no_others_but_those(spark):
    table = spark.createDataFrame(
        [("A", None, None)], f"{ARTIST} string, {ARTISTS} array<string>, {TITLE} string"
    )
    assert table.select(artist_pass.other_artist_keys(True)).first()[0] == []
