"""Tables of strangers: each is read as what it is, or asked about, or refused with the cause."""

import gzip
import json
import random
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_tracks
from support.tables import inspected

from genre_spark.catalog import (
    csv_files,
    forms,
    inspection,
    known_tables,
    mixed_sources,
    text_files,
)
from genre_spark.catalog.catalogue import Source, open_catalogue, scan_catalogue
from genre_spark.catalog.encodings import detect
from genre_spark.catalog.inspection_results import Column
from genre_spark.catalog.mapping_inference import guess, made_ids, with_shared_words
from genre_spark.catalog.names import all_of
from genre_spark.catalog.rows import ValueCounts
from genre_spark.catalog.source_files import SourceFiles
from genre_spark.config import conf_dir, load_settings
from genre_spark.errors import GateError, GenreSparkError, InputError
from genre_spark.schema import FEATURE_NAMES, TEXT_COLUMNS
from genre_spark.source import Dataset

SETTINGS = load_settings().catalog
N = 120


def tracks(n=N):
    """Tracks of a few artists, with durations as usual."""
    return make_tracks(n, seed=8, artists=24).assign(
        duration_ms=np.random.default_rng(1).integers(150_000, 330_000, n),
        loudness=lambda t: t["loudness"].clip(-30, -1.4),
    )


# Planning takes most of the time of a small table, and more for each column.
FEW = ("energy", "loudness", "tempo", "duration_ms", "valence", "danceability")


def few(n=N):
    return tracks(n)[[*TEXT_COLUMNS, *FEW]]


def column(name, values):
    texts = pd.Series(values).astype(str)
    counts = texts[texts.str.strip() != ""].value_counts().sort_index().to_dict()
    numbers = [n for text in counts if (n := forms.PLAIN.number(text)) is not None]
    share = sum(counts[t] for t in counts if forms.PLAIN.number(t) is not None) / max(1, len(texts))
    return Column(
        name, "string", sum(counts.values()) / len(texts), share, min(numbers, default=None), None,
        max(numbers, default=None), counts, len(counts) / len(texts), n_rows=len(texts),
    )  # fmt: skip


def understood(table):
    return guess([column(name, table[name]) for name in table.columns])


def renamed(name, to, values):
    return lambda t: t.drop(columns=name).assign(**{to: values(t[name])})


def changed(name, values):
    return lambda t: t.assign(**{name: values(t[name])})


