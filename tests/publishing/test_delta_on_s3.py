"""Delta tables on an object store that Spark itself has no file system for."""

import json

import pytest
from support import edits, s3
from support.edits import start

from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.errors import InputError, OutputError
from genre_spark.pipelines import score as score_pipeline
from genre_spark.publishing import reader
from genre_spark.source import Dataset

deltalake = pytest.importorskip("deltalake", reason="deltalake is absent: the extra `delta`")
pytest.importorskip("moto", reason="moto is absent: the extra `test`")

OUT, TRACKS = f"s3://{s3.BUCKET}/labelled", f"s3://{s3.BUCKET}/tracks"


@pytest.fixture(scope="module")
def options():
    with s3.server() as found:
        yield found


@pytest.fixture(scope="module")
def settings(options):
    given = [f"delta.storage_options.{name}={value}" for name, value in options.items()]
    wanted = ("table_format=delta", "max_quarantined=1", "max_imputed=1", *given)
    return load_settings(overrides=wanted)


def rows(options, version=None):
    table = deltalake.DeltaTable(OUT, storage_options=options, version=version)
    return table.to_pandas().sort_values("track_id").reset_index(drop=True)


def test_a_catalogue_on_s3_becomes_labels_on_s3(spark, model, options, settings, tmp_path):
    tracks = start(40).astype(dict.fromkeys(edits.FEATURES, str))
    deltalake.write_deltalake(TRACKS, tracks, storage_options=options)
    source = Source(TRACKS, Dataset(), "delta", storage_options=options).at_version()
    request = edits.request(source, model, OUT, settings)
    found = score_pipeline.run(spark, request, lambda *_: None)
    assert found.manifest.rows.labelled == len(rows(options)) == 40
    edits.score(spark, start(40), model, tmp_path / "plain")
    expected = edits.labels(tmp_path / "plain")["genre"].tolist()
    assert rows(options)["genre"].tolist() == expected

    again = edits.request(source, model, OUT, settings, incremental=True)
    found = score_pipeline.run(spark, again, lambda *_: None)
    assert found.manifest.incremental.in_full_because is None
    assert rows(options).equals(rows(options, version=0))

    seen = reader.LabelledTable(lambda: None, OUT, options).look(3)
    assert len(seen.samples) == 3
    commit = deltalake.DeltaTable(OUT, storage_options=options).history(1)[0]
    manifest = json.loads(commit["genre_spark.manifest"])
    assert manifest["settings"]["delta"]["storage_options"]["aws_secret_access_key"].startswith(
        "*** "
    )
    assert "secret" not in json.dumps(manifest["settings"]).replace("aws_secret_access_key", "")


def test_outputs_inside_inputs_and_buckets_that_are_not_there_are_refused(
    spark, model, options, settings
):
    source = Source(f"{OUT}/tracks", Dataset(), "delta", storage_options=options)
    with pytest.raises(OutputError, match="lies inside the input"):
        score_pipeline.run(spark, edits.request(source, model, OUT, settings), lambda *_: None)
    nowhere = Source("s3://nowhere/tracks", Dataset(), "delta", storage_options=options)
    with pytest.raises(InputError, match=r"s3://nowhere/tracks: .*NoSuchBucket"):
        nowhere.at_version()
