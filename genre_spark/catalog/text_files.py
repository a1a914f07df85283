"""One look at the beginning of each file: what it is, and how its text is written."""

import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlparse

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from genre_spark.catalog.encodings import UTF8, Encoding, detect, of_iconv, python_codec
from genre_spark.catalog.table_format import CSV, separator
from genre_spark.errors import InputError
from genre_spark.platform.hadoop import read_head
from genre_spark.platform.session import is_classic
from genre_spark.platform.storage import is_remote

SEPARATORS = (",", ";", "\t", "|", "^", "~", "\x01")
_NAMES = {"\t": "tabs", "\x01": "characters \\x01"}
_HEAD, _ROWS = 2**20, 200
# Files of a folder that are looked at, and those that are searched whole for their encoding.
_FILES, _SEARCHED = 200, 20
# Lines above a header, and below it, that may be something else.
_ABOVE, _BELOW = 30, 3
csv.field_size_limit(2**30)

# What files are that are no text, by their first bytes, and the remedy.
_PACKED = {
    b"\x1f\x8b": ("gzip", ".gz"),
    b"\x28\xb5\x2f\xfd": ("zstd", ".zst"),
    b"BZh": ("bzip2", ".bz2"),
}
_UNPACKED_BY = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_BY_SPARK = (".lz4", ".snappy", ".deflate")
_BINARY = {
    b"\xfd7zXZ": "is xz, which Spark does not read: unpack it",
    b"7z\xbc\xaf": "is a 7z archive: unpack it",
    b"PK\x03\x04": "is a workbook or another zip archive: save it as CSV, or unpack it",
    b"PAR1": "is Parquet: rename it to .parquet, or give --format parquet",
    b"ORC": "is ORC: rename it to .orc, or give --format orc",
    b"Obj\x01": "is Avro: write it as Parquet or CSV",
    b"ARROW1": "is an Arrow file (Feather): write it as Parquet or CSV",
    b"SQLite format 3": "is a database (SQLite): export its table as CSV",
    b"\x89HDF": "is HDF5: write its table as Parquet or CSV",
    b"%PDF": "is a PDF: get the table as CSV",
    b"\xd0\xcf\x11\xe0": "is a workbook (.xls): save it as CSV (UTF-8)",
}
_TEXTS = {
    r"\s*<(!doctype html|html|head|body)\b": "is a web page (HTML), perhaps one to sign in: download the table itself",
    r"\s*<(\?xml|[a-z]+[ >])": "is XML: export the table as CSV or JSON",
    r"version https://git-lfs": "is a pointer of Git LFS and not the file: type git lfs pull",
    r"(\.\./)*(\.git)?/annex/objects": "is a pointer of git-annex and not the file: type git annex get",
    r"sep=.[\r\n]": "its first line, 'sep=', is for Excel alone: delete it",
}


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
    blanks : bool
        Whether a blank follows each separator.
    comment : str
        With what lines begin that are no rows; empty where there are none.
    quote : str
        Around texts; empty where nothing is quoted.
    """

    sep: str
    escape: str
    columns: int
    blanks: bool = False
    comment: str = ""
    quote: str = '"'


@dataclass(frozen=True)
class Look:
    """What the beginning of a text file shows.

    Attributes
    ----------
    file : str
        Its name.
    text : str
        The first megabyte, up to its last whole line, with newlines as line ends.
    whole : bool
        Whether that is all.
    """

    file: str
    encoding: Encoding
    text: str
    whole: bool = True


@dataclass(frozen=True)
class Written:
    """How the files of a CSV table are written.

    Attributes
    ----------
    headers : dict of str to tuple of str
        Columns of each file by its URI, of those that were looked at.
    """

    dialect: Dialect
    encoding: Encoding = UTF8
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)


def files_of(spark: SparkSession, location: str, recursive: bool = True) -> list[str]:
    """URIs of a table's files.

    Parameters
    ----------
    location : str
        A path or pattern as Spark reads it.
    recursive : bool
        Whether those in subfolders count too.
    """
    lookup = "true" if recursive else "false"
    return sorted(spark.read.option("recursiveFileLookup", lookup).text(location).inputFiles())


def look(spark: SparkSession, uri: str, label: str, encoding: str | None = None) -> Look:
    """The beginning of a file.

    Parameters
    ----------
    label : str
        What messages call it.
    encoding : str, optional
        That the user named.

    Raises
    ------
    InputError
        Where it is no text, or something else than a table.
    """
    name, content = shown(uri), _beginning(spark, uri)
    found = detect(io.BytesIO(content))
    codec = encoding or (found.name if not found.damaged else None) or "utf-8-sig"
    text = content.decode(python_codec(codec), "replace").lstrip("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for pattern, kind in _TEXTS.items():
        if re.match(pattern, text, re.I):
            raise InputError(f"{label}: {kind}")
    whole = len(content) < _HEAD
    return Look(name, found, text if whole else text.rpartition("\n")[0], whole)


def refuse_binary(spark: SparkSession, uri: str, label: str, formats: Sequence[bytes] = ()) -> None:
    """Refuses a file that is something else, by its first bytes.

    Parameters
    ----------
    label : str
        What messages call it.
    formats : sequence of bytes
        First bytes of what it should be.

    Raises
    ------
    InputError
    """
    name, first = shown(uri), _bytes_of(spark, uri, 512).read(512)
    if any(first.startswith(mark) for mark in formats):
        return
    ending = Path(name).suffix.lower()
    for mark, (kind, suffix) in _PACKED.items():
        if first.startswith(mark) and ending != suffix:
            raise InputError(f"{label}: is {kind}: rename it to {name}{suffix}")
        if first and ending == suffix and not first.startswith(mark):
            raise InputError(
                f"{label}: is not {kind}, as its name says: rename it without {suffix}"
            )
    for mark, kind in _BINARY.items():
        if first.startswith(mark):
            raise InputError(f"{label}: {kind}")


def written(
    spark: SparkSession, path: str, files: Sequence[str], given: Mapping[str, str]
) -> Written:
    """How the files of a CSV table are written, all in one way.

    Parameters
    ----------
    path : str
        Of the table, for messages.
    files : sequence of str
        Their URIs.
    given : mapping of str to str
        The user's options of Spark's reader.

    Raises
    ------
    InputError
        Where one is no such file, has its header elsewhere, or is written in another way than the first.
    """
    sep, encoding = given.get("sep") or given.get("delimiter"), given.get("encoding")
    if (sep and len(sep) > 1) or "lineSep" in given:  # what Spark alone can read
        return Written(Dialect(sep or ",", '"', 0))
    headers: dict[str, tuple[str, ...]] = {}
    first: tuple[Look, Dialect] | None = None
    for uri in files[:_FILES]:
        label = _label(path, uri, files)
        refuse_binary(spark, uri, label)
        one = look(spark, uri, label, encoding)
        if not one.text.strip():
            continue
        if _is_json(one.text):
            raise InputError(f"{label}: is JSON: rename it to .json, or give --format json")
        same = first is not None and _line(first[0]) == _line(one)
        dialect = first[1] if first and same else _dialect(one.text, sep, given)
        if first is None:
            first = one, dialect
        _refuse_other(path, first, (one, dialect))
        rows = list(islice(_rows(one.text, dialect), _ROWS))
        if given.get("header", "true") == "true":
            _check_header(one, rows, label)
            headers[uri] = tuple(rows[0][1]) if rows else ()
    if first is None:
        return Written(Dialect(sep or ",", '"', 0))
    if len(files) == 1 and headers and first[0].whole and not _has_rows(first[0], first[1]):
        raise InputError(f"{path}: has no rows, only a header")
    return Written(first[1], first[0].encoding, headers)


def encoding_of(spark: SparkSession, path: str, files: Sequence[str]) -> tuple[Encoding, str]:
    """The encoding of a table's files, searched whole, and the file that shows it.

    Raises
    ------
    InputError
        Where two of them are in different encodings.
    """
    found = {}
    for uri in files[:_SEARCHED]:
        with _opened(spark, uri) as stream:
            found[shown(uri)] = detect(stream)
    odd = {file: one for file, one in found.items() if one != UTF8}
    if not odd:
        return UTF8, shown(files[0]) if files else ""
    (file, encoding), *others = odd.items()
    other = next(((f, e.name) for f, e in others if e.name != encoding.name), None)
    if other is None and len(odd) < len(found) and not encoding.damaged:
        # Files of plain ASCII are in any encoding.
        other = next(
            ((f, "UTF-8") for f in found if f not in odd and not _is_ascii(spark, files, f)), None
        )
    if other:
        raise InputError(
            f"{path}: {other[0]} is {other[1]} and {file} is {encoding.name or 'damaged UTF-8'}: files of"
            f" one table need one encoding; convert one: {convert_command(file, encoding)}"
        )
    return encoding, file


def options_for(
    spark: SparkSession, path: str, files: Sequence[str], fmt: str, given: Mapping[str, str]
) -> tuple[Encoding, dict[str, str]]:
    """The encoding of a text table, and options with which Spark reads it, beyond the given ones.

    Parameters
    ----------
    path : str
        Of the table, for messages.
    files : sequence of str
        Their URIs.
    fmt : str
        ``csv`` or ``json``.
    given : mapping of str to str
        The user's own options.
    """
    for uri in files[:_FILES]:
        refuse_binary(spark, uri, _label(path, uri, files))
    options = {}
    encoding, _ = encoding_of(spark, path, files)
    if encoding.name and not encoding.damaged:
        options["encoding"] = encoding.name
    if fmt == CSV and files:
        found = written(spark, path, files, {**options, **given}).dialect
        usual = separator(files[0]) or ","
        options |= {"sep": found.sep} if found.columns > 1 and found.sep != usual else {}
        options |= needed_options(found)
    return encoding, {name: value for name, value in options.items() if name not in given}


def needed_options(dialect: Dialect) -> dict[str, str]:
    """Options of Spark's reader that a dialect needs, but for its separator."""
    return {
        **({"escape": dialect.escape} if dialect.escape != '"' else {}),
        **({"ignoreLeadingWhiteSpace": "true"} if dialect.blanks else {}),
        **({"comment": dialect.comment} if dialect.comment else {}),
    }


