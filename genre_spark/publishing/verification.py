"""Verifies what was staged against what the pass that wrote it has counted, and takes the label mix.

Local files are verified by their footers: rows, types, nulls and extremes; of the columns of the label
mix each value is decoded. With ``publishing.verify: full``, and in stores that only Spark reaches, all
columns are read back and their checksum compared.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc
from pyarrow import dataset
from pyarrow import parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from genre_spark.bundle.catalogue_profile import LabelProfile
from genre_spark.catalog.columns import by_name
from genre_spark.config import Verify
from genre_spark.errors import OutputError
from genre_spark.monitoring.distributions import grouped_labels, label_groups, label_profile
from genre_spark.platform.hadoop import without_globs
from genre_spark.platform.storage import is_remote, local_path
from genre_spark.publishing import writer
from genre_spark.publishing.writer import Content
from genre_spark.schema import TRACK_ID

# Columns whose extremes few other tables share.
_EXTREMES = (TRACK_ID, "input_hash")
# Spark's own schema in a footer; Parquet has fewer types.
_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
_REASONS = "_reasons"


@dataclass(frozen=True)
class Staged:
    """Labels that were verified.

    Attributes
    ----------
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


def counted(columns: Mapping[str, str]) -> dict[str, Column]:
    """Aggregates of the pass that writes the labels, to which footers are compared."""
    nulls = {f"nulls of {name}": F.count_if(by_name(name).isNull()) for name in columns}
    ends = {"least": F.min, "largest": F.max}
    return nulls | {f"{end} {name}": of(name) for end, of in ends.items() for name in _EXTREMES}


def verify_labels(
    spark: SparkSession,
    path: str,
    written: Content,
    facts: Mapping[str, Any],
    columns: Mapping[str, str],
    verify: Verify,
) -> Staged:
    """What was staged, once it is known to be what was written.

    Parameters
    ----------
    facts : mapping
        The values of `counted`.
    columns : mapping of str to str
        Spark's types, in the order in which they were written.
    verify : str
        ``full`` reads all columns back.

    Raises
    ------
    OutputError
        Where a file does not hold what was written to it.
    """
    schema = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    # Spark need not look for the schema; it puts a column last that is in the names of directories.
    table = spark.read.schema(schema).parquet(without_globs(path)).select(*columns)
    with writer.reading_back(path):
        if verify == "full" or is_remote(path):
            writer.check_schema(writer.read(spark, path, columns), columns)
            groups = _read_back(table, path, written)
        else:
            files = dataset.dataset(str(local_path(path)), format="parquet", partitioning="hive")
            _check_footers(path, files.files, {"rows": written.rows, **facts}, columns)
            groups = grouped_labels(files)
    scored_at: dict[str, int] = {}
    for row in groups:
        at = datetime.fromtimestamp(row["at"], UTC).isoformat()
        scored_at[at] = scored_at.get(at, 0) + row["tracks"]
    imputed = sum(row["imputed"] for row in groups)
    return Staged(table, written, label_profile(groups), imputed, scored_at)


def _read_back(table: DataFrame, path: str, written: Content) -> list[Any]:
    groups = label_groups(
        table,
        writer.checksum(table.columns).alias("checksum"),
        F.count_if(F.col("n_imputed") > 0).alias("imputed"),
        by=[F.unix_timestamp("scored_at").alias("at")],
    )
    found = writer.content_of((row["tracks"], row["checksum"]) for row in groups)
    writer.verify(path, written, found)
    return groups


def verify_quarantine(
    spark: SparkSession, path: str, written: Content, verify: Verify
) -> dict[str, int]:
    """Rows per reason of a staged quarantine, once it is known to be what was written.

    Raises
    ------
    OutputError
        Where a file does not hold what was written to it.
    """
    if not written.rows:
        return {}
    with writer.reading_back(path):
        if verify == "full" or is_remote(path):
            table = writer.read(spark, path)
            writer.verify(path, written, writer.count(table))
            each = table.select(F.explode(_REASONS).alias(_REASONS)).groupBy(_REASONS).count()
            return {row[0]: row[1] for row in each.orderBy(_REASONS).collect()}
        files = dataset.dataset(str(local_path(path)), format="parquet")
        _check_footers(path, files.files, {"rows": written.rows}, {})
        reasons = files.to_table(columns=[_REASONS])[_REASONS].combine_chunks().flatten()
    found = {one["values"]: one["counts"] for one in pc.value_counts(reasons).to_pylist()}
    return dict(sorted(found.items()))


def _check_footers(
    path: str, files: Iterable[str], expected: Mapping[str, Any], columns: Mapping[str, str]
) -> None:
    """Compares footers with what was counted, as far as they say it.

    Raises
    ------
    OutputError
        Naming a fact with both values.
    """
    footers = [pq.read_metadata(file) for file in files]
    for footer in footers if columns else ():
        schema = StructType.fromJson(json.loads(footer.metadata[_SPARK_SCHEMA]))
        writer.check_types(schema, columns, partial=True)
    found = _facts(footers)
    for name, value in expected.items():
        if name in found and found[name] != value:
            raise OutputError(
                f"{path}: {name}: {value} when it was written, {found[name]} in the files; nothing"
                " was published. Check the disk and run again"
            )


def _facts(footers: Iterable[pq.FileMetaData]) -> dict[str, Any]:
    """Rows, nulls and extremes of columns, where each row group has them."""
    found: dict[str, Any] = {"rows": 0}
    unknown = set()
    for footer in footers:
        found["rows"] += footer.num_rows
        for group in map(footer.row_group, range(footer.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                name, of = column.path_in_schema, column.statistics
                if of is None or not of.has_null_count:
                    unknown.add(f"nulls of {name}")
                else:
                    found[f"nulls of {name}"] = found.get(f"nulls of {name}", 0) + of.null_count
                for end, least in (("least", min), ("largest", max)):
                    if of is None or not of.has_min_max:
                        unknown.add(f"{end} {name}")
                        continue
                    value = of.min if end == "least" else of.max
                    found[f"{end} {name}"] = least(found.get(f"{end} {name}", value), value)
    return {name: value for name, value in found.items() if name not in unknown}
