"""From clusters to champion: the commands of a model's life, with the session that is already warm."""

import json

import mlflow
import pytest
from click.testing import CliRunner
from support.generated import GENRES, make_tracks

from genre_spark.cli import cli
from genre_spark.errors import GateError

SMALL = [
    part
    for setting in (
        "k_max=11", "restarts=1", "sample_size=300", "max_iterations=4", "epochs=1", "min_steps=0",
        "test_share=0.5",
        "least_tracks=20", "least_artists=5",
    )
    for part in ("--set", setting)
]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """300 tracks of 60 artists in three genres."""
    path = tmp_path_factory.mktemp("table") / "tracks.parquet"
    make_tracks(300, seed=5, genres=GENRES[:3], artists=60).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def command(spark, eagerly, tmp_path_factory):
    """Runs a command in this process; what it prints for machines."""
    folder, before = tmp_path_factory.mktemp("mlflow"), mlflow.get_tracking_uri()

    def run(*arguments):
        given = [*map(str, arguments), "--json"]
        told = CliRunner().invoke(cli, given, standalone_mode=False, catch_exceptions=False)
        return json.loads(told.stdout)

    with pytest.MonkeyPatch.context() as patch:
        # A command would stop the session at its end.
        patch.setattr("genre_spark.cli.job.Job.spark", lambda job, table=None: spark)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "genres")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.create_experiment("genres", artifact_location=(folder / "artifacts").as_uri())
        yield run
        mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def clusters(command, table, tmp_path_factory):
    """The bundle's path and summary."""
    path = tmp_path_factory.mktemp("clusters") / "1"
    return path, command("cluster", "--catalog", table, *SMALL, "--output", path)


@pytest.fixture(scope="module")
def registry(command, table, clusters, tmp_path_factory):
    """Two versions of a model, the second with other weights; and the summary of the first."""
    root = tmp_path_factory.mktemp("registry")
    given = ["train", "--catalog", table, "--clusters", clusters[0], *SMALL]
    logged = ["--mlflow", "--register", "mine"]
    first = command(*given, "--output", root / "mine" / "1", *logged)
    command(*given, "--output", root / "mine" / "2", "--seed", 8)
    return root, first


def test_the_next_clusters_keep_the_ids_and_names_of_the_previous(
    command, table, clusters, tmp_path
):
    path, made = clusters
    again = ["cluster", "--catalog", table, *SMALL, "--output", tmp_path / "2"]
    found = command(*again, "--previous", path)
    assert set(found["synthetic_genres"]) == set(made["synthetic_genres"])
    change = found["change"]
    assert change["previous"] == made["model_id"]
    assert (change["new"], change["retired"]) == ([], [])
    assert change["moved"] < 0.1


def test_a_trained_model_is_logged_and_registered_in_mlflow(registry):
    _, summary = registry
    assert summary["mlflow"]["registered"] == "models:/mine/1"
    run = mlflow.get_run(summary["mlflow"]["run_id"])
    assert run.data.tags["genre_spark.model_id"] == summary["model_id"]


def test_a_study_of_one_seed_is_published_with_its_page(command, table, clusters, tmp_path):
    study = tmp_path / "study"
    given = ["evaluate", "--catalog", table, "--clusters", clusters[0], "--output", study, *SMALL]
    found = command(*given, "--seeds", 1, "--no-ablations")
    assert found["protocols"]["new"]["tracks"] == [300]
    assert found["learning_curve"] == []
    assert (study / "evaluation.md").read_text(encoding="utf-8").startswith("# How accurate")


def test_a_candidate_is_compared_with_the_champion_on_artists_new_to_both(
    command, registry, tmp_path
):
    root, _ = registry
    strangers = make_tracks(200, seed=6, genres=GENRES[:3], artists=40)
    strangers["artist"] = "new " + strangers["artist"]
    strangers.to_parquet(tmp_path / "new.parquet")
    at = ["--registry", root, *SMALL]
    command("models", "promote", "mine/1", *at)
    catalogue = ["--catalog", tmp_path / "new.parquet"]
    changes = command("models", "diff", "mine@champion", "mine/2", *catalogue, *at)
    assert changes["tracks"] == 200
    given = ["models", "promote", "mine/2", *catalogue, *at, "--set", "max_loss=1"]
    with pytest.raises(GateError, match="are new to both models"):
        command(*given, "--set", "least_tracks=201")
    compared = command(*given)["evidence"]["protocols"]["new"]
    assert compared["tracks"] == 200
