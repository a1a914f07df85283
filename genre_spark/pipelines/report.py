"""`genre-spark report`: writes the page on a bundle and on a catalogue labelled with it."""

from typing import Any

from pyspark.sql import SparkSession

from genre_spark.bundle import store
from genre_spark.bundle.manifest import Manifest
from genre_spark.pipelines.requests import ReportRequest
from genre_spark.platform.hadoop import storage_of
from genre_spark.publishing import reader
from genre_spark.schema import TRACK_ID

_SHOWN = (TRACK_ID, "genre", "genre_confidence")


def run(spark: SparkSession | None, request: ReportRequest) -> dict[str, str]:
    """Writes the HTML page on a bundle and, if given, on a catalogue that was labelled with it.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for paths that only Hadoop can reach.

    Raises
    ------
    InputError
        Where `labels` is not a labelled catalogue.
    OutputError
        Where `output` is a file that is no page of a report, or `pictures` holds anything but
        pictures of an earlier report.
    """
    from genre_spark.reporting import export, html, pages
    from genre_spark.reporting.document import Subject

    model, labels, output = request.model, request.labels, request.output
    pictures = request.pictures
    opened = store.open_bundle(spark, model)
    html.check(storage_of(spark, output), output, "report")
    manifest = reader.manifest_of(spark, labels, request.storage_options) if labels else None
    if pictures:
        storage = storage_of(spark, pictures)
        taken = [path for path in (model, labels, output) if path]
        directory = export.check_target(storage, pictures, taken, request.allow_gap)
    rows = _on_map(spark, request, opened.manifest) if labels else {}
    page = pages.report(Subject(opened.manifest, manifest, rows))
    html.check(storage_of(spark, output), output, "report")
    storage_of(spark, output).write_text(output, page.html)
    summary = {"report": output}
    if pictures:
        export.write(storage, directory, page.figures)
        summary["pictures"] = pictures
    return summary


def _on_map(
    spark: SparkSession | None, request: ReportRequest, model: Manifest
) -> dict[str, dict[str, Any]]:
    """The labels of the tracks that the bundle's map shows, by id."""
    drawn = model.clusters.map
    if not drawn or not drawn.tracks:  # a bundle of an earlier version
        return {}
    ids = [track.track_id for track in drawn.tracks]
    rows = reader.by_ids(spark, request.labels or "", ids, request.storage_options, _SHOWN)
    return {row[TRACK_ID]: row for row in rows}
