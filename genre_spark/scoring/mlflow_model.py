"""MLflow: bundles logged as runs, in its model registry, and as it loads them.

References to registered models are ``models:/NAME/VERSION`` and ``models:/NAME@alias``. The server and
the registry are those that MLflow's own settings name (``MLFLOW_REGISTRY_URI``, else
``MLFLOW_TRACKING_URI``). An alias there is a pointer without a history, so each promotion also leaves a
tag at its version. MLflow loads a bundle by the name of this module:
``mlflow.pyfunc.load_model(uri).predict(tracks)``.

References
----------
MLflow Model Registry, https://mlflow.org/docs/latest/ml/model-registry/
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array, Object, Property
from pydantic_core import from_json

from genre_spark.bundle import files
from genre_spark.bundle.manifest import Manifest
from genre_spark.bundle.registry import Promotion
from genre_spark.config import Settings, load_settings
from genre_spark.errors import BundleError, ConfigError, InputError, OutputError, first_line
from genre_spark.platform.hadoop import GetSpark
from genre_spark.platform.safe_text import redact, redact_all
from genre_spark.platform.storage import MAX_FILES, read_small
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    ARTISTS,
    FEATURE_SOURCE,
    LABELLED_COLUMNS,
    TITLE,
    TRACK_ID,
)
from genre_spark.scoring.in_memory import COLUMNS, InMemoryScorer
from genre_spark.versions import __version__

_START, _MODEL = "models:/", "model"
_MODEL_ID, _PROMOTED = "genre_spark.model_id", "genre_spark.promoted."
_REFERENCE = re.compile(r"models:/(?P<name>[^/@:]+)(?:/(?P<version>\d+)|@(?P<alias>[\w-]+))")
_NAME = re.compile(r"[^/:@'\"]+")
_TEXTS = (TRACK_ID, ARTIST, ALBUM, TITLE)
# MLflow's names of Spark's types, where they differ.
_TYPES = {"int": "integer"}
for _noisy in ("mlflow", "alembic"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)


def check(name: str | None = None) -> None:
    """Checks that MLflow's server answers and takes the name of a model, before the work starts.

    Raises `ConfigError` if it does not answer, or refuses the name.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise ConfigError(f"--register {name}: MLflow takes no name with / : @ or quotes")
    try:
        mlflow.search_experiments(max_results=1)
    except (MlflowException, OSError) as err:
        raise ConfigError(
            f"MLflow at {redact(mlflow.get_tracking_uri())} cannot be used: {redact(first_line(err))}. Set"
            " MLFLOW_TRACKING_URI, or leave --mlflow out"
        ) from err


def log(
    opened: files.Bundle, settings: Settings, run_id: str, name: str, page: Path
) -> dict[str, str]:
    """Logs a bundle as a run: parameters, metrics, the page, and the model itself.

    Gives ``run_id`` of MLflow, and ``model_uri``, by which `mlflow.pyfunc.load_model` finds it.
    Raises `OutputError` if MLflow refuses it.

    `run_id`: Of genre-spark; a tag of MLflow's run.
    """
    manifest = opened.manifest
    (parameters,) = pd.json_normalize(redact_all(settings.model_dump(mode="json"))).to_dict(
        "records"
    )
    try:
        with mlflow.start_run(run_name=name, tags=_tags(manifest, run_id)) as run:
            mlflow.log_params(parameters)
            mlflow.log_metrics(dict(_metrics(manifest)))
            mlflow.log_artifacts(str(page))
            made = mlflow.pyfunc.log_model(
                name=_MODEL,
                loader_module=__name__,
                data_path=str(opened.path),
                signature=_signature(manifest),
                pip_requirements=[f"genre-spark[mlflow]=={__version__}"],
                metadata={"model_id": manifest.model_id},
            )
    except (MlflowException, OSError) as err:
        raise OutputError(
            f"{name}: is complete, but could not be logged to MLflow at"
            f" {redact(mlflow.get_tracking_uri())}: {redact(first_line(err))}"
        ) from err
    return {"run_id": run.info.run_id, "model_uri": made.model_uri}


