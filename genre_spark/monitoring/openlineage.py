"""What a run read and wrote, as one event of OpenLineage: to a file, or to a server.

References
----------
OpenLineage specification, https://openlineage.io/docs/spec/object-model and its naming of datasets,
https://openlineage.io/docs/spec/naming
"""

import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

import openlineage.client.facet_v2 as facets
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import (
    ApiKeyTokenProvider,
    HttpConfig,
    HttpTransport,
    TokenProvider,
)

from genre_spark import __version__
from genre_spark.bundle.registry import MLFLOW, is_in_mlflow
from genre_spark.platform.redaction import redact
from genre_spark.platform.storage import is_remote, local_path

logger = logging.getLogger(__name__)

_PRODUCER = f"https://pypi.org/project/genre-spark/{__version__}"
# As OpenLineage's other integrations call them.
_NAMESPACE, _API_KEY = "OPENLINEAGE_NAMESPACE", "OPENLINEAGE_API_KEY"
_SECONDS = 5.0
# Summaries name what was made under these.
_MADE = ("bundle", "report", "study")


def send(target: str, command: str, run: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
    """Appends the event of a run to a file, or posts it; a failure is a warning.

    Parameters
    ----------
    target : str
        A file, or the address of a server such as Marquez (``http://host:5000``).
    command, run, summary
        As of `prometheus.send`.
    """
    try:
        if target.startswith(("http://", "https://")):
            retry = {"total": 1, "backoff_factor": 0.3}
            config = HttpConfig(url=target, timeout=_SECONDS, retry=retry, auth=_auth())
            transport: Any = HttpTransport(config)
        else:
            transport = FileTransport(FileConfig(log_file_path=target, append=True))
        OpenLineageClient(transport=transport).emit(event(command, run, summary))
    except Exception as err:  # a bad URL, an answer that is none: no failure of the run
        reason = redact(str(err)) or type(err).__name__
        logger.warning("%s: lineage could not be sent: %s", redact(target), reason)


def _auth() -> TokenProvider:
    key = os.environ.get(_API_KEY)
    return ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({})


def event(command: str, run: Mapping[str, Any], summary: Mapping[str, Any]) -> RunEvent:
    """The event of a run: COMPLETE with its datasets, or FAIL."""
    failed = bool(run["exit_code"])
    namespace = os.environ.get(_NAMESPACE, "genre-spark")
    ended = datetime.now(UTC)
    return RunEvent(
        eventType=RunState.FAIL if failed else RunState.COMPLETE,
        eventTime=ended.isoformat(),
        run=Run(_run_id(run["run_id"]), _run_facets(run)),
        job=Job(namespace, f"genre-spark.{command.replace(' ', '.')}"),
        producer=_PRODUCER,
        inputs=[] if failed else list(_inputs(summary)),
        outputs=[] if failed else list(_outputs(summary)),
    )


def _run_id(run_id: str) -> str:
    """A UUID that is always the same for a run of genre-spark."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_PRODUCER}#{run_id}"))


def _run_facets(run: Mapping[str, Any]) -> dict[str, Any]:
    engine = facets.processing_engine_run.ProcessingEngineRunFacet(
        version=__version__, name="genre-spark", openlineageAdapterVersion=__version__
    )
    found: dict[str, Any] = {"processing_engine": engine}
    if run["exit_code"]:
        found["errorMessage"] = facets.error_message_run.ErrorMessageRunFacet(
            message=f"exit code {run['exit_code']}", programmingLanguage="PYTHON"
        )
    return found


def _inputs(summary: Mapping[str, Any]) -> Iterator[InputDataset]:
    """The catalogue, with what is known of its quality; and the model."""
    source = summary.get("source")
    path = source.get("path") if isinstance(source, Mapping) else source
    if path:
        yield InputDataset(
            *_place(str(path)), facets=_version(source), inputFacets=_quality(summary)
        )
    model = summary.get("model")
    if isinstance(model, Mapping) and model.get("path"):
        yield InputDataset(*_place(str(model["path"])))


def _outputs(summary: Mapping[str, Any]) -> Iterator[OutputDataset]:
    for name in _MADE:
        if isinstance(summary.get(name), str):
            yield OutputDataset(*_place(summary[name]))
    for one in (summary, summary.get("labels")):
        if isinstance(one, Mapping) and "schema" in one and one.get("published"):
            yield _labelled(one)


def _labelled(manifest: Mapping[str, Any]) -> OutputDataset:
    """A labelled catalogue, with its columns and how many rows it has."""
    schema = facets.schema_dataset
    fields = [
        schema.SchemaDatasetFacetFields(name=name, type=kind)
        for name, kind in manifest["schema"].items()
    ]
    counted = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=manifest["rows"]["labelled"]
    )
    return OutputDataset(
        *_place(manifest["path"]),
        facets={"schema": schema.SchemaDatasetFacet(fields=fields)},
        outputFacets={"outputStatistics": counted},
    )


def _version(source: Any) -> dict[str, Any]:
    version = source.get("version") if isinstance(source, Mapping) else None
    if version is None:
        return {}
    return {"version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(str(version))}


def _quality(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Rows that were read, and each check with what it found."""
    rows = summary.get("rows") or {}
    found: dict[str, Any] = {}
    if isinstance(rows.get("read"), int):
        metrics = facets.data_quality_metrics_input_dataset
        found["dataQualityMetrics"] = metrics.DataQualityMetricsInputDatasetFacet(
            columnMetrics={}, rowCount=rows["read"]
        )
    checks = [*_of_rows(rows.get("reasons") or {}), *_of_drift(summary.get("drift") or {})]
    if checks:
        quality = facets.data_quality_assertions_dataset
        found["dataQualityAssertions"] = quality.DataQualityAssertionsDatasetFacet(
            assertions=[quality.Assertion(**one) for one in checks]
        )
    return found


def _of_rows(reasons: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Why rows were quarantined: such as ``missing:tempo``."""
    for reason, n in reasons.items():
        name, _, column = reason.partition(":")
        yield {
            "assertion": name, "column": column or None, "success": False,
            "severity": "warn", "expected": "0", "actual": str(n),
        }  # fmt: skip


def _of_drift(drift: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Whether each feature is distributed as in the model's catalogue."""
    for name, one in drift.get("features", {}).items():
        psi = None if one["psi"] is None else f"{one['psi']:.4f}"
        yield {
            "assertion": "drift_psi", "column": name, "success": one["level"] == "ok",
            "severity": "warn", "actual": psi,
        }  # fmt: skip


def _place(path: str) -> tuple[str, str]:
    """Namespace and name of a dataset, by the naming of OpenLineage."""
    given = redact(path)
    if is_in_mlflow(given):
        return "mlflow", given.removeprefix(MLFLOW)
    if not is_remote(given):
        return "file", os.path.abspath(local_path(given))
    parts = urlparse(given)
    scheme = "s3" if parts.scheme in ("s3a", "s3n") else parts.scheme
    name = parts.path if scheme == "hdfs" else parts.path.lstrip("/")
    return f"{scheme}://{parts.netloc}", name
