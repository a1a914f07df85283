"""Reads a Delta table by its log: the files of one version, without the rows deleted from them.

The library deltalake reads the log: neither Delta's jar nor Spark is needed for that.

References
----------
Delta Transaction Log Protocol, https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import atexit
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from genre_spark.catalog.columns import by_name
from genre_spark.errors import ConfigError, InputError
from genre_spark.platform.hadoop import HadoopStorage, without_globs
from genre_spark.platform.session import is_classic
from genre_spark.platform.storage import is_remote
from genre_spark.platform.table_files import TableFiles, one_line, root_of

LOG = "_delta_log"
# In the metadata of the commits that genre-spark makes.
RUN_ID, MANIFEST = "genre_spark.run_id", "genre_spark.manifest"
# Of the tables that genre-spark makes. (deltalake takes no table property that it does not know.)
DESCRIPTION = "Made by genre-spark"
# Operations that change how rows are stored, and not the rows.
_SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE",
              "UPDATE METADATA", "UPDATE FIELD METADATA", "COMPUTE STATS", "FSCK")  # fmt: skip


logger = logging.getLogger(__name__)
# What a reader has to know beside plain Parquet files; all other features are refused. A table may
# have the feature of mapped columns and no such column.
_KNOWN = {
    "columnMapping", "deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck",
}  # fmt: skip
_MAPPING = "delta.columnMapping.mode"
_FILE, _ROW = "_delta_file", "_delta_row"
# SQL: the file of a row, written as `_key` does. A plus is a plus in a path; only in a query does it stand
# for a blank.
_PATH = "regexp_replace(url_decode(replace(_metadata.file_path, '+', '%2B')), '^file:/+', '/')"


def is_table(path: str, options: Mapping[str, str]) -> bool:
    """Whether there is a Delta table. Raises `InputError` if nobody can look."""
    try:
        return bool(DeltaTable.is_deltatable(root_of(path), dict(options)))
    except (DeltaError, OSError) as err:
        raise InputError(f"{path}: cannot be reached: {one_line(err)}") from err


def open_table(path: str, options: Mapping[str, str], version: int | None = None) -> DeltaTable:
    """A Delta table at a version, or at its newest.

    Raises `InputError` if there is no such table or version.
    """
    try:
        table = DeltaTable(root_of(path), storage_options=dict(options))
        if version is not None:
            if version > table.version():
                raise InputError(
                    f"{path}: has no version {version}, the newest is {table.version()}"
                )
            table.load_as_version(version)
        return table
    except TableNotFoundError as err:
        raise InputError(f"{path}: is no Delta table: it has no {LOG}") from err
    except (DeltaError, OSError) as err:
        of = "" if version is None else f"version {version} "
        raise InputError(f"{path}: {of}cannot be read as Delta: {one_line(err)}") from err


def is_ours(table: DeltaTable) -> bool:
    """Whether genre-spark made the table. Its description says so even after the log was cleaned."""
    return table.metadata().description == DESCRIPTION


def commits(table: DeltaTable) -> list[dict[str, Any]]:
    """The commits by genre-spark that the log still holds, the latest first."""
    return [one for one in table.history() if RUN_ID in one]


def manifest_of(text: str, path: str) -> dict[str, Any]:
    """A manifest by its text; raises `InputError` if it is damaged."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as err:
        raise InputError(f"{path}: the manifest in its log is damaged; score again") from err


def published_manifest(table: DeltaTable, path: str) -> dict[str, Any] | None:
    """The manifest of the rows in the newest version; None if the log no longer holds its commit.

    Raises `InputError` if somebody else has changed the rows since, or the manifest is damaged.
    """
    upto = table.version()
    for one in table.history():
        if one["version"] > upto:
            continue
        if MANIFEST in one:
            return manifest_of(one[MANIFEST], path)
        if one["operation"] == "RESTORE":
            upto = _restored(one, path)
        elif one["operation"] not in _SAME_ROWS:
            raise InputError(
                f"{path}: version {one['version']} is not by genre-spark ({one['operation']}); score"
                " again, or restore the version before"
            )
    return None


def _restored(commit: Mapping[str, Any], path: str) -> int:
    """The version that a restore went back to."""
    version = commit["operationParameters"].get("version")
    if not str(version).isdecimal():
        raise InputError(
            f"{path}: version {commit['version']} restores the rows of a time, not of a version; score"
            " again, or restore a version by its number"
        )
    return int(version)


