"""What score promises beside labels: accounts, provenance, gates, and dry runs that change nothing."""

import copy
import dataclasses
import functools
import json

import pandas as pd
import pytest
from pyarrow import parquet as pq
from support import edits
from support.contract import violations
from support.edits import SETTINGS, score, start

from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.errors import GateError, GenreSparkError
from genre_spark.pipelines import score as score_pipeline
from genre_spark.publishing import writer
from genre_spark.publishing.manifest import checked
from genre_spark.schema import LABELLED_COLUMNS
from genre_spark.source import Dataset


@pytest.fixture(scope="module")
def whole(spark, model, tmp_path_factory):
    """A published catalogue with three repeated and two bad rows, and what was said of it."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    tracks = start()
    bad = tracks.head(2).assign(track_id=None)
    found = score(spark, pd.concat([tracks, tracks.head(3), bad]), model, folder)
    return folder, found


@pytest.fixture(scope="module")
def manifest(whole):
    """The manifest of that catalogue, as JSON; not to be changed."""
    return json.loads((whole[0] / "_manifest.json").read_text())


def files(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_manifest_accounts_for_every_row(whole, manifest):
    folder, said = whole
    rows = manifest["rows"]
    assert rows["read"] == 65 == rows["labelled"] + rows["quarantined"]
    assert rows["reasons"] == {"duplicate_track_id": 3, "missing:track_id": 2}
    assert rows["labelled"] == len(pd.read_parquet(folder)) == 60
    assert rows["quarantined"] == len(pd.read_parquet(folder / "_quarantine"))
    of_the_disk = {"made_by": manifest["made_by"], "files": manifest["files"]}
    assert of_the_disk["made_by"] == "genre-spark"
    assert set(of_the_disk["files"]) > {"_SUCCESS"}
    told = json.loads(json.dumps(said)) | of_the_disk
    assert {key: told[key] for key in manifest} == manifest


def test_the_manifest_and_the_rows_keep_their_published_contract(whole, manifest):
    assert violations("manifest", manifest) == []
    assert violations("manifest", {**manifest, "checksum": "?"}) == ["$.checksum"]
    rows = pq.read_table(whole[0]).to_pylist()
    for row in rows:
        assert violations("labels", {**row, "scored_at": row["scored_at"].isoformat()}) == []


def test_a_manifest_without_the_newest_settings_is_still_read(manifest):
    content = copy.deepcopy(manifest)
    now = checked(content, "out").settings
    del content["settings"]["delta"]
    del content["settings"]["publishing"]["table_format"]
    del content["settings"]["catalog"]["version"]
    assert checked(content, "out").settings == now


def test_the_manifest_reports_where_the_rows_come_from(whole, manifest, model):
    assert manifest["model"]["path"] == model
    assert manifest["source"]["path"].endswith("out.parquet")
    assert manifest["source"]["fingerprint"] == manifest["rows"]["fingerprint"] != ""
    software = {"genre-spark", "scoring", "pyspark", "numpy", "pyarrow", "onnxruntime"}
    assert set(manifest["software"]) == software
    assert manifest["settings"]["catalog"]["max_quarantined"] == 1
    assert manifest["scored_at"] <= manifest["finished_at"]
    assert manifest["schema"] == LABELLED_COLUMNS
    (run,) = manifest["runs"]
    assert run == {"run_id": manifest["run_id"], "scored_at": manifest["scored_at"], "tracks": 60}
    rows = pd.read_parquet(whole[0])
    assert set(rows["model_id"]) == {manifest["model_id"]}
    assert {at.isoformat() for at in rows["scored_at"].dt.tz_localize("UTC")} == {run["scored_at"]}


def test_the_manifest_reports_the_drift_of_every_feature_and_label(whole):
    drift = whole[1]["drift"]
    assert not drift["assessed"]
    assert set(drift["features"]) == set(edits.FEATURES)
    assert set(drift["labels"]) == {"synthetic_genres"}
    for one in (*drift["features"].values(), *drift["labels"].values()):
        assert one["psi"] >= 0
        assert one["level"] == "ok"


def test_a_dry_run_changes_nothing_and_reports_what_would_change(spark, model, whole, tmp_path):
    folder, published = whole
    before = files(folder)
    tracks = start().drop(index=[5, 6]).assign(energy=0.01)
    tracks.loc[0, "track_id"] = "new"
    found = score(spark, tracks, model, folder, dry_run=True)
    assert files(folder) == before
    assert not list(folder.parent.glob(".out*"))
    assert found["published"] is False
    assert found["replaces"]["run_id"] == published["run_id"]
    assert found["rows"]["labelled"] == 58
    assert sum(found["labels"]["genres"].values()) == 58
    changes = found["changes"]
    assert (changes["added"], changes["removed"]) == (1, 3)
    assert changes["relabelled"] + changes["unchanged"] == 57
    assert changes["relabelled"] > 0
    # Into nothing, nothing is made.
    found = score(spark, start(), model, tmp_path / "out", dry_run=True)
    assert found["replaces"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


# Tracks that stop a run, how they are read, settings, and the message.
STOPPED = {
    "of another kind": (
        start().assign(tempo=349),
        Dataset(confirmed=("tempo",)),
        ("min_tracks=10",),
        r"too unlike .*: tempo: higher \(PSI .*, KS ",
    ),
    "of less than half as many tracks": (
        start().head(20), Dataset(), (), r"20 tracks would replace the 60 in .*--allow-shrink"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STOPPED)
def test_a_catalogue_that_should_not_replace_the_old_one_stops_before_it_is_published(
    spark, model, whole, tmp_path, what
):
    (folder, _), table = whole, tmp_path / "tracks.parquet"
    before = files(folder)
    tracks, dataset, overrides, told = STOPPED[what]
    tracks.to_parquet(table)
    source, settings = Source(str(table), dataset), load_settings(overrides=overrides)
    for dry_run in (True, False):
        request = edits.request(source, model, str(folder), settings, dry_run=dry_run)
        with pytest.raises(GateError, match=told):
            score_pipeline.run(spark, request)
    assert files(folder) == before


def test_labels_of_another_mix_warn_and_are_published(spark, model, tmp_path):
    """A part of a catalogue may be all country; the bundle's profile knows one synthetic genre."""
    lenient = load_settings(
        overrides=("min_tracks=10", "stop_psi=2", "warn_psi=1", "stop_ks=1", "max_quarantined=1")
    )
    found = score(spark, start(), model, tmp_path / "out", settings=lenient)
    assert found["drift"]["labels"]["synthetic_genres"]["psi"] > 2
    assert found["drift"]["level"] == "warn"
    assert len(pd.read_parquet(tmp_path / "out")) == 60