def register(logged: dict[str, str], opened: files.Bundle, name: str) -> dict[str, str]:
    """Registers a logged bundle: ``registered``, by which ``--model`` finds it.

    Raises `OutputError` if MLflow does not take it.
    """
    tags = {_MODEL_ID: opened.manifest.model_id}
    try:
        made = mlflow.register_model(logged["model_uri"], name, tags=tags)
    except (MlflowException, OSError) as err:
        raise OutputError(
            f"{name}: could not be registered in MLflow: {redact(first_line(err))}"
        ) from err
    return {"registered": f"{_START}{name}/{made.version}"}


def _tags(manifest: Manifest, run_id: str) -> dict[str, str]:
    tags = {
        "genre_spark.run_id": run_id,
        "genre_spark.model_id": manifest.model_id,
        "genre_spark.kind": manifest.kind,
        "genre_spark.version": manifest.genre_spark_version,
        "genre_spark.catalogue": redact(manifest.data.source),
    }
    revision = manifest.source_revision
    return {**tags, "mlflow.source.git.commit": revision} if revision else tags


def _metrics(manifest: Manifest) -> Iterator[tuple[str, float]]:
    """All single numbers of each protocol, and what the catalogue and the discovery count."""
    for protocol, of in (manifest.genres.protocols if manifest.genres else {}).items():
        for name, value in of:
            if isinstance(value, int | float):
                yield f"{protocol}/{name}", float(value)
        for name, accuracy in of.baselines.items():
            # MLflow allows few characters in a name.
            yield f"{protocol}/baseline/" + re.sub(r"[^\w\-. /]", "_", name), accuracy
    for name, value in manifest.data.rows:
        if isinstance(value, int):
            yield f"rows/{name}", float(value)
    yield "synthetic_genres", float(manifest.clusters.k)


def _signature(manifest: Manifest) -> ModelSignature:
    scaler = manifest.scoring.scaler
    named = (*_TEXTS, FEATURE_SOURCE) if scaler.sources else _TEXTS
    # MLflow drops what a signature does not name.
    texts = [ColSpec("string", name, required=name == TRACK_ID) for name in named]
    numbers = [ColSpec("double", name, required=False) for name in scaler.features]
    artists = [ColSpec(Array("string"), ARTISTS, required=False)]
    labels = [_column(name) for name in COLUMNS]
    return ModelSignature(inputs=Schema(texts + artists + numbers), outputs=Schema(labels))


def _column(name: str) -> ColSpec:
    kind = LABELLED_COLUMNS[name]
    if not kind.startswith("array"):
        return ColSpec(_TYPES.get(kind, kind), name)
    fields = [Property("genre", "string"), Property("probability", "float")]
    return ColSpec(Array(Object(fields)), name)


def locate(get_spark: GetSpark, reference: str, root: str) -> str:
    """``models:/NAME/VERSION`` of a reference, which an alias may stand for.

    Raises `BundleError` if there is no such model, version or alias.
    """
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise BundleError(
            f"{reference}: should be models:/NAME/VERSION or models:/NAME@ALIAS, of MLflow's registry"
        )
    name, version, alias = found.groups()
    with _asking(reference):
        if alias:
            version = MlflowClient().get_model_version_by_alias(name, alias).version
        else:
            MlflowClient().get_model_version(name, version)
    return f"{_START}{name}/{version}"


def download(get_spark: GetSpark, reference: str, folder: Path, max_bytes: int) -> Path:
    """The bundle of a registered model, copied to below a local folder; unverified.

    Raises `BundleError` if it cannot be fetched, has too many files or bytes, or is no model of
    genre-spark.
    """
    with _asking(reference):
        uri = locate(get_spark, reference, "")
        sizes = list(islice(_sizes(get_artifact_repository(uri)), MAX_FILES + 1))
        if len(sizes) > MAX_FILES or sum(sizes) > max_bytes:
            raise BundleError(
                f"{reference}: has {len(sizes)} files and folders of {sum(sizes):,} bytes or"
                f" more; at most {MAX_FILES} of {max_bytes:,} bytes are fetched"
            )
        copied = mlflow.artifacts.download_artifacts(uri, dst_path=str(folder))
    return _bundle_in(Path(copied), reference)


