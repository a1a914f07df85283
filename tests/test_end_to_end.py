"""The whole way through the real command lines, on generated tracks."""

import json
import os
import re
import shutil
import sys

import mlflow
import pandas as pd
import pytest
from support import standalone
from support.commands import (
    BIN,
    DIRTY,
    QUICK,
    REPEATED,
    TRACKS,
    labels,
    options,
    run,
    write_catalogue,
)
from support.contract import violations
from support.generated import GENRES, make_tracks
from support.servers import mlflow_store

from genre_spark.errors import GateError
from genre_spark.schema import FEATURE_NAMES, LABELLED_COLUMNS, WHY_COLUMNS

MODEL = "models/mine/1"
# To train and evaluate on a few tracks.
SMALL = options("epochs=1", "min_steps=0", "test_share=0.5", "least_tracks=20", "least_artists=5")


@pytest.fixture(scope="module")
def spark_submit(tmp_path_factory):
    """Runs jobs on a cluster of two workers, as docs/cluster.md says, with what is packed for them."""
    folder = tmp_path_factory.mktemp("cluster")
    run(
        [sys.executable, "-m", "genre_spark.platform.executor_archive", "--output", folder / "dist"]
    )
    packed = (folder / "dist" / "executors.tar.gz").stat().st_size
    assert packed < 150 * 2**20
    python = {"PYSPARK_PYTHON": str(standalone.bare_python(folder / "python"))}
    with standalone.cluster(folder, workers=2, cores=1) as cluster:
        # Settings that are not the console script's own: results must not depend on them.
        settings = {
            "spark.sql.shuffle.partitions": 5,
            "spark.executorEnv.PYTHONPATH": "./executors",
            "spark.executor.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.executor.extraJavaOptions": os.environ["SPARK_SUBMIT_OPTS"],
        }
        shipped = [
            "--py-files", folder / "dist" / "genre_spark.zip",
            "--archives", f"{folder}/dist/executors.tar.gz#executors",
        ]  # fmt: skip
        for key, value in settings.items():
            shipped += ["--conf", f"{key}={value}"]

        def submit(job, *arguments):
            entry = folder / "dist" / "jobs" / f"{job}.py"
            start = [BIN / "spark-submit", "--master", cluster.url, *shipped]
            return run([*start, entry, *arguments], PYSPARK_DRIVER_PYTHON=sys.executable, **python)

        yield submit


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return write_catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def registry_of_mlflow(tmp_path_factory):
    with mlflow_store(tmp_path_factory.mktemp("mlflow")):
        yield


@pytest.fixture(scope="module")
def made(catalogue, command, registry_of_mlflow, tmp_path_factory):
    """Clusters, model, labels and report, made in local mode; and the summaries."""
    folder = tmp_path_factory.mktemp("made")
    common = ["--catalog", catalogue, "--json"]
    clusters, model, labelled = (folder / name for name in ("clusters", MODEL, "labelled"))
    (folder / MODEL).parent.mkdir(parents=True)
    summaries = {
        "cluster": command(
            "cluster", *common, *QUICK, "--output", clusters, "--labels", folder / "synthetic"
        ),
        "train": command(
            "train", *common, *QUICK, "--clusters", clusters, "--output", model,
            "--mlflow", "--register", "mine",
        ),
        "score": command(
            "score", *common, "--model", model, "--output", labelled, *options("min_tracks=500")
        ),
        "report": command(
            "report", "--json", "--model", model, "--labels", labelled,
            "--output", folder / "report.html", "--pictures", folder / "pictures",
        ),
    }  # fmt: skip
    return folder, {name: json.loads(text) for name, text in summaries.items()}


def test_every_row_is_labelled_as_promised_or_in_quarantine(made):
    folder, summaries = made
    rows, found = summaries["score"]["rows"], labels(folder / "labelled")
    assert rows["read"] == TRACKS + REPEATED + DIRTY
    assert rows["reasons"]["duplicate_track_id"] == REPEATED
    assert rows["reasons"]["too_many_imputed"] == DIRTY
    quarantined = pd.read_parquet(folder / "labelled" / "_quarantine")
    assert len(found) + len(quarantined) == rows["read"]
    dirty = quarantined[quarantined["energy"] == "damaged"]
    assert set(dirty["track_id"]) == {f"dirty{i}" for i in range(DIRTY)}
    assert list(found) == list(LABELLED_COLUMNS)
    assert found["track_id"].is_unique
    assert set(found["genre"]) <= set(GENRES)
    assert found["genre_confidence"].between(0, 1).all()
    assert (found["model_id"] == summaries["train"]["model_id"]).all()
    top = found["genre_top3"]
    assert (top.str[0].map(lambda best: best["genre"]) == found["genre"]).all()
    assert (top.str.len() == 3).all()


