"""A bundle in MLflow: what is logged, and that the model which comes back gives Spark's labels."""

import numpy as np
import pandas as pd
import pytest
from support.edits import FEATURES, start
from support.generated import (
    make_genre_metrics,
    make_manifest,
    make_metrics,
    make_tracks,
    with_scoring,
    write_bundle,
)

from genre_spark import api
from genre_spark.bundle import files
from genre_spark.config import load_settings
from genre_spark.errors import BundleError, ConfigError, OutputError
from genre_spark.features.feature_sources import FeatureSources, MonotoneMap
from genre_spark.schema import FEATURE_NAMES

mlflow = pytest.importorskip("mlflow", reason="MLflow is absent: the extra `mlflow`")
pytest.importorskip("xxhash", reason="xxhash is absent: the extra `mlflow`")
from genre_spark.scoring import mlflow_model  # noqa: E402
from genre_spark.scoring.in_memory import COLUMNS, InMemoryScorer  # noqa: E402

METRICS = make_metrics(accuracy=0.75, tracks=30, baselines={"random forest, context": 0.5})


@pytest.fixture(scope="module")
def opened(model):
    """A bundle that knows some artists and says how good it is."""
    made = files.load(model)
    genres = make_genre_metrics(new=METRICS)
    return files.Bundle(
        made.path, made.manifest.model_copy(update={"genres": genres}), made.onnx, made.profile
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A local file store, and nothing of MLflow's settings of the machine."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield
    mlflow.set_tracking_uri(before)


@pytest.fixture
def logged(opened, store, tmp_path):
    (tmp_path / "page" / "pictures").mkdir(parents=True)
    for name in ("report.html", "pictures/map.png"):
        (tmp_path / "page" / name).touch()
    settings = load_settings(overrides=("seed=7",))
    return mlflow_model.log(opened, settings, "0123456789ab", "models/mine/1", tmp_path / "page")


def test_a_run_has_parameters_metrics_pictures_and_the_model(logged, opened):
    run = mlflow.get_run(logged["run_id"])
    assert run.info.run_name == "models/mine/1"
    assert run.data.params["seed"] == "7"
    assert run.data.params["clustering.k_min"] == "11"
    assert run.data.metrics["new/accuracy"] == 0.75
    assert run.data.metrics["new/baseline/random forest_ context"] == 0.5
    assert run.data.tags["genre_spark.model_id"] == opened.manifest.model_id
    assert run.data.tags["genre_spark.run_id"] == "0123456789ab"
    artifacts = {one.path for one in mlflow.MlflowClient().list_artifacts(logged["run_id"])}
    assert {"report.html", "pictures"} <= artifacts


def test_the_model_comes_back_as_a_pyfunc_with_the_labels_of_the_bundle(logged, opened):
    model = mlflow.pyfunc.load_model(logged["model_uri"])
    tracks = start(20)[["track_id", "artist", "album", "title", *FEATURES]]
    tracks["artists"] = [[artist, "Another"] for artist in tracks["artist"]]
    tracks = tracks.astype(dict.fromkeys(FEATURES, float))
    found = model.predict(tracks)
    expected = InMemoryScorer(opened, max_imputed=3).label(tracks)
    pd.testing.assert_frame_equal(found, expected)
    assert list(found) == list(COLUMNS)
    assert model.metadata.metadata["model_id"] == opened.manifest.model_id
    assert model.metadata.signature.outputs.input_names() == list(COLUMNS)
    assert set(tracks) <= set(model.metadata.signature.inputs.input_names())
    bare = tracks.drop(columns=["artist", "album", "title", "artists"])
    assert model.predict(bare)["genre"].notna().all()


def test_a_logged_model_that_was_changed_is_refused(logged, tmp_path):
    local = mlflow.artifacts.download_artifacts(logged["model_uri"], dst_path=str(tmp_path / "m"))
    (network,) = (tmp_path / "m").rglob("cnn.onnx")
    network.write_bytes(network.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match="changed or damaged"):
        mlflow.pyfunc.load_model(local)


def test_a_server_that_does_not_answer_is_reported_before_the_work(store, monkeypatch):
    mlflow_model.check()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"MLflow at http://127.0.0.1:9 cannot be used"):
        mlflow_model.check()


