"""What a run read and wrote, as one event of OpenLineage: to a file, or to a server.

References
----------
OpenLineage specification, https://openlineage.io/docs/spec/object-model and its naming of datasets,
https://openlineage.io/docs/spec/naming
"""

import logging
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import openlineage.client.facet_v2 as facets
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import DatasetFacet, InputDatasetFacet, RunFacet
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import (
    ApiKeyTokenProvider,
    HttpConfig,
    HttpTransport,
    TokenProvider,
)

from genre_spark.bundle.registry import OTHERS
from genre_spark.monitoring.drift import OK
from genre_spark.monitoring.finished_run import Facts, FinishedRun, Labelled
from genre_spark.platform.safe_text import redact
from genre_spark.platform.storage import check_own, is_remote, local_path
from genre_spark.versions import __version__

logger = logging.getLogger(__name__)

_PRODUCER = f"https://pypi.org/project/genre-spark/{__version__}"
# As OpenLineage's other integrations call them.
_NAMESPACE, _API_KEY = "OPENLINEAGE_NAMESPACE", "OPENLINEAGE_API_KEY"
_SECONDS = 5.0
_OWN = '"https://openlineage.io/spec/'  # of the schema of each event

Assertion = facets.data_quality_assertions_dataset.Assertion


def send(target: str, run: FinishedRun) -> None:
    """Appends the event of a run to a file, or posts it; a failure is a warning.

    `target`: A file, or the address of a server such as Marquez (``http://host:5000``).
    """
    try:
        if target.startswith(("http://", "https://")):
            retry = {"total": 1, "backoff_factor": 0.3}
            key = os.environ.get(_API_KEY)
            auth = ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({})
            config = HttpConfig(url=target, timeout=_SECONDS, retry=retry, auth=auth)
            transport: Any = HttpTransport(config)
        else:
            check_own(Path(target), _OWN)
            transport = FileTransport(FileConfig(log_file_path=target, append=True))
        OpenLineageClient(transport=transport).emit(event(run))
    except Exception as err:  # a bad URL, an answer that is none: no failure of the run
        reason = redact(str(err)) or type(err).__name__
        logger.warning("%s: lineage could not be sent: %s", redact(target), reason)


def event(run: FinishedRun) -> RunEvent:
    """The event of a run: COMPLETE with its datasets, or FAIL."""
    facts, failed = run.facts, bool(run.exit_code)
    # A UUID that is always the same for a run of genre-spark.
    run_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_PRODUCER}#{run.run_id}"))
    namespace = os.environ.get(_NAMESPACE, "genre-spark")
    engine = facets.processing_engine_run.ProcessingEngineRunFacet(
        version=__version__, name="genre-spark", openlineageAdapterVersion=__version__
    )
    found: dict[str, RunFacet] = {"processing_engine": engine}
    if failed:
        found["errorMessage"] = facets.error_message_run.ErrorMessageRunFacet(
            message=f"exit code {run.exit_code}", programmingLanguage="PYTHON"
        )
    made = (OutputDataset(*_named(path)) for path in facts.made)
    return RunEvent(
        eventType=RunState.FAIL if failed else RunState.COMPLETE,
        eventTime=datetime.now(UTC).isoformat(),
        run=Run(run_id, found),
        job=Job(namespace, f"genre-spark.{run.command.replace(' ', '.')}"),
        producer=_PRODUCER,
        inputs=[] if failed else list(_inputs(facts)),
        outputs=[] if failed else [*made, *map(_labelled, facts.published)],
    )


def _inputs(facts: Facts) -> Iterator[InputDataset]:
    """The catalogue, with what is known of its quality; and the model."""
    if facts.source:
        kind = facets.dataset_version_dataset.DatasetVersionDatasetFacet
        given = facts.source_version
        version: dict[str, DatasetFacet] = {} if given is None else {"version": kind(str(given))}
        yield InputDataset(*_named(facts.source), facets=version, inputFacets=_quality(facts))
    if facts.model:
        yield InputDataset(*_named(facts.model))


def _labelled(made: Labelled) -> OutputDataset:
    """A labelled catalogue, with its columns and how many rows it has."""
    schema = facets.schema_dataset
    fields = [
        schema.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in made.columns.items()
    ]
    counted = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=made.n_rows
    )
    return OutputDataset(
        *_named(made.path),
        facets={"schema": schema.SchemaDatasetFacet(fields=fields)},
        outputFacets={"outputStatistics": counted},
    )


def _quality(facts: Facts) -> dict[str, InputDatasetFacet]:
    """Rows that were read, and each check with what it found."""
    found: dict[str, InputDatasetFacet] = {}
    checks: list[Assertion] = []
    if facts.rows:
        metrics = facets.data_quality_metrics_input_dataset
        found["dataQualityMetrics"] = metrics.DataQualityMetricsInputDatasetFacet(
            columnMetrics={}, rowCount=facts.rows.read
        )
        for reason, n in facts.rows.reasons.items():  # such as ``missing:tempo``
            name, _, column = reason.partition(":")
            checks.append(
                Assertion(
                    assertion=name, column=column or None, success=False,
                    severity="warn", expected="0", actual=str(n),
                )
            )  # fmt: skip
    for name, one in facts.drift.features.items() if facts.drift else ():
        checks.append(
            Assertion(
                assertion="drift_psi", column=name, success=one.level == OK, severity="warn",
                actual=None if one.psi is None else f"{one.psi:.4f}",
            )
        )  # fmt: skip
    if checks:
        quality = facets.data_quality_assertions_dataset
        found["dataQualityAssertions"] = quality.DataQualityAssertionsDatasetFacet(
            assertions=checks
        )
    return found


def _named(path: str) -> tuple[str, str]:
    """Namespace and name of a dataset, by the naming of OpenLineage."""
    given = redact(path)
    for start, (registry, _) in OTHERS.items():
        if given.startswith(start):
            return registry, given.removeprefix(start)
    if not is_remote(given):
        return "file", os.path.abspath(local_path(given))
    parts = urlparse(given)
    scheme = "s3" if parts.scheme in ("s3a", "s3n") else parts.scheme
    name = parts.path if scheme == "hdfs" else parts.path.lstrip("/")
    return f"{scheme}://{parts.netloc}", name
