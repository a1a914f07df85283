"""Reads Parquet files one schema at a time, where Spark cannot read them as one table."""

import json
import logging
from collections import defaultdict
from functools import reduce
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog.columns import as_text, by_name, sql_name
from genre_spark.catalog.source_files import SourceFiles
from genre_spark.errors import InputError
from genre_spark.platform.hadoop import without_globs
from genre_spark.platform.session import require_classic

logger = logging.getLogger(__name__)

_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NUMBERS = (*_WHOLE, T.FloatType, T.DoubleType, T.DecimalType, T.BooleanType)
# What holds all values of several types, the narrowest first.
_COMMON = ((_WHOLE, T.LongType()), (_NUMBERS, T.DoubleType()), (T.AtomicType, T.StringType()))


# Names and types of a file's columns, void for those without values.
_Schema = tuple[tuple[str, T.DataType], ...]


def read(files: SourceFiles, options: dict[str, str]) -> DataFrame:
    """A table of Parquet files with all columns that Spark can read, in the type that holds all.

    Whole numbers in one file and fractions in another become doubles; a column without values in one
    file has the others' type; other mixtures of simple types become text. Raises `InputError` if a
    column is nested in one file and not in another, or no column can be read.
    """
    spark, path = files.spark, files.path
    require_classic(spark, f"{path}: reading files with columns of different types")
    groups: dict[_Schema, list[str]] = defaultdict(list)
    unreadable: dict[str, str] = {}
    for file in files.uris:
        readable, others = _schema(spark, file)
        groups[readable].append(file)
        unreadable |= others
    if unreadable:
        listed = ", ".join(f"{name} ({kind})" for name, kind in unreadable.items())
        logger.warning("%s: left out, Spark cannot read this type: %s", path, listed)
    found: dict[str, dict[T.DataType, str]] = defaultdict(dict)
    for schema, some in groups.items():
        for name, kind in schema:
            found[name.lower()].setdefault(kind, some[0])
    lost = set(map(str.lower, unreadable))
    types = {name: _common(path, name, kinds) for name, kinds in found.items() if name not in lost}
    if not types:
        raise InputError(f"{path}: Spark can read none of its columns")
    parts = [_part(spark, schema, some, types, options) for schema, some in groups.items()]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _schema(spark: SparkSession, file: str) -> tuple[_Schema, dict[str, str]]:
    """Columns of a file by its footer, each converted by Spark's own rules; those that Spark cannot read."""
    jvm: Any = spark._jvm
    conf = spark._jsparkSession.sessionState().conf()
    uri = jvm.org.apache.hadoop.fs.Path(jvm.java.net.URI(file))
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(uri, hadoop)
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
    try:
        message = reader.getFooter().getFileMetaData().getSchema()
    finally:
        reader.close()
    parquet = jvm.org.apache.spark.sql.execution.datasources.parquet
    converter = parquet.ParquetToSparkSchemaConverter(conf)
    fields: list[tuple[str, T.DataType]] = []
    unreadable = {}
    for i in range(message.getFieldCount()):
        one = message.getType(i)
        alone = jvm.java.util.ArrayList()
        alone.add(one)
        stored = " ".join(str(one.toString()).split())
        try:
            converted = converter.convert(jvm.org.apache.parquet.schema.MessageType("m", alone))
            kind = T.StructType.fromJson(json.loads(converted.json()))[0].dataType
        except (Py4JError, PySparkException):
            kind = None
        if kind is None or "time(" in kind.simpleString():
            unreadable[one.getName()] = stored
            continue
        is_empty = isinstance(kind, T.AtomicType) and "UNKNOWN" in stored
        fields.append((one.getName(), T.NullType() if is_empty else kind))
    return tuple(fields), unreadable


def _common(path: str, name: str, kinds: dict[T.DataType, str]) -> T.DataType:
    """The type in which all files' values of a column can be held."""
    given = [kind for kind in kinds if not isinstance(kind, T.NullType)]
    if len(given) <= 1:
        return given[0] if given else T.StringType()
    named = [f"{kind.simpleString()} in {kinds[kind].rpartition('/')[2]}" for kind in given]
    for allowed, common in _COMMON:
        if all(isinstance(kind, allowed) for kind in given):
            logger.warning(
                "%s: column %s is %s: read as %s",
                path, name, " and ".join(named), common.simpleString(),
            )  # fmt: skip
            return common
    raise InputError(
        f"{path}: column {name} is {', '.join(named)}; write the files again with one type, or"
        " without it"
    )


def _part(
    spark: SparkSession,
    schema: _Schema,
    files: list[str],
    types: dict[str, T.DataType],
    options: dict[str, str],
) -> DataFrame:
    kept = [(name, kind) for name, kind in schema if name.lower() in types]
    # Of a column without values any type will do.
    readable = [
        T.StructField(name, T.IntegerType() if isinstance(kind, T.NullType) else kind)
        for name, kind in kept
    ]
    paths = [without_globs(unquote(file)) for file in files]
    loaded = spark.read.options(**options).schema(T.StructType(readable)).parquet(*paths)
    partitions = [by_name(name) for name in loaded.columns[len(readable) :]]
    columns = [_cast(name, kind, types[name.lower()]).alias(name) for name, kind in kept]
    return loaded.select(*columns, *partitions)


def _cast(name: str, kind: T.DataType, common: T.DataType) -> Column:
    if isinstance(kind, T.NullType):
        return F.lit(None).cast(common)
    if isinstance(common, T.StringType):
        return F.expr(as_text(sql_name(name), kind))
    return by_name(name).cast(common)
