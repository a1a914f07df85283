"""Reads a source table and maps its columns to canonical ones."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import artist_names, csv_files, parquet_files, text_files
from genre_spark.catalog.columns import as_text, by_name, sql_name
from genre_spark.catalog.csv_files import CORRUPT, SWALLOWED
from genre_spark.catalog.placeholders import placeholder_sql, quoted
from genre_spark.catalog.table_format import (
    CSV,
    JSON,
    PARQUET,
    guess_format,
    has_wildcard,
    refuse_logged_table,
)
from genre_spark.errors import ConfigError, InputError, OutputError
from genre_spark.platform.hadoop import spark_message, storage_of, without_globs
from genre_spark.platform.session import is_classic
from genre_spark.platform.spark_errors import cause, environment_error
from genre_spark.platform.storage import is_remote, local_path
from genre_spark.schema import ARTIST, ARTISTS, FEATURE_NAMES, TEXT_COLUMNS, TRACK_ID
from genre_spark.source import Dataset

SOURCE = "_source"
# In a quarantine that is read again, these are of the last run.
REASONS = "_reasons"
OURS = (CORRUPT, REASONS, SWALLOWED)

# Files of one table may differ in their columns; none is to be lost without a word.
_OPTIONS = {PARQUET: {"mergeSchema": "true"}, "orc": {"mergeSchema": "true"}}
# Spark's errors that a look at each file on its own may resolve.
_BY_FILE = ("PARQUET_TYPE_ILLEGAL", "CANNOT_MERGE", "DECIMAL_PRECISION", "TIME", "FAILED_MERGE")
_FIRST_BYTES = {PARQUET: (b"PAR1",), "orc": (b"ORC",)}
_REFUSED_TYPES = (T.ArrayType, T.MapType, T.StructType)
# Characters of a value that are kept to show it.
_EXAMPLE = 60
_NO_COLUMN = "null"
_NO_ARTIST = "no artist"


@dataclass(frozen=True)
class Mapped:
    """A source table in canonical columns, not yet validated.

    Attributes
    ----------
    rows : DataFrame
        One row per source row: the text columns as string or null, without placeholders;
        `ARTISTS` as array<string> or null; per feature ``<name>`` as double or null; per feature
        and text column ``_odd_<name>``, the source's value as string where it was not taken, else
        null; `CORRUPT` as the malformed line or null; `SWALLOWED`, whether other lines stand in a
        value; `SOURCE` as a struct of the original columns.
    features : tuple of str
        Features that the source has, in canonical order.
    columns : frozenset of str
        Text columns that the source has.
    path : str
        Where the source stands, for messages.
    """

    rows: DataFrame
    features: tuple[str, ...]
    columns: frozenset[str]
    path: str


def read(spark: SparkSession, path: str, dataset: Dataset, fmt: str | None = None) -> DataFrame:
    """A source table as it stands, with columns `CORRUPT` and `SWALLOWED` if it can have such rows.

    Raises
    ------
    InputError
        Where the path does not exist, is empty, cannot be read in that format, or is a table whose
        files hold deleted rows (Delta, Iceberg, Hudi).
    """
    location = locate(spark, path)
    storage = storage_of(spark, path)
    refuse_logged_table(storage, path)
    fmt = fmt or dataset.format or guess_format(storage, path)
    with reading(f"{path}: cannot be read as {fmt}"):
        files, folders = files_in(spark, path, location)
        options = {**folders, **dataset.options}
        if fmt == CSV:
            table = csv_files.read(spark, path, location, files, options)
        else:
            table = _load(spark, path, location, files, fmt, options)
        if not table.columns:
            raise InputError(f"{path}: is empty: no header and no rows")
        return table.selectExpr(f"inline({_nested(dataset.rows)})") if dataset.rows else table


def files_in(spark: SparkSession, path: str, location: str) -> tuple[list[str], dict[str, str]]:
    """URIs of a table's files, and the option with which Spark reads those in its subfolders.

    Raises
    ------
    InputError
        Where some subfolders are partitions (``year=2024``) and others are not.
    """
    if not storage_of(spark, path).is_dir(path):
        return text_files.files_of(spark, location, recursive=False), {}
    files = text_files.files_of(spark, location)
    # The table's folder is above all files; of a single one, its own.
    above = [unquote(file).rpartition("/")[0] for file in files]
    root = unquote(location if "://" in location else os.path.abspath(local_path(path))).rstrip("/")
    inner = [one.partition(root)[2].strip("/").split("/") for one in above]
    folders = {folder for one in inner for folder in one if folder}
    plain = {folder for folder in folders if "=" not in folder}
    if plain and plain != folders:
        raise InputError(
            f"{path}: contains partition folders ({min(folders - plain)}) next to others"
            f" ({min(plain)}): give the path of one of them"
        )
    return files, {"recursiveFileLookup": "true"} if plain else {}


def _nested(column: str) -> str:
    return ".".join(map(sql_name, column.split(".")))


def locate(spark: SparkSession, path: str) -> str:
    """A path as Spark reads it: one that exists is meant as it stands, others may be patterns.

    Raises
    ------
    InputError
        Where there is nothing, or Hadoop cannot open a file of that name.
    """
    exists = _exists(spark, path)
    if not exists and not has_wildcard(path):
        raise InputError(f"{path}: no such file or directory")
    if not is_remote(path) and ":" in path.removeprefix("file:"):
        raise InputError(f"{path}: Hadoop reads no file with ':' in its path: rename it")
    location = without_globs(path) if exists and has_wildcard(path) else path
    # A server has a working directory of its own.
    here = is_classic(spark) or is_remote(path) or path.startswith("file:")
    return location if here else os.path.join(os.getcwd(), location)


def _exists(spark: SparkSession, path: str) -> bool:
    try:
        return storage_of(spark, path).exists(path)
    except OutputError as err:
        raise InputError(str(err)) from err


@contextmanager
def reading(failure: str) -> Iterator[None]:
    """Reports whatever Spark finds wrong while it reads as the input's fault, or the machine's.

    Raises
    ------
    ConfigError
        Where Python workers or Java lack something.
    InputError
        Otherwise.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as err:
        raise environment_error(err) or InputError(f"{failure}: {cause(err)}") from err


