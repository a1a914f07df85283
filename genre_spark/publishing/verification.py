"""Reads staged labels back, in one pass: whether they are whole, and what is in them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle.catalogue_profile import LabelProfile
from genre_spark.monitoring.distributions import label_groups, label_profile
from genre_spark.publishing import writer
from genre_spark.publishing.writer import Content


@dataclass(frozen=True)
class Staged:
    """Labels that were read back and are whole.

    Attributes
    ----------
    table : DataFrame
    content : Content
    labels : LabelProfile
    imputed : int
        Tracks with imputed features.
    scored_at : dict of str to int
        Tracks by the time of the run that labelled them, ISO 8601.
    """

    table: DataFrame
    content: Content
    labels: LabelProfile
    imputed: int
    scored_at: dict[str, int]


def verify_labels(
    spark: SparkSession, path: str, written: Content, columns: Collection[str]
) -> Staged:
    """What was staged, once it is known to be what was written.

    Parameters
    ----------
    spark : SparkSession
    path : str
    written : Content
    columns : collection of str
        In the order in which they were written.

    Raises
    ------
    OutputError
        Where a file does not give back what was written to it.
    """
    with writer.reading_back(path):
        table = writer.read(spark, path, columns)
        groups = label_groups(
            table,
            writer.checksum(table.columns).alias("checksum"),
            F.count_if(F.col("n_imputed") > 0).alias("imputed"),
            by=[F.unix_timestamp("scored_at").alias("at")],
        )
    found = writer.content_of((row["tracks"], row["checksum"]) for row in groups)
    writer.verify(path, written, found)
    scored_at: dict[str, int] = {}
    for row in groups:
        at = datetime.fromtimestamp(row["at"], UTC).isoformat()
        scored_at[at] = scored_at.get(at, 0) + row["tracks"]
    imputed = sum(row["imputed"] for row in groups)
    return Staged(table, found, label_profile(groups), imputed, scored_at)


def verify_quarantine(spark: SparkSession, path: str, written: Content) -> dict[str, int]:
    """Rows per reason of a staged quarantine, once it is known to be what was written.

    Raises
    ------
    OutputError
        Where a file does not give back what was written to it.
    """
    if not written.rows:
        return {}
    with writer.reading_back(path):
        table = writer.read(spark, path)
        rows = (
            table.groupBy(F.col("_reasons").alias("reasons"))
            .agg(F.count(F.lit(1)).alias("n"), writer.checksum(table.columns).alias("checksum"))
            .collect()
        )
    writer.verify(path, written, writer.content_of((row["n"], row["checksum"]) for row in rows))
    counts: dict[str, int] = {}
    for row in rows:
        for reason in row["reasons"]:
            counts[reason] = counts.get(reason, 0) + row["n"]
    return dict(sorted(counts.items()))
