"""Reads CSV files: all columns as text, and no line is lost."""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import text_files
from genre_spark.catalog.columns import by_name
from genre_spark.catalog.table_format import separator
from genre_spark.errors import InputError
from genre_spark.platform.hadoop import without_globs

logger = logging.getLogger(__name__)

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
    # A small compressed file may hold a value of gigabytes.
    "maxCharsPerColumn": "2000000",
}
# Characters of a column's name in a message.
_LONGEST_NAME = 80
# Of a narrower table, text with a line break may well look like a line of the table.
_FEWEST_COLUMNS = 4
_MARKS = {"sep": ",", "quote": '"'}
_UNNAMED = re.compile(r"_c\d+")
# Stands between the joined values of a row.
_JOINT = "\x01"


def read(
    spark: SparkSession, path: str, location: str, files: Sequence[str], given: dict[str, str]
) -> DataFrame:
    """A CSV table with columns `CORRUPT` and `SWALLOWED`; no columns where there is no header.

    Files with other columns, or in another order, are put together by the columns' names.

    Parameters
    ----------
    path : str
        Of the table, for messages.
    location : str
        The same as Spark reads it.
    files : sequence of str
        URIs of its files.
    given : dict of str to str
        The user's options of Spark's reader.

    Raises
    ------
    InputError
        Where a file is something else, two columns have the same name, or the table is written in
        another way than the options say.
    """
    options = {**_CSV, **given}
    if found := separator(files[0] if files else path):
        options.setdefault("sep", found)
    found_in = text_files.written(spark, path, files, given)
    headers = set(found_in.headers.values())
    if options["header"] == "true" and len(headers) >= 1:
        _refuse_dialect(path, found_in, given, options)
        known = found_in.headers
        usual = known.get(files[0], min(headers))  # of an empty file, and of those not looked at
        groups = [(h, [f for f in files if known.get(f, usual) == h]) for h in sorted(headers)]
        parts = [
            _typed(spark, path, [_named(i, name) for i, name in enumerate(header)], options).csv(
                location if len(groups) == 1 else [without_globs(unquote(one)) for one in some]
            )
            for header, some in groups
        ]
        if len(groups) > 1:
            _report_columns(path, groups)
    else:
        # With multiLine Spark looks for a file by a name in which it takes wildcards once more.
        of_header = {**options, "multiLine": "false"} if not location.endswith(path) else options
        names = [
            one for one in spark.read.options(**of_header).csv(location).columns if one != CORRUPT
        ]
        if not names:
            return spark.createDataFrame([], T.StructType())
        parts = [_typed(spark, path, names, options).csv(location)]
    marked = [_marked(one, options) for one in parts]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), marked)


def _typed(
    spark: SparkSession, path: str, names: Sequence[str], options: dict[str, str]
) -> DataFrameReader:
    """A reader of all columns as text: what is not a number becomes a reason and not an error."""
    refuse_repeated(names, path)
    fields = [T.StructField(name, T.StringType()) for name in (*names, CORRUPT)]
    # Spark cannot hold a column without a name to its own name for it.
    enforced = "true" if any(_UNNAMED.fullmatch(name) for name in names) else "false"
    return spark.read.options(**{"enforceSchema": enforced, **options}).schema(T.StructType(fields))


def _named(i: int, name: str) -> str:
    """A column's name, as Spark calls one without."""
    return name or f"_c{i}"


def _marked(table: DataFrame, options: dict[str, str]) -> DataFrame:
    fields = table.schema.fields
    return table.withColumn(SWALLOWED, _swallowed(len(fields) - 1, fields, options))


def _report_columns(path: str, groups: list[tuple[tuple[str, ...], list[str]]]) -> None:
    """Reports columns that some files lack; an order of their own changes nothing."""
    (first, (one, *_)), *others = groups
    for header, (other, *_) in others:
        for lacks, has, names in (
            (other, one, set(first) - set(header)),
            (one, other, set(header) - set(first)),
        ):
            if names:
                logger.warning(
                    "%s: %s has no column %s, which %s has: missing in its rows",
                    path, text_files.shown(lacks), ", ".join(sorted(names)), text_files.shown(has),
                )  # fmt: skip


def _refuse_dialect(
    path: str, found: text_files.Written, given: Mapping[str, str], options: Mapping[str, str]
) -> None:
    """Refuses a table that needs other options than those in use."""
    header = next(iter(found.headers.values()))
    if (
        "encoding" not in given
        and found.encoding.name
        and (found.encoding.name.startswith("UTF-") or not "".join(header).isascii())
    ):
        raise InputError(
            f"{path}: the column {next((n for n in header if not n.isascii()), header[0])[:_LONGEST_NAME]!r} is"
            f" not UTF-8; name its encoding, which looks like {found.encoding.name}:"
            f" {_remedy('encoding', found.encoding.name)}"
        )
    dialect, sep = found.dialect, options.get("sep") or options.get("delimiter") or ","
    if dialect.sep != sep and dialect.columns > 1:
        raise InputError(
            f"{path}: its columns are separated by {text_files.called(dialect.sep)}, of which the"
            f" header has {dialect.columns - 1}; {_remedy('sep', dialect.sep)}"
        )
    needed = text_files.needed_options(dialect)
    for name in ("ignoreLeadingWhiteSpace", "comment"):
        if name in needed and name not in given:
            what = (
                "a blank follows each separator"
                if dialect.blanks
                else "its first lines are comments"
            )
            raise InputError(f"{path}: {what}; {_remedy(name, needed[name])}")


def _remedy(option: str, value: str) -> str:
    return (
        f"give a dataset file with options: {{{option}: {value!r}}} (genre-spark inspect --output"
        " FILE.yaml writes one)"
    )


def refuse_repeated(columns: Sequence[str], path: str) -> None:
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
