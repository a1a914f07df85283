"""Bundles in MLflow's model registry: ``models:/NAME/VERSION`` and ``models:/NAME@alias``.

The registry is the one that MLflow's own settings name (``MLFLOW_REGISTRY_URI``, else
``MLFLOW_TRACKING_URI``). An alias there is a pointer without a history, so that each promotion also
leaves a tag at its version.

References
----------
MLflow Model Registry, https://mlflow.org/docs/latest/ml/model-registry/
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from genre_spark.bundle.registry import MLFLOW, Promotion
from genre_spark.errors import BundleError, ConfigError, InputError, OutputError
from genre_spark.platform.hadoop import GetSpark
from genre_spark.platform.safe_text import redact
from genre_spark.platform.storage import MAX_FILES, read_small

MODEL_ID = "genre_spark.model_id"
# The module that MLflow loads a bundle by.
LOADER = "genre_spark.scoring.mlflow_model"
_PROMOTED = "genre_spark.promoted."
_REFERENCE = re.compile(r"models:/(?P<name>[^/@:]+)(?:/(?P<version>\d+)|@(?P<alias>[\w-]+))")
_NAME = re.compile(r"[^/:@'\"]+")


def locate(get_spark: GetSpark, reference: str, root: str) -> str:
    """``models:/NAME/VERSION`` of a reference, which an alias may stand for.

    Raises
    ------
    BundleError
        Where there is no such model, version or alias.
    """
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise BundleError(
            f"{reference}: should be models:/NAME/VERSION or models:/NAME@ALIAS, of MLflow's registry"
        )
    name, version, alias = found["name"], found["version"], found["alias"]
    with _asking(reference):
        if alias:
            version = MlflowClient().get_model_version_by_alias(name, alias).version
        else:
            MlflowClient().get_model_version(name, version)
    return f"{MLFLOW}{name}/{version}"


def download(get_spark: GetSpark, reference: str, folder: Path, max_bytes: int) -> Path:
    """The bundle of a registered model, copied to below a local folder; unverified.

    Raises
    ------
    BundleError
        If it cannot be fetched, has too many files or bytes, or is no model of genre-spark.
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
    except (InputError, OSError, yaml.YAMLError, LookupError, TypeError, ValueError) as err:
        raise BundleError(foreign) from err
    if loader != LOADER or not bundle.is_relative_to(model.resolve()) or not bundle.is_dir():
        raise BundleError(foreign)
    return bundle


def check_name(name: str) -> None:
    """Refuses a name that MLflow would not take, before the work.

    Raises
    ------
    ConfigError
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--register {name}: MLflow takes no name with / : @ or quotes")


def register(model_uri: str, name: str, model_id: str) -> str:
    """Registers a logged model; ``models:/NAME/VERSION`` of the new version.

    Raises
    ------
    OutputError
        Where MLflow does not take it.
    """
    try:
        made = mlflow.register_model(model_uri, name, tags={MODEL_ID: model_id})
    except (MlflowException, OSError) as err:
        raise OutputError(f"{name}: could not be registered in MLflow: {_first_line(err)}") from err
    return f"{MLFLOW}{name}/{made.version}"


class VersionAliases:
    """Aliases of a registered model; see `registry.Aliases`.

    Parameters
    ----------
    path : str
        From `locate`.
    """

    def __init__(self, get_spark: GetSpark, path: str):
        self._path = path
        self._name, self.version = path.removeprefix(MLFLOW).rsplit("/", 1)

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
        return f"{MLFLOW}{self._name}/{has.version}", has.tags.get(MODEL_ID, "")

    def give(self, promotion: Promotion, seen: int) -> None:
        """Sets the alias, and the tag that tells of it; MLflow has no way to refuse a second one."""
        text = promotion.model_dump_json(include={"model_id", "at", "evidence"})
        client, key = MlflowClient(), f"{_PROMOTED}{promotion.alias}"
        try:
            client.set_model_version_tag(self._name, self.version, key, text)
            client.set_registered_model_alias(self._name, promotion.alias, self.version)
        except (MlflowException, OSError) as err:
            raise OutputError(f"{self._path}: could not be promoted: {_first_line(err)}") from err


def _read(path: str, alias: str, version: str, text: str) -> Promotion:
    try:
        return Promotion(alias=alias, version=version, **json.loads(text))
    except (ValueError, TypeError) as err:
        raise BundleError(f"{path}: a tag {_PROMOTED}… in MLflow is damaged; delete it") from err


@contextmanager
def _asking(reference: str) -> Iterator[None]:
    """Raises what MLflow does not find, or cannot do, as `BundleError`."""
    try:
        yield
    except (MlflowException, OSError) as err:
        registry = redact(mlflow.get_registry_uri())
        raise BundleError(
            f"{reference}: not found in MLflow at {registry}: {_first_line(err)}"
        ) from err


def _first_line(err: Exception) -> str:
    text = str(err).strip()
    return redact(text.splitlines()[0]) if text else type(err).__name__
