"""Publishes a labelled catalogue: labels, quarantine and manifest, reconciled before the switch."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark import __version__, publish, scoring
from genre_spark.bundle import Bundle
from genre_spark.config import Settings
from genre_spark.errors import GenreSparkError
from genre_spark.hadoop import storage_of
from genre_spark.intake import Catalogue, Source
from genre_spark.publish import Target
from genre_spark.schema import LABELLED_COLUMNS, WHY_COLUMNS, WHY_GENRE, WHY_SYNTHETIC

_HISTOGRAM_BINS = 20


def publish_labels(
    spark: SparkSession,
    catalogue: Catalogue,
    source: Source,
    bundle: Bundle,
    output: str,
    settings: Settings,
) -> dict[str, Any]:
    """Labels a catalogue into a directory that readers see whole, old or new.

    Parameters
    ----------
    spark : SparkSession
    catalogue : Catalogue
        Open, judged for the bundle's features.
    source : Source
    bundle : Bundle
    output : str
    settings : Settings

    Returns
    -------
    dict
        The manifest as published, and where.

    Raises
    ------
    OutputError
        Where the output is busy or unsafe.
    GenreSparkError
        Where rows are not accounted for; nothing is published then.
    """
    storage = storage_of(spark, output)
    path = publish.check_target(storage, output, [source.path])
    started, scored_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    with publish.publishing(storage, path) as target:
        explain = settings.scoring.explain
        with scoring.labelling(spark, catalogue.tracks, bundle, scored_at, explain) as labelled:
            labelled.write.parquet(target.staging)
        catalogue.quarantined.write.parquet(f"{target.staging}/{publish.QUARANTINE}")
        staged = spark.read.parquet(target.staging)
        _reconcile(spark, staged, target, catalogue)
        manifest = {
            "genre_spark_version": __version__,
            "scored_at": scored_at,
            "model_id": bundle.manifest.model_id,
            "source": {"path": source.path, "dataset": source.dataset.model_dump()},
            "rows": {
                **asdict(catalogue.counts),
                "labelled": catalogue.counts.accepted,
                "quarantined": catalogue.counts.quarantined,
            },
            "schema": LABELLED_COLUMNS | (WHY_COLUMNS if explain else {}),
            "labels": _label_mix(staged) | ({"reasons": _reasons(staged)} if explain else {}),
            "settings": settings.model_dump(),
            "seconds": round(time.monotonic() - started, 1),
        }
        publish.write_manifest(storage, target, manifest)
    return {"path": output, **manifest}


def _reconcile(
    spark: SparkSession, staged: DataFrame, target: Target, catalogue: Catalogue
) -> None:
    """Rows read = rows labelled + rows quarantined, counted in what was written."""
    labelled = staged.count()
    quarantined = spark.read.parquet(f"{target.staging}/{publish.QUARANTINE}").count()
    read = catalogue.counts.read
    if labelled + quarantined != read or labelled != catalogue.counts.accepted:
        raise GenreSparkError(
            f"{read} rows were read, but {labelled} labelled and {quarantined} quarantined;"
            " nothing was published. Did the input change meanwhile? Run again"
        )


def _label_mix(staged: DataFrame) -> dict[str, Any]:
    """How many tracks got which label, and how sure."""
    confidence = F.col("genre_confidence")
    # `least` would skip the nulls of a clusters bundle.
    last = F.lit(_HISTOGRAM_BINS - 1)
    bins = F.when(confidence < 1, F.floor(confidence * _HISTOGRAM_BINS)).when(confidence >= 1, last)
    totals = staged.agg(
        F.avg(F.col("genre_accepted").cast("double")).alias("accepted"),
        F.avg(confidence).alias("mean_confidence"),
    ).first()
    return {
        "synthetic_genres": _counts(staged, F.col("synthetic_genre")),
        "genres": _counts(staged, F.col("genre")),
        "confidence": _counts(staged, bins),
        **totals.asDict(),
    }


def _reasons(staged: DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """By kind of label, and by label: for how many tracks which feature speaks most for it."""
    return {
        label: _first_reasons(staged, label, why)
        for label, why in (("synthetic_genre", WHY_SYNTHETIC), ("genre", WHY_GENRE))
    }


def _first_reasons(staged: DataFrame, label: str, why: str) -> dict[str, dict[str, int]]:
    first = F.get(F.col(why), F.lit(0))["feature"]
    rows = staged.groupBy(label, first.alias("feature")).count().orderBy(label, "feature").collect()
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["feature"] is not None:
            found.setdefault(row[label], {})[row["feature"]] = row["count"]
    return found


def _counts(staged: DataFrame, column: Column) -> dict[str, int]:
    counted = staged.groupBy(column.cast("string").alias("value")).count()
    rows = counted.orderBy(F.desc("count"), "value").collect()
    return {row["value"]: row["count"] for row in rows if row["value"] is not None}