def test_genres_are_learned_for_known_and_for_new_artists(made):
    _, summaries = made
    for protocol in ("known", "new"):
        metrics = summaries["train"]["genres"]["protocols"][protocol]
        assert metrics["accuracy"] > metrics["baselines"]["majority"] + 0.4


def test_synthetic_genres_are_more_than_ten_and_have_names(made):
    folder, summaries = made
    names = summaries["cluster"]["synthetic_genres"]
    assert len(names) == len(set(names)) > 10
    found = labels(folder / "synthetic")
    assert set(found["synthetic_genre"]) <= set(names)
    assert found["genre"].isna().all()
    manifest = json.loads((folder / "synthetic" / "_manifest.json").read_text())
    assert violations("manifest", manifest) == []
    assert manifest["model"]["path"] == str(folder / "clusters")


def test_the_report_is_one_page_with_pictures(made):
    folder, _ = made
    page = (folder / "report.html").read_text(encoding="utf-8")
    files = {path.name for path in (folder / "pictures").iterdir()} - {"_pictures.json"}
    assert {"map.png", "centroids.png", "baselines.png", "synthetic-mix.png"} <= files
    assert len(set(re.findall(r'data-figure="([^"]+)"', page))) == len(files)


def test_nothing_but_the_results_stays_behind(made):
    folder, _ = made
    assert {path.name for path in folder.iterdir()} == {
        "clusters", "models", "labelled", "synthetic", "report.html", "pictures",
    }  # fmt: skip


def test_a_process_without_training_libraries_gives_the_same_labels_and_says_why(
    made, catalogue, shell, tmp_path
):
    folder, _ = made
    again = tmp_path / "again"
    arguments = ["--catalog", catalogue, "--model", folder / MODEL, "--output", again]
    explained = [*arguments, "--explain", "--json"]
    found = json.loads(shell("score", *explained))
    assert not shell.imported.exists()
    first, second = labels(folder / "labelled"), labels(again)
    assert list(second) == list(found["schema"]) == [*LABELLED_COLUMNS, *WHY_COLUMNS]
    pd.testing.assert_frame_equal(
        first.drop(columns="scored_at"),
        second.drop(columns=["scored_at", *WHY_COLUMNS]),
        check_exact=True,
    )
    for label, why in (("synthetic_genre", "synthetic_genre_why"), ("genre", "genre_why")):
        given = second[why][second[why].str.len() > 0]
        assert given.str[0].map(lambda reason: reason["effect"]).gt(0).all()
        counted = [n for of in found["labels"]["reasons"][label].values() for n in of.values()]
        assert sum(counted) == len(given) > TRACKS / 2
    # With nothing to score anew, and only told.
    dry = json.loads(shell("score", *explained, "--incremental", "--dry-run"))
    assert dry["changes"] == {"added": 0, "removed": 0, "relabelled": 0, "unchanged": TRACKS}
    assert dry["replaces"]["run_id"] == dry["runs"][0]["run_id"]
    assert labels(again).equals(second)


@pytest.mark.long
def test_a_cluster_gives_the_same_labels(made, catalogue, spark_submit, tmp_path):
    folder, _ = made
    arguments = ["--catalog", catalogue, "--model", folder / MODEL]
    spark_submit("score", *arguments, "--output", tmp_path / "labelled")
    local, distributed = (
        labels(one / "labelled").drop(columns="scored_at") for one in (folder, tmp_path)
    )
    pd.testing.assert_frame_equal(local, distributed, check_exact=True)