def read(
    spark: SparkSession, path: str, options: Mapping[str, str], version: int | None = None
) -> DataFrame:
    """The rows of a Delta table at one version, or the newest: later commits do not change what is read.

    `options` are deltalake's for the storage. Raises `InputError` if it is no Delta table, has no such
    version, or uses a feature that is not known here.
    """
    table = open_table(path, options, version)
    _check_features(path, table)
    schema = StructType.fromJson(json.loads(table.schema().to_json()))
    files = pa.table(table.get_add_actions())
    if not files.num_rows:
        return spark.createDataFrame([], schema)
    # Paths in a log are written as parts of URIs.
    names = [unquote(name) for name in files["path"].to_pylist()]
    places = _places(spark, path, options, names)
    partitions = list(table.metadata().partition_columns)
    stored = StructType([field for field in schema.fields if field.name not in partitions])
    rows = spark.read.schema(stored).parquet(*[without_globs(place) for place in places])
    rows = _without_deleted(spark, rows, table, dict(zip(names, places, strict=True)))
    if partitions:
        rows = _with_partitions(spark, rows, files, places)
    # In the types of the table's schema: the log has partition values as it likes.
    typed = [
        by_name(one.name).cast(one.dataType).alias(one.name, metadata=one.metadata)
        for one in schema.fields
    ]
    return rows.select(*typed)


def reaches(spark: SparkSession, path: str) -> bool:
    """Whether Spark has a file system for a path."""
    if not is_remote(path) or not is_classic(spark):
        return True
    try:
        HadoopStorage(spark, spark_path(path))
    except InputError:
        return False
    return True


def spark_path(path: str) -> str:
    """A table's folder as Spark names it: Hadoop calls S3 ``s3a``."""
    root = root_of(path)
    return f"s3a://{root.removeprefix('s3://')}" if root.startswith("s3://") else root


def require_one_machine(spark: SparkSession, path: str) -> None:
    """Refuses a store that Spark cannot reach, where workers are on other machines.

    Raises `ConfigError`.
    """
    if not (spark.sparkContext.master or "").startswith("local"):
        raise ConfigError(
            f"{path}: Spark has no file system for it, and its executors are on other machines;"
            " put the store's Hadoop jars on the class path (for S3 hadoop-aws)"
        )


def _check_features(path: str, table: DeltaTable) -> None:
    unknown = set(table.protocol().reader_features or ()) - _KNOWN
    if table.metadata().configuration.get(_MAPPING, "none") != "none":
        unknown |= {"columnMapping"}
    if unknown:
        raise InputError(
            f"{path}: is a Delta table with {', '.join(sorted(unknown))}, which is not read here;"
            " copy it into a table without, or export its rows as Parquet"
        )


def _places(
    spark: SparkSession, path: str, options: Mapping[str, str], names: Sequence[str]
) -> list[str]:
    """Where Spark finds each file; copies, where it cannot reach the store."""
    if reaches(spark, path):
        root = spark_path(path)
        return [name if "://" in name else f"{root}/{name}" for name in names]
    require_one_machine(spark, path)
    folder = tempfile.mkdtemp(prefix="genre-spark-")
    # Spark reads lazily: as long as the process lives somebody may need them.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.info("%s: fetching %d files, since Spark has no file system for it", path, len(names))
    return TableFiles(root_of(path), options).download(names, Path(folder))


def _without_deleted(
    spark: SparkSession, rows: DataFrame, table: DeltaTable, places: Mapping[str, str]
) -> DataFrame:
    """The rows that no deletion vector names."""
    root = f"{unquote(table.table_uri).rstrip('/')}/"
    pairs: list[tuple[str, int]] = []
    for one in pa.table(table.deletion_vectors()).to_pylist():
        place = _key(places[unquote(one["filepath"]).removeprefix(root)])
        pairs += [(place, row) for row, kept in enumerate(one["selection_vector"]) if not kept]
    if not pairs:
        return rows
    deleted = spark.createDataFrame(pairs, f"{_FILE} string, {_ROW} bigint")
    numbered = rows.withColumns({_FILE: F.expr(_PATH), _ROW: F.col("_metadata.row_index")})
    return numbered.join(F.broadcast(deleted), on=[_FILE, _ROW], how="left_anti")


def _with_partitions(
    spark: SparkSession, rows: DataFrame, files: pa.Table, places: Sequence[str]
) -> DataFrame:
    """With the values that the log has for whole files."""
    known = pa.Table.from_struct_array(files["partition"].combine_chunks())
    known = known.append_column(_FILE, pa.array([_key(one) for one in places]))
    located = rows if _FILE in rows.columns else rows.withColumn(_FILE, F.expr(_PATH))
    return located.join(F.broadcast(spark.createDataFrame(known)), on=_FILE, how="left")


def _key(place: str) -> str:
    return f"/{place.removeprefix('file:').lstrip('/')}" if place.startswith("file:") else place