def dialect_of(text: str, sep: str | None = None) -> Dialect:
    """How a CSV text is written.

    Parameters
    ----------
    sep : str, optional
        Where it is known already.
    """
    comment = "#" if text.startswith("#") else ""
    text = "\n".join(
        line
        for line in text.split("\n", 2 * _ROWS)[: 2 * _ROWS]
        if not comment or not line.startswith("#")
    )
    found = [
        _fits(text, one, escape, blanks)
        for one in ((sep,) if sep else SEPARATORS)
        for escape in '"\\'
        for blanks in (False, True)
    ]
    best = max(found, key=lambda fit: fit[0])[1]
    return Dialect(best.sep, best.escape, best.columns, best.blanks, comment)


def is_many_lines(text: str) -> bool:
    """Whether a JSON text is an array, or objects over several lines, and not an object in each line."""
    first = text.lstrip("\ufeff \t\n").partition("\n")[0].rstrip()
    return first.startswith("[") or (first.startswith("{") and not _parses(first))


def called(sep: str) -> str:
    """A separator as a message names it."""
    return _NAMES.get(sep, f"'{sep}'")


def convert_command(file: str, encoding: Encoding) -> str:
    """The command that makes a file UTF-8."""
    return f"iconv -f {of_iconv(encoding.name or '')} -t UTF-8 {shlex.quote(file)} > {shlex.quote(f'utf8-{file}')}"