def map_columns(source: DataFrame, dataset: Dataset, path: str) -> Mapped:
    """Canonical columns from a source's own, by the dataset's expressions or by equal names.

    Raises
    ------
    InputError
        Where `track_id` is neither there nor mapped, an expression does not fit the table, a
        column appears twice, or a column has a type that cannot serve.
    """
    csv_files.refuse_repeated(source.columns, path)
    _refuse_variables(source, path)
    own = [name for name in source.columns if name not in OURS]
    wanted = (*TEXT_COLUMNS, ARTISTS, *FEATURE_NAMES, *dataset.extra_features)
    given = {name: _expression(source, dataset, name, own) for name in wanted}
    _check_expressions(
        source, dataset, [n for n in wanted if given[n] and n in dataset.columns], path
    )
    found = {name: expression for name, expression in given.items() if expression is not None}
    listed = dataset.columns.get(ARTISTS)
    if ARTISTS in found and (
        ARTIST not in found or dataset.columns.get(ARTIST) == listed is not None
    ):
        # The first of the list, where nothing else is said of the artist.
        kind = _types(source, {ARTISTS: found[ARTISTS]}, path)[ARTISTS]
        found[ARTIST] = f"get({artist_names.all_of(found[ARTISTS], kind)}, 0)"
    if TRACK_ID not in found:
        raise InputError.from_missing_column(path, TRACK_ID, own)
    types = _types(source, found, path)
    raw = {name: _raw(source, dataset, name, own, one) for name, one in found.items()}
    features = tuple(n for n in wanted if n in found and n not in (*TEXT_COLUMNS, ARTISTS))
    expressions = {CORRUPT: "cast(NULL AS string)", SWALLOWED: "false"}
    expressions |= {name: name for name in expressions if name in source.columns}
    for name in TEXT_COLUMNS:
        expressions |= _text(name, found.get(name), types.get(name), raw.get(name), dataset)
    for name in features:
        expressions |= _number(name, found[name], raw[name])
    expressions[ARTISTS] = artist_names.all_of(found.get(ARTISTS), types.get(ARTISTS))
    kept = [name for name in source.columns if name not in (REASONS, SWALLOWED)]
    expressions[SOURCE] = f"struct({', '.join(map(sql_name, kept))})"
    rows = source.selectExpr(*_named(expressions))
    return Mapped(rows, features, frozenset(found) & set(TEXT_COLUMNS), path)


def _refuse_variables(source: DataFrame, path: str) -> None:
    """On Connect the server decides whether it replaces ${env:NAME} in SQL texts, columns' names too."""
    names = [name for name in source.columns if "${" in name]
    if names and not is_classic(source.sparkSession):
        raise InputError(f"{path}: column '{names[0]}': Spark may replace '${{…}}': rename it")


def odd_name(column: str) -> str:
    """Column that holds the source's value where it was not taken."""
    return f"_odd_{column}"


def _load(
    spark: SparkSession,
    path: str,
    location: str,
    files: list[str],
    fmt: str,
    given: dict[str, str],
) -> DataFrame:
    options = {**_OPTIONS.get(fmt, {}), **given}
    if fmt == JSON and files and "multiLine" not in given:
        one = text_files.look(spark, files[0], path, given.get("encoding"))
        options |= {"multiLine": "true"} if text_files.is_many_lines(one.text) else {}
    try:
        return spark.read.format(fmt).options(**options).load(location)
    except (PySparkException, Py4JJavaError) as err:
        for uri in files[:1]:
            text_files.refuse_binary(spark, uri, path, _FIRST_BYTES.get(fmt, ()))
            text_files.look(spark, uri, path)
        if fmt != PARQUET or not any(one in str(err) for one in _BY_FILE):
            raise
    return parquet_files.read(spark, path, files, given)


