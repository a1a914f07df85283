"""One look at the beginning of each file: what it is, and how its text is written."""

import csv
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from genre_spark.catalog import json_files
from genre_spark.catalog.encodings import UTF8, Encoding, detect, of_iconv, python_codec
from genre_spark.catalog.rows import ValueCounts
from genre_spark.catalog.source_files import (
    CSV,
    HEAD,
    SourceFiles,
    is_packed,
    separator,
    shown,
)
from genre_spark.errors import InputError
from genre_spark.platform.storage import is_remote, local_path

SEPARATORS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
_NAMES = {"\t": "tabs", "\x01": "characters \\x01", "\x1f": "characters \\x1f"}
_ROWS = 200
# Files of a folder that are looked at, and those that are searched whole for their encoding.
_FILES, _SEARCHED = 200, 20
# Lines above a header, and below it, that may be something else.
_ABOVE, _BELOW = 30, 3
# Bytes from which on files are read in parts, and that are searched at once; with which options.
_LARGE, _BLOCK = 2**26, 2**22
_SEARCHABLE = {"quote": '"', "escape": '"', "encoding": "UTF-8"}
# A single column whose name has a mark so often is several.
_MARKS = 3
csv.field_size_limit(2**30)
_Rows = list[tuple[int, list[str]]]
_NUMBER = re.compile(r"(?i)[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?%*|[-+]?(nan|inf|infinity)")

# What texts are that are no tables, and the remedy.
_TEXTS = {
    r"\s*<(!doctype html|html|head|body)\b": "is a web page (HTML), perhaps one to sign in: download the table itself",
    r"\s*<(\?xml|[a-z]+[ >])": "is XML: export the table as CSV or JSON",
    r"version https://git-lfs": "is a pointer of Git LFS and not the file: type git lfs pull",
    r"(\.\./)*(\.git)?/annex/objects": "is a pointer of git-annex and not the file: type git annex get",
    r"sep=.[\r\n]": "its first line, 'sep=', is for Excel alone: delete it",
}

