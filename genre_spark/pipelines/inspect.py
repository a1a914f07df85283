"""`genre-spark inspect`: looks into a table, and writes the mapping that it guesses."""

from pathlib import Path

from pyspark.sql import SparkSession

from genre_spark.catalog import advice, dataset_file
from genre_spark.catalog.inspection import Found, inspect
from genre_spark.catalog.inspection_results import Inspection
from genre_spark.pipelines.requests import InspectRequest


def run(spark: SparkSession, request: InspectRequest) -> Inspection:
    """Looks into a table; without a mapping it guesses one, and writes it if asked to."""
    path, settings = request.source.path, request.settings
    found = inspect(spark, request.source, request.mapping is not None, settings)
    if request.output:
        dataset_file.write(Path(request.output), _drafted(found, path, request.output))
    return advice.summary(
        found, path, settings, request.mapping, request.output, request.source.fmt
    )


def _drafted(found: Found, catalog: str, file: str) -> str:
    """The guessed mapping as a dataset file."""
    names = [column.name for column in found.columns]
    remarks = [f"? {one}" for one in advice.questions_of(found)]
    if artist := advice.doubtful_artist(found):
        remarks.append(f"no_artist: [{dataset_file.value(artist.name)}]  # if this is no artist")
    return dataset_file.render(catalog, file, found.readings, names, found.dataset, remarks)
