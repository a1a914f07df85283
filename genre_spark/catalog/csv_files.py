"""Reads CSV files: all columns as text, and no line is lost."""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import text_files
from genre_spark.catalog.columns import by_name
from genre_spark.catalog.source_files import SourceFiles, is_packed, remedy, separator, shown
from genre_spark.errors import InputError
from genre_spark.platform.hadoop import without_globs
from genre_spark.platform.storage import is_remote, local_path

logger = logging.getLogger(__name__)

CORRUPT = "_corrupt_record"
# Whether a value of a CSV row holds whole other lines.
SWALLOWED = "_swallowed"

# RFC 4180, and malformed lines kept for the quarantine instead of being dropped.
USUAL = {
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
# Bytes from which on files are read in parts, and that are searched at once; with which options.
_LARGE, _BLOCK = 2**26, 2**22
_SEARCHABLE = ("quote", "escape", "encoding", "lineSep")
# Characters of a column's name in a message.
_LONGEST_NAME = 80
# Of a narrower table, text with a line break may well look like a line of the table.
_FEWEST_COLUMNS = 4
_NEEDED = {
    "quote": "its texts are in single quotes",
    "ignoreLeadingWhiteSpace": "a blank follows each separator",
    "ignoreTrailingWhiteSpace": "a blank precedes each separator",
    "comment": "its first lines are comments",
}
_UNNAMED = re.compile(r"_c\d+")
# Stands between the joined values of a row.
_JOINT = "\x01"


def read(files: SourceFiles, given: dict[str, str]) -> DataFrame:
    """A CSV table with columns `CORRUPT` and `SWALLOWED`; no columns where there is no header.

    Files with other columns, or in another order, are put together by the columns' names. `given` are
    the user's options of Spark's reader. Raises `InputError` if a file is something else, two columns
    have the same name, or the table is written in another way than the options say.
    """
    spark, path, location = files.spark, files.path, files.location
    options = {**USUAL, **given}
    if "multiLine" not in given and has_rows_by_line(files, options):
        options["multiLine"] = "false"
    if found := separator(files.uris[0] if files.uris else path):
        options.setdefault("sep", found)
    first, known = text_files.written(files, given)
    if known:
        _refuse_dialect(path, first, next(iter(known.values())), given, options)
        # Of an empty file, and of those that were not looked at.
        usual = known.get(files.uris[0], min(known.values()))
        groups = {
            header: [uri for uri in files.uris if known.get(uri, usual) == header]
            for header in sorted(set(known.values()))
        }
        _report_columns(path, groups)
    else:
        # With multiLine Spark looks for a file by a name in which it takes wildcards once more.
        of_header = {**options, "multiLine": "false"} if not location.endswith(path) else options
        names = spark.read.options(**of_header).csv(location).columns
        groups = {tuple(one for one in names if one != CORRUPT): []}
        if () in groups:
            return spark.createDataFrame([], T.StructType())
    parts = []
    for header, some in groups.items():
        # Spark's own name for a column without; it cannot hold such columns to it.
        names = [name or f"_c{i}" for i, name in enumerate(header)]
        refuse_repeated(names, path)
        enforced = "true" if any(_UNNAMED.fullmatch(name) for name in names) else "false"
        # All is text: what is not a number becomes a reason and not an error.
        schema = T.StructType([T.StructField(one, T.StringType()) for one in (*names, CORRUPT)])
        where = location if len(groups) == 1 else [without_globs(unquote(one)) for one in some]
        table = (
            spark.read.options(**{"enforceSchema": enforced, **options}).schema(schema).csv(where)
        )
        parts.append(table.withColumn(SWALLOWED, _swallowed(names, options)))
    return union(parts)


def union(parts: Sequence[DataFrame]) -> DataFrame:
    """The rows of all parts by their columns' names, null where a part has no such column."""
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def has_rows_by_line(files: SourceFiles, options: Mapping[str, str]) -> bool:
    """Whether no value of large local CSV files has a line break: Spark then reads a file in parts.

    So it is where each line has an even number of quotes. Small, packed and remote files are not searched.
    """
    usual = all(options.get(name) == USUAL.get(name) for name in _SEARCHABLE)
    plain = [local_path(uri) for uri in files.uris if not (is_remote(uri) or is_packed(uri))]
    local = [path for path in plain if path.is_file()]
    is_large = sum(path.stat().st_size for path in local) >= _LARGE
    all_local = len(local) == len(files.uris)
    return usual and all_local and is_large and all(map(_has_rows_by_line, local))


def _has_rows_by_line(path: Path) -> bool:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            block += file.readline()
            if b"\r" in block.replace(b"\r\n", b""):
                return False
            if b'"' in block:
                found = np.frombuffer(block, np.uint8)
                quotes, ends = np.flatnonzero(found == ord('"')), np.flatnonzero(found == ord("\n"))
                if len(quotes) % 2 or np.any(np.searchsorted(quotes, ends) % 2):
                    return False
    return True


def _report_columns(path: str, groups: Mapping[tuple[str, ...], Sequence[str]]) -> None:
    """Reports columns that some files lack; an order of their own changes nothing.

    Raises `InputError` if files have hardly a column in common: they are other tables.
    """
    named = {frozenset(map(str.lower, header)): some[0] for header, some in groups.items()}
    (first, one), *others = named.items()
    for header, other in others:
        common = first & header
        if len(common) * 2 < min(len(first), len(header)):
            raise InputError(
                f"{path}: {shown(one)} and {shown(other)} have few columns in common"
                f" ({', '.join(sorted(common)) or 'none'}): they are several tables; join them by the track's id,"
                " or give the path of one, or a pattern such as 'folder/*.csv'"
            )
        for lacks, has, names in ((other, one, first - header), (one, other, header - first)):
            if names:
                logger.warning(
                    "%s: %s has no column %s, which %s has: missing in its rows",
                    path, shown(lacks), ", ".join(sorted(names)), shown(has),
                )  # fmt: skip


def _refuse_dialect(
    path: str,
    found: text_files.Look,
    header: Sequence[str],
    given: Mapping[str, str],
    options: Mapping[str, str],
) -> None:
    """Refuses a table that needs other options than those in use."""
    if (
        "encoding" not in given
        and found.encoding.name
        and (found.encoding.name.startswith("UTF-") or not "".join(header).isascii())
    ):
        raise InputError(
            f"{path}: the column {next((n for n in header if not n.isascii()), header[0])[:_LONGEST_NAME]!r} is"
            f" not UTF-8; name its encoding, which looks like {found.encoding.name}:"
            f" {remedy('encoding', repr(found.encoding.name))}"
        )
    dialect, sep = found.dialect, options.get("sep") or options.get("delimiter") or ","
    if dialect.sep != sep and dialect.columns > 1:
        raise InputError(
            f"{path}: its columns are separated by {text_files.called(dialect.sep)}, of which the"
            f" header has {dialect.columns - 1}; {remedy('sep', repr(dialect.sep))}"
        )
    needed = text_files.needed_options(dialect)
    for name, what in _NEEDED.items():
        if name in needed and name not in given:
            raise InputError(f"{path}: {what}; {remedy(name, repr(needed[name]))}")


def refuse_repeated(columns: Sequence[str], path: str) -> None:
    """Refuses a table in which two columns have the same name; raises `InputError`."""
    names = [name.lower() for name in columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{path}: column {', '.join(repeated)} appears more than once (case does not count);"
            " rename one of them"
        )


def _swallowed(columns: Sequence[str], options: Mapping[str, str]) -> Column:
    """Whether a value has a whole line of the table in it, as after a quote that nobody closed."""
    if len(columns) < _FEWEST_COLUMNS:
        return F.lit(False)
    sep, quote = re.escape(options.get("sep") or ","), re.escape(options.get("quote") or '"')
    text = f"[^{sep}{quote}{_JOINT}\r\n]*"
    line = f"\n{text}(?:{sep}{text}){{{len(columns) - 1}}}(?:\r|\n|{_JOINT}|$)"
    # One search over all values, and none in most rows, which have no line break.
    joined = F.concat_ws(_JOINT, *map(by_name, (*columns, CORRUPT)))
    return joined.contains("\n") & joined.rlike(line)
