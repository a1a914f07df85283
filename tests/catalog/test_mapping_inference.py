"""Guesses of which column is which, and the dataset file that is drafted from them."""

from collections import Counter
from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from genre_spark.catalog import advice
from genre_spark.catalog.columns import readable_name
from genre_spark.catalog.inspection_results import Column, Inspection, Reading
from genre_spark.catalog.mapping_inference import guess, made_ids
from genre_spark.errors import OutputError
from genre_spark.schema import FEATURE_NAMES
from genre_spark.source import Dataset


def words(name, *samples, kind="string", **facts):
    return Column(name, kind, 1.0, values=Counter(samples), **facts)


def numbers(name, median, kind="double"):
    return Column(name, kind, 1.0, 1.0, median / 2, median, median * 2, {str(median): 1})


def read(*columns):
    return {name: one.expression for name, one in guess(columns).items()}


NAMED = {
    "tempo": ("tempo", "BPM", "Beats Per Minute (BPM)"),
    "valence": ("audio_valence", "Happy"),
    "loudness": ("Loudness (dB)", "Loud (Db)"),
    "duration_ms": ("trackDurationMs", "Time"),
    "danceability": ("danceability_%",),
    "energy": ("nrgy",),
    "track_id": ("id", "Spotify ID"),
    "artist": ("artist(s)_name",),
    "album": ("track_album_id",),
    "title": ("track_name",),
    "genre": ("Top Genre",),
}


@pytest.mark.parametrize(("name", "column"), [(n, one) for n in NAMED for one in NAMED[n]])
def test_columns_are_known_by_what_people_call_them(name, column):
    usual = {"duration_ms": 200_000, "tempo": 120, "loudness": -5}.get(name, 0.5)
    given = numbers(column, usual) if name in FEATURE_NAMES else words(column, "a")
    assert read(given) == {name: readable_name(column)}


def identifier(name, distinct, **facts):
    return words(name, "a", distinct=distinct, **facts)


def row_number(name, distinct):
    return Column(name, "string", 1.0, 1.0, 0, 5, 9, {"0": 1, "9": 1}, distinct, n_rows=10)


def test_an_id_is_the_column_that_distinguishes_rows_and_not_the_likeliest_name():
    assert read(identifier("id", 0.4), identifier("uri", 1.0))["track_id"] == "uri"
    assert read(row_number("id", 1.0), identifier("uri", 0.9))["track_id"] == "uri"
    assert read(row_number("id", 1.0), words("title", "a"))["track_id"] == "id"
    # Tracks stand in several playlists: few repetitions change nothing.
    assert read(identifier("track_id", 0.86), identifier("isrc", 1.0))["track_id"] == "track_id"


# Columns, and the expressions by genre-spark's name.
READINGS = {
    "the likelier of two, and none twice": (
        [words(n, "x") for n in ["name", "id", "album", "album_id", "artist_ids", "artists", "track_id", "playlist_name"]],
        {"track_id": "track_id", "artist": "artists", "album": "album_id", "title": "name"},
    ),
    "one without a value": ([Column("tempo", "double", 0.0), numbers("bpm", 120)], {"tempo": "bpm"}),
    # Else a mapping that does not name them would take them as they are.
    "others of another kind": (
        [words("genre", "{pop}", kind="struct<name:string>"), words("energy", "high", "low")],
        {"genre": "null", "energy": "null"},
    ),
    "several artists": (
        [words("artists", "A", "B;C")], {"artist": "split(artists, ';')[0]", "artists": "artists"}
    ),
    "a list of artists": (
        [words("artists", "[A, B]", kind="array<string>")], {"artist": "artists[0]", "artists": "artists"}
    ),
    "one artist with a comma": ([words("artists", "Earth, Wind & Fire")], {"artist": "artists"}),
    "several genres": (
        [words("Artist Genres", "pop,dance pop")], {"genre": "split(`Artist Genres`, ',')[0]"}
    ),
    "one genre with commas": ([words("genre", "folk, world, & country")], {"genre": "genre"}),
    "fields of structs": (
        [
            words("track.id", "a", nested="track.id"),
            words("track.artists.name", "[A]", kind="array<string>", nested="track.artists.name"),
            words("track.album.name", "B", nested="track.album.name"),
            numbers("audio_features.tempo", 120),
        ],
        {
            "track_id": "track.id",
            "artist": "track.artists.name[0]",
            "artists": "track.artists.name",
            "album": "track.album.name",
            "tempo": "`audio_features.tempo`",
        },
    ),
    # By how long most tracks last.
    "minutes": ([numbers("length", 3.5)], {"duration_ms": "length * 60000"}),
    "seconds": ([numbers("length", 210)], {"duration_ms": "length * 1000"}),
    "milliseconds": ([numbers("length", 210_000)], {"duration_ms": "length"}),
    "nanoseconds": ([numbers("length", 210_000_000_000)], {"duration_ms": "length / 1000000"}),
    "each share in percent or not": (
        [numbers("energy", 70), numbers("valence", 0.5), numbers("instrumentalness", 0)],
        {"energy": "energy / 100", "valence": "valence", "instrumentalness": "instrumentalness"},
    ),
    "years": ([numbers("year", 1999)], {"year": "year"}),
    "years of texts": (
        [words("release_date", "1999-01-02", "1999", "1999-01")],
        {"year": "cast(substring(release_date, 1, 4) as int)"},
    ),
    "years of dates": (
        [words("album_release_date", "x", kind="date")], {"year": "year(album_release_date)"}
    ),
    "dates of no release": ([words("released", "x", kind="date")], {}),
    "words for a date": ([words("date", "spring")], {}),
    "numbers that are no years": ([numbers("year", 3)], {}),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "expected"), READINGS.values(), ids=READINGS)
