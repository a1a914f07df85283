"""Writes tables into files and verifies them against what the pass that wrote them has counted.

Local files are verified by their footers: rows, types, nulls and extremes; of the columns of the label
mix each value is decoded. With ``publishing.verify: full``, and in stores that only Spark reaches, all
columns are read back and their checksum compared.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc
from pyarrow import dataset
from pyarrow import parquet as pq
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from genre_spark.bundle.manifest import LabelProfile
from genre_spark.catalog.columns import by_name
from genre_spark.config import PublishingSettings, Verify
from genre_spark.errors import GenreSparkError, OutputError
from genre_spark.monitoring.distributions import grouped_labels, label_groups, label_profile
from genre_spark.platform.hadoop import without_globs
from genre_spark.platform.spark_errors import raising
from genre_spark.platform.storage import is_remote, local_path
from genre_spark.schema import PARTITION_COLUMNS, TRACK_ID

# Columns whose extremes few other tables share.
_EXTREMES = (TRACK_ID, "input_hash")
# Spark's own schema in a footer; Parquet has fewer types.
_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
_REASONS = "_reasons"


@dataclass(frozen=True)
class Content:
    """What a table holds.

    `checksum`: Of the content of all rows, in whatever order; 16 hexadecimal digits.
    """

    rows: int
    checksum: str


def write(
    table: DataFrame,
    path: str,
    columns: Collection[str],
    facts: Mapping[str, Column],
    settings: PublishingSettings | None = None,
) -> tuple[Content, dict[str, Any]]:
    """Writes a table as Parquet, and counts what is sent to the disk.

    Raises `OutputError` if the disk is full, a worker died once too often, or the like.

    `table`: Each task writes a file.
    `columns`: Those that are written; others are for `facts`.
    """
    seen = Observation()
    wanted = {**_totals(columns), **facts}
    totals = [column.alias(name) for name, column in wanted.items()]
    failed = f"{path}: could not be written"
    with raising(lambda why: OutputError(f"{failed}: {why}; nothing was published")):
        to = table.observe(seen, *totals).select(*map(by_name, columns)).write
        if settings and settings.partition_by:
            to = to.partitionBy(settings.partition_by)
            to = to.option("maxRecordsPerFile", settings.rows_per_file)
        to.parquet(path)
    found = dict(seen.get)
    return _content(found.pop("rows"), found.pop("checksum")), found


def count(table: DataFrame) -> Content:
    """What a table holds, read whole."""
    return _content(**aggregate(table, _totals(table.columns)))


def aggregate(table: DataFrame, aggregates: Mapping[str, Column]) -> dict[str, Any]:
    """Aggregates over a whole table, by name."""
    named = [column.alias(name) for name, column in aggregates.items()]
    (row,) = table.agg(*named).collect()
    return row.asDict()


def checksum(columns: Iterable[str]) -> Column:
    """Aggregate: sum of the hashes of all rows [bigint]; it wraps, as ANSI mode is off."""
    values = [by_name(name) for name in columns]
    # Spark's hash passes over nulls: without their places, a value could move into the next column.
    return F.sum(F.xxhash64(*values, F.array(*[value.isNull() for value in values])))


def _reading_back(path: str) -> AbstractContextManager[None]:
    return raising(
        lambda why: OutputError(f"{path}: could not be read back: {why}; nothing was published")
    )


def _check_content(path: str, written: Content, found: Content) -> None:
    """Compares what was written with what is read back.

    Raises `OutputError` if a file does not give back what was written to it.
    """
    if found != written:
        raise OutputError(
            f"{path}: {written.rows} rows were written, checksum {written.checksum}, but"
            f" {found.rows} are found, checksum {found.checksum}; nothing was published. Check the"
            " disk and run again"
        )


def read(spark: SparkSession, path: str, columns: Collection[str] | None = None) -> DataFrame:
    """A table in the order in which its columns were written, if that is given.

    Spark puts a column last that is in the names of directories.
    """
    table = spark.read.parquet(without_globs(path))
    if columns is None or set(columns) != set(table.columns):
        return table
    return table.select(*columns)


def reconcile(read: int, labelled: int, quarantined: int) -> None:
    """Compares the rows that were read with those that were written.

    Raises `GenreSparkError` if a row is missing or written twice.
    """
    if labelled + quarantined != read:
        raise GenreSparkError(
            f"{read} rows were read, but {labelled} labelled and {quarantined}"
            " quarantined; nothing was published. Did the input change meanwhile? Run again,"
            " without --incremental"
        )


def check_types(schema: StructType, columns: Mapping[str, str], partial: bool = False) -> None:
    """Compares columns and their Spark types with the contract; see `labelled_columns`.

    A partial schema may lack the column that is in the names of directories.
    """
    found = {field.name: field.dataType.simpleString() for field in schema}
    absent = set(PARTITION_COLUMNS) - set(found) if partial else ()
    if found != {name: kind for name, kind in columns.items() if name not in absent}:
        raise GenreSparkError(f"columns are {found}, should be {columns}")


def _totals(columns: Iterable[str]) -> dict[str, Column]:
    return {"rows": F.count(F.lit(1)), "checksum": checksum(columns)}


def _content(rows: int, checksum: int | None) -> Content:
    return Content(rows, format((checksum or 0) % 2**64, "016x"))


@dataclass(frozen=True)
class Staged:
    """Labels that were written and verified.

    `scored_at`: Tracks by the time of the run that labelled them, ISO 8601.
    """

    table: DataFrame
    content: Content
    labels: LabelProfile
    imputed: int
    scored_at: dict[str, int]
    facts: dict[str, Any]


def stage_labels(
    labels: DataFrame,
    path: str,
    n_rows: int,
    columns: Mapping[str, str],
    facts: Mapping[str, Column],
    settings: PublishingSettings,
) -> Staged:
    """Writes labels, then verifies that the files have what the writing pass has counted.

    Raises `OutputError` if they cannot be written, or a file does not hold what was written to it.

    `columns`: Spark's types, in the order in which they are written.
    """
    nulls = {f"nulls of {name}": F.count_if(by_name(name).isNull()) for name in columns}
    ends = {"least": F.min, "largest": F.max}
    nulls |= {f"{end} {name}": of(name) for end, of in ends.items() for name in _EXTREMES}
    if settings.partition_by:
        # Otherwise each task would write a file into each directory. Spark makes these tasks
        # as large as it likes them: a large directory is written by several.
        labels = labels.hint("rebalance", settings.partition_by)
    elif settings.rows_per_file:
        labels = labels.repartition(max(1, round(n_rows / settings.rows_per_file)), TRACK_ID)
    written, found = write(labels, path, columns, {**nulls, **facts}, settings)
    spark, schema = labels.sparkSession, ", ".join(f"{n} {kind}" for n, kind in columns.items())
    # Spark need not look for the schema; it puts a column last that is in the names of directories.
    table = spark.read.schema(schema).parquet(without_globs(path)).select(*columns)
    with _reading_back(path):
        if settings.verify == "full" or is_remote(path):
            check_types(read(spark, path, columns).schema, columns)
            groups = _read_back(table, path, written)
        else:
            files = dataset.dataset(str(local_path(path)), format="parquet", partitioning="hive")
            expected = {"rows": written.rows, **{name: found[name] for name in nulls}}
            _check_footers(path, files.files, expected, columns)
            groups = grouped_labels(files)
    scored_at: Counter[str] = Counter()
    for row in groups:
        scored_at[datetime.fromtimestamp(row["at"], UTC).isoformat()] += row["tracks"]
    imputed = sum(row["imputed"] for row in groups)
    counted = {name: found[name] for name in facts}
    return Staged(table, written, label_profile(groups), imputed, scored_at, counted)


def _read_back(table: DataFrame, path: str, written: Content) -> list[Any]:
    groups = label_groups(
        table,
        checksum(table.columns).alias("checksum"),
        F.count_if(F.col("n_imputed") > 0).alias("imputed"),
        by=[F.unix_timestamp("scored_at").alias("at")],
    )
    total = sum(row["checksum"] for row in groups)
    _check_content(path, written, _content(sum(row["tracks"] for row in groups), total))
    return groups


def stage_quarantine(
    rows: DataFrame, columns: Collection[str], path: str, hide: Callable[[], None], verify: Verify
) -> tuple[int, dict[str, int]]:
    """Writes quarantined rows and verifies them; their number, in all and per reason.

    Raises `OutputError` if they cannot be written, or a file does not hold what was written to it.

    `columns`: All of the rows.
    """
    written, _ = write(rows, path, columns, {})
    hide()
    if not written.rows:
        return 0, {}
    with _reading_back(path):
        if verify == "full" or is_remote(path):
            table = read(rows.sparkSession, path)
            _check_content(path, written, count(table))
            each = table.select(F.explode(_REASONS).alias(_REASONS)).groupBy(_REASONS).count()
            return written.rows, {row[0]: row[1] for row in each.orderBy(_REASONS).collect()}
        files = dataset.dataset(str(local_path(path)), format="parquet")
        _check_footers(path, files.files, {"rows": written.rows}, {})
        reasons = files.to_table(columns=[_REASONS])[_REASONS].combine_chunks().flatten()
    found = {one["values"]: one["counts"] for one in pc.value_counts(reasons).to_pylist()}
    return written.rows, dict(sorted(found.items()))


def _check_footers(
    path: str, files: Iterable[str], expected: Mapping[str, Any], columns: Mapping[str, str]
) -> None:
    """Compares footers with what was counted, as far as they say it.

    Raises `OutputError` naming a fact with both values.
    """
    footers = [pq.read_metadata(file) for file in files]
    for footer in footers if columns else ():
        schema = StructType.fromJson(json.loads(footer.metadata[_SPARK_SCHEMA]))
        check_types(schema, columns, partial=True)
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
