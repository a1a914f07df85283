"""Reads a source table and maps its columns to canonical ones."""

import functools
import logging
import operator
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.config import Dataset
from genre_spark.errors import ConfigError, InputError, OutputError
from genre_spark.platform.hadoop import spark_message, storage_of
from genre_spark.schema import FEATURE_NAMES, TEXT_COLUMNS, TRACK_ID

logger = logging.getLogger(__name__)

CORRUPT = "_corrupt_record"
SOURCE = "_source"
# In a quarantine that is read again, these are of the last run.
REASONS = "_reasons"
# Whether a value of a CSV row holds whole other lines.
SWALLOWED = "_swallowed"
OURS = (CORRUPT, REASONS, SWALLOWED)

# RFC 4180, and malformed lines kept for the quarantine instead of being dropped.
_CSV = {
    "header": "true",
    "encoding": "UTF-8",
    "quote": '"',
    "escape": '"',
    "multiLine": "true",
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": CORRUPT,
}
# Of a narrower table, text with a line break may well look like a line of the table.
_FEWEST_COLUMNS = 4
# Files of one table may differ in their columns; none is to be lost without a word.
_OPTIONS = {"parquet": {"mergeSchema": "true"}, "orc": {"mergeSchema": "true"}}
_MARKS = {"sep": ",", "quote": '"'}
_FORMATS = {"csv": "csv", "tsv": "csv", "parquet": "parquet", "json": "json", "orc": "orc"}
_PACKERS = {".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate"}
_REFUSED_TYPES = (T.ArrayType, T.MapType, T.StructType, T.BinaryType)


@dataclass(frozen=True)
class Mapped:
    """A source table in canonical columns, not yet judged.

    Attributes
    ----------
    rows : DataFrame
        One row per source row: the text columns as string or null; per feature ``<name>`` as
        double or null and ``_raw_<name>``, whether the source had any value; `CORRUPT` as the
        malformed line or null; `SWALLOWED`, whether other lines stand in a value; `SOURCE` as a
        struct of the original columns.
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
        Where the path does not exist, is empty, or cannot be read in that format.
    """
    fmt = fmt or dataset.format or guess_format(path)
    if not _has_wildcard(path) and not _exists(spark, path):
        raise InputError(f"{path}: no such file or directory")
    with reading(f"{path}: cannot be read as {fmt}"):
        table = (
            _read_csv(spark, path, dataset) if fmt == "csv" else _load(spark, path, fmt, dataset)
        )
    if not table.columns:
        raise InputError(f"{path}: is empty: no header and no rows")
    return table


def _exists(spark: SparkSession, path: str) -> bool:
    try:
        return storage_of(spark, path).exists(path)
    except OutputError as err:
        raise InputError(str(err)) from err


@contextmanager
def reading(failure: str) -> Iterator[None]:
    """Tells whatever Spark finds wrong while it reads as the input's fault."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as err:
        raise InputError(f"{failure}: {spark_message(err)}") from err


def guess_format(path: str) -> str:
    """The format that a path's ending tells, Parquet where it tells nothing."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path.rstrip("/")).suffixes]
    if suffixes and suffixes[-1] in _PACKERS:
        suffixes.pop()
    return _FORMATS.get(suffixes[-1].lstrip("."), "parquet") if suffixes else "parquet"


def map_columns(source: DataFrame, dataset: Dataset, path: str) -> Mapped:
    """Canonical columns from a source's own, by the dataset's expressions or by equal names.

    Raises
    ------
    InputError
        Where `track_id` is neither there nor mapped, an expression does not fit the table, a
        column appears twice, or a column has a type that cannot serve.
    """
    _refuse_repeated(source.columns, path)
    own = [name for name in source.columns if name not in OURS]
    wanted = (*TEXT_COLUMNS, *FEATURE_NAMES, *dataset.extra_features)
    given = {name: _expression(source, dataset, name, own, path) for name in wanted}
    found = {name: column for name, column in given.items() if column is not None}
    if TRACK_ID not in found:
        raise InputError.from_missing_column(path, TRACK_ID, own)
    _refuse_types(source, found, path)
    features = tuple(name for name in wanted if name in found and name not in TEXT_COLUMNS)
    texts = [_text(found.get(name)).alias(name) for name in TEXT_COLUMNS]
    numbers = [c for name in features for c in _number(name, found[name])]
    corrupt = F.col(CORRUPT) if CORRUPT in source.columns else F.lit(None).cast("string")
    swallowed = F.col(SWALLOWED) if SWALLOWED in source.columns else F.lit(False)
    kept = [name for name in source.columns if name not in (REASONS, SWALLOWED)]
    original = F.struct(*[by_name(name) for name in kept]).alias(SOURCE)
    rows = source.select(
        *texts, *numbers, corrupt.alias(CORRUPT), swallowed.alias(SWALLOWED), original
    )
    return Mapped(rows, features, frozenset(found) & set(TEXT_COLUMNS), path)


def raw_name(feature: str) -> str:
    """Column that tells whether the source had any value for a feature."""
    return f"_raw_{feature}"


