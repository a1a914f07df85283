"""Reads a source table and maps its columns to canonical ones."""

import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import csv_files, names, text_files
from genre_spark.catalog.columns import (
    as_text,
    by_name,
    literal,
    placeholder_sql,
    sql_name,
    value_sql,
)
from genre_spark.catalog.csv_files import CORRUPT, SWALLOWED
from genre_spark.catalog.encodings import encoding_of
from genre_spark.catalog.source_files import CSV, JSON, ORC, PARQUET, SourceFiles, reading, remedy
from genre_spark.errors import ConfigError, InputError
from genre_spark.platform.hadoop import spark_message, without_globs
from genre_spark.platform.session import is_classic, require_classic
from genre_spark.schema import ARTIST, ARTISTS, FEATURE_SOURCE, TEXT_COLUMNS, TRACK_ID
from genre_spark.source import Dataset

logger = logging.getLogger(__name__)

SOURCE = "_source"
# In a quarantine that is read again, these are of the last run.
REASONS = "_reasons"
# The file that a row came from, where `inspect` asks.
FILE_NAME = "_genre_spark_file"
OURS = (CORRUPT, REASONS, SWALLOWED, FILE_NAME)

# Files of one table may differ in their columns; none is to be lost without a word.
_OPTIONS = {PARQUET: {"mergeSchema": "true"}, ORC: {"mergeSchema": "true"}}
# Spark's errors that a look at each file on its own may resolve.
_BY_FILE = ("PARQUET_TYPE_ILLEGAL", "CANNOT_MERGE", "DECIMAL_PRECISION", "TIME", "FAILED_MERGE")
_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NUMBERS = (*_WHOLE, T.FloatType, T.DoubleType, T.DecimalType, T.BooleanType)
# What holds all values of several types, the narrowest first.
_COMMON = ((_WHOLE, T.LongType()), (_NUMBERS, T.DoubleType()), (T.AtomicType, T.StringType()))
# Names and types of a file's columns: void for those without values, Parquet's words for those that Spark
# cannot read.
_Columns = tuple[tuple[str, T.DataType | str], ...]
_REFUSED_TYPES = (T.ArrayType, T.MapType, T.StructType)
# Characters of a value that are kept to show it.
_EXAMPLE = 60
_NO_COLUMN = "null"
_NO_FEATURES = (*TEXT_COLUMNS, ARTISTS, FEATURE_SOURCE)
_NO_ARTIST = "no artist"
# Columns that are added to a table and stand for others: all names of artists, and texts.
ADDED = "_genre_spark_"
_LISTED, _TEXT = f"{ADDED}artists", f"{ADDED}text_"


@dataclass(frozen=True)
class Mapped:
    """A source table in canonical columns, not yet validated.

    `rows` has one row per source row: the text columns as string or null, without placeholders; `ARTISTS` as
    array<string> or null; per feature ``<name>`` as double or null; per feature and text column
    ``_odd_<name>``, the source's value as string where it was not taken, else null; `CORRUPT` as the malformed
    line or null; `SWALLOWED`, whether other lines are in a value; `SOURCE` as a struct of the original columns.
    """

    rows: DataFrame
    features: tuple[str, ...]  # Those that the source has, in canonical order.
    columns: frozenset[str]  # Text columns that the source has, `FEATURE_SOURCE` among them.
    path: str  # Where the source is, for messages.
    source: T.StructType  # The original columns, as `SOURCE` has them.


def read(spark: SparkSession, path: str, dataset: Dataset, fmt: str | None = None) -> DataFrame:
    """A source table as it stands, with columns `CORRUPT` and `SWALLOWED` if it can have such rows.

    Raises `InputError` if the path does not exist, is empty, cannot be read in that format, or is a
    table whose files hold deleted rows (Delta, Iceberg, Hudi).
    """
    files = SourceFiles.of(spark, path)
    fmt = fmt or dataset.format or files.format()
    with reading(f"{path}: cannot be read as {fmt}"):
        options = {**files.folders, **dataset.options}
        table = csv_files.read(files, options) if fmt == CSV else _load(files, fmt, options)
        if not table.columns:
            raise InputError(f"{path}: is empty: no header and no rows")
        if table.columns == [CORRUPT]:
            encoding, file = encoding_of(files)
            odd = f"; {file} looks like {encoding.name}: {remedy('encoding', str(encoding.name))}"
            if not encoding.name:
                odd = text_files.fault_of_json(files)
            raise InputError(f"{path}: nothing of it is {fmt.upper()}{odd}")
        if dataset.rows:
            listed = ".".join(map(sql_name, dataset.rows.split(".")))
            table = table.selectExpr(f"inline({listed})")
        return table


