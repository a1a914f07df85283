"""Tables as people have them: each is read as a person would read it, or refused with the remedy."""

import json
import random
import shlex
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from support.generated import make_tracks
from support.tables import inspected

from genre_spark.catalog import advice, reader, row_counts, validation
from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.config import CatalogSettings, load_settings
from genre_spark.errors import GenreSparkError, InputError
from genre_spark.schema import TEXT_COLUMNS
from genre_spark.source import Dataset

SETTINGS = load_settings().catalog
LENIENT = CatalogSettings(max_imputed=3, max_quarantined=1)
N = 24
# Planning takes most of the time of a small table, and more for each column.
FEATURES = ("danceability", "energy", "key", "loudness", "tempo", "duration_ms")


def make(n=N, artists=6):
    return make_tracks(n, seed=8, artists=artists)[[*TEXT_COLUMNS, *FEATURES]]


@pytest.fixture
def tracks():
    return make()


def read(spark, path, dataset=None, settings=SETTINGS):
    source = Source(str(path), dataset or Dataset())
    with open_catalogue(spark, source, settings) as catalogue:
        return catalogue.counts, catalogue.tracks.toPandas().sort_values("track_id")


def refused(spark, path, dataset=None):
    with pytest.raises(InputError) as stopped:
        read(spark, path, dataset, LENIENT)
    assert "\n" not in str(stopped.value)
    return str(stopped.value)


def csv(tracks, path, **options):
    tracks.to_csv(path, index=False, **options)
    return path


# Tables of programs, each with the same tracks; how it is written, and its path.


def european(tracks, path):
    artists = [f"['{one}', \"B's\"]" for one in tracks["artist"]]
    table = tracks.drop(columns="artist").assign(artists=artists)
    return csv(table, path / "tracks.csv", sep=";", decimal=",", encoding="cp1252")


def with_quotes_of_spark(tracks, path):
    tracks["title"] = [f'Say "Yes", {i}' if i % 3 == 0 else f"Song {i}" for i in range(N)]
    return csv(tracks, path / "tracks.csv", doublequote=False, escapechar="\\")


def exported_playlists(tracks, path):
    named = {
        "Track URI": "spotify:track:" + tracks["track_id"],
        "Track Name": tracks["title"],
        "Album Name": tracks["album"],
        "Artist Name(s)": tracks["artist"] + ";B's",
        "Release Date": "1999-05-01",
        "Duration (ms)": tracks["duration_ms"],
        "Popularity": 50,
        "Genres": "rock,pop",
        **{name.title(): tracks[name] for name in FEATURES if name != "duration_ms"},
        "Time Signature": 4,
    }
    tracks["track_id"] = named["Track URI"]
    return csv(pd.DataFrame(named), path / "liked songs.csv")


def nested(tracks, features):
    """A JSON object of each track, with its features under a name."""
    return [
        {
            "track": {
                "id": row["track_id"],
                "name": row["title"],
                "artists": [{"id": "x", "name": row["artist"]}, {"id": "y", "name": "B's"}],
                "album": {"id": f"al {row['album']}", "images": [{"height": 1}]},
            },
            "genre": row["genre"],
            features: {name: row[name] for name in FEATURES},
        }
        for row in tracks.to_dict("records")
    ]


def json_lines(tracks, path):
    rows = pd.DataFrame(nested(tracks, "audio_features"))
    rows.to_json(path / "dump.jsonl", orient="records", lines=True)
    return path / "dump.jsonl"


def json_array(tracks, path):
    rows = pd.DataFrame(nested(tracks, "audio_features"))
    rows.to_json(path / "dump.json", orient="records", indent=1)
    return path / "dump.json"


def answer_of_an_api(tracks, path):
    answer = {"href": "x", "items": nested(tracks, "features")}
    (path / "t.json").write_text(json.dumps(answer, indent=1))
    return path / "t.json"


def parquet(table, path):
    pq.write_table(table, path / "t.parquet")
    return path / "t.parquet"


def changed(tracks, **changes):
    """Tracks as Arrow has them, with other values or other types of some columns."""
    table = pa.Table.from_pandas(tracks)
    for name, change in changes.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, change(table[name]))
    return table