FULL = SETTINGS.model_copy(
    update={"publishing": SETTINGS.publishing.model_copy(update={"verify": "full"})}
)


def losing(settings=SETTINGS, *, quarantine=False, limit=None, facts=(), **content):
    """Lets the writer report what is not in the files of the labels, or of the quarantine."""

    def write(original, table, path, *options, **named):
        if path.endswith("_quarantine") != quarantine:
            return original(table, path, *options, **named)
        kept = table.limit(limit) if limit else table
        written, found = original(kept, path, *options, **named)
        return dataclasses.replace(written, **content), found | dict(facts)

    return write, settings


# What is lost, and the message.
LOST = {
    "a row": (losing(rows=61), "rows: 61 when it was written, 60 in the files"),
    "a value": (losing(facts={"nulls of genre": 7}), "nulls of genre: 7 when it was written, 0 in"),
    "an extreme": (losing(facts={"largest track_id": "~"}), "largest track_id: ~ when it was"),
    "a byte": (losing(FULL, checksum="f" * 16), "60 rows were written, checksum ffff"),
    "a byte of the quarantine": (
        losing(FULL, quarantine=True, checksum="f" * 16), "_quarantine: 2 rows were written"
    ),
    "rows before they are written": (
        losing(limit=40), "62 rows were read, but 40 labelled and 2 quarantined"
    ),
}  # fmt: skip


@pytest.mark.parametrize("lost", LOST)
def test_what_the_disk_did_not_keep_is_never_published(spark, model, whole, monkeypatch, lost):
    folder, _ = whole
    before = files(folder)
    (write, settings), message = LOST[lost]
    monkeypatch.setattr(writer, "write", functools.partial(write, writer.write))
    tracks = pd.concat([start(), start().head(2).assign(track_id=None)])
    with pytest.raises(GenreSparkError, match=rf"{message}.*nothing was published"):
        score(spark, tracks, model, folder, settings=settings)
    assert files(folder) == before
    assert not list(folder.parent.glob(".out*"))


def test_checksums_are_of_the_content_whatever_its_order(spark):
    table = spark.range(100).selectExpr("id", "cast(id AS string) name")
    whole = writer.count(table)
    assert whole.rows == 100
    assert writer.count(table.repartition(7).orderBy("name")) == whole
    assert writer.count(table.filter("id > 0")).checksum != whole.checksum
    changed = table.selectExpr("id", "if(id = 7, '8', name) name")
    assert writer.count(changed).checksum != whole.checksum
    assert writer.count(table.filter("id < 0")) == writer.Content(0, "0" * 16)
    empty = "cast(null as string)"
    one, other = (spark.range(1).selectExpr(*columns) for columns in (
        ["'x' a", f"{empty} b"], [f"{empty} a", "'x' b"]
    ))  # fmt: skip
    assert writer.count(one).checksum != writer.count(other).checksum


def test_a_clean_table_takes_few_executions_and_small_plans(spark, model, tmp_path):
    """Planning took longer than labelling once: eleven executions, plans of 395,000 characters."""
    store = spark._jsparkSession.sharedState().statusStore()

    def executions():
        # Of a long session the store forgets the oldest: numbers count on, the list does not.
        listed = store.executionsList()
        return {one.executionId(): one for i in range(listed.size()) if (one := listed.apply(i))}

    before = executions()
    score(spark, start(), model, tmp_path / "out")
    made = [one for number, one in executions().items() if number not in before]
    assert 0 < len(made) <= 6
    assert sum(one.jobs().size() for one in made) <= 15
    plans = [one.physicalPlanDescription() for one in made]
    assert sum("MapInArrow" in plan for plan in plans) == 1
    assert max(map(len, plans)) <= 40_000