def map_columns(source: DataFrame, dataset: Dataset, path: str) -> Mapped:
    """Canonical columns from a source's own, by the dataset's expressions or by equal names.

    Raises `InputError` if `track_id` is neither there nor mapped, an expression does not fit the table,
    a column appears twice, or a column has a type that cannot serve.
    """
    csv_files.refuse_repeated(source.columns, path)
    own = [name for name in source.columns if name not in OURS]
    _refuse_names(own, is_classic(source.sparkSession), path)
    found, raw = {}, {}
    for name in dataset.canonical:
        if given := _given(source, dataset, name, own):
            found[name], raw[name] = given
    if mapped := {name: one for name, one in dataset.columns.items() if name in found}:
        _check_expressions(source, mapped, path)
    # What several expressions read is computed once, in a column of its own.
    table = _with_artists(source, dataset, path, found, raw)
    if TRACK_ID not in found:
        raise InputError.from_missing_column(path, TRACK_ID, own)
    types = _types(table, found, path)
    features = tuple(one for one in dataset.canonical if one in found and one not in _NO_FEATURES)
    expressions = {CORRUPT: "cast(NULL AS string)", SWALLOWED: "false"}
    expressions |= {name: name for name in expressions if name in source.columns}
    texts = [name for name in (*TEXT_COLUMNS, FEATURE_SOURCE) if name in found]
    table = table.withColumns(
        {_TEXT + name: F.expr(as_text(found[name], types[name])) for name in texts}
    )
    for name in (*TEXT_COLUMNS, FEATURE_SOURCE):
        if name in found:
            expressions |= _text(name, raw[name], dataset)
        else:
            expressions |= dict.fromkeys((name, odd_name(name)), "cast(NULL AS string)")
    for name in features:
        number = f"nanvl(try_cast({found[name]} AS double), cast(NULL AS double))"
        shown = f"left(string({raw[name]}), {_EXAMPLE})"
        expressions |= {name: number, odd_name(name): f"IF({number} IS NULL, {shown}, NULL)"}
    expressions[ARTISTS] = found.get(ARTISTS, names.NO_NAMES)
    kept = [name for name in source.columns if name not in (REASONS, SWALLOWED)]
    expressions[SOURCE] = f"struct({', '.join(map(sql_name, kept))})"
    rows = table.selectExpr(*named(expressions))
    whole = T.StructType([source.schema[name] for name in kept])
    return Mapped(rows, features, frozenset(texts), path, whole)


def _refuse_names(columns: Iterable[str], on_classic: bool, path: str) -> None:
    """Refuses columns whose names Spark or genre-spark would take for something else; raises `InputError`."""
    for name in columns:
        # On Connect the server decides whether it replaces ${env:NAME} in SQL texts, columns' names too.
        if "${" in name and not on_classic:
            raise InputError(f"{path}: column '{name}': Spark may replace '${{…}}': rename it")
        if name.lower().startswith(ADDED):
            raise InputError(
                f"{path}: column '{name}': names that begin with {ADDED} are genre-spark's own: rename it"
            )


def _with_artists(
    source: DataFrame, dataset: Dataset, path: str, found: dict[str, str], raw: dict[str, str]
) -> DataFrame:
    """The source with all names of artists, where it has them; `found` and `raw` then read that column."""
    if ARTISTS not in found:
        return source
    kind = _types(source, {ARTISTS: found[ARTISTS]}, path)[ARTISTS]
    table = source.withColumn(_LISTED, F.expr(names.all_of(found[ARTISTS], kind)))
    listed, found[ARTISTS] = dataset.columns.get(ARTISTS), _LISTED
    if ARTIST not in found or dataset.columns.get(ARTIST) == listed is not None:
        # The first of the list, where nothing else is said of the artist.
        found[ARTIST] = f"get({_LISTED}, 0)"
        raw.setdefault(ARTIST, raw[ARTISTS])
    return table


def odd_name(column: str) -> str:
    """Column that holds the source's value where it was not taken."""
    return f"_odd_{column}"


