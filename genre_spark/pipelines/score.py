"""`genre-spark score`: labels every track of a catalogue and publishes the result."""

import logging

from pyspark.sql import SparkSession

from genre_spark.bundle import store
from genre_spark.catalog.catalogue import scan_catalogue
from genre_spark.pipelines.requests import ScoreRequest
from genre_spark.platform.progress import ReportProgress, plainly
from genre_spark.publishing import destination
from genre_spark.publishing.labels import publish_labels
from genre_spark.publishing.request import LabelRequest, PublishedLabels

logger = logging.getLogger(__name__)
_log = plainly(logger.info)


def run(
    spark: SparkSession, request: ScoreRequest, report_progress: ReportProgress = _log
) -> PublishedLabels:
    """Labels every track of a catalogue and publishes the result; see `cluster.run`."""
    source, output, settings = request.source, request.output, request.settings
    opened = store.open_bundle(spark, request.model)
    destination.format_of(spark, output, settings).check([source.path, request.model])
    report_progress(f"reading {source.path}")
    scoring = opened.manifest.scoring
    needed, owner = scoring.scaler.features, scoring.owner
    ranges = opened.profile.ranges
    with scan_catalogue(spark, source, settings.catalog, needed, owner, ranges) as catalogue:
        n_tracks = catalogue.n_rows
        report_progress(
            f"labelling {n_tracks:,} tracks with model {opened.manifest.model_id}", n_tracks
        )
        wanted = LabelRequest(
            source,
            opened,
            output,
            settings,
            request.incremental,
            request.dry_run,
            request.run_id,
        )
        return publish_labels(spark, catalogue, wanted)
