"""Guesses of which column is which, and the dataset file that is drafted from them."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from genre_spark.catalog import dataset_file
from genre_spark.catalog.mapping_inference import Column, Reading, guess, quoted
from genre_spark.config import Dataset
from genre_spark.errors import OutputError
from genre_spark.schema import FEATURE_NAMES


def words(name, *samples, kind="string", **facts):
    return Column(name, kind, 1.0, samples=samples, **facts)


def numbers(name, median, kind="double"):
    return Column(name, kind, 1.0, 1.0, median / 2, median, median * 2, (str(median),))


def read(*columns):
    """Expressions by genre-spark's name."""
    return {name: one.expression for name, one in guess(columns).items()}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("tempo", "tempo"),
        ("tempo", "BPM"),
        ("tempo", "Beats Per Minute (BPM)"),
        ("valence", "audio_valence"),
        ("loudness", "Loudness (dB)"),
        ("duration_ms", "trackDurationMs"),
        ("danceability", "danceability_%"),
        ("energy", "nrgy"),
    ],
)
def test_features_are_known_by_what_people_call_them(name, column):
    assert read(numbers(column, 200_000 if name == "duration_ms" else 0.5)) == {
        name: quoted(column)
    }


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("track_id", "id"),
        ("track_id", "Spotify ID"),
        ("artist", "artist(s)_name"),
        ("album", "track_album_id"),
        ("title", "track_name"),
        ("genre", "Top Genre"),
    ],
)
def test_texts_are_known_by_what_people_call_them(name, column):
    assert read(words(column, "a")) == {name: quoted(column)}


def test_the_likelier_of_two_columns_is_taken_and_none_twice():
    names = (
        "name",
        "id",
        "album",
        "album_id",
        "artist_ids",
        "artists",
        "track_id",
        "playlist_name",
    )
    assert read(*(words(name, "x") for name in names)) == {
        "track_id": "track_id",
        "artist": "artists",
        "album": "album_id",
        "title": "name",
    }


def test_a_column_without_a_value_or_of_another_kind_is_passed_over():
    empty = Column("tempo", "double", 0.0)
    nested = words("genre", "{pop}", kind="struct<name:string>")
    text = words("energy", "high", "low")
    assert read(empty, nested, text, numbers("bpm", 120)) == {"tempo": "bpm"}


@pytest.mark.parametrize("printed", ["['A', 'B']", '{"A\'s"}', "['A']"])
def test_the_first_of_a_printed_list_is_taken(printed):
    assert read(words("artists", printed))["artist"].startswith("regexp_extract(artists, ")
    # Titles may look like that and mean it.
    assert read(words("title", printed)) == {"title": "title"}


def test_the_first_of_several_artists_is_taken():
    assert read(words("artists", "A", "B;C")) == {"artist": "split(artists, ';')[0]"}
    assert read(words("artists", "[A, B]", kind="array<string>")) == {"artist": "artists[0]"}
    assert read(words("artists", "Earth, Wind & Fire")) == {"artist": "artists"}


def test_what_some_programs_write_for_nothing_is_nothing():
    assert read(words("artist", "A", unknown="NA")) == {"artist": "nullif(artist, 'NA')"}


def test_keys_and_modes_that_are_words_become_numbers():
    found = read(words("key", "C#", "B", "F"), words("mode", "Major", "Minor"))
    assert found["key"].endswith(", key) - 1")
    assert "'C#'" in found["key"]
    assert found["mode"] == "case lower(mode) when 'major' then 1 when 'minor' then 0 end"
    assert "'Db'" in read(words("key", "Db", "B"))["key"]
    assert read(numbers("key", 5), numbers("mode", 1)) == {"key": "key", "mode": "mode"}


@pytest.mark.parametrize(
    ("median", "expression"),
    [(3.5, "length * 60000"), (210, "length * 1000"), (210_000, "length")],
)
def test_the_unit_of_durations_is_told_by_how_long_most_tracks_last(median, expression):
    assert read(numbers("length", median)) == {"duration_ms": expression}


def test_durations_as_on_a_clock_are_read():
    assert read(words("duration", "3:05", "12:40")) == {
        "duration_ms": "split(duration, ':')[0] * 60000 + split(duration, ':')[1] * 1000"
    }


def test_shares_in_percent_are_told_by_most_of_them():
    percent = [numbers("energy", 70), numbers("valence", 50), numbers("instrumentalness", 0)]
    assert read(*percent)["instrumentalness"] == "instrumentalness / 100"
    shares = [numbers("energy", 0.7), numbers("valence", 0.5), numbers("liveness", 40)]
    assert read(*shares) == {"energy": "energy", "valence": "valence", "liveness": "liveness"}


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        (numbers("year", 1999), "year"),
        (words("release_date", "1999-01-02", "1999", "1999-01"), "cast(substring(release_date, 1, 4) as int)"),
        (words("released", "x", kind="date"), None),
        (words("album_release_date", "x", kind="date"), "year(album_release_date)"),
        (words("date", "01/02/1999"), None),
        (numbers("year", 3), None),
    ],
)  # fmt: skip
def test_years_are_taken_from_years_and_dates(column, expression):
    assert read(column).get("year") == expression


def test_an_id_is_made_where_there_is_none_but_artist_and_title():
    found = read(words("artist", "A"), words("title", "B"))
    assert found["track_id"] == "md5(concat_ws('|', artist, title))"
    assert "track_id" not in read(words("artist", "A"))


def load(text):
    return Dataset.model_validate(yaml.safe_load(text))


NAMES = st.text(min_size=1, max_size=20)


@given(st.dictionaries(st.sampled_from(FEATURE_NAMES), NAMES), st.lists(NAMES))
@example({"key": "yes", "mode": "null"}, ["a\nb: c"])
def test_a_drafted_file_says_what_was_guessed_whatever_columns_are_called(sources, others):
    readings = {n: Reading(n, quoted(s), s, "a note") for n, s in sources.items()}
    text = dataset_file.render("t.csv", "mine.yaml", readings, [*sources.values(), *others])
    assert load(text).columns == {name: one.expression for name, one in readings.items()}


def test_a_drafted_file_tells_what_is_missing_and_what_is_unused():
    columns = [words("id", "a"), numbers("year", 1999), numbers("bpm", 120), words("isrc", "b")]
    text = dataset_file.render("t.csv", "mine.yaml", guess(columns), [c.name for c in columns])
    assert load(text) == Dataset(
        columns={"track_id": "id", "tempo": "bpm", "year": "year"}, extra_features=("year",)
    )
    assert "  # energy:  # no column looks like it\n" in text
    assert "# not used: isrc\n" in text


def test_a_file_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.yaml: exists"):
        dataset_file.check_absent(tmp_path / "mine.yaml")
