"""Labelled catalogues as Delta tables: what is committed, what readers find, and what is refused."""

import json
import os
import shutil
import struct
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from support import edits
from support.contract import violations
from support.edits import FEATURES, start

from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.errors import ConfigError, InputError, OutputError
from genre_spark.pipelines import score as score_pipeline
from genre_spark.publishing import reader
from genre_spark.publishing.destination import destination_of
from genre_spark.schema import LABELLED_COLUMNS
from genre_spark.source import Dataset

deltalake = pytest.importorskip("deltalake", reason="deltalake is absent: the extra `delta`")

DELTA = ("table_format=delta", "max_quarantined=1", "max_imputed=1")
SETTINGS = load_settings(overrides=DELTA)


def score(spark, tracks, model, output, settings=SETTINGS, **options):
    return edits.score(spark, tracks, model, output, settings=settings, **options)


def rows(folder, version=None):
    found = deltalake.DeltaTable(str(folder), version=version).to_pandas()
    return found.sort_values(found.columns[0]).reset_index(drop=True)


def labels(folder):
    return rows(folder).drop(columns="scored_at")


def last_commit(folder):
    return deltalake.DeltaTable(str(folder)).history(1)[0]


def seen(spark, out):
    return reader.LabelledTable(lambda: spark, str(out)).look(1)


def rewrite_log(path, change):
    """Changes the lines of a table's first version, and forgets their checksums."""
    log = path / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    change(lines)
    log.write_text("\n".join(map(json.dumps, lines)))
    for old in path.glob("_delta_log/*.crc"):
        old.unlink()


def dirty():
    """Three repeated and two bad rows."""
    tracks = start()
    return pd.concat([tracks, tracks.head(3), tracks.head(2).assign(track_id=None)])


