import pytest

from genre_spark.catalog.source_files import SourceFiles, refuse_logged_table, separator
from genre_spark.errors import InputError
from genre_spark.platform.storage import LocalStorage

STORAGE = LocalStorage()


def format_of(path, *files):
    return SourceFiles(None, str(path), str(path), [f"file://{one}" for one in files]).format()


def touch(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "fmt"),
    [
        ("a/tracks.csv", "csv"),
        ("a/tracks.CSV.gz", "csv"),
        ("tracks.tsv", "csv"),
        ("tracks.tab", "csv"),
        ("tracks.v2.json.bz2", "json"),
        ("tracks.jsonl", "json"),
        ("tracks.NDJSON.gz", "json"),
        ("tracks.parquet/", "parquet"),
        ("tracks.snappy.parquet", "parquet"),
        ("tracks.pq", "parquet"),
        ("tracks.orc", "orc"),
        ("tracks/*", "parquet"),
        ("tracks/*.jsonl", "json"),
        # A folder has the format of its files.
        (("/t", "/t/a.csv", "/t/b.csv"), "csv"),
        (("/t", "/t/genre=rock/part-0.parquet"), "parquet"),
        (("/t", "/t/year=1999/month=1/part-0.json.gz"), "json"),
        (("/t", "/t/a.jsonl", "/t/b.ndjson"), "json"),
        (("/t",), "parquet"),
    ],
)
def test_the_format_is_guessed_from_the_ending(path, fmt):
    assert format_of(*([path] if isinstance(path, str) else path)) == fmt


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tracks.csv.zip", "ends on .zip, which Spark does not read: unpack it"),
        ("tracks.csv.xz", "ends on .xz, which Spark does not read: unpack it"),
        ("tracks.tar.gz", "ends on .tar, which Spark does not read: unpack it"),
        ("tracks.sql.gz", "is a dump of a database in SQL"),
        ("tracks.arff", "is ARFF, as Weka writes it: save it as CSV there"),
        ("tracks.7z", "unpack it"),
        ("tracks.xlsx", "is a spreadsheet (.xlsx): save it as CSV (UTF-8) or Parquet"),
        ("tracks.txt", "give --format csv, json, parquet or orc"),
        (
            "tracks.feather",
            "ends on .feather, which is not read: write its table as Parquet or CSV",
        ),
        ("tracks.dat", "has none of the known endings (.csv, .tsv"),
        ("tracks", "has none of the known endings"),
    ],
)
def test_other_endings_are_refused_with_the_remedy(tmp_path, name, told):
    touch(tmp_path / name, b"text")
    with pytest.raises(InputError) as refused:
        format_of(tmp_path / name, tmp_path / name)
    assert told in str(refused.value)


@pytest.mark.parametrize(("content", "fmt"), [(b"PAR1....", "parquet"), (b"ORC....", "orc")])
def test_a_file_without_ending_is_known_by_its_first_bytes(tmp_path, content, fmt):
    touch(tmp_path / "part-00000", content)
    assert format_of(tmp_path / "part-00000", tmp_path / "part-00000") == fmt
    assert format_of(tmp_path, tmp_path / "part-00000") == fmt
    with pytest.raises(InputError, match=rf"several formats \(csv, {fmt}\); give a pattern"):
        format_of(tmp_path, tmp_path / "a.csv", tmp_path / f"b.{fmt}")


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/0.json", "Delta"),
        (".hoodie/h", "Hudi"),
        ("metadata/1.metadata.json", "Iceberg"),
    ],
)
@pytest.mark.parametrize("given", ["", "/genre=rock", "/genre=rock/part-0.parquet", "/*/*.parquet"])
def test_a_table_whose_files_hold_deleted_rows_is_refused(tmp_path, mark, kind, given):
    touch(tmp_path / "genre=rock" / "part-0.parquet")
    refuse_logged_table(STORAGE, str(tmp_path) + given)
    touch(tmp_path / mark)
    with pytest.raises(InputError, match=f"is in a {kind} table"):
        refuse_logged_table(STORAGE, str(tmp_path) + given)


@pytest.mark.parametrize(
    ("path", "sep"), [("a.tsv.gz", "\t"), ("a.tab", "\t"), ("a.psv", "|"), ("a.csv", None)]
)
def test_some_endings_promise_a_separator(path, sep):
    assert separator(path) == sep


def test_a_file_that_spark_skips_by_its_name_is_refused(spark, tmp_path):
    for name in ("a.csv", "_b.csv"):
        touch(tmp_path / name, b"track_id,tempo\n1,2\n")
    with pytest.raises(InputError, match=r"begins with '_', as '_b\.csv': rename or remove it"):
        SourceFiles.of(spark, str(tmp_path))


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"PAR1 and so on", "breaks off"), (b"track_id,tempo", "is no PARQUET"), (b"PAR1..PAR1", "")],
)
def test_parquet_that_breaks_off_or_is_none_is_refused(tmp_path, content, told):
    touch(tmp_path / "t.parquet", content)
    uri = f"file://{tmp_path}/t.parquet"
    files = SourceFiles(None, "t.parquet", "t.parquet", [uri])
    if not told:
        return files.refuse_damaged(uri, "parquet")
    with pytest.raises(InputError, match=f"t.parquet: {told}"):
        files.refuse_damaged(uri, "parquet")