# A text in single quotes, then another one.
_SINGLE = r"\s*'[^'\n]*'\s*[,;\t|]\s*'"


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

    sep: str = ","
    escape: str = '"'
    columns: int = 0
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
    dialect : Dialect
        How it is written, if it is CSV.
    """

    file: str = ""
    encoding: Encoding = UTF8
    text: str = ""
    whole: bool = True
    dialect: Dialect = Dialect()

    @property
    def first_line(self) -> str:
        """Up to its line end."""
        return self.text.partition("\n")[0]

    def rows(self, most: int = _ROWS) -> _Rows:
        """Rows of a CSV text that are not empty, with the line on which each ends."""
        return list(islice(_rows(self.text, self.dialect), most))


def look(files: SourceFiles, uri: str, encoding: str | None = None) -> Look:
    """The beginning of a file; `encoding` is what the user named.

    Raises
    ------
    InputError
        Where it is no text, or something else than a table.
    """
    with files.unpacked(uri) as file:
        try:
            content = file.read(HEAD)
        except (OSError, EOFError, ValueError):
            content = b""
    found = detect(io.BytesIO(content))
    codec = encoding or (found.name if not found.damaged else None) or "utf-8-sig"
    text = content.decode(python_codec(codec), "replace").lstrip("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for pattern, kind in _TEXTS.items():
        if re.match(pattern, text, re.I):
            raise InputError(f"{files.label(uri)}: {kind}")
    whole = len(content) < HEAD
    return Look(shown(uri), found, text if whole else text.rpartition("\n")[0], whole)


def written(
    files: SourceFiles, given: Mapping[str, str]
) -> tuple[Look, dict[str, tuple[str, ...]]]:
    """How the files of a CSV table are written, all in one way, by the first that is not empty.

    Parameters
    ----------
    given : mapping of str to str
        The user's options of Spark's reader.

    Returns
    -------
    Look, dict of str to tuple of str
        The latter has the columns of each file by its URI, of those that were looked at.

    Raises
    ------
    InputError
        Where one is no such file, has its header elsewhere, or is written in another way than the first.
    """
    sep, encoding = given.get("sep") or given.get("delimiter"), given.get("encoding")
    headers: dict[str, tuple[str, ...]] = {}
    first: Look | None = None
    # Longer separators and other line ends are what Spark alone can read.
    can_be_read = len(sep or "") < 2 and "lineSep" not in given
    for uri in files.uris[:_FILES] if can_be_read else ():
        label = files.label(uri)
        files.refuse_binary(uri)
        one = look(files, uri, encoding)
        if not one.text.strip():
            continue
        if json_files.is_json(one.text):
            raise InputError(f"{label}: is JSON: rename it to .json, or give --format json")
        same = first and first.first_line == one.first_line
        one = replace(one, dialect=first.dialect if first and same else dialect_of(one.text, given))
        first = first or one
        _refuse_other(files.path, first, one)
        if given.get("header", "true") == "true":
            rows = one.rows()
            if fault := _fault_of_header(one, rows):
                raise InputError(f"{label}: {fault}")
            headers[uri] = tuple(rows[0][1]) if rows else ()
    if first is None:
        return Look(dialect=Dialect(sep or ",")), {}
    if len(files.uris) == 1 and headers and first.whole and len(first.rows(2)) < 2:
        raise InputError(f"{files.path}: has no rows, only a header")
    return first, headers


def has_rows_by_line(files: SourceFiles, options: Mapping[str, str]) -> bool:
    """Whether no value of large local CSV files has a line break: Spark then reads a file in parts.

    So it is where each line has an even number of quotes. Small, packed and remote files are not searched.
    """
    plain = all(options.get(name) == usual for name, usual in _SEARCHABLE.items())
    local = [local_path(uri) for uri in files.uris if not is_remote(uri)]
    known = plain and "lineSep" not in options and len(local) == len(files.uris)
    if not known or any(is_packed(one.name) or not one.is_file() for one in local):
        return False
    if sum(one.stat().st_size for one in local) < _LARGE:
        return False
    return all(map(_has_rows_by_line, local))


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


def encoding_of(files: SourceFiles) -> tuple[Encoding, str]:
    """The encoding of a table's files, searched whole, and the file that shows it.

    Raises
    ------
    InputError
        Where two of them are in different encodings.
    """
    found = {}
    for uri in files.uris[:_SEARCHED]:
        with files.unpacked(uri) as stream:
            found[shown(uri)] = detect(stream)
    odd = [(file, one) for file, one in found.items() if one != UTF8]
    if not odd:
        return UTF8, shown(files.uris[0]) if files.uris else ""
    file, encoding = odd[0]
    for other, one in found.items():
        # Damaged UTF-8 goes with UTF-8, and plain ASCII with anything.
        alike = one.plain or one.name == encoding.name or (encoding.damaged and one == UTF8)
        if not alike:
            raise InputError(
                f"{files.path}: {other} is {one.name or 'UTF-8'} and {file} is"
                f" {encoding.name or 'damaged UTF-8'}: files of one table need one encoding; convert"
                f" one: {convert_command(file, encoding)}"
            )
    return encoding, file


def refuse_encoding(files: SourceFiles, damaged: Mapping[str, ValueCounts]) -> None:
    """Refuses a text table in another encoding than UTF-8, once values of columns turned out damaged.

    A file that is UTF-8 but for some bytes is not refused.

    Raises
    ------
    InputError
        Naming the column, the number of its values, the likely encoding, and two remedies.
    """
    encoding, file = encoding_of(files) if damaged else (UTF8, "")
    if encoding.name is None or encoding.damaged:
        return
    listed = ", ".join(f"{one.damaged:,} values of {name}" for name, one in damaged.items())
    example = next(iter(damaged.values())).example
    raise InputError(
        f"{files.path}: {listed} are not UTF-8, for example {example!r}; {file} looks like"
        f" {encoding.name}: give a dataset file with options: {{encoding: {encoding.name}}}"
        " (genre-spark inspect --output FILE.yaml writes one), or convert it:"
        f" {convert_command(file, encoding)}"
    )


def refuse_escapes(files: SourceFiles, n_malformed: int, given: Mapping[str, str]) -> None:
    """Refuses a CSV table whose malformed rows are due to quotes escaped by a backslash.

    Parameters
    ----------
    n_malformed : int
        Rows that are malformed, or hold other rows.
    given : mapping of str to str
        The user's options of Spark's reader.

    Raises
    ------
    InputError
        Naming the number of rows and the option.
    """
    if not n_malformed or "escape" in given or not files.uris:
        return
    text = look(files, files.uris[0], given.get("encoding")).text
    if dialect_of(text, {"sep": ",", **given}).escape != '"':
        raise InputError(
            f'{files.path}: {n_malformed:,} rows are malformed: quotes in its texts are written \\", as'
            " Spark writes them; give a dataset file with options: {escape: '\\'} (genre-spark"
            " inspect --output FILE.yaml writes one)"
        )


def options_for(
    files: SourceFiles, fmt: str, given: Mapping[str, str]
) -> tuple[Encoding, dict[str, str]]:
    """The encoding of a CSV or JSON table, and options with which Spark reads it, beyond the given ones."""
    for uri in files.uris[:_FILES]:
        files.refuse_binary(uri)
    options = {}
    encoding, _ = encoding_of(files)
    if encoding.name and not encoding.damaged:
        options["encoding"] = encoding.name
    if fmt == CSV and files.uris:
        found = written(files, {**options, **given})[0].dialect
        usual = separator(files.uris[0]) or ","
        options |= {"sep": found.sep} if found.columns > 1 and found.sep != usual else {}
        options |= needed_options(found)
    return encoding, {name: value for name, value in options.items() if name not in given}


def needed_options(dialect: Dialect) -> dict[str, str]:
    """Options of Spark's reader that a dialect needs, but for its separator."""
    single = dialect.quote == "'"
    escape = "'" if single and dialect.escape == '"' else dialect.escape
    return {
        **({"quote": "'"} if single else {}),
        **({"escape": escape} if escape != '"' else {}),
        **({"ignoreLeadingWhiteSpace": "true"} if dialect.blanks else {}),
        **({"comment": dialect.comment} if dialect.comment else {}),
    }


