"""What score promises beside labels: accounts, provenance, gates, and dry runs that change nothing."""

import dataclasses
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


def files(folder):
    """All that stands in a folder, to the last byte."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_manifest_accounts_for_every_row(whole):
    folder, said = whole
    manifest = json.loads((folder / "_manifest.json").read_text())
    rows = manifest["rows"]
    assert rows["read"] == 65 == rows["labelled"] + rows["quarantined"]
    assert rows["reasons"] == {"duplicate_track_id": 3, "missing:track_id": 2}
    assert rows["labelled"] == len(pd.read_parquet(folder)) == 60
    assert rows["quarantined"] == len(pd.read_parquet(folder / "_quarantine"))
    told = json.loads(json.dumps(said))
    assert manifest.pop("made_by") == "genre-spark"
    assert set(manifest.pop("files")) > {"_SUCCESS"}
    assert {key: told[key] for key in manifest} == manifest


def test_the_manifest_and_the_rows_keep_their_published_contract(whole):
    folder, _ = whole
    manifest = json.loads((folder / "_manifest.json").read_text())
    assert violations("manifest", manifest) == []
    assert violations("manifest", {**manifest, "checksum": "?"}) == ["$.checksum"]
    rows = pq.read_table(folder).to_pylist()
    for row in rows:
        assert violations("labels", {**row, "scored_at": row["scored_at"].isoformat()}) == []


def test_a_manifest_without_the_newest_settings_is_still_read(whole):
    folder, _ = whole
    content = json.loads((folder / "_manifest.json").read_text())
    now = checked(content, str(folder)).settings
    del content["settings"]["delta"]
    del content["settings"]["publishing"]["table_format"]
    del content["settings"]["catalog"]["version"]
    assert checked(content, str(folder)).settings == now


def test_the_manifest_reports_where_the_rows_come_from(whole, model):
    folder, _ = whole
    manifest = json.loads((folder / "_manifest.json").read_text())
    assert manifest["model"]["path"] == model
    assert manifest["source"]["path"].endswith("out.parquet")
    assert manifest["source"]["fingerprint"] == manifest["rows"]["fingerprint"] != ""
    assert set(manifest["software"]) == {
        "genre-spark",
        "scoring",
        "pyspark",
        "numpy",
        "pyarrow",
        "onnxruntime",
    }
    assert manifest["settings"]["catalog"]["max_quarantined"] == 1
    assert manifest["scored_at"] <= manifest["finished_at"]
    assert manifest["schema"] == LABELLED_COLUMNS
    (run,) = manifest["runs"]
    assert run == {"run_id": manifest["run_id"], "scored_at": manifest["scored_at"], "tracks": 60}
    rows = pd.read_parquet(folder)
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


def test_a_dry_run_changes_nothing_and_reports_what_would_change(spark, model, whole):
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


def test_a_dry_run_into_nothing_makes_nothing(spark, model, tmp_path):
    found = score(spark, start(), model, tmp_path / "out", dry_run=True)
    assert found["replaces"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_catalogue_of_another_kind_stops_before_it_is_published(spark, model, whole, tmp_path):
    folder, _ = whole
    before = files(folder)
    table = tmp_path / "loud.parquet"
    start().assign(tempo=349).to_parquet(table)
    settings = load_settings(overrides=("min_tracks=10",))
    source = Source(str(table), Dataset(confirmed=("tempo",)))
    for dry_run in (True, False):
        request = edits.request(source, model, str(folder), settings, dry_run=dry_run)
        with pytest.raises(GateError, match=r"too unlike .*: tempo: higher \(PSI .*, KS "):
            score_pipeline.run(spark, request)
    assert files(folder) == before


def test_a_catalogue_that_lost_more_than_half_of_its_tracks_replaces_none(
    spark, model, whole, tmp_path
):
    folder, _ = whole
    before, table = files(folder), tmp_path / "few.parquet"
    start().head(20).to_parquet(table)
    request = edits.request(Source(str(table), Dataset()), model, str(folder), load_settings())
    with pytest.raises(GateError, match=r"20 tracks would replace the 60 in .*--allow-shrink"):
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
# What is written beyond what is in the files, how it is verified, and the message.
LOST = {
    "a row": ({"rows": 61}, {}, SETTINGS, "rows: 61 when it was written, 60 in the files"),
    "a value": ({}, {"nulls of genre": 7}, SETTINGS, "nulls of genre: 7 when it was written, 0 in"),
    "an extreme": ({}, {"largest track_id": "~"}, SETTINGS, "largest track_id: ~ when it was"),
    "a byte": ({"checksum": "f" * 16}, {}, FULL, "60 rows were written, checksum ffff"),
}


@pytest.mark.parametrize("lost", LOST)
def test_what_the_disk_did_not_keep_is_never_published(spark, model, whole, monkeypatch, lost):
    folder, _ = whole
    before, write = files(folder), writer.write
    content, more, settings, message = LOST[lost]

    def write_and_lose(table, path, *options):
        written, facts = write(table, path, *options)
        return dataclasses.replace(written, **content), facts | more

    monkeypatch.setattr(writer, "write", write_and_lose)
    with pytest.raises(GenreSparkError, match=rf"{message}.*nothing was published"):
        score(spark, start(), model, folder, settings=settings)
    assert files(folder) == before
    assert not list(folder.parent.glob(".out*"))


def test_a_damaged_quarantine_is_never_published(spark, model, whole, monkeypatch):
    folder, _ = whole
    before, write = files(folder), writer.write

    def write_and_lose(table, path, *options):
        written, facts = write(table, path, *options)
        damaged = path.endswith("_quarantine")
        return (writer.Content(written.rows, "f" * 16) if damaged else written), facts

    monkeypatch.setattr(writer, "write", write_and_lose)
    bad = start().head(2).assign(track_id=None)
    with pytest.raises(GenreSparkError, match="_quarantine: 2 rows were written"):
        score(spark, pd.concat([start(), bad]), model, folder, settings=FULL)
    assert files(folder) == before


def test_a_row_too_few_stops_before_publishing(spark, model, whole, monkeypatch):
    folder, _ = whole
    before, write = files(folder), writer.write
    monkeypatch.setattr(
        writer, "write", lambda table, path, *options: write(table.limit(40), path, *options)
    )
    with pytest.raises(
        GenreSparkError, match="60 rows were read, but 40 labelled and 0 quarantined"
    ):
        score(spark, start(), model, folder)
    assert files(folder) == before


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