def _load(files: SourceFiles, fmt: str, given: dict[str, str]) -> DataFrame:
    options = {**_OPTIONS.get(fmt, {}), **given}
    if fmt == JSON and files.uris and "multiLine" not in given:
        uri = files.uris[0]
        text = text_files.look(files, uri, given.get("encoding")).text
        if text_files.is_many_lines(text, files.label(uri)):
            options["multiLine"] = "true"
        elif "encoding" in given:  # Spark looks for line ends in UTF-8 alone
            options.setdefault("lineSep", "\n")
    try:
        return files.spark.read.format(fmt).options(**options).load(files.location)
    except (PySparkException, Py4JJavaError) as err:
        for uri in files.uris[:1]:
            files.refuse_binary(uri, fmt)
            if not files.begins_as(uri, fmt):
                text_files.look(files, uri)
            files.refuse_damaged(uri, fmt)
        if "DATA_SOURCE_NOT_FOUND" in str(err):
            told = f"{files.path}: cannot be read as {fmt}: Spark has no such format here: add its package"
            raise InputError(f"{told}, or give --format csv, json, parquet or orc") from err
        if fmt != PARQUET or not any(one in str(err) for one in _BY_FILE):
            raise
    return _by_schema(files, given)


def _by_schema(files: SourceFiles, options: dict[str, str]) -> DataFrame:
    """Parquet files one schema at a time: all columns that Spark can read, in the type that holds all values.

    Whole numbers in one file and fractions in another become doubles; a column without values in one
    file has the others' type; other mixtures of simple types become text. Raises `InputError` if a
    column is nested in one file and not in another, or no column can be read.
    """
    spark, path = files.spark, files.path
    require_classic(spark, f"{path}: reading files with columns of different types")
    groups: dict[_Columns, list[str]] = defaultdict(list)
    for file in files.uris:
        groups[_columns(spark, file)].append(file)
    unreadable: dict[str, str] = {}
    found: dict[str, dict[T.DataType, str]] = defaultdict(dict)
    for schema, some in groups.items():
        for name, kind in schema:
            if isinstance(kind, str):
                unreadable[name] = kind
            else:
                found[name.lower()].setdefault(kind, some[0])
    if unreadable:
        listed = ", ".join(f"{name} ({kind})" for name, kind in unreadable.items())
        logger.warning("%s: left out, Spark cannot read this type: %s", path, listed)
    for name in unreadable:
        found.pop(name.lower(), None)
    types = {name: _common_type(path, name, kinds) for name, kinds in found.items()}
    if not types:
        raise InputError(f"{path}: Spark can read none of its columns")
    return csv_files.union(
        [_in_types(spark, schema, some, types, options) for schema, some in groups.items()]
    )


def _columns(spark: SparkSession, file: str) -> _Columns:
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
    found: list[tuple[str, T.DataType | str]] = []
    for i in range(message.getFieldCount()):
        one = message.getType(i)
        alone = jvm.java.util.Collections.singletonList(one)
        stored = " ".join(str(one.toString()).split())
        kind: T.DataType | str = stored
        with suppress(Py4JError, PySparkException):
            converted = converter.convert(jvm.org.apache.parquet.schema.MessageType("m", alone))
            read = T.StructType.fromJson(json.loads(converted.json()))[0].dataType
            is_empty = isinstance(read, T.AtomicType) and "UNKNOWN" in stored
            if "time(" not in read.simpleString():
                kind = T.NullType() if is_empty else read
        found.append((one.getName(), kind))
    return tuple(found)


def _common_type(path: str, name: str, kinds: dict[T.DataType, str]) -> T.DataType:
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
        f"{path}: column {name} is {', '.join(named)}; write the files again with one type, or without it"
    )


def _in_types(
    spark: SparkSession,
    schema: _Columns,
    files: list[str],
    types: dict[str, T.DataType],
    options: dict[str, str],
) -> DataFrame:
    stored, columns = T.StructType(), []
    for name, kind in schema:
        if isinstance(kind, str) or name.lower() not in types:
            continue
        common, column = types[name.lower()], by_name(name)
        if isinstance(kind, T.NullType):
            kind, column = T.IntegerType(), F.lit(None)  # to read no value any type will do
        elif isinstance(common, T.StringType):
            column = F.expr(as_text(sql_name(name), kind))
        stored.add(name, kind)
        columns.append(column.cast(common).alias(name))
    paths = [without_globs(unquote(file)) for file in files]
    loaded = spark.read.options(**options).schema(stored).parquet(*paths)
    return loaded.select(*columns, *map(by_name, loaded.columns[len(columns) :]))


