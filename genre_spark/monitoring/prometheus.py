"""What a run has come to, for Prometheus: a textfile for the node exporter, or a push."""

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from genre_spark.monitoring.drift import LEVELS
from genre_spark.monitoring.finished_run import FinishedRun
from genre_spark.platform.safe_text import redact
from genre_spark.platform.storage import check_own
from genre_spark.versions import __version__

logger = logging.getLogger(__name__)

_JOB = "genre_spark"
_OWN = "genre_spark_exit_code"  # in each file of metrics
_SUCCEEDED = "genre_spark_succeeded_timestamp_seconds"

# Name, help, labels and value of one sample.
Sample = tuple[str, str, dict[str, str], float]


def send(target: str, run: FinishedRun) -> None:
    """Writes or pushes the metrics of a run; a failure of that is logged, and does not fail the run.

    `target`: A file, or the URL of a Pushgateway (``http://host:9091``).
    """
    try:
        samples = list(_samples(run))
        if target.startswith(("http://", "https://")):
            registry = _registry(samples, run.command)
            # Adds: after a failure, the time of the last success stays what it was.
            pushadd_to_gateway(target, _JOB, registry, grouping_key={"command": run.command})
        else:
            check_own(Path(target), _OWN)
            if run.exit_code:
                samples += _last_success(Path(target), run.command)
            write_to_textfile(target, _registry(samples, run.command))
    except Exception as err:  # a bad URL, an answer that is none: no failure of the run
        reason = redact(str(err)) or type(err).__name__
        logger.warning("%s: metrics could not be written: %s", redact(target), reason)


def _registry(samples: list[Sample], command: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for name, text, labels, value in samples:
        if name not in gauges:
            gauges[name] = Gauge(name, text, ("command", *labels), registry=registry)
        gauges[name].labels(command, *labels.values()).set(value)
    return registry


def _samples(run: FinishedRun) -> Iterator[Sample]:
    now, facts = time.time(), run.facts
    yield "genre_spark_exit_code", "Of the last run; 0 is success.", {}, run.exit_code
    yield "genre_spark_seconds", "That the last run took.", {}, run.seconds
    yield "genre_spark_finished_timestamp_seconds", "When the last run ended.", {}, now
    labels = {"run_id": run.run_id, "version": __version__}
    yield "genre_spark_run_info", "Of the last run.", labels, 1
    if not run.exit_code:
        yield _SUCCEEDED, "When the last successful run ended.", {}, now
    if facts.model_id:
        labels = {"model_id": facts.model_id}
        yield "genre_spark_model_info", "The model that was made or used.", labels, 1
    if rows := facts.rows:
        for state, n in facts.counts.items():
            yield "genre_spark_rows", "Rows of the catalogue.", {"state": state}, n
        for reason, n in rows.reasons.items():
            yield "genre_spark_quarantined_rows", "Rows quarantined.", {"reason": reason}, n
        for feature, n in rows.missing.items():
            where = {"feature": feature}
            yield "genre_spark_tracks_lacking", "Tracks without a feature.", where, n
    if facts.labels:
        for kind in ("genres", "synthetic_genres"):
            for label, n in getattr(facts.labels, kind).items():
                where = {"kind": kind, "label": label}
                yield "genre_spark_tracks", "Tracks per label.", where, n
        for name in ("accepted", "mean_confidence"):
            if (share := getattr(facts.labels, name)) is not None:
                yield f"genre_spark_{name}", "Of the labels, a share.", {}, share
    if facts.drift:
        level = LEVELS.index(facts.drift.level)
        yield "genre_spark_drift_level", "0 ok, 1 warns, 2 stops.", {}, level
        for name, shift in facts.drift.shifts:
            if shift.psi is not None:
                yield "genre_spark_drift_psi", "Population stability.", {"of": name}, shift.psi
    for protocol, one in facts.protocols.items():
        where = {"artists": protocol}
        yield "genre_spark_accuracy", "On held-out tracks.", where, one.accuracy
        if one.coverage is not None:
            yield "genre_spark_coverage", "Share of labels accepted.", where, one.coverage


def _last_success(path: Path, command: str) -> Iterator[Sample]:
    """From the file that is about to be replaced."""
    with suppress(OSError, ValueError):
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for one in family.samples:
                if one.name == _SUCCEEDED and one.labels == {"command": command}:
                    yield _SUCCEEDED, "When the last successful run ended.", {}, one.value
