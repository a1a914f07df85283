"""`genre-spark report`: writes the page on a bundle and on a catalogue labelled with it."""

import logging

from pyspark.sql import SparkSession

from genre_spark.bundle import store
from genre_spark.pipelines.requests import ReportRequest
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.progress import plainly
from genre_spark.publishing import reader

logger = logging.getLogger(__name__)
_log = plainly(logger.info)


def run(spark: SparkSession | None, request: ReportRequest) -> dict[str, str]:
    """Writes the HTML page on a bundle and, if given, on a catalogue that was labelled with it.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for paths that only Hadoop can reach.
    request : ReportRequest

    Raises
    ------
    InputError
        Where `labels` is not a labelled catalogue.
    OutputError
        Where `output` is a file that is no page of a report, or `pictures` holds anything but
        pictures of an earlier report.
    """
    from genre_spark.reporting import export
    from genre_spark.reporting.page import compose

    model, labels, output = request.model, request.labels, request.output
    pictures = request.pictures
    opened = store.open_bundle(spark, model)
    export.check_page(storage_of(spark, output), output)
    manifest = reader.manifest_of(spark, labels, request.storage_options) if labels else None
    if pictures:
        storage = storage_of(spark, pictures)
        taken = [path for path in (model, labels, output) if path]
        directory = export.check_target(storage, pictures, taken, request.allow_gap)
    page = compose(opened, manifest)
    export.write_page(storage_of(spark, output), output, page.html)
    summary = {"report": output}
    if pictures:
        export.write(storage, directory, page.answers.values())
        summary["pictures"] = pictures
    return summary
