"""Writes tables and reads them back: what stands on the disk is what was meant, to the last row."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from genre_spark.errors import GenreSparkError, OutputError
from genre_spark.platform.hadoop import spark_message
from genre_spark.publishing.file_layout import Layout


@dataclass(frozen=True)
class Tally:
    """What a table holds.

    Attributes
    ----------
    rows : int
    checksum : str
        Of the content of all rows, in whatever order; 16 hexadecimal digits.
    """

    rows: int
    checksum: str


def write(table: DataFrame, path: str, layout: Layout | None = None) -> Tally:
    """Writes a table as Parquet, and tells what was sent to the disk.

    Parameters
    ----------
    table : DataFrame
        Arranged for the layout.
    path : str
    layout : Layout, optional
        A file per task where there is none.

    Raises
    ------
    OutputError
        Where the disk is full, a worker died once too often, or the like.
    """
    seen = Observation()
    try:
        observed = table.observe(seen, *_totals(table))
        (layout or Layout()).writer(observed).parquet(path)
    except (PySparkException, Py4JJavaError) as err:
        raise OutputError(
            f"{path}: could not be written: {spark_message(err)}; nothing was published"
        ) from err
    return _tally(seen.get)


def tally(table: DataFrame) -> Tally:
    """What a table holds, read whole."""
    return _tally(table.agg(*_totals(table)).first().asDict())


def verify(
    spark: SparkSession, path: str, written: Tally, columns: Collection[str] | None = None
) -> DataFrame:
    """What was written, once it is known to be whole.

    Parameters
    ----------
    spark : SparkSession
    path : str
    written : Tally
    columns : collection of str, optional
        In the order in which they were written.

    Raises
    ------
    OutputError
        Where a file does not give back what was written to it.
    """
    try:
        table = read(spark, path, columns)
        found = tally(table)
    except (PySparkException, Py4JJavaError) as err:
        raise OutputError(
            f"{path}: could not be read back: {spark_message(err)}; nothing was published"
        ) from err
    if found != written:
        raise OutputError(
            f"{path}: {written.rows} rows were written, checksum {written.checksum}, but"
            f" {found.rows} are found, checksum {found.checksum}; nothing was published. Check the"
            " disk and run again"
        )
    return table


def read(spark: SparkSession, path: str, columns: Collection[str] | None = None) -> DataFrame:
    """A table in the order in which its columns were written, if that is given.

    Spark puts a column last that is in the names of directories.
    """
    table = spark.read.parquet(path)
    if columns is None or set(columns) != set(table.columns):
        return table
    return table.select(*columns)


def reconcile(read: int, accepted: int, labelled: Tally, quarantined: Tally) -> None:
    """Holds rows read to rows labelled + rows quarantined, by what was written.

    Raises
    ------
    GenreSparkError
        Where a row is missing or told twice.
    """
    if labelled.rows != accepted or labelled.rows + quarantined.rows != read:
        raise GenreSparkError(
            f"{read} rows were read, but {labelled.rows} labelled and {quarantined.rows}"
            " quarantined; nothing was published. Did the input change meanwhile? Run again,"
            " without --incremental"
        )


def check_schema(labelled: DataFrame, columns: Mapping[str, str]) -> None:
    """Holds a labelled catalogue to its contract.

    Parameters
    ----------
    labelled : DataFrame
    columns : mapping of str to str
        Spark's type of each; see `labelled_columns`.

    Raises
    ------
    GenreSparkError
        Where columns or types are others.
    """
    found = {field.name: field.dataType.simpleString() for field in labelled.schema}
    if found != columns:
        raise GenreSparkError(f"columns are {found}, should be {columns}")


def _totals(table: DataFrame) -> list[Column]:
    columns = [F.col("`" + name.replace("`", "``") + "`") for name in table.columns]
    # Without ANSI mode a sum wraps, which is what a checksum is to do.
    content = F.sum(F.xxhash64(*columns))
    return [F.count(F.lit(1)).alias("rows"), F.lower(F.hex(content)).alias("checksum")]


def _tally(found: dict) -> Tally:
    return Tally(found["rows"], (found["checksum"] or "").rjust(16, "0"))
