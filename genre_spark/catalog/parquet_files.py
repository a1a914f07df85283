"""Reads Parquet files one schema at a time, where Spark cannot read them as one table."""

import json
import logging
from collections import defaultdict
from dataclasses import dataclass
from functools import reduce
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog.columns import as_text, by_name, sql_name
from genre_spark.errors import InputError
from genre_spark.platform.hadoop import without_globs
from genre_spark.platform.session import require_classic

logger = logging.getLogger(__name__)

_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NUMBERS = (*_WHOLE, T.FloatType, T.DoubleType, T.DecimalType, T.BooleanType)
_TIME = "time("
_NOTHING = "UNKNOWN"


@dataclass(frozen=True)
class _Field:
    """A column of one file; `type` is None where Spark cannot read it, void where it is empty."""

    name: str
    type: T.DataType | None
    stored_as: str


_Schema = tuple[_Field, ...]


def read(spark: SparkSession, path: str, files: list[str], options: dict[str, str]) -> DataFrame:
    """A table of Parquet files with all columns that Spark can read, in the type that holds all.

    Whole numbers in one file and fractions in another become doubles; a column without values in
    one file has the others' type; other mixtures of simple types become text.

    Parameters
    ----------
    path : str
        Of the table, for messages.
    files : list of str
        Their URIs.
    options : dict of str to str
        Of Spark's reader.

    Raises
    ------
    InputError
        Where a column is nested in one file and not in another, or no column can be read.
    """
    require_classic(spark, f"{path}: reading files with columns of different types")
    groups: dict[_Schema, list[str]] = defaultdict(list)
    for file in files:
        groups[_schema(spark, file)].append(file)
    _report_unreadable(path, groups)
    types = _common_types(path, groups)
    if not types:
        raise InputError(f"{path}: Spark can read none of its columns")
    parts = [_part(spark, schema, some, types, options) for schema, some in groups.items()]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _schema(spark: SparkSession, file: str) -> _Schema:
    """Columns of a file by its footer, each converted by Spark's own rules."""
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
    fields = []
    for i in range(message.getFieldCount()):
        one = message.getType(i)
        alone = jvm.java.util.ArrayList()
        alone.add(one)
        stored = " ".join(str(one.toString()).split())
        try:
            converted = converter.convert(jvm.org.apache.parquet.schema.MessageType("m", alone))
            kind = _readable(
                T.StructType.fromJson(json.loads(converted.json()))[0].dataType, stored
            )
        except (Py4JError, PySparkException):
            kind = None
        fields.append(_Field(one.getName(), kind, stored))
    return tuple(fields)


def _readable(kind: T.DataType, stored: str) -> T.DataType | None:
    if _TIME in kind.simpleString():
        return None
    return T.NullType() if _NOTHING in stored and isinstance(kind, T.AtomicType) else kind


def _report_unreadable(path: str, groups: dict[_Schema, list[str]]) -> None:
    stored = {f.name: f.stored_as for schema in groups for f in schema if f.type is None}
    if stored:
        listed = ", ".join(f"{name} ({kind})" for name, kind in stored.items())
        logger.warning("%s: left out, Spark cannot read this type: %s", path, listed)


def _common_types(path: str, groups: dict[_Schema, list[str]]) -> dict[str, T.DataType]:
    """By lower-case name, the type in which all files' values can be held."""
    found: dict[str, dict[T.DataType, str]] = defaultdict(dict)
    unreadable = {f.name.lower() for schema in groups for f in schema if f.type is None}
    for schema, files in groups.items():
        for field in schema:
            if field.type is not None and field.name.lower() not in unreadable:
                found[field.name.lower()].setdefault(field.type, files[0])
    types = {name: _common(path, name, kinds) for name, kinds in found.items()}
    for name, kinds in found.items():
        given = {k: file for k, file in kinds.items() if not isinstance(k, T.NullType)}
        named = [f"{kind.simpleString()} in {_base(file)}" for kind, file in given.items()]
        if len(given) > 1:
            listed = types[name].simpleString()
            logger.warning(
                "%s: column %s is %s: read as %s", path, name, " and ".join(named), listed
            )
    return types


def _common(path: str, name: str, kinds: dict[T.DataType, str]) -> T.DataType:
    given = [kind for kind in kinds if not isinstance(kind, T.NullType)]
    if len(given) <= 1:
        return given[0] if given else T.StringType()
    if all(isinstance(kind, _WHOLE) for kind in given):
        return T.LongType()
    if all(isinstance(kind, _NUMBERS) for kind in given):
        return T.DoubleType()
    if all(isinstance(kind, T.AtomicType) for kind in given):
        return T.StringType()
    listed = ", ".join(f"{kind.simpleString()} in {_base(file)}" for kind, file in kinds.items())
    raise InputError(
        f"{path}: column {name} is {listed}; write the files again with one type, or without it"
    )


def _part(
    spark: SparkSession,
    schema: _Schema,
    files: list[str],
    types: dict[str, T.DataType],
    options: dict[str, str],
) -> DataFrame:
    kept = [f for f in schema if f.name.lower() in types]
    readable = [
        T.StructField(f.name, T.IntegerType() if isinstance(f.type, T.NullType) else f.type)
        for f in kept
        if f.type is not None
    ]
    loaded = spark.read.options(**options).schema(T.StructType(readable)).parquet(*_escaped(files))
    partitions = [by_name(name) for name in loaded.columns[len(readable) :]]
    columns = [_cast(f, types[f.name.lower()]).alias(f.name) for f in kept]
    return loaded.select(*columns, *partitions)


def _cast(field: _Field, kind: T.DataType) -> Column:
    column = by_name(field.name)
    if isinstance(field.type, T.NullType):
        return F.lit(None).cast(kind)
    if isinstance(kind, T.StringType) and field.type is not None:
        return F.expr(as_text(sql_name(field.name), field.type))
    return column if field.type == kind else column.cast(kind)


def _escaped(files: list[str]) -> list[str]:
    return [without_globs(unquote(file)) for file in files]


def _base(file: str) -> str:
    return file.rpartition("/")[2]