def clock(ms, ending=""):
    return [f"{s // 60}:{s % 60:02}{ending}" for s in (ms // 1000).astype(int)]


def every(step, word):
    return lambda values: values.astype(object).where(np.arange(len(values)) % step > 0, word)


MODES, KEYS = (
    {0: "Minor", 1: "Major"},
    ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"],
)
# How a good table was changed; the column of which something is told, its expression or a part of
# it; and a part of the question, where there is one.
READ = {
    "a list as JSON": (renamed("artist", "artists", lambda a: [json.dumps([one, "B"]) for one in a]), "artist", "artists", ""),
    "a list as numpy prints it": (renamed("artist", "artists", lambda a: [f"['{one}' 'B']" for one in a]), "artists", "artists", ""),
    "a semicolon in names": (changed("artist", lambda a: [f"Moss {i % 5}; Fern {i}" for i in range(N)]), "artist", "artist", "each is read as one name"),
    "entities of HTML": (changed("artist", lambda a: "Salt &amp; " + a), "artist", "replace(artist, '&amp;', '&')", ""),
    "tags of HTML": (changed("artist", lambda a: "<b>" + a + "</b>"), "artist", "regexp_replace(artist, r'</?", ""),
    "names as in addresses of pages": (changed("artist", lambda a: [quote(f"{one} & Zoé") for one in a]), "artist", "try_url_decode(text)", ""),
    "a percent sign in a name": (changed("artist", lambda a: a + " 100%"), "artist", "artist", ""),
    "escapes of JSON": (changed("artist", lambda a: "Beyonc\\u00e9 " + a), "artist", "get_json_object(", ""),
    "a number for no genre": (changed("genre", every(15, "-1")), "genre", "regexp_replace(genre, r'^\\s*(0|-\\d+)", ""),
    "genres in numbers": (changed("genre", lambda g: np.arange(N) % 6), "genre", "genre", ""),
    "lists only far below": (changed("artist", lambda a: [*a[:80], *(a[80:] + ";" + a[:40].values)]), "artist", "split(artist, ';')[0]", ""),
    "lists parted by bars": (changed("artist", lambda a: [*a[:60], *(a[60:] + "|" + a[:60].values)]), "artists", "split(artist, r'\\|')", ""),
    "minutes as hours": (renamed("duration_ms", "duration", lambda d: clock(d, ":00")), "duration_ms", "rlike", "a spreadsheet took for hours"),
    "minutes as hours of a morning": (renamed("duration_ms", "duration", lambda d: clock(d, ":00 AM")), "duration_ms", "rlike", "a spreadsheet took for hours"),
    "words for no mode": (changed("mode", lambda m: every(15, "Unknown")(m.map(MODES))), "mode", "element_at", ""),
    "words for no key": (changed("key", lambda k: every(6, "N/A")(k.map(lambda i: KEYS[int(i)]))), "key", "element_at", ""),
    "a unit in the name": (changed("duration_ms", lambda d: (d / 30).astype(int)), "duration_ms", "duration_ms", ""),
    "seconds by name": (renamed("duration_ms", "length_s", lambda d: d // 1000), "duration_ms", "length_s * 1000", ""),
    "several genres": (changed("genre", lambda g: [f"{one} / {'folk' if i % 2 else 'pop'}" for i, one in enumerate(g)]), "genre", r"split(genre, r'\s/\s')[0]", "Or is each one name"),
    "minor as -1": (changed("mode", lambda m: m.replace(0, -1)), "mode", "element_at(map('1', 1, '-1', 0)", "minor is -1"),
    "keys from 1": (changed("key", lambda k: np.arange(N) % 12 + 1), "key", "key - 1", "counted from 1"),
    "no signs": (changed("loudness", lambda v: v.abs() + 1), "loudness", "-loudness", "the sign is missing"),
    "seconds with decimals": (renamed("duration_ms", "duration", lambda d: d / 1000), "duration_ms", "duration * 1000", ""),
    "parts of a day": (renamed("duration_ms", "duration", lambda d: d / 86_400_000), "duration_ms", "duration * 86400000", ""),
    "a point between minutes and seconds": (renamed("duration_ms", "duration", lambda d: [f"{s // 60}.{s % 60:02}" for s in d // 1000]), "duration_ms", "rlike", "minutes and seconds; is that so"),
    "no zeros after the point": (renamed("duration_ms", "duration", lambda d: [f"{s // 60}.{s % 60}" for s in d // 1000]), "duration_ms", r"[.,]([1-5]\d|\d)", "without zeros before; is that so"),
    "a comma between minutes and seconds": (renamed("duration_ms", "duration", lambda d: [f"{s // 60},{s % 60:02}" for s in d // 1000]), "duration_ms", "rlike", "minutes and seconds; is that so"),
    "thin spaces set apart": (changed("duration_ms", lambda d: [f"{n:_}".replace("_", "\u2009") for n in d]), "duration_ms", "translate", ""),
    "lakhs set apart": (changed("duration_ms", lambda d: [f"{n // 100_000},{n // 1000 % 100:02},{n % 1000:03}" for n in d]), "duration_ms", "translate", ""),
    "underscores set apart": (changed("duration_ms", lambda d: [f"{n:_}" for n in d]), "duration_ms", "translate", ""),
    "dashes for the minus": (changed("loudness", lambda v: [f"\u2013{-n}" for n in v]), "loudness", "translate(loudness", ""),
    "out of ten": (changed("valence", lambda v: 10 * v), "valence", "valence / 10", ""),
    "out of a thousand": (changed("energy", lambda v: 1000 * v), "energy", "energy / 1000", "out of 1000; is that so"),
    "modes in French": (changed("mode", lambda m: m.map({0: "mineur", 1: "majeur"})), "mode", "element_at", ""),
    "keys with capital modes": (changed("key", lambda k: [f"{KEYS[int(i)]} Minor" if i % 2 else f"{KEYS[int(i)]} Major" for i in k]), "key", "element_at", ""),
    "a date without separators": (renamed("album", "release_date", lambda a: "20120301"), "year", "cast(substring(release_date, 1, 4) as int)", ""),
    "a date in words": (renamed("album", "release_date", lambda a: "Mar 1, 2012"), "year", "cast(right(trim(release_date), 4) as int)", ""),
    "guests": (changed("artist", lambda a: [*a[:60], *(a[60:] + " feat. " + a[:60].values)]), "artist", "split(artist, r'\\s(?:(?i:feat", ""),
    "names joined by a word": (changed("artist", lambda a: [*a[:60], *(a[60:] + " & " + a[:60].values)]), "artist", "split(artist, r'\\s&\\s')[0]", "Or is each one name"),
    "a list as Scala prints it": (renamed("artist", "artists", lambda a: [f"WrappedArray({one}, B)" for one in a]), "artists", "artists", ""),
    "a list quoted once more": (renamed("artist", "artists", lambda a: [json.dumps(json.dumps([one, "B"])) for one in a]), "artists", "artists", ""),
    "ids with a decimal": (changed("track_id", lambda t: [f"{1900 + i}.0" for i in range(N)]), "track_id", "regexp_replace(track_id", ""),
    "ranges in names": (renamed("energy", "energy\n(0-1)", lambda e: e), "energy", "energy", ""),
    "a list in a few rows": (renamed("artist", "artists", lambda a: [*a[9:], *(json.dumps([one, "B"]) for one in a[:9])]), "artist", "artists", ""),
    "guests by two marks": (renamed("artist", "artists", lambda a: [*a[:60], *(a[60:66] + " feat. " + a[:6].values), *(f"{one};Guest {i}" for i, one in enumerate(a[66:]))]), "artist", "split(artists, ';')[0]", ""),
    "guests in brackets": (changed("artist", lambda a: [*a[:60], *(a[60:] + " (feat. " + a[:60].values + ")")]), "artist", "split(artist, r'\\s(?:(?i:feat", ""),
    "a separator in a few names": (changed("artist", lambda a: [*a[:117], "A; B", "C; D", "E; F"]), "artist", "artist", "each is read as one name"),
    "genres with a dash": (changed("genre", lambda g: [f"{one} - {'folk' if i % 2 else 'pop'}" for i, one in enumerate(g)]), "genre", r"split(genre, r'\s[-–—]\s", "Or is each one name"),
    "other entities of HTML": (changed("artist", lambda a: "Beyonc&#233; &amp; " + a), "artist", "replace(replace(artist, '&#233;', 'é'), '&amp;', '&')", ""),
    "bytes of Python": (changed("artist", lambda a: [repr(one.encode()) for one in a]), "artist", "regexp_replace(artist", ""),
    "blanks that nobody sees": (changed("tempo", lambda t: [f"{one}\u00a0" if i % 2 else one for i, one in enumerate(t)]), "tempo", "regexp_replace(tempo", ""),
    "formulas of Excel": (changed("tempo", lambda t: [f'="{one}"' for one in t]), "tempo", "regexp_replace(tempo", ""),
    "modes with a point": (changed("mode", lambda m: m.map({0: "min.", 1: "Maj."})), "mode", "element_at", ""),
    "keys with two names": (changed("key", lambda k: k.map(lambda i: f"{KEYS[int(i)]} (or so)")), "key", "element_at", ""),
    "keys by the wheel's name": (renamed("key", "camelot", lambda k: [f"{int(i) + 1}B" for i in k]), "key", "element_at", ""),
    "out of five": (changed("valence", lambda v: 1 + 4 * v), "valence", "valence / 5", "out of 5; is that so"),
    "a few shares beside percent": (changed("energy", lambda v: 100 * v.where(np.arange(N) % 20 > 0, v / 100)), "energy", "energy / 100", "are they in another unit"),
    "minutes and seconds as a number": (renamed("duration_ms", "duration", lambda d: [round(s // 60 + s % 60 / 100, 2) for s in d // 1000]), "duration_ms", "rlike", "minutes and seconds; is that so"),
    "a clock in a date": (renamed("duration_ms", "duration", lambda d: "1970-01-01T00:03:25"), "duration_ms", "null", ""),
    "one of several structs, with its unit": (renamed("duration_ms", "rhythm.duration_ms", lambda d: d), "duration_ms", "`rhythm.duration_ms`", ""),
    "one of several structs": (renamed("tempo", "rhythm.tempo", lambda t: t), "tempo", "`rhythm.tempo`", ""),
    "texts read in another encoding": (changed("artist", lambda a: [*a[5:], *["BjÃ¶rk"] * 5]), "artist", "artist", "may be 'Björk'"),
    "letters that became question marks": (changed("artist", lambda a: [*a[5:], *["Bj?rk"] * 5]), "artist", "artist", "may be 'Bj…rk'"),
    "accents": (changed("artist", lambda a: [*a[5:], *["Björk"] * 5]), "artist", "artist", ""),
    "a list without its brackets": (renamed("artist", "artists", lambda a: [f"'{one}', 'B'" for one in a]), "artists", "artists", ""),
    "genres parted by dashes": (changed("genre", lambda g: [f"{one}---{'folk' if i % 2 else 'pop'}" for i, one in enumerate(g)]), "genre", r"|---')[0]", "Or is each one name"),
    "genres as hashtags": (changed("genre", lambda g: [f"#{one} #{'folk' if i % 2 else 'pop'}" for i, one in enumerate(g)]), "genre", r"split(genre, r'\s(?=#)')[0]", "Or is each one name"),
    "all names of a list with entities": (changed("artist", lambda a: [*("Salt &amp; " + a[:60]), *("Salt &amp; " + a[60:] + "|Salt &amp; " + a[:60].values)]), "artists", "split(replace(artist, '&amp;', '&')", ""),
    "values of Firestore": (renamed("tempo", "fields.tempo.doubleValue", lambda t: t), "tempo", "`fields.tempo.doubleValue`", ""),
    "a header of Neo4j": (renamed("title", "title:string", lambda t: t), "title", "`title:string`", ""),
    "titles like a list": (changed("title", lambda t: [f"['{one}', 'B']" for one in t]), "title", "title", ""),
    "a list of objects": (renamed("artist", "artists", lambda a: [json.dumps([{"name": one}]) for one in a]), "artist", "artists", ""),
    "a list without quotes": (renamed("artist", "artists", lambda a: [f"[{one}, B]" for one in a]), "artists", "artists", ""),
    "numbers of MongoDB": (renamed("tempo", "tempo.$numberDouble", lambda t: t), "tempo", "`tempo.$numberDouble`", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_a_column_is_read_by_its_values_and_what_is_not_certain_is_asked(kind):
    change, name, expression, question = READ[kind]
    table = change(tracks())
    one = understood(table)[name]
    assert expression in one.expression
    assert question in one.question
    assert bool(question) == bool(one.question)
    # The order of rows changes nothing.
    assert understood(table.sample(frac=1, random_state=3)) == understood(table)


@pytest.mark.parametrize("around", ["songs.", "sp_", "_source."])
def test_what_most_names_have_in_common_is_no_part_of_them(around):
    columns = [column(around + name, values) for name, values in tracks().items()]
    found = guess(with_shared_words([*columns, column("_index", ["a"])]))
    assert {name: one.source for name, one in found.items()} == {
        name: around + name for name in tracks().columns
    }
    assert mixed_sources.columns(with_shared_words(columns)) == []


@pytest.mark.parametrize(("one", "other"), [("artist", "title"), ("genre", "artist")])
def test_columns_of_names_that_were_exchanged_are_asked(one, other):
    table = make_tracks(300, seed=8, artists=60).assign(title=[f"Song {i}" for i in range(300)])
    found = understood(table.rename(columns={one: other, other: one}))
    assert "are the two exchanged?" in found[one].question
    assert not any(reading.question for reading in understood(table).values())


@pytest.mark.parametrize("values", [["May 1, 2012", "2012"], ["single", "album"]])
def test_dates_and_kinds_of_albums_are_no_albums(values):
    table = pd.concat([tracks()] * 2).assign(release=values * N).drop(columns="album")
    assert "album" not in understood(table)


def test_a_reading_that_loses_values_does_not_win_by_its_outcome():
    # Zeros make shares unlike known ones; as thousands of thousandths most values are lost.
    filled_in = tracks()["energy"].round(3).where(np.arange(N) % 3 > 0, 0)
    assert understood(tracks().assign(energy=filled_in))["energy"].expression == "energy"


def test_a_good_table_is_read_as_it_stands_and_nothing_is_asked():
    readings = understood(tracks())
    assert {n: one.expression for n, one in readings.items()} == {n: n for n in tracks().columns}
    assert not any(one.question or one.doubt for one in readings.values())


# Those whose tenth part is like known tracks.
@pytest.mark.parametrize("name", ["energy", "acousticness", "instrumentalness"])
def test_proportions_of_which_some_exceed_1_are_not_read_as_out_of_ten(name):
    table = tracks()
    table.loc[::12, name] = 1.04
    assert understood(table)[name].expression == name


def test_an_id_is_made_of_what_tells_tracks_apart():
    symphonies = tracks().drop(columns="track_id").assign(title="I. Allegro")
    assert len(made_ids(understood(symphonies))) == 3


DOUBTED = {
    "duration_ms": (lambda v: v / 30, "its median is"),
    "loudness": (lambda v: np.where(np.arange(N) % 10, v, -v), "of its values are outside of"),
    "tempo": (lambda v: v / 60, "beats per second"),
    "energy": (lambda v: v / 100, "(energy * 100)"),
}


@pytest.mark.parametrize("name", DOUBTED)
def test_an_outcome_that_is_unlike_known_tracks_is_a_doubt_with_the_usual_causes(name):
    change, words = DOUBTED[name]
    values = np.asarray(change(tracks()[name]), float)
    assert words in known_tables.unlike(name, known_tables.spread(name, values))
    assert known_tables.unlike(name, known_tables.spread(name, tracks()[name].to_numpy())) is None
    assert known_tables.unlike(name, known_tables.spread(name, values[:3])) is None


def judged(**columns):
    return known_tables.judged(columns, {}, ())


def test_values_a_little_beyond_known_ones_are_told_and_stop_nothing():
    loud = tracks()["loudness"].to_numpy().copy()
    loud[::12] = 1.5
    found = known_tables.spread("loudness", loud)
    assert known_tables.unlike("loudness", found) is None
    odd = judged(loudness=loud)["loudness"].odd
    assert odd.startswith("loudness: 8% of its values are outside")
    assert judged(loudness=loud[1:12]) == {"loudness": (None, None)}


@pytest.mark.parametrize(("lost", "told"), [(51, True), (21, True), (20, False)])
def test_impossible_values_are_a_doubt_from_a_fifth_on(lost, told):
    counts = ValueCounts(
        understood=100 - lost, not_understood=lost, placeholder=0, damaged=0, example="fast"
    )
    found = known_tables.judged({"tempo": tracks()["tempo"].to_numpy()}, {"tempo": counts}, ())
    expected = (
        f"{lost}% of its values cannot be read, for example 'fast', as of another unit or column"
    )
    assert found["tempo"].doubt == (expected if told else None)


BINS = json.loads((conf_dir() / "known_tables.json").read_bytes())["bins"]


def as_known(name):
    """500 values of a proportion that are spread as in known tables."""
    sums = np.cumsum([0, *BINS[name]])
    return np.interp(np.linspace(0, 1, 500), sums / sums[-1], np.linspace(0, 1, sums.size))


# Proportions that only their values tell apart, and some that nothing does: loud tracks may as well be happy.
EXCHANGED = {
    ("valence", "liveness"): True, ("danceability", "speechiness"): True, ("acousticness", "liveness"): True,
    ("danceability", "liveness"): True, ("energy", "valence"): False,
}  # fmt: skip


@pytest.mark.parametrize("pair", EXCHANGED)
def test_columns_that_were_exchanged_are_told(pair):
    one, other = pair
    assert judged(**{name: as_known(name) for name in pair}) == dict.fromkeys(pair, (None, None))
    odd = [of.odd for of in judged(**{one: as_known(other), other: as_known(one)}).values()]
    told = [text for text in odd if text and "only if they are exchanged" in text]
    assert len(told) == EXCHANGED[pair]


# 500 tracks as in known tables: by the rank of each its mode, and keys by how usual they are.
MAJOR = (np.arange(500) % 100 >= 37).astype(float)
USUAL_KEYS = np.repeat(np.arange(12), [60, 47, 49, 16, 38, 41, 31, 59, 30, 53, 35, 41]).astype(
    float
)
ENERGY = np.linspace(0.1, 0.9, 200)
# What the odd values are, those of a good table, and what is told.
ODD = {
    "modes the other way round": ("mode", MAJOR, 1 - MAJOR, "1 is minor (1 - mode)"),
    "keys in fifths": ("key", USUAL_KEYS, USUAL_KEYS * 7 % 12, "counted in fifths ((key * 7) % 12)"),
    "keys from A": ("key", USUAL_KEYS, (USUAL_KEYS + 3) % 12, "counted from A ((key + 9) % 12)"),
    "shares out of 20": ("energy", np.linspace(0.1, 0.9, 500) ** 2, np.linspace(0.1, 0.9, 500) ** 2 / 5, "never above 0.162"),
    "one tempo for all": ("tempo", np.geomspace(70, 180, 500), np.full(500, 120.0), "never anything else than 120"),
    "a flag": ("instrumentalness", np.linspace(0, 0.9, 500) ** 4, np.arange(500) % 3 // 2, "than 0, 1 in 500 tracks"),
    "percentiles": ("tempo", np.geomspace(70, 180, 500), np.linspace(70, 180, 500).round(), "as ranks or percentiles"),
    "one mode alone": ("mode", np.arange(100) % 2, np.ones(100), "mode is never 0"),
    "a value that was filled in": (
        "energy", ENERGY, np.where(np.arange(200) % 4, ENERGY, 0.5),
        "energy is 0.5 in 25% of 200 tracks, no other value in more than 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "usual", "odd", "told"), ODD.values(), ids=ODD)
def test_values_that_are_spread_as_in_no_known_table_are_told(name, usual, odd, told):
    assert known_tables.odd_frequency(name, usual) is None
    assert told in known_tables.odd_frequency(name, odd)


def test_rounded_values_and_zeros_that_half_of_known_tracks_have_are_usual():
    assert known_tables.odd_frequency("energy", ENERGY.round(1)) is None
    zeros = ENERGY * (np.arange(200) % 2)
    assert known_tables.odd_frequency("instrumentalness", zeros) is None


# Forms: SQL and Python mean the same


FORMS = [
    *forms.CLOCKS, *forms.DOTTED, *forms.KEYS, *forms.MODES, *map(forms.MinorKeys, forms.KEYS), *forms.DATES, forms.PLAIN,
    forms.Number("bpm"), forms.Number("", ","), forms.Number("", ".", True), forms.Number("%", comma=True),
    forms.Number(minus=True), forms.Number("", forms.PLAIN.thousands + "' "),
]  # fmt: skip
TEXTS = [
    "3:05", "1:02:03", "12:45:00 AM", "1:05:00 PM", "0 days 00:03:05", "3'25\"", "3m 25s", "PT3M5S", "C#", "Db",
    "8B", "08A", "1d", "6m", "Am", "F sharp minor", "Cis-Moll", "H", "Sib", "Major", "min", "M", "m", "TRUE", "-1",
    "1.0", "2", "1999-01-02", "3/4/1987", "0.5", ".5", "5.", "1e3", "120.5 BPM", "1,234", "1.234,5", "63,5%",
    "\u22125.3", "1'234.5", "205.12", "3.7", "3,07", "x", "", " 7 ", "unknown",
]  # fmt: skip


def test_forms_mean_the_same_in_sql_and_in_python(spark):
    drawn = random.Random(5)
    texts = [*TEXTS, *("".join(drawn.choices("0123456789:.,' -%abmsCAM", k=6)) for _ in range(150))]
    rows = spark.createDataFrame([(text,) for text in texts], "x string")
    found = rows.selectExpr(*[f"try_cast({one.sql('x')} as double)" for one in FORMS]).collect()
    for i, form in enumerate(FORMS):
        for text, row in zip(texts, found, strict=True):
            expected = form.number(text)
            if expected is None and isinstance(form, forms.Number | forms.Year):
                continue  # what is no such number may still be a plain one, or no possible year
            assert row[i] == (expected if expected is None else pytest.approx(expected)), (
                form,
                text,
            )


MANY = ", ".join(["'A'"] * 20_000)
LISTS = {
    '["A","B"]': ["A", "B"], "['A', \"B's\"]": ["A", "B's"], "['A' 'B']": ["A", "B"], "['A'\n 'B']": ["A", "B"],
    '{"A B",C}': ["A B", "C"], "[A, B]": ["A", "B"], "A;B": ["A", "B"], "A": ["A"], "[]": None, "('A', 'B')": ["A", "B"],
    '[{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]': ["A", "B"], "[{'name': 'A'}]": ["A"],
    "WrappedArray(A, B)": ["A", "B"], "array(['A', 'B'], dtype=object)": ["A", "B"], '"[\\"A\\", \\"B\\"]"': ["A", "B"],
    "set('A')": ["A"], '{"id": 1, "name": "A"}': ["A"], '["Earth, Wind"]': ["Earth, Wind"], "(hed) p.e.": ["(hed) p.e."],
    "('A',)": ["A"], 'c("A", "B")': ["A", "B"], '["A", "B': None,
    "'A', \"B's\"": ["A", "B's"], "'A'": ["A"], "'n Sync": ["'n Sync"], MANY: [MANY], '"A" and "B"': ['"A" and "B"'],
}  # fmt: skip


ESCAPED = {
    "Guns%20N%27%20Roses": "Guns N' Roses", "M%C3%B8": "Mø", "100%": "100%", "AC&amp;DC &eacute;": "AC&DC é",
    "<b>Muse</b>": "Muse", "<3": "<3", "Beyonc\\u00e9": "Beyoncé", "0": None, "-1": None, "Muse": "Muse",
}  # fmt: skip


def test_what_programs_put_into_texts_is_taken_out_in_spark_as_it_is_shown(spark):
    rows = spark.createDataFrame([(text,) for text in ESCAPED], "genre string")
    reading = guess([Column("genre", "string", 1.0, values=dict.fromkeys(ESCAPED, 1))])["genre"]
    found = [row[0] or None for row in rows.selectExpr(reading.expression).collect()]
    assert dict(zip(ESCAPED, found, strict=True)) == ESCAPED


def test_one_parser_reads_lists_of_names_in_all_notations(spark):
    rows = spark.createDataFrame([(text,) for text in LISTS], "x string")
    kind = rows.schema["x"].dataType
    found = [row[0] for row in rows.selectExpr(all_of("x", kind)).collect()]
    assert dict(zip(LISTS, found, strict=True)) == LISTS


def test_names_in_nested_lists_and_structs_are_found(spark):
    schema = "lists array<array<string>>, structs array<struct<role:string, artist:struct<id:int, name:string>>>"
    rows = spark.createDataFrame([([["A"], ["B"]], [("main", (1, "C"))])], schema)
    found = rows.selectExpr(*[all_of(one.name, one.dataType) for one in rows.schema]).first()
    assert [*found] == [["A", "B"], ["C"]]


# Files


HEADER = "track_id,artist,tempo,energy,valence"
LINES = [f"t{i},Artist {i % 3},{100 + i}.5,0.{i + 1},0.5" for i in range(9)]


def text(*lines, end="\n"):
    return end.join(lines) + end


def tabbed(*lines):
    return text(*lines).replace(",", "\t").encode()


# Levels of nesting that Python does not follow.
DEEP = 100_000
OTHER = {
    "gzip": (gzip.compress(b"a,b\n1,2\n"), "is gzip: rename it to t.csv.gz"),
    "zstd": (b"\x28\xb5\x2f\xfd rest", "is zstd: rename it"),
    "a page": (b"<!DOCTYPE html><html></html>", "is a web page (HTML)"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "git lfs pull"),
    "JSON": (b'{"a": 1}\n{"a": 2}\n', "is JSON"),
    "a workbook": (b"PK\x03\x04....", "is a workbook or another zip archive"),
    "a line for Excel": (b"sep=;\na;b\n1;2\n", "is for Excel alone"),
    "lines above": (text("Exported by X", "Date: today", "", HEADER, *LINES).encode(), "line 4 looks like the header"),
    "two headers": (text(HEADER, "id,name,bpm,share,share", *LINES).encode(), "line 2 looks like a further line"),
    "a separator at the end of rows": (text(HEADER, *(f"{one}," for one in LINES)).encode(), "sed '1s/$/,/' t.csv"),
    "a separator of two characters": (text(*(one.replace(",", "::") for one in (HEADER, *LINES))).encode(), "is one column, which '::' parts"),
    "quoted lines": (text(*(f'"{one}"' for one in (HEADER, *LINES))).encode(), "are quoted as a whole"),
    "row names": (text(HEADER, *(f"{i},{one}" for i, one in enumerate(LINES))).encode(), "the first column has no name"),
    "row names before tabs": (tabbed(HEADER, *(f"{i},{one}" for i, one in enumerate(LINES))), r"sed '1s/^/row\t/' t.csv"),
    "row names below a comment": (text("# by R", HEADER, *(f"{i},{one}" for i, one in enumerate(LINES))).encode(), "sed '2s/^/row,/' t.csv"),
    "a tab at the end of rows": (tabbed(HEADER, *(f"{one}," for one in LINES)), r"sed '1s/$/\t/' t.csv"),
    "a binary file": (bytes(range(20)) * 20, "has bytes that no text has"),
    "line ends of two kinds": (text(HEADER, *LINES).replace("\n", "\r", 5).encode(), "tr '\\r' '\\n' < t.csv"),
    "no table": (b"<!-- saved -->\nSign in\n", "is one column, as are the others: is it a table?"),
    "a dump of a database": (b"-- MySQL dump 10.13\n\nINSERT INTO `t` VALUES (1,'a');\n", "is a dump of a database in SQL"),
    "rows to insert": (b"INSERT INTO tracks VALUES (1,'a');\n", "is a dump of a database in SQL"),
    "ARFF": (b"% Tracks\n@RELATION tracks\n@DATA\n1,a\n", "is ARFF"),
    "features in rows": (text("id,a,b,c", *(f"{one},1,2,3" for one in FEW)).encode(), "has features in its rows"),
    "deep JSON": (b'{"a":' * DEEP, "is JSON"),
    "a table drawn for a terminal": (text("+----+-----+", "| id | bpm |", "+----+-----+").encode(), "is a table drawn for a terminal"),
}  # fmt: skip


ODD_JSON = {
    "by column": ({"id": {"0": "a", "1": "b"}}, "orient='records'"),
    "split": ({"columns": ["id"], "data": [["a"]]}, "orient='records'"),
    "by key": ({i: {"name": "a", "tempo": 1, "energy": 1} for i in "abcd"}, "to_entries[]"),
    "one after the other": ('{"id": 1}{"id": 2}', "jq -c ."),
    "commas between": ('{"id": 1},\n{"id": 2},', "sed 's/,"),
    "lists": ([["a", 1], ["b", 2]], "rows without the names of columns"),
    "a list in each line": ('["id", "tempo"]\n["a", 1]', "rows without the names of columns"),
    "many lines each": ('{"id":\n1}\n{"id":\n2}', "jq -c ."),
}


@pytest.mark.parametrize("kind", ODD_JSON)
def test_json_without_a_row_for_each_track_is_refused_with_the_remedy(kind):
    content, told = ODD_JSON[kind]
    with pytest.raises(InputError) as stopped:
        text_files.is_many_lines(content if isinstance(content, str) else json.dumps(content), "t")
    assert told in str(stopped.value)


@pytest.mark.parametrize(
    ("content", "many"),
    [('{"id": 1}\n{"id": 2}', False), ('{"id":\n1}', True), ("[\n{}]", True), ('{"a": {"b": 1}}', False),
     (f'{{"a": {"[" * DEEP}\n{{"a": 1}}', False), ("[" * DEEP, True)],
)  # fmt: skip
def test_json_is_read_by_lines_or_whole(content, many):
    assert text_files.is_many_lines(content, "t") is many


def written(path, *files, given=None):
    uris = [f"file://{one}" for one in files]
    return text_files.written(SourceFiles(None, str(path), str(path), uris), given or {})


@pytest.mark.parametrize("kind", OTHER)
def test_a_file_that_is_something_else_is_named_with_the_remedy(tmp_path, kind):
    content, told = OTHER[kind]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError) as stopped:
        written("t", tmp_path / "t.csv")
    assert told in str(stopped.value)


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        ([HEADER, *LINES], {}),
        ([one.replace(",", ";") for one in (HEADER, *LINES)], {}),
        (["# a comment", HEADER, *LINES], {"comment": "#"}),
        (["# a comment, of two parts", HEADER, *LINES], {"comment": "#"}),
        ([f"'{one}'".replace(",", "','") for one in (HEADER, *LINES)], {"quote": "'", "escape": "'"}),
        ([one.replace(",", ', "').replace(', "', '", "') for one in (f'"{HEADER}"', *(f'"{x}"' for x in LINES))],
         {"ignoreLeadingWhiteSpace": "true"}),
        ([one.replace(",", " ,") for one in (HEADER, *LINES)], {"ignoreTrailingWhiteSpace": "true"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_how_a_text_is_written_is_seen_whatever_its_line_ends_are(tmp_path, lines, needed, end):
    (tmp_path / "t.csv").write_text(text(*lines, end=end), newline="")
    found, headers = written("t", tmp_path / "t.csv")
    assert text_files.needed_options(found.dialect) == needed
    (header,) = headers.values()
    assert header == tuple(HEADER.split(","))


def test_a_header_may_begin_with_what_marks_comments(tmp_path):
    (tmp_path / "t.csv").write_text(text(f"#{HEADER}", *LINES))
    found, headers = written("t", tmp_path / "t.csv")
    assert text_files.needed_options(found.dialect) == {}
    assert [*headers.values()] == [tuple(f"#{HEADER}".split(","))]


@pytest.mark.parametrize("codec", ["gzip", "bz2", "zstd"])
def test_packed_text_is_looked_into(tmp_path, codec):
    ending = {"gzip": "gz", "bz2": "bz2", "zstd": "zst"}[codec]
    path = tmp_path / f"t.csv.{ending}"
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), codec) as packed:
        packed.write(text(*(one.replace(",", ";") for one in (HEADER, *LINES))).encode())
    assert written("t", path)[0].dialect.sep == ";"


def test_files_that_are_written_differently_are_named(tmp_path):
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text(text(HEADER, *LINES, "u,Zoé,1,1,1"))
    b.write_bytes(text(HEADER, *LINES, "u,Zoé,1,1,1").encode("cp1252"))
    with pytest.raises(
        InputError,
        match=r"a\.csv is in the encoding UTF-8 and b\.csv is in the encoding windows-1252",
    ):
        written("t", a, b)
    b.write_text(text(*(one.replace(",", ";") for one in (HEADER, *LINES))))
    with pytest.raises(InputError, match="separated by"):
        written("t", a, b)
    b.write_text(text(*(one.replace(",", ", ") for one in (HEADER, *LINES))))
    with pytest.raises(InputError, match=r"options none and b\.csv .* {'ignoreLeadingWhiteSpace'"):
        written("t", a, b)


@pytest.mark.parametrize(
    ("codec", "names", "expected"),
    [
        ("cp1254", "Barış Güneş,Müslüm Ay", "windows-1254"),
        ("cp1252", "Sigur Rós,Ásgeir,Þór", "windows-1252"),
        ("shift_jis", "椎名林檎,中村光,米津玄師", "windows-31j"),
    ],
)
def test_a_guessed_encoding_shows_a_text_as_others_would_read_it(codec, names, expected):
    found = detect([text(*names.split(",")).encode(codec)])
    assert found.name == expected
    assert found.readings[0][0] == expected
    assert len(found.readings) > 1


@pytest.mark.parametrize(
    ("line", "by_line"),
    [('u,"A, B",1,1,1', True), ('u,"A ""B""",1,1,1', True), ('u,"A\nB",1,1,1', False), ('u,"A,1,1,1', False)],
)  # fmt: skip
def test_large_files_are_read_in_parts_where_no_value_has_a_line_break(
    spark, tmp_path, monkeypatch, line, by_line
):
    path = tmp_path / "t.csv"
    path.write_text(text(HEADER, *LINES, line, "", "v,A,1,1,1,too,many", "w,A"))

    def read():
        table = csv_files.read(SourceFiles.of(spark, str(path)), {})
        return sorted(map(str, table.collect()))

    usual = read()
    monkeypatch.setattr(csv_files, "_LARGE", 0)
    assert csv_files.has_rows_by_line(SourceFiles.of(spark, str(path)), csv_files.USUAL) == by_line
    assert read() == usual


# The whole way

SCALER = SimpleNamespace(features=(*FEW, "mode"), sources=None)


def rows_of(spark, path, dataset):
    with open_catalogue(spark, Source(str(path), dataset), SETTINGS) as catalogue:
        return catalogue.tracks.toPandas().sort_values("track_id").reset_index(drop=True)


def scanned(spark, path, dataset, ranges=None):
    """How many tracks score finds, of a model that knows values in some ranges."""
    source = Source(str(path), dataset)
    with scan_catalogue(spark, source, SETTINGS, SCALER, ranges=ranges) as found:
        return found.n_rows


# A feature, its values in place of good ones, what inspect asks, and how score refuses them, if it does.
ODD_VALUES = {
    "another unit": (
        "duration_ms", lambda t: t["duration_ms"] // 30, "duration_ms is unlike known tracks", "values|median"
    ),
    "standardised shares": (
        "energy", lambda t: (t["energy"] - t["energy"].mean()) / t["energy"].std(),
        "energy is unlike known tracks: ", "cannot be read",
    ),
    "one mode for all": ("mode", lambda t: 0, "mode is never 1", None),
    "a few louder than tracks are": (
        "loudness", lambda t: t["loudness"].where(np.arange(N) % 12 > 0, 1.5), "outside of -42.54", None
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_VALUES)
def test_odd_values_are_asked_about_and_warned_of_or_refused_unless_they_are_confirmed(
    spark, tmp_path, caplog, kind
):
    name, change, asked, refusal = ODD_VALUES[kind]
    path, table = tmp_path / "t.csv", few().assign(mode=tracks()["mode"])
    table.assign(**{name: change(table)}).to_csv(path, index=False)
    found, dataset = inspected(spark, path, tmp_path)
    assert any(asked in one for one in found.questions)
    caplog.clear()
    if refusal:
        for one in (dataset, Dataset()):
            with pytest.raises(GateError, match=rf"({refusal}).* confirmed: \[{name}\]"):
                scanned(spark, path, one)
    else:
        assert scanned(spark, path, dataset) == N
        assert asked in caplog.text
    caplog.clear()
    confirmed = dataset.model_copy(update={"confirmed": (name,)})
    assert scanned(spark, path, confirmed) == N
    again = inspection.inspect(spark, Source(str(path), confirmed), True, SETTINGS).questions
    assert asked not in " ".join([caplog.text, *again])


def test_a_few_impossible_values_and_those_that_the_model_knows_stop_nothing(spark, tmp_path):
    table = few()
    table["energy"] = table["energy"].where(table.index % 8 > 0, -1)
    table.assign(duration_ms=table["duration_ms"] // 30, mode=1).to_csv(
        tmp_path / "t.csv", index=False
    )
    found, dataset = inspected(spark, tmp_path / "t.csv", tmp_path)
    assert not [one for one in found.questions if "of its values cannot be read" in one]
    known = {"duration_ms": (3000.0, 5000.0, 11_000.0, 12_000.0)}
    assert scanned(spark, tmp_path / "t.csv", dataset, known) == N


def test_files_in_folders_with_columns_of_their_own_are_read_by_name(spark, tmp_path, caplog):
    table, folder = few(), tmp_path / "t" / "2025"
    folder.mkdir(parents=True)
    table.head(60).to_csv(tmp_path / "t" / "a.csv", index=False)
    table.tail(60)[table.columns[::-1]].drop(columns="album").to_csv(folder / "b.csv", index=False)
    found, dataset = inspected(spark, tmp_path / "t", tmp_path)
    assert found.rows.accepted == N
    assert "b.csv has no column album, which a.csv has" in caplog.text
    assert (
        rows_of(spark, tmp_path / "t", dataset)["artist"].tolist()
        == table.sort_values("track_id")["artist"].tolist()
    )


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_folders_that_are_named_by_a_column_have_it_whatever_their_files_are_like(
    spark, tmp_path, fmt
):
    for i, (genre, table) in enumerate(few(40).groupby("genre")):
        folder = tmp_path / "t [1]" / f"genre={genre}"
        folder.mkdir(parents=True)
        table = table.drop(columns="genre").astype({"duration_ms": float if i else int})
        getattr(table[table.columns[:: 1 - 2 * (i % 2)]], f"to_{fmt}")(
            folder / f"a.{fmt}", index=False
        )
    rows = rows_of(spark, tmp_path / "t [1]", Dataset())
    assert rows["genre"].tolist() == few(40).sort_values("track_id")["genre"].tolist()


def test_ids_that_tracks_of_several_artists_share_are_asked_and_warned_of(spark, tmp_path, caplog):
    few().assign(track_id=np.arange(N) % 60).to_csv(tmp_path / "t.csv", index=False)
    found, dataset = inspected(spark, tmp_path / "t.csv", tmp_path)
    assert "ids for 120 pairs of artist and title" in found.questions[0]
    assert found.mapping["track_id"].rival == "track_id"
    assert found.rows.accepted == N
    for used, told in ((dataset, False), (Dataset(), True)):
        caplog.clear()
        with scan_catalogue(spark, Source(str(tmp_path / "t.csv"), used), SETTINGS, SCALER):
            assert ("50% of its rows repeat a track_id" in caplog.text) == told


def test_texts_of_parquet_that_are_not_utf8_are_told(spark, tmp_path):
    table = few(40)
    stored = pa.Table.from_pandas(table.drop(columns="artist"))
    names = pa.array([b"Beyonc\xe9" if i < 5 else b"A" for i in range(40)], pa.binary())
    pa.parquet.write_table(stored.append_column("artist", names), tmp_path / "t.parquet")
    found, _ = inspected(spark, tmp_path / "t.parquet", tmp_path)
    assert any(note.startswith("artist: 5 values have damaged characters") for note in found.notes)


def test_json_lines_in_another_encoding_are_refused_and_inspect_reads_them(spark, tmp_path):
    table = few(40)
    table.loc[:4, "artist"] = "Björk"
    lines = table.to_json(orient="records", lines=True, force_ascii=False)
    (tmp_path / "t.jsonl").write_bytes(lines.encode("cp1252"))
    with pytest.raises(InputError, match=r"5 rows are not UTF-8; t\.jsonl looks like windows-1252"):
        rows_of(spark, tmp_path / "t.jsonl", Dataset())
    found, dataset = inspected(spark, tmp_path / "t.jsonl", tmp_path)
    assert found.questions[0].startswith("encoding: windows-1252 is guessed")
    assert set(rows_of(spark, tmp_path / "t.jsonl", dataset)["artist"]) == set(table["artist"])
    lines = few(40).assign(artist="Björk").to_json(orient="records", lines=True, force_ascii=False)
    (tmp_path / "b.jsonl").write_bytes(lines.encode("cp1252"))
    with pytest.raises(InputError, match=r"nothing of it is JSON; b\.jsonl looks like windows-125"):
        rows_of(spark, tmp_path / "b.jsonl", Dataset())


# Random damages


def damage(table, drawn):
    """A good table with one change that people make, as the bytes of a CSV file.

    Nobody can see a share divided by 100 where known tables have such small values in plenty: their
    lowest 1 % of acousticness, instrumentalness and energy are below 0.01 already.
    """
    by = drawn.choice([100, 1000, 0.01])
    least = by if by < 1 else 0.0
    shares = [
        name for name in forms.SHARES if name in table and known_tables.usual(name).low >= least
    ]
    name, share = drawn.choice(["loudness", "tempo", "duration_ms"]), drawn.choice(shares)
    part = np.random.default_rng(drawn.randrange(2**32)).random(len(table)) < drawn.choice(
        [0.3, 0.6, 1]
    )
    sep, codec = (
        drawn.choice([";", "\t", "|", ",", "^"]),
        drawn.choice(["utf-8", "cp1252", "utf-16"]),
    )
    scale = drawn.choice([-1, 1 / 1000, 1 / 60_000, 1000, 60, 1 / 60, 0.01, 100])
    kind = drawn.choice(
        ["scale", "share", "text", "order", "header", "unit", "comma", "key", "mode"]
    )
    if kind == "scale":
        table = table.assign(**{name: table[name].where(~part, table[name] * scale)})
    elif kind == "share":
        table = table.assign(**{share: table[share].where(~part, table[share] * by)})
    elif kind == "order":
        table = table.sample(frac=1, random_state=drawn.randrange(999))[
            drawn.sample(list(table), len(table.columns))
        ]
    elif kind == "unit":
        table = table.assign(
            **{name: [f"{v}{drawn.choice(['', ' '])}{'xyz'[:2]}" for v in table[name]]}
        )
    elif kind == "key":
        table = table.assign(key=table["key"] + drawn.choice([1, 100]))
    elif kind == "mode":
        table = table.assign(mode=table["mode"].map({0: drawn.choice([-1, 2, "minor"]), 1: 1}))
    lines = table.to_csv(index=False, sep=sep if kind == "text" else ";" if kind == "comma" else ",",
                         decimal="," if kind == "comma" else ".", header=kind != "header" or drawn.random() < 0.5)  # fmt: skip
    if kind == "header" and drawn.random() < 0.5:
        lines = f"Exported {drawn.random()}\n\n{lines}"
    return kind, lines.encode(codec if kind == "text" else "utf-8")


@pytest.mark.parametrize(("n", "seed"), [(5, 10), pytest.param(50, None, marks=pytest.mark.long)])
def test_no_damage_of_a_good_table_is_silent(spark, tmp_path, n, seed):
    # A column more is a longer plan.
    good = tracks().drop(columns=["acousticness", "instrumentalness", "liveness", "speechiness"])
    good = good.sort_values("track_id").reset_index(drop=True)
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    drawn = random.Random(seed)
    for i in range(n):
        kind, content = damage(good, drawn)
        path = tmp_path / f"{i}.csv"
        path.write_bytes(content)
        try:
            found, dataset = inspected(spark, path, tmp_path)
            if found.rows is None:
                assert found.columns
                continue
            rows = rows_of(spark, path, dataset)
        except GenreSparkError:
            continue  # it is told in one line
        told = " ".join([*found.questions, *found.notes])
        for name in good.columns.intersection(FEATURE_NAMES):
            same = (
                name in rows
                and np.isclose(rows[name], good[name], rtol=1e-3, atol=1e-3).mean() > 0.97
            )
            assert same or name in told, (seed, i, kind, name, told)


@given(st.dictionaries(st.text(max_size=12), st.integers(1, 5), max_size=8))
def test_no_values_stop_a_reading(values):
    one = Column("artist", "string", 1.0, values=values, n_rows=50)
    for name in ("artist", "genre", "key", "mode", "duration", "tempo", "energy", "year", "id"):
        guess([Column(name, "string", 1.0, values=values, n_rows=50), one])