def structs(values):
    return pa.array([{"id": f"id {one}", "name": one} for one in values.to_pylist()])


def of_pandas(tracks, path):
    table = tracks.assign(
        added_at=pd.Timestamp("2024-01-01 12:00"),
        duration=[timedelta(milliseconds=int(ms)) for ms in tracks["duration_ms"]],
    )
    table.drop(columns="duration_ms").to_parquet(path / "t.parquet")
    return path / "t.parquet"


def with_bytes(tracks, path):
    as_bytes = dict.fromkeys(("track_id", "artist"), lambda values: values.cast(pa.binary()))
    return parquet(changed(tracks, **as_bytes), path)


def padded_with_blanks(tracks, path):
    (path / "t.csv").write_text(tracks.to_csv(index=False).replace(",", " ;"))
    return path / "t.csv"


def with_ids_like_numbers(tracks, path):
    tracks["track_id"] = [f"{i % 9 + 1}e10{i:02}" for i in range(N)]
    return csv(tracks, path / "t.csv")


def with_objects(write):
    """Features as an object in a text of each row."""

    def of(tracks, path):
        objects = tracks[[*FEATURES]].to_dict("records")
        table = tracks.drop(columns=[*FEATURES]).assign(audio=[*map(write, objects)])
        return csv(table, path / "t.csv")

    return of


def with_a_map(tracks, path):
    pairs = [[(name, float(row[name])) for name in FEATURES] for row in tracks.to_dict("records")]
    audio = pa.array(pairs, pa.map_(pa.string(), pa.float64()))
    table = pa.Table.from_pandas(tracks.drop(columns=[*FEATURES]))
    return parquet(table.append_column("audio", audio), path)