def test_a_bundle_that_mlflow_does_not_take_is_reported_as_complete(
    opened, store, monkeypatch, tmp_path
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(OutputError, match="models/mine/1: is complete, but could not be logged"):
        mlflow_model.log(opened, load_settings(), "0123456789ab", "models/mine/1", tmp_path)


@pytest.fixture
def of_two_sources(opened, tmp_path):
    """The bundle for tracks of two sources, of which one measures energy on a curve of its own."""
    curve = MonotoneMap(given=(0.0, 0.2, 1.0), becomes=(0.0, 0.8, 1.0))
    sources = FeatureSources(reference="a", maps={"b": {"energy": curve}})
    scaler = opened.manifest.scoring.scaler.model_copy(update={"sources": sources})
    manifest = with_scoring(opened.manifest, opened.onnx, scaler=scaler)
    return files.load(write_bundle(tmp_path / "two", manifest, opened.onnx))


def test_features_of_another_source_are_mapped_alike_by_spark_in_one_process_and_by_mlflow(
    spark, of_two_sources, store, tmp_path
):
    tracks = make_tracks(120, seed=8, artists=30, albums=50)
    tracks = tracks[["track_id", "artist", "album", "title", *FEATURES]]
    tracks = tracks.astype(dict.fromkeys(FEATURES, float))
    tracks["feature_source"] = np.resize(["a", "b", None, "c"], 120)
    spark_rows, single = together(spark, tracks, of_two_sources)
    pd.testing.assert_frame_equal(spark_rows, single, check_dtype=False)
    settings = load_settings()
    (tmp_path / "page").mkdir()
    logged = mlflow_model.log(of_two_sources, settings, "0123456789ab", "m", tmp_path / "page")
    found = mlflow.pyfunc.load_model(logged["model_uri"]).predict(tracks)
    pd.testing.assert_frame_equal(found.set_index("track_id").sort_index(), single)
    unmapped = InMemoryScorer(of_two_sources, 1).label(tracks.drop(columns="feature_source"))
    assert (unmapped["genre_confidence"].to_numpy() != found["genre_confidence"]).any()


def together(spark, tracks, opened):
    """Labels of the same tracks by Spark and in one process."""
    settings = {"max_quarantined": 1, "max_imputed": 1}
    texts = tracks.astype(dict.fromkeys(FEATURES, str))
    by_spark = api.score(spark, spark.createDataFrame(texts), opened, settings=settings)
    spark_rows = by_spark.select(*COLUMNS).toPandas().set_index("track_id").sort_index()
    single = InMemoryScorer(opened, max_imputed=1).label(tracks).set_index("track_id").sort_index()
    return spark_rows, single


def test_labels_in_one_process_are_those_of_spark(spark, opened):
    tracks = make_tracks(300, seed=8, artists=30, albums=50)
    tracks = tracks.astype(dict.fromkeys(FEATURE_NAMES, object))
    artists = start()["artist"].unique()
    tracks.loc[:99, "artist"] = np.resize(artists, 100)
    tracks["album"] = tracks["artist"] + [f" {i % 2}" for i in range(300)]
    tracks.loc[100:109, "artist"] = None
    # A list and damaged characters are no names.
    tracks.loc[10:19, "artist"] = "['A', 'B']"
    tracks.loc[20:29, "artist"] = "Bj\ufffdrk"
    tracks.loc[110:119, "album"] = " "
    tracks.loc[120:128, "tempo"] = "fast"
    # An exponent, or an id, that ends the process of `pandas.to_numeric`.
    tracks.loc[129, "tempo"] = "5e2147483648"
    missing = np.random.default_rng(1).random((300, len(FEATURES))) < 0.3
    missing[:120:4], missing[120:130] = True, False
    tracks[list(FEATURES)] = tracks[list(FEATURES)].mask(missing)
    spark_rows, single = together(spark, tracks, opened)
    assert spark_rows["genre"].nunique() > 1
    for name in (one for one in COLUMNS if one not in ("track_id", "genre_top3")):
        ours, theirs = (rows[name].astype(object) for rows in (spark_rows, single))
        assert (ours.isna() == theirs.isna()).all(), name
        assert (ours.dropna() == theirs.dropna()).all(), name
    assert (single["n_imputed"] == len(FEATURES)).sum() >= 30


def test_rows_that_score_would_set_aside_get_no_label(spark, opened):
    tracks = start(30).reset_index(drop=True)
    tracks.loc[0, list(FEATURES)] = "x"
    tracks.loc[1, "track_id"] = None
    tracks.loc[2, "track_id"] = "a\nb"
    tracks.loc[3, "track_id"] = "1.01E+07"
    tracks.index = [7] * 30
    found = InMemoryScorer(opened, max_imputed=1).label(tracks)
    assert list(found.index) == [7] * 30
    assert found["genre"].isna().tolist() == [True] * 4 + [False] * 26
    assert found["track_id"].iloc[0] == tracks["track_id"].iloc[0]
    nothing = InMemoryScorer(opened, max_imputed=1).label(tracks.head(0))
    assert list(nothing) == list(COLUMNS)
    assert len(nothing) == 0


def test_a_clusters_bundle_labels_with_synthetic_genres_alone(tmp_path):
    folder = write_bundle(tmp_path / "clusters", make_manifest(features=FEATURES))
    found = InMemoryScorer(files.load(folder), max_imputed=1).label(start(10))
    assert found["synthetic_genre"].notna().all()
    assert found["genre"].isna().all()
