"""Publishes a labelled catalogue: labels, quarantine and manifest, reconciled before the switch."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from genre_spark import accounting, distributions, drift, incremental, lineage, publish, scoring
from genre_spark.accounting import Tally
from genre_spark.bundle import Bundle, scoring_software
from genre_spark.config import Settings
from genre_spark.errors import GenreSparkError
from genre_spark.hadoop import storage_of
from genre_spark.intake import Catalogue, Source
from genre_spark.publish import Target
from genre_spark.schema import LABELLED_COLUMNS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be labelled, with what, and where to.

    Attributes
    ----------
    source : Source
    bundle : Bundle
    output : str
    settings : Settings
    incremental : bool
        Keep the published labels that still hold.
    dry_run : bool
        Do all but publish.
    """

    source: Source
    bundle: Bundle
    output: str
    settings: Settings
    incremental: bool = False
    dry_run: bool = False


def publish_labels(spark: SparkSession, catalogue: Catalogue, order: Order) -> dict[str, Any]:
    """Labels a catalogue into a directory that readers see whole, old or new.

    Parameters
    ----------
    spark : SparkSession
    catalogue : Catalogue
        Open, judged for the bundle's features.
    order : Order

    Returns
    -------
    dict
        The manifest; the path; whether it was ``published``; what it ``replaces``; and, of a dry
        run, the ``changes``.

    Raises
    ------
    OutputError
        Where the output is busy or unsafe.
    GateError
        Where the catalogue is too unlike the model's; nothing is published then.
    GenreSparkError
        Where rows are not accounted for; nothing is published then.
    """
    storage = storage_of(spark, order.output)
    gap = order.settings.publishing.allow_gap
    path = publish.check_target(storage, order.output, [order.source.path], gap)
    with publish.publishing(storage, path, switch=not order.dry_run) as target:
        old = publish.read_manifest(storage, path)
        manifest, staged = _stage(spark, catalogue, order, target, old)
        publish.write_manifest(storage, target, manifest)
        summary = {"replaces": lineage.replaced(old)}
        if order.dry_run and old:
            summary["changes"] = lineage.changes(staged, spark.read.parquet(path))
    return {"path": order.output, "published": not order.dry_run, **summary, **manifest}


def _stage(
    spark: SparkSession,
    catalogue: Catalogue,
    order: Order,
    target: Target,
    old: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], DataFrame]:
    """The manifest of what was staged, and the rows as they stand there."""
    started, scored_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    profile, limits = order.bundle.profile, order.settings.drift
    found = distributions.binned_as(profile, catalogue.tracks)
    shifts = {"features": drift.of_features(profile.features, found)}
    # What the features tell need not wait for the labels.
    tracks = min(catalogue.counts.accepted, profile.tracks)
    drift.check(drift.judge(tracks, shifts, limits, catalogue.left_out), order.source.path)
    with _labelled(spark, catalogue, order, target, old, scored_at) as (labelled, in_full_because):
        written = accounting.write(labelled, target.staging)
    quarantine = f"{target.staging}/{publish.QUARANTINE}"
    set_aside = accounting.write(catalogue.quarantined, quarantine)
    _reconcile(catalogue, written, set_aside)
    staged = accounting.verify(spark, target.staging, written)
    accounting.check_schema(staged)
    accounting.verify(spark, quarantine, set_aside)
    labels = distributions.label_profile(staged)
    shifts["labels"] = drift.of_labels(profile.labels, labels)
    drifted = drift.judge(tracks, shifts, limits, catalogue.left_out)
    drift.check(drifted, order.source.path)
    return {
        "run_id": target.run_id,
        "scored_at": scored_at,
        **lineage.origin(order.source, order.bundle, catalogue.counts.fingerprint),
        "software": scoring_software(),
        "rows": {
            **asdict(catalogue.counts),
            "labelled": written.rows,
            "quarantined": set_aside.rows,
        },
        "checksum": written.checksum,
        "schema": LABELLED_COLUMNS,
        "incremental": {"asked": order.incremental, "in_full_because": in_full_because},
        "runs": lineage.runs(staged, old, target.run_id, scored_at),
        "labels": labels.model_dump(),
        "drift": drifted,
        "settings": order.settings.model_dump(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
    }, staged


@contextmanager
def _labelled(
    spark: SparkSession,
    catalogue: Catalogue,
    order: Order,
    target: Target,
    old: Mapping[str, Any] | None,
    scored_at: str,
) -> Iterator[tuple[DataFrame, str | None]]:
    """The labelled catalogue, and why it is made in full although it need not be, if so."""
    with ExitStack() as stack:
        part, because = None, None
        if order.incremental:
            published = incremental.reusable(spark, target.path, old, scoring_software())
            if isinstance(published, str):
                because = published
                logger.warning("%s: scored in full: %s", order.output, because)
            else:
                part = stack.enter_context(
                    incremental.split(catalogue.tracks, order.bundle, published)
                )
        anew = stack.enter_context(
            scoring.labelling(spark, catalogue.tracks, order.bundle, scored_at, part and part.anew)
        )
        yield (part.carried.unionByName(anew) if part else anew), because


def _reconcile(catalogue: Catalogue, labelled: Tally, quarantined: Tally) -> None:
    """Rows read = rows labelled + rows quarantined, by what was written."""
    read = catalogue.counts.read
    if labelled.rows != catalogue.counts.accepted or labelled.rows + quarantined.rows != read:
        raise GenreSparkError(
            f"{read} rows were read, but {labelled.rows} labelled and {quarantined.rows}"
            " quarantined; nothing was published. Did the input change meanwhile? Run again,"
            " without --incremental"
        )