def _load(spark: SparkSession, path: str, fmt: str, dataset: Dataset) -> DataFrame:
    options = {**_OPTIONS.get(fmt, {}), **dataset.options}
    return spark.read.format(fmt).options(**options).load(path)


def _read_csv(spark: SparkSession, path: str, dataset: Dataset) -> DataFrame:
    options = {**_CSV, **dataset.options}
    if path.lower().endswith((".tsv", ".tsv.gz")):
        options.setdefault("sep", "\t")
    header = spark.read.options(**options).csv(path).schema
    if len(header) == 0:
        return spark.createDataFrame([], T.StructType())
    if options["header"] == "true":
        # Spark numbers repeated names, and then nobody would miss them.
        first = spark.read.options(**{**options, "header": "false"}).csv(path).first() or ()
        _refuse_repeated(list(filter(None, first)), path)
        _refuse_encoding(filter(None, first), path)
        # Where each file has its own order of columns, they would be mixed up without a word.
        # Spark cannot hold a column without a name to its own name for it.
        options.setdefault("enforceSchema", "false" if all(first) else "true")
    # All columns are read as text: what is not a number becomes a reason and not an error.
    fields = [field for field in header.fields if field.name != CORRUPT]
    fields.append(T.StructField(CORRUPT, T.StringType()))
    table = spark.read.options(**options).schema(T.StructType(fields)).csv(path)
    return table.withColumn(SWALLOWED, _swallowed(len(fields) - 1, fields, options))


def _swallowed(n_columns: int, fields: list[T.StructField], options: dict[str, str]) -> Column:
    """Whether a value has a whole line of the table in it, as after a quote that nobody closed."""
    if n_columns < _FEWEST_COLUMNS:
        return F.lit(False)
    sep, quote = (re.escape(options.get(name) or default) for name, default in _MARKS.items())
    text = f"[^{sep}{quote}\r\n]*"
    line = f"\n{text}(?:{sep}{text}){{{n_columns - 1}}}(?:\r|\n|$)"
    values = [by_name(field.name) for field in fields]
    # Few values have line breaks: the others need no search.
    found = [value.contains("\n") & value.rlike(line) for value in values]
    return functools.reduce(operator.or_, [F.coalesce(one, F.lit(False)) for one in found])


def _refuse_encoding(names: Iterable[str], path: str) -> None:
    odd = [name for name in names if "\ufffd" in name or "\0" in name]
    if odd:
        raise InputError(
            f"{path}: the column {odd[0]!r} is not UTF-8; name its encoding in a dataset file"
            " (options: {encoding: ISO-8859-1}) and give that with --dataset"
        )


def _has_wildcard(path: str) -> bool:
    return any(character in path for character in "*?[{")


def _refuse_repeated(columns: list[str], path: str) -> None:
    names = [name.lower() for name in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path}: column {', '.join(repeated)} appears more than once (case does not count);"
            " rename one of them"
        )


def _expression(
    source: DataFrame, dataset: Dataset, name: str, own: list[str], path: str
) -> Column | None:
    """The column's expression if the table can give it, None where it has nothing of the kind."""
    if name not in dataset.columns:
        same = [column for column in own if column.lower() == name.lower()]
        return by_name(same[0]) if same else None
    expression = dataset.columns[name]
    try:
        # Beside another column, so that an expression over several rows is refused; inside a
        # cast, so that one that makes several rows is.
        source.select(F.lit(1), by_name(source.columns[0]), F.expr(expression).cast("string"))
    except ParseException as err:
        raise ConfigError(f"dataset: columns: {name}: not a SQL expression: {expression}") from err
    except AnalysisException as err:
        raise InputError(
            f"{path}: column {name} cannot be made from '{expression}': {spark_message(err)};"
            f" found: {', '.join(own)}"
        ) from err
    return F.expr(expression)


def by_name(name: str) -> Column:
    """A column by its name, whatever characters that has."""
    return F.col("`" + name.replace("`", "``") + "`")


def _refuse_types(source: DataFrame, found: dict[str, Column], path: str) -> None:
    columns = [column.alias(name) for name, column in found.items()]
    for field in source.select(*columns).schema:
        kind = field.dataType
        no_number = field.name not in TEXT_COLUMNS and isinstance(kind, T.DatetimeType)
        if no_number or isinstance(kind, _REFUSED_TYPES):
            needed = "text" if field.name in TEXT_COLUMNS else "a number"
            raise InputError(
                f"{path}: column {field.name} is {kind.simpleString()}, needed is {needed};"
                f" map it in a dataset file (columns: {field.name}: <SQL expression>)"
            )


def _text(column: Column | None) -> Column:
    """As string; blank is the same as absent."""
    if column is None:
        return F.lit(None).cast("string")
    text = column.cast("string")
    return F.when(F.trim(text) != "", text)


def _number(name: str, column: Column) -> list[Column]:
    has_value = column.isNotNull()
    return [column.try_cast("double").alias(name), has_value.alias(raw_name(name))]