def shown(uri: str) -> str:
    """The name of a file, for messages."""
    return unquote(uri).rpartition("/")[2]


# The parts of a look


def _label(path: str, uri: str, files: Sequence[str]) -> str:
    return path if len(files) == 1 else f"{path}: {shown(uri)}"


def _dialect(text: str, sep: str | None, given: Mapping[str, str]) -> Dialect:
    """How a text is written, by what the user says and by its beginning."""
    found = dialect_of(text, sep)
    return replace(
        found,
        escape=given.get("escape", found.escape),
        quote=given.get("quote", found.quote),
        comment=given.get("comment", found.comment),
        blanks=found.blanks or given.get("ignoreLeadingWhiteSpace") == "true",
    )


def _refuse_other(path: str, first: tuple[Look, Dialect], other: tuple[Look, Dialect]) -> None:
    """Refuses a file that is written in another way than the first one."""
    (one, dialect), (two, second) = first, other
    pairs = {
        "separated by": (called(dialect.sep), called(second.sep)),
        "in the encoding": (one.encoding.name or "UTF-8", two.encoding.name or "UTF-8"),
    }
    for kind, (a, b) in pairs.items():
        if a != b and not (
            kind == "in the encoding" and (one.text.isascii() or two.text.isascii())
        ):
            raise InputError(
                f"{path}: {one.file} is {kind} {a} and {two.file} is {kind} {b}: write all files of one"
                " table in one way"
            )