# What the refusal of a table says, and some of what inspect writes into the dataset file.
PROGRAMS = {
    "semicolons": (
        lambda tracks, path: csv(tracks, path / "tracks.csv", sep=";"),
        "its columns are separated by",
        {"options": {"sep": ";"}},
    ),
    "an Excel of Europe": (european, "its columns are separated by", {}),
    "quotes as Spark writes them": (with_quotes_of_spark, r"options: {escape: '\'}", {}),
    "an export of playlists": (exported_playlists, None, {}),
    "JSON lines with nested artists": (json_lines, None, {}),
    "an array in JSON": (json_array, None, {}),
    "an answer of an API": (answer_of_an_api, None, {"rows": "items"}),
    "structs": (
        lambda tracks, path: parquet(changed(tracks, artist=structs, album=structs), path),
        "column artist is struct",
        {},
    ),
    "times and spans of pandas": (of_pandas, None, {}),
    "texts that Parquet stores as bytes": (with_bytes, None, {}),
    "columns padded with blanks": (padded_with_blanks, "its columns are separated by", {}),
    "hexadecimal ids like numbers": (with_ids_like_numbers, None, {}),
    "features as JSON": (with_objects(json.dumps), "has none of the audio features", {}),
    "features as Python": (with_objects(str), "has none of the audio features", {}),
    "features as a map": (with_a_map, "has none of the audio features", {}),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_table_of_a_program_is_read_with_the_file_that_inspect_writes(
    spark, tracks, tmp_path, kind
):
    write, told, expected = PROGRAMS[kind]
    path = write(tracks, tmp_path)
    if told:
        assert told in refused(spark, path)
    found, dataset = inspected(spark, path, tmp_path)
    counts, rows = read(spark, path, dataset)
    assert found.rows.accepted == counts.accepted == counts.with_genre == N
    tracks = tracks.sort_values("track_id")
    for name in ("track_id", "title", "artist"):
        assert rows[name].tolist() == tracks[name].tolist(), name
    if b"B's" in path.read_bytes():
        assert all(names.tolist()[1:] == ["B's"] for names in rows["artists"])
    for name in FEATURES:
        assert rows[name].to_numpy() == pytest.approx(tracks[name], rel=1e-3, abs=1e-3), name
    assert {name: getattr(dataset, name) for name in expected} == expected


# Encodings

# In `make test-long`; the others of a kind stand for it in `make test`.
LONG = pytest.mark.long
ENCODED = {
    "cp1251": ["Кино", "Ария", "Чайф", "Звуки", "Сплин", "Алиса"],
    "cp1252": ["Zoé", "Zoè", "Bjork", "Björk", "Mötley", "Motley"],
    "shift_jis": ["サザン", "ヒカル", "スピッツ", "くるり", "ゆず", "いきもの"],
    "euc_kr": ["아이유", "블랙핑크", "방탄", "빅뱅", "엑소", "소녀시대"],
    "gbk": ["周杰伦", "邓紫棋", "王菲", "陈奕迅", "李荣浩", "张学友"],
}


@pytest.mark.parametrize(
    ("encoding", "with_ids"),
    [
        pytest.param(one, i % 2 == 1, marks=[] if one in ("cp1252", "shift_jis") else LONG)
        for i, one in enumerate(ENCODED)
    ],
)
def test_artists_in_another_encoding_are_never_merged(spark, tracks, tmp_path, encoding, with_ids):
    tracks["artist"] = [ENCODED[encoding][i % 6] for i in range(N)]
    table = tracks if with_ids else tracks.drop(columns="track_id")
    path = csv(table, tmp_path / "tracks.csv", encoding=encoding)
    if with_ids:
        told = refused(spark, path)
        assert "values of artist are not UTF-8" in told
        assert "options: {encoding: " in told
        assert "iconv -f " in told
    found, dataset = inspected(spark, path, tmp_path)
    assert found.artists == 6
    _, rows = read(spark, path, dataset)
    assert sorted(set(rows["artist"])) == sorted(ENCODED[encoding])


# Numbers


NOT_UNDERSTOOD = {
    "tempo": lambda v: f"{v} BPM",
    "energy": lambda v: f"{100 * v:.1f}",
    "key": lambda v: "CDEFGAB"[int(v) % 7],
    "loudness": lambda v: abs(v) + 20,
    "duration_ms": lambda v: "3:25",
}


def test_a_column_of_which_no_value_is_understood_is_refused(spark, tracks, tmp_path):
    for column, change in NOT_UNDERSTOOD.items():
        tracks[column] = tracks[column].map(change)
    path = str(csv(tracks, tmp_path / "tracks.csv"))
    assert "has 24 values and none is " in refused(spark, path)
    mapped = reader.map_columns(reader.read(spark, path, Dataset()), Dataset(), path)
    counts = row_counts.count(validation.validate(mapped, mapped.features, N))
    for column in NOT_UNDERSTOOD:
        with pytest.raises(InputError) as stopped:
            row_counts.check_values({column: counts.values[column]}, path)
        assert f"column {column} has 24 values and none is " in str(stopped.value)
        assert f"leave it out (columns: {column}: 'null')" in str(stopped.value)


# Nothing, in all its spellings

NOTHING = ["nan", "None", "NULL", "<NA>", " unknown ", "Unknown Artist", "empty_field", "n/a"]
NOTHING += ["Various Artists", "[unknown]", "Sin Artista"]


@pytest.fixture(scope="module")
def nothing(spark, tmp_path_factory):
    """A table with some values that are none; what is found in it, and what is read and logged of it."""
    folder, tracks = tmp_path_factory.mktemp("nothing"), make()
    tracks["artist"] = [*NOTHING, *["Nan Goldin"] * (N - len(NOTHING))]
    tracks["genre"] = ["nan", "Unknown", "rock ", " ROCK", "rock", *["pop"] * (N - 5)]
    tracks["title"] = [f"Björk {i}" for i in range(N)]
    tracks["key"] = -1
    tracks["tempo"] = ["120 BPM", "fast", "999", "NaN", 0, *tracks["tempo"][5:]]
    # Tracks under one genre in two spellings.
    path = csv(pd.concat([tracks, tracks.tail(3).assign(genre="POP ")]), folder / "tracks.csv")
    path.write_bytes(path.read_bytes().replace("Björk 7".encode(), b"Bj\xf6rk 7"))
    found, _ = inspected(spark, path, folder)
    counts, rows = read(spark, path, Dataset(no_artist=("sin artista",)))
    return found, counts, rows


def test_words_for_no_artist_and_no_genre_are_none_and_are_counted(nothing):
    found, counts, rows = nothing
    assert rows["artist"].isna().sum() == counts.values["artist"].placeholder == len(NOTHING)
    assert found.placeholders["artist"]["nan"] == 1
    assert any(note.startswith("artist: read as missing") for note in found.notes)
    assert counts.values["genre"].placeholder == 2
    assert set(rows["genre"].dropna()) | {"POP"} == {"rock", "ROCK", "pop", "POP"}
    assert (counts.ambiguous, rows["genre"].isna().sum()) == (0, 2)


def test_values_that_are_not_understood_or_damaged_are_counted(nothing):
    _, counts, rows = nothing
    one = counts.values["tempo"]
    assert (one.understood, one.not_understood, one.placeholder) == (N - 2, 3, 1)
    assert (counts.values["title"].damaged, rows["title"].isna().sum()) == (1, 1)
    # Keys that are all unknown are no error.
    assert "key" not in counts.values
    assert "key" not in rows


def test_of_a_wide_table_only_what_could_be_used_is_looked_at_and_doubts_are_told(
    spark, tmp_path, caplog
):
    tracks = make(200, artists=40).rename(columns={"track_id": "uri"})
    tracks = tracks.assign(id=[i % 8 for i in range(200)], key="unclear")
    tracks.loc[:60, "artist"] = "Soundtrack"
    tracks.loc[:60, "album"] = [f"Album {i % 30}" for i in range(61)]
    tracks["tempo"] = ["120 BPM", *tracks["tempo"][1:]]
    more = pd.DataFrame({f"mfcc_{i}": 0.5 for i in range(60)}, index=tracks.index)
    path = csv(pd.concat([tracks, more], axis=1), tmp_path / "wide.csv")
    found, dataset = inspected(spark, path, tmp_path)
    by_name = {column.name: column for column in found.columns}
    assert by_name["loudness"].median is not None
    assert by_name["mfcc_7"].median is None
    # An id that repeats is passed over for one that does not.
    assert found.mapping["track_id"].expression == "uri"
    assert "the table's key is not understood: 'unclear'" in found.notes
    assert any("largest artist is 'Soundtrack': 61 tracks on 30" in note for note in found.notes)
    counts, rows = read(spark, path, dataset)
    assert counts.accepted == 200
    assert "key" not in rows
    assert "tempo: 1 values cannot be read, for example '120 BPM'" in caplog.text


# Ids


@pytest.mark.parametrize("kind", [pa.float64(), pa.decimal128(21, 2)])
def test_ids_that_are_stored_as_fractions_stay_the_whole_numbers_they_are(
    spark, tracks, tmp_path, kind
):
    tracks["track_id"] = [3135556 + 7 * 10**6 * i for i in range(N)]
    path = parquet(changed(tracks, track_id=lambda ids: ids.cast(kind, safe=False)), tmp_path)
    assert set(read(spark, path)[1]["track_id"]) == set(tracks["track_id"].astype(str))


def test_ids_that_a_spreadsheet_rounded_are_quarantined(spark, tracks, tmp_path):
    tracks["track_id"] = [f"{i + 1}.01E+07" if i < 3 else f"id{i}" for i in range(N)]
    counts, _ = read(spark, csv(tracks, tmp_path / "tracks.csv"), settings=LENIENT)
    assert counts.reasons == {"unusable:track_id": 3}


# Files


def test_columns_that_spark_cannot_read_are_left_out_and_named(spark, tracks, tmp_path, caplog):
    table = pa.Table.from_pandas(tracks)
    odd = {
        "added_at": pa.array([1] * N, pa.timestamp("ns")),
        "at": pa.array([1] * N, pa.time32("ms")),
        "clock": pa.array([1] * N, pa.time64("us")),
        "half": pa.array(np.ones(N, np.float16)),
        "seen": pa.array([[1]] * N, pa.list_(pa.timestamp("ns"))),
    }
    for name, values in odd.items():
        table = table.append_column(name, values)
    assert read(spark, parquet(table, tmp_path))[0].accepted == N
    assert all(f"{name} (" in caplog.text for name in odd)


def test_files_of_one_table_may_differ_in_the_types_of_numbers_and_lack_values(
    spark, tracks, tmp_path, caplog
):
    whole = pa.Table.from_pandas(tracks.head(10).astype({"key": "int64", "track_id": str}))
    parts = [
        whole,
        whole.slice(0, 0).set_column(0, "track_id", pa.nulls(0)),
        pa.Table.from_pandas(tracks.tail(N - 10).astype({"key": float}).assign(title=None)),
    ]
    for i, part in enumerate(parts):
        pq.write_table(part, tmp_path / f"{i}.parquet")
    counts, rows = read(spark, tmp_path)
    assert counts.accepted == N
    assert rows["key"].tolist() == tracks.sort_values("track_id")["key"].tolist()
    assert (
        "column key is bigint in 0.parquet and double in 2.parquet: read as double" in caplog.text
    )


def test_files_in_which_a_column_is_nested_and_not_nested_are_refused(spark, tracks, tmp_path):
    pq.write_table(pa.Table.from_pandas(tracks), tmp_path / "a.parquet")
    pq.write_table(changed(tracks, album=structs), tmp_path / "b.parquet")
    told = refused(spark, tmp_path)
    types = "column album is string in a.parquet, struct<id:string,name:string> in b.parquet"
    assert types in told


def test_a_path_that_exists_is_meant_as_it_stands_but_for_a_colon(spark, tracks, tmp_path):
    for name in ("tracks [2024].csv", "tracks {1,2}.csv", "what? *.csv"):
        assert read(spark, csv(tracks, tmp_path / name))[0].accepted == N
    assert "rename it" in refused(spark, csv(tracks, tmp_path / "a:b.csv"))


def test_the_format_of_a_folder_is_in_the_file_that_inspect_writes(spark, tracks, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    csv(tracks, folder / "a.txt")
    found, dataset = inspected(spark, folder, tmp_path, "csv")
    assert dataset.format == "csv"
    assert read(spark, folder, dataset)[0].accepted == N
    command = advice.next_command(found, None, "mine.yaml", "csv")
    assert "--format" not in command
    plain = advice.next_command(found, None, None, "csv")
    assert shlex.split(plain)[4:6] == ["--format", "csv"]


def test_a_damaged_column_of_ids_is_refused_as_any_other(spark, tracks, tmp_path):
    big = pd.concat([tracks] * 200).assign(track_id=[f"id {i * 7919}" for i in range(200 * N)])
    pq.write_table(pa.Table.from_pandas(big), tmp_path / "t.parquet", use_dictionary=False)
    chunk = pq.read_metadata(tmp_path / "t.parquet").row_group(0).column(0)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    at = chunk.data_page_offset + chunk.total_compressed_size // 2
    content[at : at + 200] = bytes(200)
    (tmp_path / "t.parquet").write_bytes(content)
    assert "cannot be read" in refused(spark, tmp_path / "t.parquet")


# Damage


@pytest.mark.parametrize("n", [5, pytest.param(25, marks=LONG)])
@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_a_table_with_some_changed_bytes_is_accounted_for_or_refused(
    spark, tracks, tmp_path, fmt, n
):
    original = tmp_path / f"whole.{fmt}"
    csv(tracks, original) if fmt == "csv" else tracks.to_parquet(original)
    chance, errors = random.Random(19), []
    for i in range(n):
        content = bytearray(original.read_bytes())
        for _ in range(max(1, len(content) // 100)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path = tmp_path / f"{i}.{fmt}"
        path.write_bytes(content)
        with (
            suppress_into(errors),
            open_catalogue(spark, Source(str(path), Dataset()), LENIENT) as one,
        ):
            kept = one.tracks.count() + one.quarantined.count()
            assert one.counts.read == kept == one.counts.accepted + one.counts.n_quarantined
    assert {err.exit_code for err in errors} <= {3, 5}
    assert [err for err in errors if "\n" in str(err)] == []


@contextmanager
def suppress_into(errors):
    """Collects what a user can cause; anything else fails the test."""
    try:
        yield
    except GenreSparkError as err:
        errors.append(err)
