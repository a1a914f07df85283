"""`genre-spark report`: writes the page on a bundle and on a catalogue labelled with it."""

from typing import Any

from pyspark.sql import SparkSession

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest
from genre_spark.config import Settings
from genre_spark.platform.atomic_directory import check_target
from genre_spark.platform.hadoop import storage_of
from genre_spark.publishing import reader
from genre_spark.schema import TRACK_ID

_SHOWN = (TRACK_ID, "genre", "genre_confidence")


def run(
    spark: SparkSession | None,
    bundle: Bundle,
    output: str,
    settings: Settings,
    labels: str | None = None,
    pictures: str | None = None,
) -> dict[str, str]:
    """Writes the HTML page on a bundle and, if given, on a catalogue that was labelled with it.

    Raises `InputError` if `labels` is not a labelled catalogue. Raises `OutputError` if `output` is
    a file that is no page of a report, or `pictures` holds anything but pictures of an earlier
    report.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for paths that only Hadoop can reach.
    output : str
        The page; the page of an earlier report is replaced, and no other file.
    pictures : str, optional
        A directory for the same pictures as PNG files.
    """
    from genre_spark.reporting import html, pages
    from genre_spark.reporting.document import Subject

    storage = storage_of(spark, output)
    html.check(storage, output, "report")
    options = settings.delta.storage_options
    table = reader.LabelledTable(lambda: spark, labels, options) if labels else None
    manifest = table.manifest if table else None
    if pictures:
        gallery, gap = storage_of(spark, pictures), settings.publishing.allow_gap
        taken = [path for path in (bundle.location, labels, output) if path]
        directory = check_target(gallery, pictures, taken, pages.PICTURES, "--pictures", gap)
    rows = _on_map(table, bundle.manifest) if table else {}
    page = pages.report(Subject(bundle.manifest, manifest, rows))
    html.check(storage, output, "report")
    storage.write_text(output, page.html)
    summary = {"report": output}
    if pictures:
        pages.write_pictures(gallery, directory, page.figures)
        summary["pictures"] = pictures
    return summary


def _on_map(table: reader.LabelledTable, model: Manifest) -> dict[str, dict[str, Any]]:
    """The labels of the tracks that the bundle's map shows, by id."""
    drawn = model.clusters.map
    if not drawn or not drawn.tracks:  # a bundle of an earlier version
        return {}
    ids = [track.track_id for track in drawn.tracks]
    return {row[TRACK_ID]: row for row in table.by_ids(ids, _SHOWN)}