def test_columns_are_read_by_their_names_kinds_and_values(columns, expected):
    assert read(*columns) == expected


# What people write, and the numbers that it means; None for what means none.
WRITTEN = {
    "notes with sharps": ("key", {"C": 0, "C#": 1, "B": 11, "x": None}),
    "notes with flats and sharps": ("key", {"E": 4, "Ab": 8, "F#": 6, "Bb": 10}),
    "notes with musical signs": ("key", {"G♯": 8, "D♭": 1, "E♭": 3, "C": 0}),
    "notes with words": ("key", {"C sharp": 1, "B-flat": 10, "A": 9}),
    "either of two notes": ("key", {"C#/Db": 1, "D": 2, "A♯/B♭": 10}),
    "keys with modes": ("key", {"C major": 0, "F# minor": 6, "Bb maj": 10, "e min": 4}),
    "keys with letters for modes": ("key", {"Am": 9, "F#m": 6, "C": 0}),
    "German keys": ("key", {"H": 11, "B": 10, "Cis-Moll": 1, "Es-Dur": 3}),
    "solfège": ("key", {"Do": 0, "Re#": 3, "Sib": 10, "La": 9}),
    "Camelot": ("key", {"8B": 0, "8A": 9, "9B": 7, "1A": 8, "12B": 4}),
    "Open Key": ("key", {"1d": 0, "1m": 9, "2d": 7, "6m": 8}),
    "modes in words": ("mode", {"Major": 1, "minor": 0, "?": None}),
    "modes in short words": ("mode", {"maj": 1, "Min": 0}),
    "German modes": ("mode", {"Dur": 1, "Moll": 0}),
    "modes in letters": ("mode", {"M": 1, "m": 0}),
    "truth values": ("mode", {"True": 1, "false": 0}),
    "minutes and seconds": ("duration", {"3:05": 185_000, "12:40": 760_000, "x": None}),
    "hours too": ("duration", {"3:05": 185_000, "1:02:03": 3_723_000, "2:00:00": 7_200_000}),
    "clocks with fractions": ("duration", {"00:03:05.5": 185_500, "0:04:00": 240_000}),
    "time spans of pandas": ("duration", {"0 days 00:03:05": 185_000}),
    "minutes and seconds in words": ("duration", {"3m 5s": 185_000, "1h 2m 3s": 3_723_000}),
    "ISO 8601": ("duration", {"PT3M5S": 185_000, "PT4M": 240_000, "PT1H2M3S": 3_723_000}),
    "minutes and seconds by quotes": ("duration", {"3'05\"": 185_000, "4'10\"": 250_000}),
    "seconds with their unit": ("duration", {"185 s": 185_000, "240.5 s": 240_500}),
    "milliseconds with their unit": ("duration", {"185000 ms": 185_000, "240000ms": 240_000}),
    "minutes with their unit": ("duration", {"3.5 min": 210_000, "4 min": 240_000}),
    "thousands set apart by points": ("duration", {"185.000": 185_000, "1.240.000": 1_240_000}),
    "thousands set apart by commas": ("duration", {"185,000": 185_000, "240,500": 240_500}),
    "thousands set apart by blanks": ("duration", {"185 000": 185_000, "240\u00a0500": 240_500}),
    "decimal commas": ("tempo", {"120,5": 120.5, "99": 99, "fast": None}),
    "a unit": ("tempo", {"120.5 BPM": 120.5, "99 bpm": 99}),
    "a unit and decimal commas": ("loudness", {"-5,3 dB": -5.3, "-12 dB": -12}),
    "a typographic minus": ("loudness", {"\u22125.3": -5.3, "-12.0": -12}),
    "percent signs": ("energy", {"63%": 0.63, "2.5 %": 0.025}),
    "dates": ("release_date", {"1999-01-02": 1999, "1987": 1987}),
    "dates that begin with days": ("release_date", {"02.01.1999": 1999, "3/4/1987": 1987}),
}  # fmt: skip


