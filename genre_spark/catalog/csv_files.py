"""Reads CSV files: all columns as text, and no line is lost."""

import re
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import text_files
from genre_spark.catalog.columns import by_name
from genre_spark.catalog.table_format import separator
from genre_spark.errors import InputError

CORRUPT = "_corrupt_record"
# Whether a value of a CSV row holds whole other lines.
SWALLOWED = "_swallowed"

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
# Characters of a column's name in a message.
_LONGEST_NAME = 80
# Of a narrower table, text with a line break may well look like a line of the table.
_FEWEST_COLUMNS = 4
# How files begin that are no text, and what they are.
_NO_TEXT = {"PAR1": "Parquet", "ORC": "ORC", "PK\x03\x04": "a workbook or another zip archive"}
_MARKS = {"sep": ",", "quote": '"'}
# Stands between the joined values of a row.
_JOINT = "\x01"


def read(spark: SparkSession, path: str, location: str, given: dict[str, str]) -> DataFrame:
    """A CSV table with columns `CORRUPT` and `SWALLOWED`; no columns where there is no header.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Of the table, for messages.
    location : str
        The same as Spark reads it.
    given : dict of str to str
        The user's options of Spark's reader.

    Raises
    ------
    InputError
        Where two columns have the same name, the header is not in the encoding, or another
        separator than the one in use parts its columns.
    """
    options = {**_CSV, **given}
    if found := separator(path):
        options.setdefault("sep", found)
    # With multiLine Spark looks for a file by a name in which it takes wildcards once more.
    of_header = {**options, "multiLine": "false"} if not location.endswith(path) else options
    header = spark.read.options(**of_header).csv(location).schema
    if len(header) == 0:
        return spark.createDataFrame([], T.StructType())
    if options["header"] == "true":
        # Spark numbers repeated names, and then nobody would miss them.
        first = spark.read.options(**{**of_header, "header": "false"}).csv(location).first() or ()
        _check_header(spark, path, location, list(filter(None, first)), options)
        # Where each file has its own order of columns, they would be mixed up without a word.
        # Spark cannot hold a column without a name to its own name for it.
        options.setdefault("enforceSchema", "false" if all(first) else "true")
    # All columns are read as text: what is not a number becomes a reason and not an error.
    fields = [field for field in header.fields if field.name != CORRUPT]
    fields.append(T.StructField(CORRUPT, T.StringType()))
    table = spark.read.options(**options).schema(T.StructType(fields)).csv(location)
    return table.withColumn(SWALLOWED, _swallowed(len(fields) - 1, fields, options))


def refuse_repeated(columns: list[str], path: str) -> None:
    """Refuses a table in which two columns have the same name.

    Raises
    ------
    InputError
    """
    names = [name.lower() for name in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path}: column {', '.join(repeated)} appears more than once (case does not count);"
            " rename one of them"
        )


def _check_header(
    spark: SparkSession, path: str, location: str, names: list[str], options: dict[str, str]
) -> None:
    refuse_repeated(names, path)
    _refuse_no_text(names, path)
    _refuse_encoding(names, path)
    if len(names) == 1:
        _refuse_separator(spark, path, location, names[0], options)


def _refuse_no_text(names: list[str], path: str) -> None:
    for mark, kind in _NO_TEXT.items():
        if names and names[0].startswith(mark):
            raise InputError(
                f"{path}: is {kind} and not CSV: give its format with --format (parquet, orc), or"
                " mend `format` in the dataset file; save a workbook as CSV"
            )


def _refuse_encoding(names: Iterable[str], path: str) -> None:
    odd = [name for name in names if "\ufffd" in name or "\0" in name]
    if odd:
        raise InputError(
            f"{path}: the column {odd[0][:_LONGEST_NAME]!r} is not UTF-8; name its encoding in a"
            " dataset file (options: {encoding: ISO-8859-1}) and give that with --dataset; genre-spark inspect"
            " --output FILE.yaml writes one with the likely encoding"
        )


def _refuse_separator(
    spark: SparkSession, path: str, location: str, name: str, options: dict[str, str]
) -> None:
    """A header that is one column in this separator, and several in another."""
    if name.lower().startswith("sep="):
        raise InputError(f"{path}: the first line, {name!r}, is for Excel alone: delete it")
    files = text_files.files_of(spark, location)
    text = text_files.head(spark, files[0], options["encoding"]) if files else ""
    found = text_files.dialect_of(text)
    if found.columns > 1 and found.sep != options.get("sep", ","):
        raise InputError(
            f"{path}: its columns are separated by {text_files.called(found.sep)}, of which the"
            f" header has {found.columns - 1}; give a dataset file with"
            f" options: {{sep: {found.sep!r}}} (genre-spark inspect --output FILE.yaml writes one)"
        )


def _swallowed(n_columns: int, fields: list[T.StructField], options: dict[str, str]) -> Column:
    """Whether a value has a whole line of the table in it, as after a quote that nobody closed."""
    if n_columns < _FEWEST_COLUMNS:
        return F.lit(False)
    sep, quote = (re.escape(options.get(name) or default) for name, default in _MARKS.items())
    text = f"[^{sep}{quote}{_JOINT}\r\n]*"
    line = f"\n{text}(?:{sep}{text}){{{n_columns - 1}}}(?:\r|\n|{_JOINT}|$)"
    # One search over all values, and none in most rows, which have no line break.
    joined = F.concat_ws(_JOINT, *[by_name(field.name) for field in fields])
    return joined.contains("\n") & joined.rlike(line)
