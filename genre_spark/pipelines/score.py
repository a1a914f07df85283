"""`genre-spark score`: labels every track of a catalogue and publishes the result."""

from pyspark.sql import SparkSession

from genre_spark.pipelines.bundles import scanned
from genre_spark.platform.progress import ReportProgress, to_log
from genre_spark.publishing.destination import destination_of
from genre_spark.publishing.labels import LabelRequest, PublishedLabels, publish_labels


def run(
    spark: SparkSession, request: LabelRequest, report_progress: ReportProgress = to_log
) -> PublishedLabels:
    """Labels every track of a catalogue and publishes the result; see `cluster.run`."""
    source, bundle, settings = request.source, request.bundle, request.settings
    destination_of(spark, request.output, settings).check([source.path, bundle.location])
    report_progress(f"reading {source.path}")
    with scanned(spark, source, bundle, settings) as catalogue:
        n_tracks = catalogue.n_rows
        report_progress(
            f"labelling {n_tracks:,} tracks with model {bundle.manifest.model_id}", n_tracks
        )
        return publish_labels(spark, catalogue, request)
