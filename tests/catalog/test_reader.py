import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from pyspark.sql import functions as F
from support.generated import make_tracks

from genre_spark.catalog import reader, validation
from genre_spark.catalog.reader import CORRUPT, SOURCE, map_columns, odd_name
from genre_spark.errors import ConfigError, InputError
from genre_spark.platform import session
from genre_spark.schema import FEATURE_NAMES, TEXT_COLUMNS
from genre_spark.source import Dataset, load_dataset


@pytest.fixture
def file(tmp_path):
    def write(text, name="tracks.csv"):
        path = tmp_path / name
        content = text if isinstance(text, bytes) else text.encode("utf-8")
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(path)

    return write


@pytest.fixture
def rows(spark):
    """What a file gives: its rows as dicts, read and mapped."""

    def read(path, dataset=None, fmt=None):
        dataset = dataset or Dataset()
        mapped = map_columns(reader.read(spark, path, dataset, fmt), dataset, path)
        return [row.asDict(recursive=True) for row in mapped.rows.collect()]

    return read


@pytest.fixture
def refusal(rows):
    def read(*arguments, error=InputError, **options):
        with pytest.raises(error) as caught:
            rows(*arguments, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return read


def csv(*lines, end="\n"):
    return end.join(lines) + end


# Reading


def test_a_columns_name_reads_no_variable_of_the_environment(file, rows, monkeypatch):
    monkeypatch.setenv("MY_API_TOKEN", "hunter2")
    names = "${env:MY_API_TOKEN}", "${system:user.name}", "${spark.app.name}"
    (row,) = rows(file(csv("track_id," + ",".join(names), "a,1,2,3")))
    assert set(names) < set(row[SOURCE])
    assert "hunter2" not in str(row)


def test_quotes_line_breaks_and_backslashes_are_read_as_most_programs_write_them(file, rows):
    lines = ['1,"He said ""hi"", and\nleft, ",100', "2,plain,110", r'3,"ends in \",100']
    lines += [r"4,\No,110", r'5,"a\""b",120']
    found = rows(file(csv("track_id,title,tempo", *lines)))
    titles = ['He said "hi", and\nleft,', "plain", "ends in \\", r"\No", r"a\"b"]
    assert [row["title"] for row in found] == titles
    assert [row["tempo"] for row in found] == [100.0, 110.0, 100.0, 110.0, 120.0]
    assert {row[CORRUPT] for row in found} == {None}


def test_tables_of_other_systems_and_packed_ones_read_the_same(file, rows):
    lines = ("track_id,title,tempo", '1,"Å ✓",100', '2,"a\nb",110')
    plain = rows(file(csv(*lines)))
    assert [(row["track_id"], row["title"], row["tempo"]) for row in plain] == [
        ("1", "Å ✓", 100.0),
        ("2", "a\nb", 110.0),
    ]
    assert rows(file(csv(*lines), "tracks.csv.gz")) == plain
    windows = csv(*lines[:2], "2,b,110", end="\r\n").encode()
    for text in (windows, b"\xef\xbb\xbf" + windows):
        found = rows(file(text))
        assert [(row["title"], row["tempo"]) for row in found] == [("Å ✓", 100.0), ("b", 110.0)]


def test_tabs_separate_where_the_name_says_tsv(file, rows):
    text = "track_id\ttitle\ttempo\n1\ta,b\t100\n"
    for name in ("tracks.tsv.gz", "TRACKS.TSV"):
        (row,) = rows(file(text, name))
        assert (row["title"], row["tempo"]) == ("a,b", 100.0), name


def test_parquet_json_and_csv_of_the_same_tracks_map_to_the_same_rows(spark, tmp_path, rows):
    tracks = make_tracks(30, seed=1)
    table = spark.createDataFrame(tracks)
    table.write.parquet(str(tmp_path / "t.parquet"))
    table.write.json(str(tmp_path / "t.json"))
    table.write.csv(str(tmp_path / "t.csv"), header=True)
    found = {
        end: sorted(
            tuple(row[name] for name in (*TEXT_COLUMNS, *FEATURE_NAMES))
            for row in rows(str(tmp_path / f"t.{end}"))
        )
        for end in ("parquet", "json", "csv")
    }
    assert found["parquet"] == sorted(map(tuple, tracks.to_numpy().tolist()))
    assert found["json"] == found["parquet"]
    assert found["csv"] == found["parquet"]


def test_the_format_that_is_given_counts_more_than_the_datasets_and_that_more_than_the_ending(
    file, rows
):
    path = file('{"track_id": "1", "tempo": 100}\n', "tracks.csv")
    assert rows(path, Dataset(format="json"))[0]["tempo"] == 100.0
    assert rows(path, Dataset(format="parquet"), "json")[0]["tempo"] == 100.0


def test_what_cannot_be_read_is_refused_in_one_line(file, refusal, tmp_path):
    absent, pattern = str(tmp_path / "none.csv"), f"{tmp_path}/*.parquet"
    assert refusal(absent) == f"{absent}: no such file or directory"
    assert refusal(pattern).startswith(f"{pattern}: cannot be read: ")
    (tmp_path / "empty").mkdir()
    for fmt in ("parquet", "orc"):
        told = refusal(str(tmp_path / "empty"), fmt=fmt)
        assert told.startswith(f"{tmp_path}/empty: cannot be read as {fmt}: ")
    for name in ("tracks.csv", "tracks.csv.gz", "tracks.json"):
        path = file("", name)
        assert refusal(path) == f"{path}: is empty: no header and no rows"
    path = file("track_id,tempo\n1,2\n", "tracks.parquet")
    assert refusal(path) == f"{path}: is no PARQUET: if it is text, rename it to .csv or .json"
    path = file("track_id,tempo\n1,2\n")
    assert refusal(path, fmt="exel").endswith(
        "as exel: Spark has no such format here: add its package, or give --format csv, json, parquet or orc"
    )


# Malformed rows


def test_a_malformed_json_line_is_kept_whole(file, rows):
    text = '{"track_id": "1", "tempo": 100}\n{"track_id": "2", "tem\n'
    good, bad = rows(file(text, "tracks.json"))
    assert (good["tempo"], good[CORRUPT]) == (100.0, None)
    assert (bad["track_id"], bad[CORRUPT]) == (None, '{"track_id": "2", "tem')


# Columns


# A table, its dataset file, and some of its only row in canonical columns.
MAPPED = {
    "names in another case": (
        csv("TRACK_ID,Artist,Tempo,YEAR,popularity", "1,A,100,1999,7"),
        Dataset(extra_features=("year", "Popularity")),
        {"track_id": "1", "artist": "A", "tempo": 100.0, "year": 1999.0, "Popularity": 7.0},
    ),
    "an expression before a column of the same name": (
        csv("track_id,tempo,bpm,genre", "1,100,50,Rock"),
        Dataset(columns={"tempo": "2 * bpm + 1", "genre": "lower(genre)"}),
        {"tempo": 101.0, "genre": "rock"},
    ),
    "names that only end in numbers": (
        csv("track_id,tempo,tempo1,x1,x2", "1,100,1,2,3"), Dataset(), {"tempo": 100.0, "track_id": "1"}
    ),
    "options of the dataset": (
        csv("track_id;tempo", "1;100"), Dataset(options={"sep": ";"}), {"tempo": 100.0, "track_id": "1"}
    ),
    "blank texts": (
        csv("track_id,artist,genre,tempo", '"",,"  ",1'),
        Dataset(),
        {"track_id": None, "artist": None, "genre": None, "tempo": 1.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MAPPED)
def test_columns_become_those_of_genre_spark(file, rows, kind):
    text, dataset, expected = MAPPED[kind]
    (row,) = rows(file(text), dataset)
    assert {name: row[name] for name in expected} == expected


def test_what_the_source_lacks_is_null_and_not_listed(spark, file):
    path = file(csv("track_id,tempo,popularity", "1,100,5"))
    mapped = map_columns(reader.read(spark, path, Dataset()), Dataset(), path)
    assert mapped.features == ("tempo",)
    assert mapped.columns == {"track_id"}
    row = mapped.rows.first()
    assert [row[name] for name in TEXT_COLUMNS] == ["1", None, None, None, None]
    assert row[SOURCE].asDict() | {CORRUPT: None} == {
        "track_id": "1", "tempo": "100", "popularity": "5", CORRUPT: None
    }  # fmt: skip


def test_features_come_in_canonical_order_and_extras_last(spark, file):
    names = ["year", *reversed(FEATURE_NAMES), "track_id"]
    path = file(csv(",".join(names), ",".join("1" for _ in names)))
    dataset = Dataset(extra_features=("year",))
    mapped = map_columns(reader.read(spark, path, dataset), dataset, path)
    assert mapped.features == (*FEATURE_NAMES, "year")


def test_a_number_is_a_number_and_what_is_not_taken_for_one_is_kept_to_be_shown(file, rows):
    odd = ["fast", "1,5", "0x10", "NaN"]
    lines = [f'1,"{text}",1' for text in ("100", " 1e2 ", "", *odd)]
    found = rows(file(csv("track_id,tempo,key", *lines)))
    assert [row["tempo"] for row in found] == [100.0, 100.0, *[None] * 5]
    assert [row[odd_name("tempo")] for row in found] == [None, None, None, *odd]


def test_numbers_of_any_type_serve(spark):
    table = spark.sql(
        "SELECT 7L track_id, cast(120.5 AS decimal(9,3)) tempo, true mode, 5Y key, 0.5F energy"
    )
    row = map_columns(table, Dataset(), "memory").rows.first()
    assert (row["track_id"], row["tempo"], row["mode"]) == ("7", 120.5, 1.0)
    assert (row["key"], row["energy"]) == (5.0, 0.5)


def test_column_names_with_dots_and_quotes_are_only_names(spark):
    row = {"track_id": "1", "tempo": 900.0, "release.date": "x", "it`s": "y", "a b": "z"}
    mapped = map_columns(spark.createDataFrame([row]), Dataset(), "memory")
    validated = validation.validate(mapped, ("tempo",), max_imputed=0)
    found = validation.quarantined(validated).first().asDict()
    assert {name: found[name] for name in row} == row


def test_lists_are_parsed_once_a_row_whatever_reads_their_names(spark):
    # Where an expression is copied to each use, a plan grows with every use of it: Spark's optimizer did
    # not come to an end on one of 4 GB.
    listed = {"id": "a", "artists": "['A', 'B']", "genres": "['rock']"}
    listed |= dict.fromkeys(FEATURE_NAMES, 0.5)
    artists = {"artist": "artists", "artists": "artists"}
    genre = "get(from_json(genres, 'array<string>'), 0)"
    dataset = Dataset(columns={"track_id": "id", "genre": genre, **artists})
    mapped = map_columns(spark.createDataFrame([listed]), dataset, "x")
    tracks = validation.accepted(validation.validate(mapped, mapped.features, max_imputed=99))
    known = tracks.filter("artist IS NOT NULL AND genre IS NOT NULL").groupBy("artist").count()
    with session.setting(spark, {"spark.sql.debug.maxToStringFields": "100000"}):
        plan = known._jdf.queryExecution().optimizedPlan().toString()
    # Of artists four, one for each way of writing a list; of genres in the filter and in no column.
    assert (plan.count("from_json"), known.collect()[0].artist) == (5, "A")


def test_a_table_without_track_id_is_refused_with_what_it_has(file, refusal):
    path = file(csv("id,tempo", "1,100"))
    assert refusal(path) == (
        f"{path}: no column 'track_id'; found: id, tempo. Map it in a dataset file"
        " (columns: track_id: <SQL expression>) and give that with --dataset"
    )
    # Of very many columns thirty are named.
    path = file(csv(",".join(f"c{i}" for i in range(40)), ",".join("1" for _ in range(40))))
    assert ", c29 and 10 more. " in refusal(path)


NEEDS = {
    "quote": ("in single quotes", "'track_id','artist','energy'", "'a','A, B','0.5'"),
    "ignoreLeadingWhiteSpace": ("a blank follows", "track_id, artist, energy", "a, A, 0.5"),
    "ignoreTrailingWhiteSpace": ("a blank precedes", "track_id ,artist ,energy", "a ,A ,0.5"),
    "comment": ("lines are comments", "# exported today", "track_id,artist,energy", "a,A,0.5"),
}


@pytest.mark.parametrize("option", NEEDS)
def test_a_csv_that_needs_an_option_is_refused_with_its_name(option, file, refusal):
    why, *lines = NEEDS[option]
    told = refusal(file(csv(*lines, *lines[-1:])))
    assert why in told
    assert f"{option}: " in told


def test_a_csv_with_a_column_twice_by_case_is_refused(file, refusal):
    path = file(csv("track_id,TEMPO,tempo", "1,100,200"))
    assert refusal(path) == (
        f"{path}: column tempo appears more than once (case does not count); rename one of them"
    )


def test_another_table_with_a_column_twice_by_case_is_refused(spark, file, tmp_path, refusal):
    json = file('{"track_id": "1", "tempo": 1, "Tempo": 2}\n', "tracks.json")
    parquet = str(tmp_path / "tracks.parquet")
    names = ["track_id", "tempo", "Tempo"]
    pq.write_table(pa.table([["1"], [1.0], [2.0]], names=names), parquet)
    for path in (json, parquet):
        told = refusal(path)
        assert told.startswith(f"{path}: ")
        assert "`tempo`" in told.lower() or "column tempo" in told
    joined = spark.sql("SELECT '1' track_id, 1.0 tempo, 2.0 Tempo")
    with pytest.raises(InputError, match=r"^memory: column tempo appears more than once"):
        map_columns(joined, Dataset(), "memory")


def test_an_expression_that_spark_cannot_evaluate_for_a_row_is_refused(file, refusal):
    path = file(csv("track_id,tempo", "1,100"))
    for name, expression in {
        "artist": "split(artists, ';')[0]",
        "album": "upcase(track_id)",
        "energy": "max(tempo)",
        "valence": "explode(array(1, 2))",
    }.items():
        told = refusal(path, Dataset(columns={name: expression}))
        assert told.startswith(f"{path}: column {name} cannot be made from '{expression}': ")
        if name == "artist":
            assert "`artists`" in told
            assert told.endswith("; found: track_id, tempo")
    told = refusal(path, Dataset(columns={"artist": "split(("}), error=ConfigError)
    assert told == "dataset: columns: artist: not a SQL expression: split(("


def test_a_column_of_a_type_that_cannot_be_read_is_refused(spark):
    expressions = {
        "named_struct('a', 1)": "struct<a:int>",
        "array(1)": "array<int>",
        "map('a', 1)": "map<string,int>",
        "cast('x' AS binary)": "binary",
        "date '2020-01-01'": "date",
        "timestamp '2020-01-01 00:00:00'": "timestamp",
    }
    cases = [("tempo", "a number", *case) for case in expressions.items()]
    for name, needed, expression, kind in [
        *cases,
        ("artist", "text", "array('a')", "array<string>"),
    ]:
        table = spark.sql(f"SELECT '1' track_id, {expression} {name}")
        with pytest.raises(InputError) as refused:
            map_columns(table, Dataset(), "tracks.parquet")
        assert str(refused.value) == (
            f"tracks.parquet: column {name} is {kind}, needed is {needed};"
            f" map it in a dataset file (columns: {name}: <SQL expression>)"
        )


# The real tables


# A file, its dataset, and how many of its rows meet each condition.
REAL = {
    "spotify": (
        "tracks_features_69522.csv.gz",
        "spotify-1.2m",
        {
            f"{CORRUPT} IS NOT NULL": 0,
            "track_id IS NULL OR tempo IS NULL OR year IS NULL": 0,
            "artist RLIKE '[\\'\"], [\\'\"]'": 0,
            "artist IS NULL": 87,  # of "Various Artists" and the like
            "true": 69_522,
        },
    ),
    "tidytuesday": (
        "spotify_songs.csv.gz",
        "tidytuesday",
        {
            f"{CORRUPT} IS NOT NULL": 0,
            "track_id IS NULL OR genre IS NULL OR tempo IS NULL OR year IS NULL": 0,
            # R writes NA where it has nothing: 5 rows; 9 are of "Various Artists" or "Unknown Artist".
            "artist IS NULL": 14,
            "title IS NULL": 5,
            "true": 32_833,
        },
    ),
}


@pytest.mark.parametrize("table", REAL)
def test_a_real_table_reads_whole(spark, real_tables, table):
    name, preset, expected = REAL[table]
    path, dataset = str(real_tables / name), load_dataset(preset)
    rows = map_columns(reader.read(spark, path, dataset), dataset, path).rows
    found = rows.agg(*[F.count_if(F.expr(one)).alias(one) for one in expected]).first().asDict()
    assert found == expected
    if table == "spotify":
        assert not rows.filter("artist = 'Rage Against The Machine'").isEmpty()