def _expression(source: DataFrame, dataset: Dataset, name: str, own: list[str]) -> str | None:
    """The column's SQL expression, not yet checked; None where the table has nothing of the kind."""
    if name not in dataset.columns:
        same = [column for column in own if column.lower() == name.lower()]
        return sql_name(same[0]) if same else None
    expression = dataset.columns[name]
    # The line break ends a comment.
    return None if expression.strip().lower() == _NO_COLUMN else f"({expression}\n)"


def _check_expressions(source: DataFrame, dataset: Dataset, names: list[str], path: str) -> None:
    """Refuses what the table cannot give; all at once, since on Connect each is a round trip."""
    try:
        _analyse(source, [dataset.columns[name] for name in names])
        return
    except PySparkException:  # of which one is told below
        pass
    for name in names:
        expression = dataset.columns[name]
        try:
            _analyse(source, [expression])
        except ParseException as err:
            raise ConfigError(
                f"dataset: columns: {name}: not a SQL expression: {expression}"
            ) from err
        except AnalysisException as err:
            own = ", ".join(column for column in source.columns if column not in OURS)
            raise InputError(
                f"{path}: column {name} cannot be made from '{expression}': {spark_message(err)};"
                f" found: {own}"
            ) from err


def _analyse(source: DataFrame, expressions: list[str]) -> None:
    # Beside another column, so that an expression over several rows is refused; inside a cast, so
    # that one that makes several rows is.
    columns = [F.array(F.expr(expression)) for expression in expressions]
    tried = source.select(F.lit(1), by_name(source.columns[0]), *columns)
    if not is_classic(source.sparkSession):
        _ = tried.schema  # looked at only when somebody asks


def _raw(source: DataFrame, dataset: Dataset, name: str, own: list[str], column: str) -> str:
    """What the source has for a column: the one column that its expression reads, if it is one."""
    if name not in dataset.columns:
        return column
    used = read_by(dataset.columns[name], own)
    simple = {f.name for f in source.schema if isinstance(f.dataType, T.AtomicType)}
    return sql_name(used[0]) if len(used) == 1 and used[0] in simple else column


def read_by(expression: str, own: list[str]) -> list[str]:
    """Columns of the table that a SQL expression names."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", " ", expression)
    quoted = {one.replace("``", "`").lower() for one in re.findall(r"`((?:[^`]|``)+)`", bare)}
    words = {one.lower() for one in re.findall(r"[A-Za-z_]\w*(?!\w*\s*\()", bare)}
    return [name for name in own if name.lower() in quoted | words]


def _types(source: DataFrame, found: dict[str, str], path: str) -> dict[str, T.DataType]:
    """Types of the columns.

    Raises
    ------
    InputError
        Where one cannot serve.
    """
    fields = source.selectExpr(*_named(found)).schema.fields
    for field in fields:
        kind, is_text = field.dataType, field.name in (*TEXT_COLUMNS, ARTISTS)
        refused = isinstance(kind, _REFUSED_TYPES) and field.name != ARTISTS
        if refused or (not is_text and isinstance(kind, T.DatetimeType | T.BinaryType)):
            needed = "text" if is_text else "a number"
            raise InputError(
                f"{path}: column {field.name} is {kind.simpleString()}, needed is {needed};"
                f" map it in a dataset file (columns: {field.name}: <SQL expression>)"
            )
    return {field.name: field.dataType for field in fields}


def _named(expressions: dict[str, str]) -> list[str]:
    """SQL texts for `selectExpr`: columns put together in Python take a call to Java per operator."""
    return [f"{expression} AS {sql_name(name)}" for name, expression in expressions.items()]


def _text(
    name: str, column: str | None, kind: T.DataType | None, raw: str | None, dataset: Dataset
) -> dict[str, str]:
    """A text column, trimmed, null for placeholders and damaged characters; what was not taken."""
    if column is None or kind is None or raw is None:
        return dict.fromkeys((name, odd_name(name)), "cast(NULL AS string)")
    extra = dataset.no_artist if name == ARTIST else ()
    text = as_text(column, kind)
    nothing = placeholder_sql(text, name, extra)
    # Ids stand as they are: somebody joins by them.
    if name == TRACK_ID:
        value = f"IF(NOT {nothing}, {text}, NULL)"
    else:
        damaged = f"contains(make_valid_utf8({text}), '\ufffd')"
        # A list is no name; what it means is said by a mapping.
        own = name == ARTIST and name not in dataset.columns
        listed = f" AND NOT coalesce({artist_names.printed_sql(text)}, false)" if own else ""
        value = f"IF(NOT {nothing} AND NOT {damaged}{listed}, trim({text}), NULL)"
    shown = f"left(string({raw}), {_EXAMPLE})"
    if extra:
        # From here on a table's own word is the usual one.
        shown = f"IF({nothing}, {quoted(_NO_ARTIST)}, {shown})"
    return {name: value, odd_name(name): f"IF({value} IS NULL, {shown}, NULL)"}


def _number(name: str, column: str, raw: str) -> dict[str, str]:
    value = f"nanvl(try_cast({column} AS double), cast(NULL AS double))"
    shown = f"left(string({raw}), {_EXAMPLE})"
    return {name: value, odd_name(name): f"IF({value} IS NULL, {shown}, NULL)"}
