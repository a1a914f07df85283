"""A labelled catalogue is read as it is by those who read such tables, however its files lie."""

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.edits import assert_equal, score, start

from genre_spark.cli import cli
from genre_spark.config import load_settings
from genre_spark.errors import InputError, OutputError
from genre_spark.publishing.reader import LabelledTable
from genre_spark.schema import LABELLED_COLUMNS

LAYOUTS = {
    "as it comes": (),
    "in files of 20": ("rows_per_file=20",),
    "in directories": ("partition_by=synthetic_genre_id",),
    "in directories of small files": ("partition_by=synthetic_genre_id", "rows_per_file=4"),
}


def by_spark_sql(folder, spark):
    spark.sql("DROP TABLE IF EXISTS labelled")
    spark.sql(f"CREATE TABLE labelled USING parquet LOCATION '{folder}'")
    if any(folder.glob("*=*")):
        spark.sql("MSCK REPAIR TABLE labelled")
    try:
        return spark.sql("SELECT * FROM labelled").toArrow()
    finally:
        spark.sql("DROP TABLE labelled")


READERS = {
    "pandas": lambda path, _: pa.Table.from_pandas(pd.read_parquet(path), preserve_index=False),
    "DuckDB": lambda path, _: duckdb.sql(
        f"SELECT * FROM read_parquet('{path}/**/*.parquet')"
    ).to_arrow_table(),
    "DuckDB, as a directory": lambda path, _: duckdb.sql(
        f"SELECT * FROM read_parquet('{path}')"
    ).to_arrow_table(),
    "Polars": lambda path, _: (
        pl.scan_parquet(f"{path}/**/*.parquet", hive_partitioning=True).collect().to_arrow()
    ),
    "Spark": lambda path, spark: spark.read.parquet(str(path)).toArrow(),
    "Spark SQL": by_spark_sql,
}


@pytest.fixture(scope="module")
def folders(spark, model, tmp_path_factory):
    """The same tracks in each layout; some of their rows are in quarantine."""
    parent, tracks = tmp_path_factory.mktemp("layouts"), start()
    tracks = pd.concat([tracks, tracks.head(5)])
    for name, overrides in LAYOUTS.items():
        settings = load_settings(overrides=("max_quarantined=1", "max_imputed=1", *overrides))
        score(spark, tracks, model, parent / name, settings=settings)
    return {name: parent / name for name in LAYOUTS}


