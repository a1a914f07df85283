"""Formats of labelled catalogues: who writes each, and who reads it. A further format is a line in each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from genre_spark.catalog.source_files import logged_format
from genre_spark.config import Settings
from genre_spark.errors import InputError
from genre_spark.platform.storage import is_remote
from genre_spark.publishing.destination import Destination, Directory

if TYPE_CHECKING:
    from genre_spark.publishing.delta import DeltaFolder


def destination_of(spark: SparkSession, output: str, settings: Settings) -> Destination:
    """An output in the format that the settings want."""
    if settings.publishing.table_format == "delta":
        # Needs the extra `delta`.
        from genre_spark.publishing.delta import DeltaTables

        return DeltaTables(spark, output, settings)
    return Directory(spark, output, settings.publishing.allow_gap)


def logged_table(path: str, options: Mapping[str, str]) -> "DeltaFolder | None":
    """The table whose log lists the files of a labelled catalogue; None if it is a directory."""
    if not (is_remote(path) or logged_format(path)):
        return None
    try:
        from genre_spark.publishing.delta import DeltaFolder

        found = DeltaFolder.at(path, options)
    except (ModuleNotFoundError, InputError):
        if not is_remote(path):
            raise
        return None  # whoever reads it as a directory will say why
    return found if found.table else None
