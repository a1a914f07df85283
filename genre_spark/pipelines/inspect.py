"""`genre-spark inspect`: looks into a table, and writes the mapping that it guesses."""

from pathlib import Path

from pyspark.sql import SparkSession

from genre_spark.catalog import advice
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.inspection import inspect
from genre_spark.catalog.inspection_results import Inspection
from genre_spark.config import CatalogSettings


def run(
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    mapping: str | None = None,
    output: str | None = None,
) -> Inspection:
    """Looks into a table; without a mapping it guesses one, and writes it if asked to.

    Parameters
    ----------
    mapping : str or None
        Name or file of the mapping in `source`; None to guess one.
    output : str or None
        File for the inferred mapping.
    """
    found = inspect(spark, source, mapping is not None, settings)
    if output:
        advice.write(found, Path(output))
    then = advice.next_command(found, mapping, output, source.fmt)
    return found.model_copy(update={"draft": output, "next": then})