def rows(table):
    """Plain rows in order of their ids, whatever a reader makes of integers and of time zones."""
    assert set(table.column_names) == set(LABELLED_COLUMNS)
    table = table.select(list(LABELLED_COLUMNS))
    as_written = {"synthetic_genre_id": pa.int32(), "scored_at": pa.timestamp("us")}
    for name, kind in as_written.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(kind))
    return sorted(table.to_pylist(), key=lambda row: row["track_id"])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_reader_finds_all_tracks_and_nothing_of_the_quarantine(
    spark, folders, layout, reader
):
    expected = rows(pq.read_table(folders["as it comes"]))
    found = rows(READERS[reader](folders[layout], spark))
    assert [row["track_id"] for row in found] == [row["track_id"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one | {"scored_at": None} == other | {"scored_at": None}


def files(folder):
    return sorted(path for path in folder.rglob("*.parquet"))


def test_each_synthetic_genre_has_a_directory_with_one_file_of_its_tracks(folders):
    folder = folders["in directories"]
    ids = set(pd.read_parquet(folders["as it comes"])["synthetic_genre_id"])
    assert {path.parent.name for path in files(folder)} == {f"synthetic_genre_id={i}" for i in ids}
    assert len(files(folder)) == len(ids)


def test_files_have_about_as_many_rows_as_were_asked_for(folders):
    sizes = [pq.read_metadata(path).num_rows for path in files(folders["in files of 20"])]
    assert len(sizes) == 3
    assert sum(sizes) == 60
    parted = folders["in directories of small files"]
    sizes = [pq.read_metadata(path).num_rows for path in files(parted)]
    assert max(sizes) == 4


def test_the_quarantine_is_read_by_its_own_name(spark, folders):
    for folder in folders.values():
        found = pd.read_parquet(folder / "_quarantine")
        assert [list(why) for why in found["_reasons"]] == [["duplicate_track_id"]] * 5
        assert spark.read.parquet(f"{folder}/_quarantine").count() == 5
        assert duckdb.sql(f"FROM read_parquet('{folder}/_quarantine/part-*')").shape[0] == 5
        left = {path.suffix for path in (folder / "_quarantine").glob(".part-*")}
        assert left == set()


def test_a_layout_may_change_from_run_to_run_and_labels_are_carried_over(
    spark, model, folders, tmp_path
):
    tracks = pd.concat([start(), start().head(5)])
    for overrides in (LAYOUTS["in directories of small files"], LAYOUTS["as it comes"]):
        settings = load_settings(overrides=("max_quarantined=1", "max_imputed=1", *overrides))
        found = score(spark, tracks, model, tmp_path / "out", settings=settings, incremental=True)
    assert found["incremental"]["in_full_because"] is None
    assert len(found["runs"]) == 1
    assert not list((tmp_path / "out").glob("*=*"))
    assert_equal(folders["as it comes"], tmp_path / "out")


def test_directories_of_others_are_left_as_they_are(spark, model, folders, tmp_path):
    folder = Path(shutil.copytree(folders["as it comes"], tmp_path / "out"))
    Path(folder, "year=1999").mkdir()
    with pytest.raises(OutputError, match=r"holds what genre-spark did not publish \(year=1999/\)"):
        score(spark, start(), model, folder)


def table(path):
    return LabelledTable(lambda: None, str(path))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_labels_command_counts_and_shows_tracks_without_spark(folders, layout):
    found = table(folders[layout]).look(7)
    assert found.manifest.rows.labelled == 60
    ids = [row["track_id"] for row in found.samples]
    assert len(set(ids)) == 7
    assert ids == [row["track_id"] for row in table(folders[layout]).look(7).samples]
    told = CliRunner().invoke(cli, ["labels", str(folders[layout]), "--rows", "2"]).stdout
    assert "tracks: 60\n" in told
    assert sum(line.startswith(("s1t", "track_id\t")) for line in told.splitlines()) == 3


def test_a_remote_catalogue_is_shown_by_spark(spark, folders, monkeypatch):
    rows = spark.read.parquet(str(folders["in directories"]))
    samples = []
    for read in (rows, rows.repartition(3)):
        monkeypatch.setattr(LabelledTable, "_rows", lambda _, read=read: read)
        samples.append(table("anywhere").sample(5, list(LABELLED_COLUMNS)))
    assert len({row["track_id"] for row in samples[0]}) == 5
    assert samples[0] == samples[1]


def test_a_catalogue_that_lost_a_file_is_reported(folders, tmp_path):
    shutil.copytree(folders["in files of 20"], tmp_path / "out")
    files(tmp_path / "out")[0].unlink()
    with pytest.raises(
        InputError, match=r"tracks, but its _manifest\.json says 60: files were lost"
    ):
        table(tmp_path / "out").look(5)
    files(tmp_path / "out")[0].write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        table(tmp_path / "out").look(5)


def test_labelled_rows_are_found_by_their_ids_without_spark(tmp_path):
    rows = {"track_id": ["a", "b", "c"], "genre": ["rock", None, "jazz"]}
    pq.write_table(pa.table(rows), tmp_path / "part-0.parquet")
    found = table(tmp_path).by_ids(["c", "b", "gone"], ("track_id", "genre"))
    assert found == [{"track_id": "b", "genre": None}, {"track_id": "c", "genre": "jazz"}]
    (tmp_path / "part-1.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot be read"):
        table(tmp_path).by_ids(["c"], ("track_id",))