def _given(
    source: DataFrame, dataset: Dataset, name: str, own: list[str]
) -> tuple[str, str] | None:
    """A column's SQL expression, and the one column that it reads if it is one, else the same.

    None where the table has nothing of the kind. The expression is not yet checked.
    """
    if name not in dataset.columns:
        same = [sql_name(column) for column in own if column.lower() == name.lower()]
        return (same[0], same[0]) if same else None
    expression = dataset.columns[name]
    if expression.strip().lower() == _NO_COLUMN:
        return None
    # The line break ends a comment.
    whole = f"({expression}\n)"
    used = read_by(expression, own)
    is_simple = len(used) == 1 and isinstance(source.schema[used[0]].dataType, T.AtomicType)
    return whole, sql_name(used[0]) if is_simple else whole


def _check_expressions(source: DataFrame, expressions: dict[str, str], path: str) -> None:
    """Refuses what the table cannot give; all at once, since on Connect each is a round trip."""
    try:
        return _analyse(source, expressions.values())
    except PySparkException:  # of which one is told below
        pass
    for name, expression in expressions.items():
        try:
            _analyse(source, [expression])
        except ParseException as err:
            raise ConfigError(
                f"dataset: columns: {name}: not a SQL expression: {expression}"
            ) from err
        except AnalysisException as err:
            own = ", ".join(column for column in source.columns if column not in OURS)
            raise InputError(
                f"{path}: column {name} cannot be made from '{expression}': {spark_message(err)}; found: {own}"
            ) from err


def _analyse(source: DataFrame, expressions: Iterable[str]) -> None:
    # Beside another column, so that an expression over several rows is refused; inside a cast, so
    # that one that makes several rows is.
    columns = [F.array(F.expr(expression)) for expression in expressions]
    tried = source.select(F.lit(1), by_name(source.columns[0]), *columns)
    if not is_classic(source.sparkSession):
        _ = tried.schema  # looked at only when somebody asks


def read_by(expression: str, own: list[str]) -> list[str]:
    """Columns of the table that a SQL expression names."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", " ", expression)
    quoted = {one.replace("``", "`").lower() for one in re.findall(r"`((?:[^`]|``)+)`", bare)}
    words = {one.lower() for one in re.findall(r"[A-Za-z_]\w*(?!\w*\s*\()", bare)}
    return [name for name in own if name.lower() in quoted | words]


def _types(source: DataFrame, found: dict[str, str], path: str) -> dict[str, T.DataType]:
    """Types of the columns. Raises `InputError` if one cannot serve."""
    fields = source.selectExpr(*named(found)).schema.fields
    for field in fields:
        kind, is_text = field.dataType, field.name in _NO_FEATURES
        refused = isinstance(kind, _REFUSED_TYPES) and field.name != ARTISTS
        if refused or (not is_text and isinstance(kind, T.DatetimeType | T.BinaryType)):
            needed = "text" if is_text else "a number"
            raise InputError(
                f"{path}: column {field.name} is {kind.simpleString()}, needed is {needed};"
                f" map it in a dataset file (columns: {field.name}: <SQL expression>)"
            )
    return {field.name: field.dataType for field in fields}


def named(expressions: dict[str, str]) -> list[str]:
    """SQL texts for `selectExpr`: columns put together in Python take a call to Java per operator."""
    return [f"{expression} AS {sql_name(name)}" for name, expression in expressions.items()]


def _text(name: str, raw: str, dataset: Dataset) -> dict[str, str]:
    """A text column, trimmed, null for placeholders and damaged characters; what was not taken."""
    extra = dataset.no_artist if name == ARTIST else ()
    text = _TEXT + name
    # A list is no name of an artist; what it means is in a mapping.
    value = value_sql(text, name, extra, lists=name != ARTIST or name in dataset.columns)
    shown = f"left(string({raw}), {_EXAMPLE})"
    if extra:
        # From here on a table's own word is the usual one.
        nothing = placeholder_sql(text, name, extra)
        shown = f"IF({nothing}, {literal(_NO_ARTIST)}, {shown})"
    return {name: value, odd_name(name): f"IF({value} IS NULL, {shown}, NULL)"}
