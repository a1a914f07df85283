"""Columns that reach Python workers."""

import time

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import forms
from genre_spark.catalog.names import all_of
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
    artists = ["A", "L"] if listed else None
    rows = [(i, "A", artists, title) for i, title in enumerate(TITLES)]
    schema = f"i int, {ARTIST} string, {ARTISTS} array<string>, {TITLE} string"
    expected = [[*(["L"] if listed else []), *names] for names in TITLES.values()]
    table = spark.createDataFrame(
        [(*row, names) for row, names in zip(rows, expected, strict=True)],
        f"{schema}, expected array<string>",
    )
    wanted = F.transform("expected", lambda name: F.xxhash64(name)).alias("wanted")
    found = table.select(artist_pass.other_artist_keys().alias("found"), wanted)
    for row in found.collect():
        assert row["found"] == row["wanted"]


def test_a_catalogue_without_a_list_of_artists_has_no_others_but_those(spark):
    table = spark.createDataFrame(
        [("A", None, None)], f"{ARTIST} string, {ARTISTS} array<string>, {TITLE} string"
    )
    assert table.select(artist_pass.other_artist_keys()).first()[0] == []


# What patterns that look ahead or repeat may trip over, each repeated up to the length.
STUBBORN = (
    " ", "\t", "\u00a0", ",", ", ", " & ", " and ", "' ,", "', '", '", "', "['", "'] ", "(", "[feat. ",
    " feat. ", "(with ", "{", ";", " ;", "\\'", "''", "ft.\t", "\n", "1", "1 ", ":00",
    "WrappedArray(", "array([", ", dtype=", "], dtype=x)", ")",
)  # fmt: skip
ENDS = ("", "x", "']")


def names_of(made):
    listed = F.expr(all_of(TITLE, T.StringType())).alias(ARTISTS)
    return made.select(TITLE, ARTIST, listed).select(artist_pass.other_artist_keys())


def numbers_of(made):
    """Each form of numbers, durations, keys, modes and dates, as a dataset file may have it."""
    written = [forms.Number("bpm"), forms.Number("", ", "), forms.Number(comma=True)]
    keys = [*forms.KEYS, *map(forms.MinorKeys, forms.KEYS)]
    every = [*written, *forms.CLOCKS, *keys, *forms.MODES, *forms.DATES]
    return made.selectExpr(*(f"try_cast({one.sql(TITLE)} AS double)" for one in every))


@pytest.mark.parametrize(
    ("read", "starts"), [(names_of, ("[' feat. ", "array([")), (numbers_of, ("1",))]
)
def test_no_text_takes_much_longer_than_plain_words_of_its_length(spark, read, starts):
    """A quadratic pattern takes minutes for half a million characters, a linear one a moment."""
    length = 500_000

    def seconds(starts, texts):
        rows = [(start, text, end, length) for start in starts for text in texts for end in ENDS]
        table = spark.createDataFrame(rows, "start string, text string, end string, n int")
        text = F.concat("start", F.expr("repeat(text, int(n / length(text)))"), "end")
        made = read(table.select(text.alias(TITLE), F.lit("A").alias(ARTIST)).repartition(1))
        begin = time.perf_counter()
        made.write.format("noop").mode("overwrite").save()
        return (time.perf_counter() - begin) / len(rows)

    plain = seconds(["", "a "], ["word "])
    assert seconds(["", *starts], STUBBORN) < 20 * plain