@pytest.mark.long
def test_a_cluster_makes_the_same_models(made, catalogue, spark_submit, tmp_path):
    _, summaries = made
    common = ["--catalog", catalogue, *QUICK, "--json"]
    found = json.loads(spark_submit("cluster", *common, "--output", tmp_path / "clusters"))
    assert found["model_id"] == summaries["cluster"]["model_id"]
    arguments = [*common, "--output", tmp_path / "model", "--clusters", tmp_path / "clusters"]
    found = json.loads(spark_submit("train", *arguments))
    assert found["model_id"] == summaries["train"]["model_id"]
    assert found["genres"] == summaries["train"]["genres"]


def test_a_catalogue_of_ids_and_features_alone_is_clustered_and_labelled(made, tmp_path, command):
    folder, _ = made
    bare = tmp_path / "bare.parquet"
    make_tracks(400, seed=6)[["track_id", *FEATURE_NAMES]].to_parquet(bare)
    clusters, labelled = tmp_path / "clusters", tmp_path / "labelled"
    command("cluster", "--catalog", bare, "--output", clusters, "--labels", labelled, *QUICK)
    assert len(labels(labelled)) == 400
    message = command(
        "train", "--catalog", bare, "--clusters", clusters, "--output", tmp_path / "m", expect=3
    )
    assert "genres have at least" in message.splitlines()[-1]
    # A model of a catalogue that has all columns labels it too, from what it has.
    command("score", "--catalog", bare, "--model", folder / MODEL, "--output", labelled)
    assert labels(labelled)["genre"].notna().all()


def test_the_next_clusters_keep_the_ids_and_names_of_the_previous(
    made, catalogue, command, tmp_path
):
    folder, summaries = made
    arguments = ["--catalog", catalogue, *QUICK, "--output", tmp_path / "2", "--json"]
    found = json.loads(command("cluster", *arguments, "--previous", folder / "clusters"))
    assert set(found["synthetic_genres"]) == set(summaries["cluster"]["synthetic_genres"])
    change = found["change"]
    assert change["previous"] == summaries["cluster"]["model_id"]
    assert (change["new"], change["retired"]) == ([], [])
    assert change["moved"] < 0.1


def test_a_trained_model_is_logged_and_registered_in_mlflow(made):
    summary = made[1]["train"]
    assert summary["mlflow"]["registered"] == "models:/mine/1"
    run = mlflow.get_run(summary["mlflow"]["run_id"])
    assert run.data.tags["genre_spark.model_id"] == summary["model_id"]


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    path = tmp_path_factory.mktemp("few") / "tracks.parquet"
    make_tracks(200, seed=5, genres=GENRES[:3], artists=40).to_parquet(path)
    return path


@pytest.mark.usefixtures("eagerly")
def test_a_study_of_one_seed_is_published_with_its_page(made, few, command, tmp_path):
    study = tmp_path / "study"
    given = ["--catalog", few, "--clusters", made[0] / "clusters", "--output", study, *SMALL]
    found = json.loads(command("evaluate", *given, "--seeds", 1, "--no-ablations", "--json"))
    assert found["protocols"]["new"]["tracks"] == [200]
    assert found["learning_curve"] == []
    assert (study / "evaluation.md").read_text(encoding="utf-8").startswith("# How accurate")


@pytest.mark.usefixtures("eagerly")
def test_a_candidate_is_compared_with_the_champion_on_artists_new_to_both(
    made, few, command, tmp_path
):
    clusters, registry = made[0] / "clusters", tmp_path / "models"
    shutil.copytree(made[0] / MODEL, registry / "mine" / "1")
    given = ["--catalog", few, "--clusters", clusters, "--output", registry / "mine" / "2"]
    command("train", *given, *SMALL)
    strangers = make_tracks(200, seed=6, genres=GENRES[:3], artists=40)
    strangers["artist"] = "new " + strangers["artist"]
    strangers.to_parquet(tmp_path / "new.parquet")
    at = ["--registry", registry, *SMALL, "--json"]
    command("models", "promote", "mine/1", *at)
    new = ["--catalog", tmp_path / "new.parquet"]
    changes = json.loads(command("models", "diff", "mine@champion", "mine/2", *new, *at))
    assert changes["tracks"] == 200
    given = ["models", "promote", "mine/2", *new, *at, "--set", "max_loss=1"]
    told = command(*given, "--set", "least_tracks=201", expect=GateError.exit_code)
    assert "are new to both models" in told
    compared = json.loads(command(*given))["evidence"]["protocols"]["new"]
    assert compared["tracks"] == 200