@pytest.fixture(scope="module")
def whole(spark, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    return folder, score(spark, dirty(), model, folder)


def test_the_rows_are_those_of_a_plain_directory(spark, model, whole, tmp_path):
    score(spark, dirty(), model, tmp_path / "plain", settings=edits.SETTINGS)
    expected = edits.labels(tmp_path / "plain")
    found = labels(whole[0])
    assert list(found) == [name for name in LABELLED_COLUMNS if name != "scored_at"]
    for name in found:
        assert found[name].astype(str).tolist() == expected[name].astype(str).tolist(), name


def test_the_commit_holds_the_manifest_and_names_the_quarantine(whole):
    folder, said = whole
    commit = last_commit(folder)
    manifest = json.loads(commit["genre_spark.manifest"])
    assert violations("manifest", manifest) == []
    assert manifest["rows"]["labelled"] == commit["genre_spark.rows.labelled"] == 60
    assert commit["genre_spark.run_id"] == manifest["run_id"] == said["run_id"]
    assert commit["genre_spark.model_id"] == said["model_id"]
    quarantined = rows(f"{folder}_quarantine", commit["genre_spark.quarantine_version"])
    assert len(quarantined) == 5
    reasons = {"duplicate_track_id", "missing:track_id"}
    assert set(quarantined["_reasons"].map(list).explode()) == reasons


def test_polars_and_duckdb_read_the_table(whole):
    import duckdb
    import polars

    folder, _ = whole
    assert polars.read_delta(str(folder)).height == 60
    found = deltalake.DeltaTable(str(folder)).scan()  # noqa: F841 (DuckDB finds it by its name)
    assert duckdb.sql("select count(*) from found").fetchall() == [(60,)]


def test_a_second_run_replaces_the_rows_and_keeps_the_first_version(spark, model, tmp_path):
    out = tmp_path / "out"
    score(spark, start(), model, out)
    before = rows(out)
    tracks = start().drop(index=[5, 6])
    tracks.loc[0, "energy"] = 0.011
    found = score(spark, tracks, model, out, incremental=True)
    assert found["incremental"]["in_full_because"] is None
    assert len(found["runs"]) == 2
    assert len(rows(out)) == 58
    pd.testing.assert_frame_equal(rows(out, version=0), before)
    score(spark, tracks, model, tmp_path / "full")
    pd.testing.assert_frame_equal(labels(out), labels(tmp_path / "full"), check_exact=True)
    dry = score(spark, start(), model, out, dry_run=True)
    assert dry["changes"]["added"] == 2
    assert deltalake.DeltaTable(str(out)).version() == 1
    assert len([one for one in out.iterdir() if one.name.startswith("run-")]) == 2


def test_a_partitioned_table_is_written_and_read_by_its_log(spark, model, tmp_path):
    out, wanted = tmp_path / "out", (*DELTA, "partition_by=synthetic_genre_id")
    score(spark, start(), model, out, settings=load_settings(overrides=wanted))
    found = rows(out)
    assert found["synthetic_genre_id"].nunique() > 1
    assert found["synthetic_genre_id"].dtype == "int32"
    assert deltalake.DeltaTable(str(out)).metadata().partition_columns == ["synthetic_genre_id"]
    again = Source(str(out), Dataset()).at_version().read(spark)
    assert dict(again.dtypes) == LABELLED_COLUMNS
    pairs = again.select("track_id", "synthetic_genre_id").toPandas()
    expected = found[["track_id", "synthetic_genre_id"]]
    assert sorted(pairs.itertuples(index=False)) == sorted(expected.itertuples(index=False))
    with pytest.raises(
        OutputError, match="is partitioned by synthetic_genre_id, and not by nothing"
    ):
        score(spark, start(), model, out)


@pytest.fixture(scope="module")
def of_twenty(spark, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("twenty")
    score(spark, start(20), model, folder / "out")
    return folder


@pytest.fixture
def out(of_twenty, tmp_path):
    return Path(shutil.copytree(of_twenty, tmp_path, dirs_exist_ok=True), "out")


def commit_over(spark, out):
    """A commit of the present rows, and none quarantined, after somebody else's commit to the labels."""
    with destination_of(spark, str(out), SETTINGS).publishing(False, None) as target:
        published = target.published(list(LABELLED_COLUMNS))
        published.write.parquet(target.staging)
        published.limit(0).write.parquet(target.quarantine)
        target.complete(target.old.manifest, published)
        one = deltalake.DeltaTable(str(out)).to_pyarrow_table().slice(0, 1)
        deltalake.write_deltalake(str(out), one, mode="append")
        target.commit()


def test_a_run_that_others_overtook_is_refused_and_takes_its_quarantine_back(spark, model, out):
    score(spark, dirty(), model, out)
    with pytest.raises(OutputError, match=r"out: somebody else committed version 2 while this"):
        commit_over(spark, out)
    assert len(rows(out)) == 61
    assert len(rows(f"{out}_quarantine")) == 5
    with pytest.raises(InputError, match=r"version 2 is not by genre-spark \(WRITE\)"):
        seen(spark, out)
    assert len([one for one in out.iterdir() if one.name.startswith("run-")]) == 2
    _, before, _ = deltalake.DeltaTable(str(out)).history()
    when = datetime.fromtimestamp(before["timestamp"] / 1000, UTC)
    deltalake.DeltaTable(str(out)).restore(when)
    with pytest.raises(
        InputError, match=r"version 3 restores the rows of a time, not of a version;"
    ):
        seen(spark, out)
    deltalake.DeltaTable(str(out)).restore(0)
    assert seen(spark, out).manifest.rows.labelled == 20
    found = score(spark, dirty(), model, out, incremental=True)
    assert found["incremental"]["in_full_because"] is None
    commit = last_commit(out)
    assert commit["genre_spark.quarantine_version"] == last_commit(f"{out}_quarantine")["version"]
    assert len(rows(out)) == seen(spark, out).manifest.rows.labelled == 60


@pytest.mark.parametrize("text", ["[" * 50_000, "{", "7"])
def test_a_manifest_that_somebody_damaged_in_the_log_is_refused_and_scored_over(
    spark, model, out, text
):
    def damage(lines):
        (commit,) = (line["commitInfo"] for line in lines if "commitInfo" in line)
        commit["genre_spark.manifest"] = text

    rewrite_log(out, damage)
    with pytest.raises(InputError, match="the manifest in its log is damaged"):
        seen(spark, out)
    if text == "{":
        score(spark, start(20), model, out)
        assert seen(spark, out).manifest.rows.labelled == 20


def test_a_table_whose_log_was_cleaned_is_still_known_and_keeps_its_files(spark, model, out):
    deltalake.DeltaTable(str(out)).alter.set_column_metadata("genre", {"comment": "label"})
    log = out / "_delta_log"
    for path in log.iterdir():
        os.utime(path, (0, 0))
    table = deltalake.DeltaTable(str(out))
    table.create_checkpoint()
    table.cleanup_metadata()
    assert "genre_spark.run_id" not in str(deltalake.DeltaTable(str(out)).history())
    assert seen(spark, out).manifest.rows.labelled == 20
    (note,) = [path.name for path in out.glob("run-*")]
    (out / "_genre_spark" / f"started-{note.removeprefix('run-')}").write_text(
        "killed after its commit"
    )
    score(spark, start(20), model, out)
    assert len(rows(out, version=table.version())) == len(rows(out)) == 20


def test_two_runs_at_once_are_one_too_many(spark, model, out):
    target = destination_of(spark, str(out), SETTINGS)
    with (
        target.publishing(switch=False, run_id=None),
        pytest.raises(OutputError, match="another run is writing there"),
    ):
        score(spark, start(20), model, out)


def test_of_a_run_that_never_committed_what_it_wrote_is_deleted_and_nothing_else(spark, model, out):
    name = "part-00000-01234567-89ab-cdef-0123-456789abcdef-c000.snappy.parquet"
    attempt = f"_temporary/0/_temporary/attempt_1/{name}"
    for table in (out, Path(f"{out}_quarantine")):
        for run, files in (
            ("0" * 12, [name, attempt, "_SUCCESS"]),
            ("1" * 12, [name, "notes.txt"]),
            ("2" * 12, [name]),
        ):
            for file in files:
                (table / f"run-{run}" / file).parent.mkdir(parents=True, exist_ok=True)
                (table / f"run-{run}" / file).write_bytes(b"PAR1")
            if run != "2" * 12:  # a folder that no run has noted is anybody's
                (table / "_genre_spark" / f"started-{run}").write_text(run)
    score(spark, start(20), model, out)
    for table in (out, Path(f"{out}_quarantine")):
        assert not (table / "run-000000000000").exists()
        assert [path.name for path in (table / "run-111111111111").iterdir()] == ["notes.txt"]
        assert (table / "run-222222222222" / name).exists()
        assert not any((table / "_genre_spark").glob("started-*"))
    assert len(rows(out)) == 20
    with pytest.raises(OutputError, match="run-222222222222 is there already; give another run id"):
        score(spark, start(20), model, out, run_id="2" * 12)


def test_what_is_no_table_of_genre_spark_is_left_alone(spark, model, out, tmp_path):
    with pytest.raises(OutputError, match=r"is a Delta table; write to it with --table-format"):
        score(spark, start(20), model, out, settings=edits.SETTINGS)
    mine = tmp_path / "mine"
    deltalake.write_deltalake(str(mine), pa.table({"a": [1]}))
    with pytest.raises(OutputError, match="a Delta table that genre-spark did not write"):
        score(spark, start(20), model, mine)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a")
    with pytest.raises(OutputError, match=r"is no Delta table, and holds a\.txt"):
        score(spark, start(20), model, tmp_path / "notes")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """A Delta table of tracks: 30 in version 0, 50 in version 1, 40 in version 2."""
    folder = str(tmp_path_factory.mktemp("catalogue") / "a table+ of 100%")
    tracks = start(50).astype(dict.fromkeys(FEATURES, float))[["track_id", "artist", *FEATURES]]
    tracks["part"] = ["a b", "ü/%"] * 25
    write = {"partition_by": ["part"]}
    deltalake.write_deltalake(folder, pa.Table.from_pandas(tracks.head(30)), **write)
    deltalake.write_deltalake(folder, pa.Table.from_pandas(tracks.tail(20)), mode="append", **write)
    gone = ", ".join(f"'{one}'" for one in tracks["track_id"].head(10))
    deltalake.DeltaTable(folder).delete(f"track_id in ({gone})")
    return folder, tracks


@pytest.mark.parametrize(("version", "n"), [(None, 40), (0, 30), (1, 50)])
def test_a_delta_catalogue_is_read_at_a_version_without_deleted_rows(spark, catalogue, version, n):
    path, tracks = catalogue
    source = Source(path, Dataset(), version=version).at_version()
    assert source.version == (2 if version is None else version)
    found = source.read(spark).toPandas()
    assert len(found) == n
    both = found.merge(tracks, on="track_id")
    assert (both["part_x"] == both["part_y"]).all()
    assert list(found) == list(tracks)


def test_the_version_that_was_labelled_is_in_the_manifest(spark, catalogue, model, tmp_path):
    path, _ = catalogue
    source = Source(path, Dataset(), version=1).at_version()
    request = edits.request(source, model, str(tmp_path / "out"), edits.SETTINGS)
    found = score_pipeline.run(spark, request, lambda *_: None)
    assert found.manifest.rows.labelled == 50
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (manifest["source"]["format"], manifest["source"]["version"]) == ("delta", 1)
    assert violations("manifest", manifest) == []


def test_versions_that_are_not_there_and_files_inside_a_table_are_refused(
    spark, catalogue, tmp_path
):
    path, tracks = catalogue
    with pytest.raises(InputError, match="has no version 9, the newest is 2"):
        Source(path, Dataset(), version=9).at_version()
    inside = next(Path(path).glob("part=*"))
    with pytest.raises(InputError, match=r"is in a Delta table .* Give its folder"):
        Source(str(inside), Dataset()).at_version().read(spark)
    plain = tmp_path / "plain.parquet"
    tracks.to_parquet(plain)
    with pytest.raises(ConfigError, match="is of tables in delta; this is none"):
        Source(str(plain), Dataset(), version=1).at_version()


def deletion_vector(deleted):
    """Rows of a file as an inline deletion vector: a 64-bit Roaring bitmap of one container, in Z85.

    See "Deletion Vector Format" of the Delta protocol, and the specification of Roaring bitmaps.
    """
    container = struct.pack(f"<IIHHI{len(deleted)}H", 12346, 1, 0, len(deleted) - 1, 16, *deleted)
    data = struct.pack("<IQI", 1681511377, 1, 0) + container
    return {
        "storageType": "i",
        "pathOrInlineDv": z85(data + bytes(-len(data) % 4)),
        "sizeInBytes": len(data),
        "cardinality": len(deleted),
    }


def z85(data):
    """ZeroMQ's RFC 32: base 85 in an alphabet that JSON need not escape."""
    alphabet = (
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    )
    found = ""
    for (word,) in struct.iter_unpack(">I", data):
        found += "".join(alphabet[word // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return found


def read(spark, path):
    return Source(str(path), Dataset()).at_version().read(spark).toPandas()


@pytest.mark.parametrize("first", [True, False])
def test_rows_of_deletion_vectors_are_left_out_of_the_file_that_the_log_names(
    spark, tmp_path, first
):
    path = tmp_path / "dv"
    deltalake.write_deltalake(str(path), pa.table({"track_id": [f"t{i}" for i in range(8)]}))

    def delete_from_it_and_another_file_of_that_name(lines):
        (protocol,) = (line["protocol"] for line in lines if "protocol" in line)
        protocol.update(minReaderVersion=3, minWriterVersion=7)
        protocol.update({key: ["deletionVectors"] for key in ("readerFeatures", "writerFeatures")})
        (add,) = (line for line in lines if "add" in line)
        name = add["add"]["path"]
        (path / "more").mkdir()
        pd.DataFrame({"track_id": ["u0", "u1", "u2"]}).to_parquet(path / "more" / name)
        size = (path / "more" / name).stat().st_size
        inner = {**add["add"], "path": f"more/{name}", "size": size}
        inner["deletionVector"] = deletion_vector([1])
        add["add"]["deletionVector"] = deletion_vector([1, 4, 5])
        lines.insert(lines.index(add) + (not first), {"add": inner})

    rewrite_log(path, delete_from_it_and_another_file_of_that_name)
    left = ["t0", "t2", "t3", "t6", "t7", "u0", "u2"]
    assert sorted(read(spark, path)["track_id"]) == left


def test_a_table_with_renamed_columns_is_refused(spark, tmp_path):
    mapping = "delta.columnMapping"

    def rename(lines):
        (metadata,) = (line["metaData"] for line in lines if "metaData" in line)
        (protocol,) = (line["protocol"] for line in lines if "protocol" in line)
        schema = json.loads(metadata["schemaString"])
        schema["fields"][0]["metadata"] = {
            f"{mapping}.id": 1,
            f"{mapping}.physicalName": "track_id",
        }
        metadata["schemaString"] = json.dumps(schema)
        metadata["configuration"] = {f"{mapping}.mode": "name", f"{mapping}.maxColumnId": "1"}
        protocol.update(minReaderVersion=2, minWriterVersion=5)

    deltalake.write_deltalake(str(tmp_path / "mapped"), pa.table({"track_id": ["a"]}))
    rewrite_log(tmp_path / "mapped", rename)
    with pytest.raises(InputError, match="with columnMapping, which is not read here"):
        read(spark, tmp_path / "mapped")