def dialect_of(text: str, given: Mapping[str, str]) -> Dialect:
    """How a CSV text is written, by the user's options and by its beginning."""
    comment = given.get("comment", "#" if text.startswith("#") else "")
    lines = text.split("\n", 2 * _ROWS)[: 2 * _ROWS]
    text = "\n".join(line for line in lines if not comment or not line.startswith(comment))
    sep = given.get("sep") or given.get("delimiter")
    quote = given.get("quote", "'" if re.match(_SINGLE, text) else '"')
    found = [
        _fits(text, one, escape, blanks, quote)
        for one in ((sep,) if sep else SEPARATORS)
        for escape in '"\\'
        for blanks in (False, True)
    ]
    best = max(found, key=lambda fit: fit[0])[1]
    return replace(
        best,
        comment=comment,
        escape=given.get("escape", best.escape),
        quote=quote,
        blanks=best.blanks or given.get("ignoreLeadingWhiteSpace") == "true",
    )


def called(sep: str) -> str:
    """A separator as a message names it."""
    return _NAMES.get(sep, f"'{sep}'")


def convert_command(file: str, encoding: Encoding) -> str:
    """The command that makes a file UTF-8."""
    return f"iconv -f {of_iconv(encoding.name or '')} -t UTF-8 {shlex.quote(file)} > {shlex.quote(f'utf8-{file}')}"


# The parts of a look


def _refuse_other(path: str, one: Look, other: Look) -> None:
    """Refuses a file that is written in another way than the first one."""
    pairs = {"separated by": (called(one.dialect.sep), called(other.dialect.sep))}
    if not (one.text.isascii() or other.text.isascii()):
        codecs = (one.encoding.name or "UTF-8", other.encoding.name or "UTF-8")
        pairs["in the encoding"] = codecs
    for kind, (a, b) in pairs.items():
        if a != b:
            raise InputError(
                f"{path}: {one.file} is {kind} {a} and {other.file} is {kind} {b}: write all files of"
                " one table in one way"
            )


