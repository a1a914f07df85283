"""The example that labels new releases as a stream."""

import runpy

import pandas as pd
import pytest
from pyspark.errors import StreamingQueryException
from support.commands import ROOT
from support.edits import FEATURES, RunEndedError, start

from genre_spark import api

stream = runpy.run_path(str(ROOT / "docs" / "examples" / "genre_spark_stream.py"))


def rows(table):
    found = table.drop(columns=["scored_at", "batch_id"], errors="ignore")
    return found.sort_values("track_id").reset_index(drop=True)


def releases():
    """Tracks of two deliveries: three artists have all of theirs in the first one."""
    tracks = start().astype(dict.fromkeys(FEATURES, str))
    early = tracks["artist"].isin(sorted(tracks["artist"].unique())[:3]) | (tracks.index % 2 == 0)
    return tracks[early], tracks[~early].reset_index(drop=True)


def ended_after_writing(model, output):
    """As when the job is killed before Spark notes that a batch is done."""
    label = stream["labelling"](model, output)

    def work(batch, batch_id):
        label(batch, batch_id)
        raise RunEndedError

    return work


@pytest.fixture
def run(spark, model, tmp_path):
    """Runs the stream on files in a folder, to its end; gives labels and quarantine."""
    incoming, output = tmp_path / "incoming", tmp_path / "labelled"
    incoming.mkdir()

    def run(fmt, **files):
        for name, tracks in files.items():
            write = {"csv": tracks.to_csv, "parquet": tracks.to_parquet}[fmt]
            write(incoming / f"{name}.{fmt}", index=False)
        stream["start"](spark, str(incoming), model, str(output), fmt).awaitTermination()
        return tuple(pd.read_parquet(output / name) for name in ("labels", "quarantine"))

    run.incoming, run.output = incoming, output
    return run


def test_each_batch_is_labelled_once_even_if_spark_repeats_it(spark, model, run, monkeypatch):
    first, second = releases()
    run("parquet", first=first)
    with monkeypatch.context() as patch:
        patch.setitem(stream["start"].__globals__, "labelling", ended_after_writing)
        with pytest.raises(StreamingQueryException, match="RunEndedError"):
            run("parquet", second=second[:-3])
    found, aside = run("parquet", third=second[-3:])
    assert aside.empty
    for batch_id, tracks in enumerate((first, second[:-3], second[-3:])):
        labels = api.score(spark, spark.createDataFrame(tracks), model).toPandas()
        batch = found[found["batch_id"] == batch_id]
        pd.testing.assert_frame_equal(rows(batch), rows(labels), check_exact=True)


def test_artists_within_one_batch_have_the_labels_of_the_incremental_catalogue(
    model, run, command, tmp_path
):
    first, second = releases()
    line = ["--model", model, "--output", tmp_path / "catalogue", "--incremental"]
    for name, tracks in {"first": first, "second": second}.items():
        found, _ = run("parquet", **{name: tracks})
        command("score", "--catalog", run.incoming, *line)
    hashes = [
        table.set_index("track_id")["input_hash"].sort_index()
        for table in (found, pd.read_parquet(tmp_path / "catalogue"))
    ]
    complete = first["track_id"][~first["artist"].isin(second["artist"])]
    assert set(hashes[0].index[hashes[0] == hashes[1]]) == set(complete)
    assert 0 < len(complete) < len(first)


def test_a_batch_that_fails_a_gate_is_labelled_once_its_file_is_corrected(run):
    first, second = releases()
    bad = first.head(2).assign(track_id=["", "\x01"])
    _, aside = run("csv", first=pd.concat([first, bad]))
    assert aside["_reasons"].map(len).tolist() == [1, 1]
    with pytest.raises(StreamingQueryException, match=r"GateError.*rows would be quarantined"):
        run("csv", second=second.assign(track_id=[""] * (len(second) - 1) + ["one"]))
    assert not (run.output / "labels" / "batch_id=1").exists()
    labels, aside = run("csv", second=second)
    assert labels["batch_id"].value_counts().to_dict() == {0: len(first), 1: len(second)}
    assert len(aside) == 2