def _sizes(artifacts: ArtifactRepository) -> Iterator[int]:
    """Bytes of a model's files, as far as the store tells; 0 for each folder."""
    folders = [""]
    while folders:
        for one in artifacts.list_artifacts(folders.pop() or None):
            if one.is_dir:
                folders.append(one.path)
            yield one.file_size or 0


def _bundle_in(model: Path, reference: str) -> Path:
    """The bundle's folder in a copied model, by the file MLmodel, which is not trusted."""
    foreign = f"{reference}: is a model of MLflow, but none of genre-spark"
    try:
        content = yaml.safe_load(read_small(model / "MLmodel"))
        flavor = content["flavors"]["python_function"]
        loader, bundle = flavor["loader_module"], (model / flavor["data"]).resolve()
    except (
        InputError, OSError, yaml.YAMLError, RecursionError, LookupError, TypeError, ValueError,
    ) as err:  # fmt: skip
        raise BundleError(foreign) from err
    if loader != __name__ or not bundle.is_relative_to(model.resolve()) or not bundle.is_dir():
        raise BundleError(foreign)
    return bundle


class VersionAliases:
    """Aliases of a registered model; see `registry.VersionAliases`."""

    def __init__(self, get_spark: GetSpark, path: str):
        self._path = path
        self._name, self.version = path.removeprefix(_START).rsplit("/", 1)

    def made(self) -> list[Promotion]:
        """Promotions by genre-spark, by their time."""
        found = []
        with _asking(self._path):
            for one in MlflowClient().search_model_versions(f"name='{self._name}'"):
                tags = {k: v for k, v in one.tags.items() if k.startswith(_PROMOTED)}
                for key, text in tags.items():
                    alias = key.removeprefix(_PROMOTED)
                    found.append(_read(self._path, alias, str(one.version), text))
        return sorted(found, key=lambda one: one.at)

    def current(self, alias: str) -> tuple[str, str] | None:
        """Path and model_id of the version that has the alias, whoever gave it; None without one."""
        with _asking(self._path):
            aliases = MlflowClient().get_registered_model(self._name).aliases
            if alias not in aliases:
                return None
            has = MlflowClient().get_model_version(self._name, aliases[alias])
        return f"{_START}{self._name}/{has.version}", has.tags.get(_MODEL_ID, "")

    def give(self, promotion: Promotion, seen: int) -> None:
        """Sets the alias, and the tag that tells of it; MLflow has no way to refuse a second one."""
        text = promotion.model_dump_json(include={"model_id", "at", "evidence"})
        client, key = MlflowClient(), f"{_PROMOTED}{promotion.alias}"
        try:
            client.set_model_version_tag(self._name, self.version, key, text)
            client.set_registered_model_alias(self._name, promotion.alias, self.version)
        except (MlflowException, OSError) as err:
            raise OutputError(
                f"{self._path}: could not be promoted: {redact(first_line(err))}"
            ) from err


def _read(path: str, alias: str, version: str, text: str) -> Promotion:
    try:
        return Promotion(alias=alias, version=version, **from_json(text))
    except (ValueError, TypeError) as err:
        raise BundleError(f"{path}: a tag {_PROMOTED}… in MLflow is damaged; delete it") from err


class GenreModel:
    """What `mlflow.pyfunc` calls; `path` is the bundle's directory inside the model, which is verified."""

    def __init__(self, path: str):
        self._labeller = InMemoryScorer(files.load(path), load_settings().catalog.max_imputed)

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Labels tracks; see `InMemoryScorer.label`. There are no parameters."""
        return self._labeller.label(model_input)


# By this name MLflow finds it.
_load_pyfunc = GenreModel


@contextmanager
def _asking(reference: str) -> Iterator[None]:
    """Raises what MLflow does not find, or cannot do, as `BundleError`."""
    try:
        yield
    except (MlflowException, OSError) as err:
        registry = redact(mlflow.get_registry_uri())
        raise BundleError(
            f"{reference}: not found in MLflow at {registry}: {redact(first_line(err))}"
        ) from err