def test_numbers_are_read_in_the_ways_people_write_them(spark):
    names = {"duration": "duration_ms", "release_date": "year"}
    rows, cases, expected = [], [], []
    for kind, (column, meant) in WRITTEN.items():
        sample = words(column, *[text for text, number in meant.items() if number is not None] * 5)
        expression = read(sample)[names.get(column, column)]
        cases.append(f"WHEN '{kind}' THEN try_cast({expression} AS double)")
        rows += [(kind, *[text] * 7) for text in meant]
        expected += [n if n is None else pytest.approx(n) for n in meant.values()]
    columns = sorted({column for column, _ in WRITTEN.values()})
    table = spark.createDataFrame(rows, ["kind", *columns])
    found = table.selectExpr("kind", columns[0], f"CASE kind {' '.join(cases)} END").collect()
    assert [row[2] for row in found] == expected, found


def test_modes_are_taken_from_keys_that_name_them(spark):
    for keys, modes in (
        (("Am", "C", "F#m"), (0, 1, 0)), (("8A", "8B"), (0, 1)), (("C Major", "A minor"), (1, 0)),
    ):  # fmt: skip
        expression = read(words("key", *keys))["mode"]
        rows = spark.createDataFrame([(key,) for key in keys], "key string")
        assert tuple(row[0] for row in rows.selectExpr(expression).collect()) == modes


def test_an_id_can_be_made_of_artist_and_title_and_of_more_that_tells_tracks_apart():
    found = guess([words("artist", "A"), words("title", "B"), words("album", "C")])
    assert made_ids(found) == [
        "md5(concat_ws('|', artist, title))",
        "md5(concat_ws('|', artist, title, album))",
    ]
    assert made_ids(guess([words("artist", "A")])) == []


def test_without_artists_an_id_is_made_of_ever_more_and_of_all_features_at_last():
    found = guess([words("title", "B"), numbers("energy", 0.5), numbers("duration_ms", 200_000)])
    assert made_ids(found) == [
        "md5(concat_ws('|', title, duration_ms))",
        "md5(concat_ws('|', title, duration_ms, energy))",
    ]


def test_of_two_columns_with_gaps_that_could_be_the_same_both_are_shown():
    half, other = (replace(words(name, "A"), filled=0.5) for name in ("title", "song_name"))
    title = guess([other, half])["title"]
    assert (title.expression, title.rival) == ("title", "song_name")
    assert "filled in 50% of the rows; is it song_name" in title.question
    for filled in ((0.95, 0.5), (0.5, 0.05)):
        pair = [
            replace(one, filled=share) for one, share in zip((half, other), filled, strict=True)
        ]
        assert not guess(pair)["title"].question


def test_columns_of_merged_tables_are_known_the_first_of_two():
    columns = [words("track_id", "a"), words("artist_x", "A"), numbers("energy_x", 0.5)]
    found = guess([*columns, numbers("energy_y", 0.7), numbers("tempo_y", 120)])
    taken = {name: found[name].source for name in ("artist", "energy", "tempo")}
    assert taken == {"artist": "artist_x", "energy": "energy_x", "tempo": "tempo_y"}


def load(text):
    return Dataset.model_validate(yaml.safe_load(text))


def drafted(columns, readings):
    found = Inspection(catalog="t.csv", columns=tuple(columns), mapping=readings)
    return advice.render(found, "mine.yaml")


NAMES = st.text(min_size=1, max_size=20)


@given(st.dictionaries(st.sampled_from(FEATURE_NAMES), NAMES), st.lists(NAMES))
@example({"key": "yes", "mode": "null"}, ["a\nb: c"])
def test_a_drafted_file_says_what_was_guessed_whatever_columns_are_called(sources, others):
    readings = {n: Reading(n, readable_name(s), s, "a note") for n, s in sources.items()}
    columns = [Column(name, "string", 1.0) for name in (*sources.values(), *others)]
    assert load(drafted(columns, readings)).columns == {
        name: one.expression for name, one in readings.items()
    }


def test_a_drafted_file_reports_what_is_missing_and_what_is_unused():
    columns = [words("id", "a"), numbers("year", 1999), numbers("bpm", 120), words("isrc", "b")]
    text = drafted(columns, guess(columns))
    assert load(text) == Dataset(
        columns={"track_id": "id", "tempo": "bpm", "year": "year"}, extra_features=("year",)
    )
    assert "  # energy:  # no column looks like it\n" in text
    assert "# not used: isrc\n" in text


def test_a_file_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.yaml: exists"):
        advice.check_absent(tmp_path / "mine.yaml")
