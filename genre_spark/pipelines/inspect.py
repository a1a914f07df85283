"""`genre-spark inspect`: looks into a table, and writes the mapping that it guesses."""

from pathlib import Path

from pyspark.sql import SparkSession

from genre_spark.catalog import advice
from genre_spark.catalog.inspection import inspect
from genre_spark.catalog.inspection_results import Inspection
from genre_spark.pipelines.requests import InspectRequest


def run(spark: SparkSession, request: InspectRequest) -> Inspection:
    """Looks into a table; without a mapping it guesses one, and writes it if asked to."""
    draft, mapping = request.output, request.mapping
    found = inspect(spark, request.source, mapping is not None, request.settings)
    if draft:
        advice.write(found, Path(draft))
    then = advice.next_command(found, mapping, draft, request.source.fmt)
    return found.model_copy(update={"draft": draft, "next": then})
