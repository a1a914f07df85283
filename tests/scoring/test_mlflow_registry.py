"""Bundles in MLflow's registry, in a store of SQLite: registered, opened by name, promoted."""

import numpy as np
import pytest
from support.edits import FEATURES, start
from support.generated import (
    make_genre_metrics,
    make_genre_part,
    make_manifest,
    make_metrics,
    with_scoring,
    write_bundle,
)
from support.networks import make_network
from support.servers import mlflow_store

from genre_spark.bundle import files
from genre_spark.bundle import registry as models
from genre_spark.config import load_settings
from genre_spark.errors import BundleError, ConfigError
from genre_spark.evaluation import promotion_gate

mlflow = pytest.importorskip("mlflow", reason="MLflow is absent: the extra `mlflow`")
pytest.importorskip("sqlalchemy", reason="SQLAlchemy is absent: the extra `test`")
from genre_spark.scoring import mlflow_model  # noqa: E402
from genre_spark.scoring.in_memory import InMemoryScorer  # noqa: E402

SETTINGS = load_settings()


def make_bundle(folder, seed, accuracy):
    network = make_network(seed=seed, scaled=4)
    manifest = make_manifest(network, features=FEATURES)
    manifest = with_scoring(manifest, network, genres=make_genre_part(artists=[1, 2]))
    genres = make_genre_metrics(new=make_metrics(accuracy=accuracy, tracks=30))
    manifest = manifest.model_copy(update={"genres": genres})
    return files.load(write_bundle(folder, manifest, network))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return [make_bundle(folder / f"{i}", i, accuracy) for i, accuracy in ((1, 0.75), (2, 0.5))]


@pytest.fixture(scope="module")
def registry(bundles, tmp_path_factory):
    with mlflow_store(tmp_path_factory.mktemp("mlflow")):
        for one in bundles:
            logged = mlflow_model.log(one, SETTINGS, "0123456789ab", "mine", one.path)
            registered = mlflow_model.register(logged, one, "mine")
        yield registered


def opened_by(reference):
    return models.open_bundle(lambda: None, reference, "models")


def test_a_registered_bundle_is_opened_by_its_version_and_labels_as_before(registry, bundles):
    assert registry == {"registered": "models:/mine/2"}
    opened = opened_by("models:/mine/1")
    assert opened.manifest == bundles[0].manifest
    assert opened.source == "models:/mine/1"
    tracks = start(20).astype(dict.fromkeys(FEATURES, float))
    found, expected = (InMemoryScorer(one, 9).label(tracks) for one in (opened, bundles[0]))
    assert np.array_equal(found["genre"], expected["genre"])
    with models.on_disk(lambda: None, "models:/mine/2") as on_disk:
        assert (on_disk.path / files.ONNX).read_bytes() == bundles[1].onnx


def test_promotions_set_aliases_and_hold_the_champion_to_its_gate(registry):
    def promote(version, **options):
        bundle = opened_by(f"models:/mine/{version}")
        return promotion_gate.promote(None, bundle, "champion", None, SETTINGS, **options)

    with pytest.raises(BundleError, match="mine/2: has never been champion"):
        promote(2, rollback=True)
    promote(1)
    assert mlflow_model.locate(None, "models:/mine@champion", "") == "models:/mine/1"
    with pytest.raises(ConfigError, match="give labelled tracks to compare the models on"):
        promote(2)
    second = opened_by("models:/mine/2")
    given = promotion_gate.promote(None, second, "challenger", None, SETTINGS)
    assert given.version == "2"
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("mine", "champion", "2")  # somebody, in MLflow's pages
    with pytest.raises(ConfigError, match="is the champion"):
        promote(1)
    promote(1, rollback=True)
    assert client.get_model_version_by_alias("mine", "champion").version in (1, "1")
    made = models.aliases_of(lambda: None, "models:/mine/1").made()
    assert {(one.alias, one.version) for one in made} == {("champion", "1"), ("challenger", "2")}


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("models:/mine@nobody", "not found in MLflow at sqlite"),
        ("models:/mine/9", "not found in MLflow at sqlite"),
        ("models:/mine/Production", "should be models:/NAME/VERSION or models:/NAME@ALIAS"),
    ],
)
def test_what_is_not_registered_is_refused_in_one_line(registry, reference, said):
    with pytest.raises(BundleError, match=said):
        opened_by(reference)


def test_a_model_of_somebody_else_is_refused(registry):
    def other(model_input: list[str]) -> list[str]:
        return model_input

    with mlflow.start_run():
        made = mlflow.pyfunc.log_model(name="model", python_model=other, pip_requirements=["a"])
    mlflow.register_model(made.model_uri, "theirs")
    with pytest.raises(BundleError, match="is a model of MLflow, but none of genre-spark"):
        opened_by("models:/theirs/1")


@pytest.mark.parametrize("tag", ["{", "[]", "{}", '{"at":' * 1000])
def test_a_damaged_tag_of_a_promotion_is_named(tag):
    with pytest.raises(BundleError, match="in MLflow is damaged; delete it"):
        mlflow_model._read("models:/mine/1", "champion", "1", tag)


def test_names_that_mlflow_would_not_take_are_refused_before_the_work(registry):
    with pytest.raises(ConfigError, match="--register a/b: MLflow takes no name"):
        mlflow_model.check("a/b")


@pytest.mark.parametrize(
    "mlmodel",
    [
        "",
        "- a list",
        "flavors: 7",
        "flavors: {python_function: {loader_module: genre_spark.scoring.mlflow_model}}",
        "flavors: {python_function: {loader_module: genre_spark.scoring.mlflow_model, data: [1]}}",
        "flavors: {python_function: {loader_module: genre_spark.scoring.mlflow_model, data: ..}}",
        "flavors: {python_function: {loader_module: genre_spark.scoring.mlflow_model, data: /}}",
        "flavors: {python_function: {loader_module: os, data: bundle}}",
        "a: " + "x" * 2**23,
        "{",
        "[" * 10_000,
    ],
)
def test_a_model_file_of_a_stranger_leads_nowhere_else(tmp_path, mlmodel):
    (tmp_path / "model" / "bundle").mkdir(parents=True)
    (tmp_path / "model" / "MLmodel").write_text(mlmodel)
    with pytest.raises(BundleError, match=r"models:/mine/1: .* none of genre-spark"):
        mlflow_model._bundle_in(tmp_path / "model", "models:/mine/1")


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 3), ("max_bytes", 100)])
def test_a_model_of_too_many_files_or_bytes_is_refused_before_it_is_fetched(
    registry, tmp_path, monkeypatch, limit, value
):
    def fetch(*_, **__):
        pytest.fail("fetched")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", fetch)
    if limit == "MAX_FILES":
        monkeypatch.setattr(mlflow_model, limit, value)
    max_bytes = value if limit == "max_bytes" else 2**30
    with pytest.raises(BundleError, match="are fetched"):
        mlflow_model.download(None, "models:/mine/1", tmp_path, max_bytes)
