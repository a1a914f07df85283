"""Looks at a text table before Spark reads it: separator, quotes, encoding."""

import bz2
import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlparse

from pyspark.sql import SparkSession

from genre_spark.catalog.encodings import UTF8, Encoding, detect, of_iconv, python_codec
from genre_spark.catalog.table_format import CSV, JSON, separator
from genre_spark.platform.hadoop import read_head
from genre_spark.platform.storage import is_remote

SEPARATORS = (",", ";", "\t", "|", "^", "~", "\x01")
_NAMES = {"\t": "tabs", "\x01": "characters \\x01"}
_HEAD, _ROWS = 2**20, 200
# Files of a folder whose encoding is looked at.
_FILES = 20
# A field that ends in a quote which is escaped by a backslash.
csv.field_size_limit(2**30)


@dataclass(frozen=True)
class Dialect:
    """How a text table is written, so far as its beginning shows.

    Attributes
    ----------
    sep : str
        Between columns.
    escape : str
        Before a quote inside a text: a quote (RFC 4180), or a backslash, as Spark writes.
    columns : int
        In its header.
    """

    sep: str
    escape: str
    columns: int


def files_of(spark: SparkSession, location: str) -> list[str]:
    """URIs of a table's files.

    Parameters
    ----------
    spark : SparkSession
    location : str
        A path or pattern as Spark reads it.
    """
    return sorted(spark.read.text(location).inputFiles())


def encoding_of(spark: SparkSession, files: Sequence[str]) -> tuple[Encoding, str]:
    """The encoding of the first of the files that is not UTF-8, and its name."""
    for uri in islice(files, _FILES):
        with _opened(spark, uri) as file:
            found = detect(file)
        if found != UTF8:
            return found, shown(uri)
    return UTF8, shown(files[0]) if files else ""


def head(spark: SparkSession, uri: str, encoding: str | None) -> str:
    """The first megabyte of a file as text, up to its last whole line."""
    with _opened(spark, uri) as file:
        try:
            content = file.read(_HEAD)
        except (OSError, EOFError):
            content = b""
    text = content.decode(python_codec(encoding or "utf-8-sig"), "replace")
    return text if len(content) < _HEAD else text.rpartition("\n")[0]


def dialect_of(text: str, sep: str | None = None) -> Dialect:
    """How a CSV text is written.

    Parameters
    ----------
    text : str
    sep : str, optional
        Where it is known already.
    """
    found = [
        _fits(text, one, escape) for one in ((sep,) if sep else SEPARATORS) for escape in '"\\'
    ]
    return max(found, key=lambda fit: fit[0])[1]


def options_for(
    spark: SparkSession, location: str, fmt: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Options with which Spark reads a text table as it is written, beyond the given ones.

    Parameters
    ----------
    spark : SparkSession
    location : str
        As Spark reads it.
    fmt : str
        ``csv`` or ``json``; other formats need none.
    given : mapping of str to str
        The user's own options.
    """
    if fmt not in (CSV, JSON):
        return {}
    files, options = files_of(spark, location), {}
    encoding, _ = encoding_of(spark, files)
    if encoding.name and not encoding.damaged:
        options["encoding"] = encoding.name
    if fmt == CSV and files:
        usual = separator(files[0]) or ","
        known = given.get("sep")
        found = dialect_of(head(spark, files[0], {**options, **given}.get("encoding")), known)
        options |= {"sep": found.sep} if found.columns > 1 and found.sep != usual else {}
        options |= {"escape": found.escape} if found.escape != '"' else {}
    return {name: value for name, value in options.items() if name not in given}


def starts_as_array(text: str) -> bool:
    """Whether a JSON text is one array and not an object in each line."""
    return text.lstrip("\ufeff \t\r\n").startswith("[")


def called(sep: str) -> str:
    """A separator as a message names it."""
    return _NAMES.get(sep, f"'{sep}'")


def convert_command(file: str, encoding: Encoding) -> str:
    """The command that makes a file UTF-8."""
    return f"iconv -f {of_iconv(encoding.name or '')} -t UTF-8 {file} > utf8-{file}"


def shown(uri: str) -> str:
    """The name of a file, for messages."""
    return unquote(uri).rpartition("/")[2]


def _fits(text: str, sep: str, escape: str) -> tuple[tuple[float, ...], Dialect]:
    """How well a dialect fits: share of rows as wide as the header, columns, habit."""
    reader = csv.reader(
        io.StringIO(text),
        delimiter=sep,
        doublequote=escape == '"',
        escapechar=None if escape == '"' else escape,
    )
    widths = Counter(len(row) for row in islice(_rows(reader), _ROWS))
    first = next(csv.reader(io.StringIO(text), delimiter=sep), [])
    columns = len(first)
    share = widths[columns] / max(1, widths.total())
    # A separator that is not in the header separates nothing.
    score = (float(columns > 1), round(share, 2) if columns > 1 else 0.0, float(columns))
    habit = (-float(SEPARATORS.index(sep)) if sep in SEPARATORS else 0.0, float(escape == '"'))
    return (*score, *habit), Dialect(sep, escape, columns)


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from (row for row in reader if row)
    except csv.Error:
        return


def _opened(spark: SparkSession, uri: str) -> BinaryIO:
    """A file's bytes, unpacked: whole where it is local, the first megabytes elsewhere."""
    raw = _bytes_of(spark, uri)
    if uri.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if uri.lower().endswith(".bz2"):
        return cast(BinaryIO, bz2.BZ2File(raw))
    if uri.lower().endswith((".zst", ".lz4", ".snappy", ".deflate")):
        return io.BytesIO(b"")
    return raw


def _bytes_of(spark: SparkSession, uri: str) -> BinaryIO:
    if is_remote(uri):
        return io.BytesIO(read_head(spark, uri, 4 * _HEAD))
    return Path(unquote(urlparse(uri).path)).open("rb")
