"""The whole way through the real command lines, on generated tracks."""

import json
import os
import re
import sys

import pandas as pd
import pytest
from support import standalone
from support.commands import (
    BIN,
    DIRTY,
    QUICK,
    REPEATED,
    genre_spark,
    labels,
    run,
    write_catalogue,
)
from support.contract import violations
from support.generated import GENRES, make_tracks

from genre_spark.schema import FEATURE_NAMES, LABELLED_COLUMNS, WHY_COLUMNS


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
def made(catalogue, shell, tmp_path_factory):
    """Clusters, model, labels and report, made in local mode; and the summaries."""
    folder = tmp_path_factory.mktemp("made")
    common = ["--catalog", catalogue, "--json"]
    clusters, model, labelled = (folder / name for name in ("clusters", "model", "labelled"))
    summaries = {
        "cluster": shell(
            "cluster", *common, *QUICK, "--output", clusters, "--labels", folder / "synthetic"
        ),
        "train": shell("train", *common, *QUICK, "--clusters", clusters, "--output", model),
        "score": shell("score", *common, "--model", model, "--output", labelled),
        "report": shell(
            "report", "--json", "--model", model, "--labels", labelled,
            "--output", folder / "report.html", "--pictures", folder / "pictures",
        ),
    }  # fmt: skip
    return folder, {name: json.loads(text) for name, text in summaries.items()}


def test_every_row_is_labelled_or_in_quarantine(made):
    folder, summaries = made
    rows = summaries["score"]["rows"]
    assert rows["read"] == 1200 + REPEATED + DIRTY
    assert rows["reasons"]["duplicate_track_id"] == REPEATED
    assert rows["reasons"]["too_many_imputed"] == DIRTY
    quarantined = pd.read_parquet(folder / "labelled" / "_quarantine")
    assert len(labels(folder / "labelled")) + len(quarantined) == rows["read"]
    assert set(quarantined[quarantined["energy"] == "damaged"]["track_id"]) == {
        f"dirty{i}" for i in range(DIRTY)
    }


def test_the_labelled_catalogue_keeps_its_contract(made):
    folder, summaries = made
    found = labels(folder / "labelled")
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
        "clusters", "model", "labelled", "synthetic", "report.html", "pictures",
    }  # fmt: skip


@pytest.fixture
def no_training(tmp_path):
    """A Python path on which libraries that workers lack tell that somebody asked for them."""
    folder = tmp_path / "traps"
    folder.mkdir()
    for name in ("tensorflow", "keras", "scipy", "sklearn"):
        (folder / f"{name}.py").write_text(
            f"open({str(tmp_path / 'imported')!r}, 'a').write('{name}\\n')\n"
            f"raise ImportError('no {name} here')\n"
        )
    return folder, tmp_path / "imported"


def test_scoring_again_needs_no_training_libraries_and_gives_the_same_labels(
    made, catalogue, no_training, shell
):
    folder, _ = made
    traps, imported = no_training
    again = folder.parent / "again"
    arguments = ["--catalog", catalogue, "--model", folder / "model", "--output", again]
    # Says why as well, in a process that no command warmed up.
    explained = [*arguments, "--explain", "--json"]
    found = json.loads(genre_spark("score", *explained, PYTHONPATH=str(traps)))
    assert not imported.exists()
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
        assert sum(counted) == len(given) > 600
    # With nothing to score anew, and only told.
    dry = json.loads(shell("score", *explained, "--incremental", "--dry-run"))
    assert dry["changes"] == {"added": 0, "removed": 0, "relabelled": 0, "unchanged": 1200}
    assert dry["replaces"]["run_id"] == dry["runs"][0]["run_id"]
    assert labels(again).equals(second)


@pytest.mark.long
def test_a_cluster_gives_the_same_labels(made, catalogue, spark_submit, tmp_path):
    folder, _ = made
    arguments = ["--catalog", catalogue, "--model", folder / "model"]
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


def test_a_catalogue_of_ids_and_features_alone_is_clustered_and_labelled(made, tmp_path, shell):
    folder, _ = made
    bare = tmp_path / "bare.parquet"
    make_tracks(400, seed=6)[["track_id", *FEATURE_NAMES]].to_parquet(bare)
    clusters, labelled = tmp_path / "clusters", tmp_path / "labelled"
    shell("cluster", "--catalog", bare, "--output", clusters, "--labels", labelled, *QUICK)
    assert len(labels(labelled)) == 400
    message = shell(
        "train", "--catalog", bare, "--clusters", clusters, "--output", tmp_path / "m", expect=3
    )
    assert "genres have at least" in message.splitlines()[-1]
    # A model of a catalogue that has all columns labels it too, from what it has.
    shell("score", "--catalog", bare, "--model", folder / "model", "--output", labelled)
    assert labels(labelled)["genre"].notna().all()