def _fault_of_header(one: Look, rows: _Rows) -> str:
    """What is wrong and the remedy, where the header is not the first line or is none; else empty."""
    line, header = rows[0] if rows else (1, [])
    if fault := _of_one_column(one, header):
        return fault
    widths = Counter(len(row) for _, row in rows[1:])
    usual, n = (widths.most_common(1) or [(0, 0)])[0]
    if usual < 3:
        return ""
    if usual == len(header) + 1 and n >= 0.95 * widths.total():
        return _of_one_value_more(one, line, [row for _, row in rows[1:] if len(row) == usual])
    later = [row for _, row in rows[len(rows) // 2 :] if len(row) == usual]
    columns = enumerate(zip(*later, strict=True))
    numeric = [i for i, texts in columns if _numbers(texts) >= 0.8 * len(later)]
    if len(header) != usual:
        return _of_lines_above(one, rows, usual, numeric)
    return _of_values(header, numeric) or _of_further_line(rows, numeric)


def _of_one_column(one: Look, header: Sequence[str]) -> str:
    marks = Counter[str](re.findall(r"\W+", header[0]) if len(header) == 1 else ())
    mark, n = marks.most_common(1)[0] if marks else ("", 0)
    if n < _MARKS:
        return ""
    remedy = "name it in a dataset file (options: {sep: '...'})"
    if one.text.startswith('"') and mark in SEPARATORS:
        remedy = f"""its lines are quoted as a whole: sed 's/^"//; s/"$//; s/""/"/g' {shlex.quote(one.file)}"""
    return f"its header is one column, which {mark!r} parts: {remedy}"


def _of_one_value_more(one: Look, line: int, rows: Sequence[Sequence[str]]) -> str:
    """Of rows that have one value more than the header, which ends on a line."""
    usual, sep = len(rows[0]), repr(one.dialect.sep)[1:-1]
    if any(row[-1].strip() for row in rows):
        return (
            f"its rows have {usual} values and its header {usual - 1}: the first column has no name, as"
            f" R writes row names; put one in front: sed '{line}s/^/row{sep}/' {shlex.quote(one.file)}"
        )
    command = f"sed '{line}s/$/{sep}/' {shlex.quote(one.file)}"
    return f"its rows end on a separator and its header does not: put one there: {command}"


def _of_lines_above(one: Look, rows: _Rows, usual: int, numeric: Sequence[int]) -> str:
    for line, row in rows[1:_ABOVE] if numeric else ():
        named = len(row) == usual == len({*map(str.strip, row)} - {""})
        if named and not _numbers(row[i] for i in numeric):
            command = f"tail -n +{line} {(file := shlex.quote(one.file))} > table-{file}"
            return f"line {line} looks like the header: delete the lines above it: {command}"
    return ""


def _of_values(header: Sequence[str], numeric: Sequence[int]) -> str:
    if _numbers(header[i] for i in numeric) * 2 <= len(numeric):
        return ""
    return (
        f"its first line has values and not the names of columns, such as {header[0][:30]!r},"
        f" {header[numeric[0]][:30]!r}: put a line with their names above it"
    )


def _of_further_line(rows: _Rows, numeric: Sequence[int]) -> str:
    """A further line of the header has words where the others have numbers."""
    more = []
    for line, row in rows[1 : 1 + _BELOW] if len(numeric) > 2 and len(rows) > 2 * _BELOW else ():
        words = [row[i] for i in numeric if row[i].strip()] if len(row) == len(rows[0][1]) else []
        if (len(words) - _numbers(words)) * 2 > len(numeric):
            more.append(line)
    if more and more[0] == rows[1][0]:
        return f"line {more[-1]} looks like a further line of the header: keep one such line"
    return ""


def _numbers(texts: Iterable[str]) -> int:
    """How many of the texts are numbers."""
    return sum(_NUMBER.fullmatch(text.strip()) is not None for text in texts)


def _rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text),
        delimiter=dialect.sep,
        quotechar=dialect.quote or '"',
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=dialect.escape in ('"', dialect.quote),
        escapechar=None if dialect.escape in ('"', dialect.quote, "") else dialect.escape,
        skipinitialspace=dialect.blanks,
    )
    try:
        for row in reader:
            is_comment = dialect.comment and row and row[0].startswith(dialect.comment)
            if any(one.strip() for one in row) and not is_comment:
                yield reader.line_num, row
    except csv.Error:
        return


def _fits(
    text: str, sep: str, escape: str, blanks: bool, quote: str
) -> tuple[tuple[float, ...], Dialect]:
    """How well a dialect fits: share of rows as wide as the header, columns, habit."""
    dialect = Dialect(sep, escape, 0, blanks, quote=quote)
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
    return (*score, *habit), replace(dialect, columns=columns)