def _check_header(one: Look, rows: list[tuple[int, list[str]]], label: str) -> None:
    """Refuses a table whose header is not its first line, or is none."""
    if len(rows) < 2:
        return
    name, widths = one.file, Counter(len(row) for _, row in rows[1:])
    (usual, n), header = widths.most_common(1)[0], rows[0][1]
    if usual < 3:
        return
    numeric = [
        i
        for i in range(usual)
        if _mostly_numbers([row[i] for _, row in rows[len(rows) // 2 :] if len(row) == usual])
    ]
    if usual == len(header) + 1 and n >= 0.95 * (len(rows) - 1):
        raise InputError(
            f"{label}: its rows have {usual} values and its header {len(header)}: the first column has no"
            f" name, as R writes row names; put one in front: sed '1s/^/row,/' {shlex.quote(name)}"
        )
    if len(header) != usual:
        for line, row in rows[1:_ABOVE] if numeric else ():
            if (
                len(row) == usual == len({*map(str.strip, row)} - {""})
                and _numbers(row, numeric) == 0
            ):
                raise InputError(
                    f"{label}: line {line} looks like the header: delete the lines above it: tail -n +{line}"
                    f" {shlex.quote(name)} > table-{shlex.quote(name)}"
                )
        return
    if numeric and _numbers(header, numeric) * 2 > len(numeric):
        raise InputError(
            f"{label}: its first line has values and not the names of columns, such as"
            f" {header[0][:30]!r}, {header[numeric[0]][:30]!r}: put a line with their names above it"
        )
    more = [
        line for line, row in rows[1 : 1 + _BELOW] if len(row) == usual and _is_no_row(row, numeric)
    ]
    if more and len(rows) > 2 * _BELOW and more[0] == rows[1][0]:
        raise InputError(
            f"{label}: line {more[-1]} looks like a further line of the header: keep one such line"
        )


def _is_no_row(row: list[str], numeric: list[int]) -> bool:
    """Whether a row has words where the others have numbers."""
    words = sum(bool(row[i].strip()) and not _is_number(row[i]) for i in numeric)
    return len(numeric) > 2 and words * 2 > len(numeric)


def _numbers(row: list[str], at: list[int]) -> int:
    return sum(_is_number(row[i]) for i in at)


def _mostly_numbers(values: list[str]) -> bool:
    return bool(values) and sum(map(_is_number, values)) >= 0.8 * len(values)


def _is_number(text: str) -> bool:
    try:
        float(text.strip().replace(",", ".").rstrip("%"))
    except ValueError:
        return False
    return True


def _line(one: Look) -> str:
    return one.text.partition("\n")[0]


def _has_rows(one: Look, dialect: Dialect) -> bool:
    return len(list(islice(_rows(one.text, dialect), 2))) > 1


def _is_json(text: str) -> bool:
    start = text.lstrip()
    return start.startswith(("{", "[")) and (
        _parses(start.partition("\n")[0].rstrip()) or start[:2] in ("{\n", "[\n")
    )


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _is_ascii(spark: SparkSession, files: Sequence[str], name: str) -> bool:
    uri = next(one for one in files if shown(one) == name)
    with _opened(spark, uri) as file:
        return file.read(16 * _HEAD).isascii()


def _csv_reader(text: str, dialect: Dialect) -> Any:
    return csv.reader(
        io.StringIO(text),
        delimiter=dialect.sep,
        quotechar=dialect.quote or '"',
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=dialect.escape == '"',
        escapechar=None if dialect.escape in ('"', "") else dialect.escape,
        skipinitialspace=dialect.blanks,
    )


def _rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the line on which each ends."""
    reader = _csv_reader(text, dialect)
    try:
        for row in reader:
            is_comment = dialect.comment and row and row[0].startswith(dialect.comment)
            if any(one.strip() for one in row) and not is_comment:
                yield reader.line_num, row
    except csv.Error:
        return


def _fits(text: str, sep: str, escape: str, blanks: bool) -> tuple[tuple[float, ...], Dialect]:
    """How well a dialect fits: share of rows as wide as the header, columns, habit."""
    dialect = Dialect(sep, escape, 0, blanks)
    rows = [row for _, row in islice(_rows(text, dialect), _ROWS)]
    first = rows[0] if rows else []
    widths = Counter(map(len, rows))
    columns = len(first)
    # With lines of something else above or below it, the header is as wide as most rows are.
    usual, _ = widths.most_common(1)[0] if widths else (columns, 0)
    share = widths[max(columns, usual)] / max(1, widths.total())
    # A separator that is not in the header separates nothing.
    score = (
        float(max(columns, usual) > 1),
        round(share, 2) if columns > 1 or usual > 2 else 0.0,
        float(columns),
    )
    spaced = columns > 1 and all(one.startswith(" ") for row in rows[:2] for one in row[1:])
    habit = (
        -float(SEPARATORS.index(sep)) if sep in SEPARATORS else 0.0,
        -float(spaced),
        -float(blanks),
        float(escape == '"'),
    )
    return (*score, *habit), Dialect(sep, escape, columns, blanks)


def _beginning(spark: SparkSession, uri: str) -> bytes:
    with _opened(spark, uri) as file:
        try:
            return file.read(_HEAD)
        except (OSError, EOFError, ValueError):
            return b""


def _opened(spark: SparkSession, uri: str) -> BinaryIO:
    """A file's bytes, unpacked: whole where it is local, the first megabytes elsewhere."""
    ending = Path(shown(uri)).suffix.lower()
    if ending in _BY_SPARK:
        return io.BytesIO(_lines_of(spark, uri))
    raw = _bytes_of(spark, uri, 4 * _HEAD)
    if ending in _UNPACKED_BY:
        packed = pa.PythonFile(raw, mode="r")
        return cast(BinaryIO, io.BufferedReader(cast(Any, _Stream(packed, _UNPACKED_BY[ending]))))
    return raw


class _Stream(io.RawIOBase):
    """An unpacked file, as Python reads it; ends where a packed file breaks off."""

    def __init__(self, packed: pa.NativeFile, codec: str):
        self._stream = pa.CompressedInputStream(packed, codec)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            found = self._stream.read(len(buffer))
        except OSError:
            return 0
        buffer[: len(found)] = found
        return len(found)


def _lines_of(spark: SparkSession, uri: str) -> bytes:
    """The first lines of a file in a packing that Hadoop alone knows, as it unpacks them."""
    lines = spark.read.text(uri).limit(5 * _ROWS).select(F.col("value").cast("binary"))
    return b"\n".join(row[0] for row in lines.collect())


def _bytes_of(spark: SparkSession, uri: str, size: int) -> BinaryIO:
    if is_remote(uri):
        return io.BytesIO(read_head(spark, uri, size) if is_classic(spark) else b"")
    local = Path(unquote(urlparse(uri).path))
    # The files of a Connect server are not always on this machine.
    return local.open("rb") if local.is_file() else io.BytesIO(b"")
