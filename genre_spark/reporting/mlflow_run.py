"""Logs a trained bundle as a run of MLflow: parameters, metrics, pictures, and the model itself."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import mlflow
import mlflow.pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array, Object, Property

from genre_spark.bundle import mlflow_registry
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest
from genre_spark.config import Settings
from genre_spark.errors import ConfigError, OutputError
from genre_spark.platform.safe_text import redact, redact_all
from genre_spark.platform.storage import LocalStorage
from genre_spark.reporting import export, pages
from genre_spark.reporting.document import Subject
from genre_spark.reporting.text import flat
from genre_spark.schema import ALBUM, ARTIST, ARTISTS, LABELLED_COLUMNS, TITLE, TRACK_ID
from genre_spark.scoring import mlflow_model
from genre_spark.scoring.in_memory import COLUMNS
from genre_spark.versions import __version__

# Paths of the model and its pictures in a run.
MODEL, PICTURES, PAGE = "model", "pictures", "report.html"
_TYPES = {
    "string": DataType.string,
    "int": DataType.integer,
    "float": DataType.float,
    "boolean": DataType.boolean,
}


def check(name: str | None = None) -> None:
    """Checks that MLflow's server answers, before the work starts.

    Parameters
    ----------
    name : str, optional
        Under which the model will be registered.

    Raises
    ------
    ConfigError
        If it does not answer, or refuses the name.
    """
    if name is not None:
        mlflow_registry.check_name(name)
    try:
        mlflow.search_experiments(max_results=1)
    except (MlflowException, OSError) as err:
        raise ConfigError(
            f"MLflow at {redact(mlflow.get_tracking_uri())} cannot be used: {_first_line(err)}. Set"
            " MLFLOW_TRACKING_URI, or leave --mlflow out"
        ) from err


def log(opened: Bundle, settings: Settings, run_id: str, name: str) -> dict[str, str]:
    """Logs a bundle to the experiment and the server that MLflow's own settings name.

    Parameters
    ----------
    opened : Bundle
        Verified, on the local disk.
    settings : Settings
        That it was trained with.
    run_id : str
        Of genre-spark; a tag of MLflow's run.
    name : str
        Of MLflow's run.

    Returns
    -------
    dict
        ``run_id`` of MLflow, and ``model_uri``, by which `mlflow.pyfunc.load_model` finds it.

    Raises
    ------
    OutputError
        If MLflow refuses it.
    """
    try:
        return _log(opened, settings, run_id, name)
    except (MlflowException, OSError) as err:
        raise OutputError(
            f"{name}: is complete, but could not be logged to MLflow at"
            f" {redact(mlflow.get_tracking_uri())}: {_first_line(err)}"
        ) from err


def register(logged: Mapping[str, str], opened: Bundle, name: str) -> dict[str, str]:
    """Registers a logged bundle: ``registered``, by which ``--model`` finds it."""
    model_id = opened.manifest.model_id
    return {"registered": mlflow_registry.register(logged["model_uri"], name, model_id)}


def _log(opened: Bundle, settings: Settings, run_id: str, name: str) -> dict[str, str]:
    manifest = opened.manifest
    with mlflow.start_run(run_name=name, tags=_tags(manifest, run_id)) as run:
        mlflow.log_params(dict(flat(redact_all(settings.model_dump(mode="json")))))
        mlflow.log_metrics(dict(_metrics(manifest)))
        _log_page(opened)
        made = mlflow.pyfunc.log_model(
            name=MODEL,
            loader_module=mlflow_model.__name__,
            data_path=str(opened.path),
            signature=_signature(manifest),
            pip_requirements=[f"genre-spark[mlflow]=={__version__}"],
            metadata={"model_id": manifest.model_id},
        )
    return {"run_id": run.info.run_id, "model_uri": made.model_uri}


def _first_line(err: Exception) -> str:
    text = str(err).strip()
    return redact(text.splitlines()[0]) if text else type(err).__name__


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


def _log_page(opened: Bundle) -> None:
    page = pages.report(Subject(opened.manifest))
    mlflow.log_text(page.html, PAGE)
    with tempfile.TemporaryDirectory(prefix="genre-spark-") as folder:
        made = str(Path(folder) / PICTURES)
        export.write(LocalStorage(), made, page.figures)
        mlflow.log_artifacts(made, PICTURES)


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
    texts = [ColSpec(DataType.string, name, required=name == TRACK_ID) for name in _TEXTS]
    features = manifest.scoring.scaler.features
    numbers = [ColSpec(DataType.double, name, required=False) for name in features]
    # All artists of a track. MLflow drops what a signature does not name.
    artists = [ColSpec(Array(DataType.string), ARTISTS, required=False)]
    labels = [_column(name) for name in COLUMNS]
    return ModelSignature(inputs=Schema(texts + artists + numbers), outputs=Schema(labels))


_TEXTS = (TRACK_ID, ARTIST, ALBUM, TITLE)


def _column(name: str) -> ColSpec:
    kind = _TYPES.get(LABELLED_COLUMNS[name])
    if kind:
        return ColSpec(kind, name)
    fields = [Property("genre", DataType.string), Property("probability", DataType.float)]
    return ColSpec(Array(Object(fields)), name)
