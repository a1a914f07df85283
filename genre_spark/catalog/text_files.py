"""One look at the beginning of each file: what it is, and how its text is written."""

import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from genre_spark.catalog.encodings import UTF8, Encoding, detect, encoding_of, python_codec
from genre_spark.catalog.source_files import (
    ARFF,
    CSV,
    HEAD,
    SQL_DUMP,
    SourceFiles,
    remedy,
    separator,
    shown,
)
from genre_spark.errors import InputError
from genre_spark.platform.storage import is_remote
from genre_spark.schema import FEATURE_NAMES

SEPARATORS = (",", ";", "\t", "|", "^", "~", "\x01", "\x1f")
_NAMES = {"\t": "tabs", "\x01": "characters \\x01", "\x1f": "characters \\x1f"}
_ROWS = 200
# Files of a folder that are looked at.
_FILES = 200
# Lines above a header, and below it, that may be something else.
_ABOVE, _BELOW = 30, 3
# A single column whose name has a mark so often is several; rows that begin with so many names of features
# are columns.
_MARKS, _FEATURES = 3, 3
# Megabytes of JSON that are searched for a fault.
_MOST_JSON = 256
# Bytes that no text has, and the share of a beginning that they may be: of random bytes they are 8 %.
_NO_TEXT, _ODD, _BEGINNING = re.compile(rb"[\x00\x02-\x08\x0e-\x1a]"), 0.04, 4096
# Carriage returns that may end a line, and how many there are for each newline where both do.
_ALONE, _MIXED = re.compile(r"\r(?![\r\n])"), 0.3
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
    r"\s*(--|/\*|(create|drop) +(table|database|schema)|insert +into|begin( transaction)?;|pragma |set \w+ *=)": SQL_DUMP,
    r"\s*(%[^\n]*\n\s*)*@relation": ARFF,
    r"\s*\+-[-+]+\n": "is a table drawn for a terminal: export it as CSV (mysql --batch writes tabs)",
}

# A text in single quotes, then another one.
_SINGLE = r"\s*'[^'\n]*'\s*[,;\t|]\s*'"


@dataclass(frozen=True)
class Dialect:
    """How a text table is written, so far as its beginning shows."""

    sep: str = ","  # Between columns.
    # Before a quote inside a text: a quote (RFC 4180), or a backslash, as Spark writes.
    escape: str = '"'
    columns: int = 0  # In its header.
    blanks: bool = False  # Whether a blank follows each separator.
    comment: str = ""  # With what lines begin that are no rows; empty where there are none.
    quote: str = '"'  # Around texts; empty where nothing is quoted.
    padded: bool = False  # Whether a blank precedes each separator.


@dataclass(frozen=True)
class Look:
    """What the beginning of a text file shows."""

    file: str = ""  # Its name.
    encoding: Encoding = UTF8
    text: str = ""  # The first megabyte, up to its last whole line, with newlines as line ends.
    whole: bool = True  # Whether that is all.
    dialect: Dialect = Dialect()  # How it is written, if it is CSV.

    def rows(self) -> _Rows:
        """The first rows of a CSV text that are not empty, with the line on which each ends."""
        return list(islice(_rows(self.text, self.dialect), _ROWS))


def look(files: SourceFiles, uri: str, encoding: str | None = None) -> Look:
    """The beginning of a file; `encoding` is what the user named.

    Raises `InputError` if it is no text, or something else than a table.
    """
    content = next(files.unpacked(uri), b"")[:HEAD]
    found = detect([content])
    beginning = content[:_BEGINNING]
    n_odd = len(_NO_TEXT.findall(beginning))
    if not (found.name or "").startswith("UTF") and n_odd > _ODD * len(beginning):
        raise InputError(
            f"{files.label(uri)}: has bytes that no text has, as a binary file or one that is packed twice:"
            " unpack it, or write it as CSV or Parquet"
        )
    codec = encoding or (found.name if not found.damaged else None) or "utf-8"
    # A second mark is part of the first column's name, as Spark has it.
    text = content.decode(python_codec(codec), "replace").removeprefix("\ufeff")
    if len(_ALONE.findall(text)) > _MIXED * text.count("\n") > 1:
        raise InputError(
            f"{files.label(uri)}: some lines end on \\r and others on \\n: make them alike: tr '\\r' '\\n' <"
            f" {shlex.quote(shown(uri))} > {shlex.quote(f'lines-{shown(uri)}')}"
        )
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

    `given` are the user's options of Spark's reader. Also returns the columns of each file that was looked
    at, by its URI. Raises `InputError` if one is no such file, has its header elsewhere, or is written in
    another way than the first.
    """
    sep = given.get("sep") or given.get("delimiter") or ""
    headers: dict[str, tuple[str, ...]] = {}
    first: Look | None = None
    # Longer separators and other line ends are what Spark alone can read.
    can_be_read = len(sep) < 2 and "lineSep" not in given
    for uri in files.uris[:_FILES] if can_be_read else ():
        label = files.label(uri)
        files.refuse_binary(uri)
        one = look(files, uri, given.get("encoding"))
        if not one.text.strip():
            continue
        if _is_json(one.text):
            raise InputError(f"{label}: is JSON: rename it to .json, or give --format json")
        header = one.text.partition("\n")[0]
        if first and first.text.startswith(header + "\n"):
            one = replace(one, dialect=first.dialect)
        else:
            one = replace(one, dialect=dialect_of(one.text, given))
        first = first or one
        _refuse_other(files.path, first, one)
        if given.get("header", "true") == "true":
            rows = one.rows()
            if fault := next(_faults_of_header(one, rows), None):
                raise InputError(f"{label}: {fault}")
            headers[uri] = tuple(rows[0][1]) if rows else ()
    if first is None:
        return Look(dialect=Dialect(sep or ",")), {}
    if len(files.uris) == 1 and headers and first.whole and len(first.rows()) < 2:
        raise InputError(f"{files.path}: has no rows, only a header")
    return first, headers


def refuse_escapes(files: SourceFiles, n_malformed: int, given: Mapping[str, str]) -> None:
    """Refuses a CSV table whose malformed rows are due to quotes escaped by a backslash.

    `given` are the user's options of Spark's reader. Raises `InputError`, naming the number of rows and
    the option.
    """
    if not n_malformed or "escape" in given or not files.uris:
        return
    text = look(files, files.uris[0], given.get("encoding")).text
    if dialect_of(text, {"sep": ",", **given}).escape != '"':
        raise InputError(
            f'{files.path}: {n_malformed:,} rows are malformed: quotes in its texts are written \\", as'
            " Spark writes them; " + remedy("escape", r"'\'")
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
    options = {
        "quote": "'" * single,
        "escape": escape.strip('"'),
        "ignoreLeadingWhiteSpace": "true" * dialect.blanks,
        "ignoreTrailingWhiteSpace": "true" * dialect.padded,
        "comment": dialect.comment,
    }
    return {name: value for name, value in options.items() if value}


def dialect_of(text: str, given: Mapping[str, str]) -> Dialect:
    """How a CSV text is written, by the user's options and by its beginning."""
    # A header may begin with what marks comments.
    marks = (given.get("comment", ""), *("#" * (text.startswith("#") and "comment" not in given)))
    sep = given.get("sep") or given.get("delimiter")
    lines = text.split("\n", 2 * _ROWS)[: 2 * _ROWS]
    quote = given.get("quote", "'" if re.match(_SINGLE, text) else '"')
    found = [
        _fits(lines, Dialect(one, escape, 0, blanks, mark, quote))
        for mark in marks
        for one in ((sep,) if sep else SEPARATORS)
        for escape in '"\\'
        for blanks in (False, True)
    ]
    best = max(found, key=lambda fit: fit[0])[1]
    return replace(
        best,
        escape=given.get("escape", best.escape),
        blanks=best.blanks or given.get("ignoreLeadingWhiteSpace") == "true",
        padded=best.padded or given.get("ignoreTrailingWhiteSpace") == "true",
    )


def called(sep: str) -> str:
    """A separator as a message names it."""
    return _NAMES.get(sep, f"'{sep}'")


def _refuse_other(path: str, one: Look, other: Look) -> None:
    """Refuses a file that is written in another way than the first one."""
    in_any_encoding = one.text.isascii() or other.text.isascii()
    first, second = (
        {
            "separated by": called(look.dialect.sep),
            "to be read with the options": needed_options(look.dialect) or "none",
            "in the encoding": in_any_encoding or look.encoding.name or "UTF-8",
        }
        for look in (one, other)
    )
    for kind, a in first.items():
        if a != (b := second[kind]):
            raise InputError(
                f"{path}: {one.file} is {kind} {a} and {other.file} is {kind} {b}: write all files of"
                " one table in one way"
            )


def _faults_of_header(one: Look, rows: _Rows) -> Iterator[str]:
    """What is wrong and the remedy, where the header is not the first line or is none."""
    line, header = rows[0] if rows else (1, [])
    if len(header) == 1:
        yield from _faults_of_one_column(one, header[0])
    if len({row[0].strip().lower() for _, row in rows}.intersection(FEATURE_NAMES)) >= _FEATURES:
        yield "has features in its rows: write it with a row for each track and a column for each feature"
    widths = Counter(len(row) for _, row in rows[1:])
    usual, n = (widths.most_common(1) or [(0, 0)])[0]
    if usual == len(header) == 1:
        yield f"its first line, {header[0][:60]!r}, is one column, as are the others: is it a table?"
    if usual < 3:
        return
    if usual == len(header) + 1 and n >= 0.95 * widths.total():
        yield _of_one_value_more(one, line, [row for _, row in rows[1:] if len(row) == usual])
    later = [row for _, row in rows[len(rows) // 2 :] if len(row) == usual]
    columns = enumerate(zip(*later, strict=True))
    numeric = [i for i, texts in columns if _numbers(texts) >= 0.8 * len(later)]
    if len(header) != usual:
        yield from _lines_above(one, rows, usual, numeric)
    elif _numbers(header[i] for i in numeric) * 2 > len(numeric):
        yield (
            f"its first line has values and not the names of columns, such as {header[0][:30]!r},"
            f" {header[numeric[0]][:30]!r}: put a line with their names above it"
        )
    elif len(numeric) > 2 and len(rows) > 2 * _BELOW:
        yield from _further_lines(rows, numeric)


def _lines_above(one: Look, rows: _Rows, usual: int, numeric: Sequence[int]) -> Iterator[str]:
    for line, row in rows[1:_ABOVE] if numeric else ():
        named = len(row) == usual == len({*map(str.strip, row)} - {""})
        if named and not _numbers(row[i] for i in numeric):
            command = f"tail -n +{line} {(file := shlex.quote(one.file))} > table-{file}"
            yield f"line {line} looks like the header: delete the lines above it: {command}"


def _further_lines(rows: _Rows, numeric: Sequence[int]) -> Iterator[str]:
    """Further lines of the header have words where the others have numbers."""
    more = []
    for line, row in rows[1 : 1 + _BELOW]:
        words = [row[i] for i in numeric if row[i].strip()] if len(row) == len(rows[0][1]) else []
        if (len(words) - _numbers(words)) * 2 > len(numeric):
            more.append(line)
    if more and more[0] == rows[1][0]:
        yield f"line {more[-1]} looks like a further line of the header: keep one such line"


def _faults_of_one_column(one: Look, header: str) -> Iterator[str]:
    marks = Counter[str](re.findall(r"\W+", header))
    for mark, n in marks.most_common(1):
        remedy = "name it in a dataset file (options: {sep: '...'})"
        if one.text.startswith('"') and mark in SEPARATORS:
            remedy = f"""its lines are quoted as a whole: sed 's/^"//; s/"$//; s/""/"/g' {shlex.quote(one.file)}"""
        if n >= _MARKS:
            yield f"its header is one column, which {mark!r} parts: {remedy}"


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


def _numbers(texts: Iterable[str]) -> int:
    """How many of the texts are numbers."""
    return sum(_NUMBER.fullmatch(text.strip()) is not None for text in texts)


def _rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    is_doubled = dialect.escape in ('"', dialect.quote)
    reader = csv.reader(
        io.StringIO(text),
        delimiter=dialect.sep,
        quotechar=dialect.quote or '"',
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=is_doubled,
        escapechar=None if is_doubled else dialect.escape or None,
        skipinitialspace=dialect.blanks,
    )
    try:
        for row in reader:
            is_comment = dialect.comment and row and row[0].startswith(dialect.comment)
            if any(one.strip() for one in row) and not is_comment:
                yield reader.line_num, [one.rstrip() for one in row] if dialect.padded else row
    except csv.Error:
        return


def _fits(lines: Sequence[str], dialect: Dialect) -> tuple[tuple[float, ...], Dialect]:
    """How well a dialect fits: share of rows as wide as the header, columns, habit."""
    sep, mark = dialect.sep, dialect.comment
    text = "\n".join(line for line in lines if not mark or not line.startswith(mark))
    rows = [row for _, row in islice(_rows(text, dialect), _ROWS)]
    first = rows[0] if rows else []
    widths = Counter(map(len, rows))
    columns = len(first)
    # With lines of something else above or below it, the header is as wide as most rows are.
    usual, _ = widths.most_common(1)[0] if widths else (columns, 0)
    share = widths[max(columns, usual)] / max(1, widths.total())
    # A separator that is not in the header separates nothing.
    spaced = columns > 1 and all(one.startswith(" ") for row in rows[:2] for one in row[1:])
    padded = columns > 1 and all(one.endswith(" ") for row in rows[:2] for one in row[:-1])
    score = (
        max(columns, usual) > 1,
        round(share, 2) if columns > 1 or usual > 2 else 0,
        columns,
        # Of equals the more usual.
        -SEPARATORS.index(sep) if sep in SEPARATORS else 0,
        not spaced,
        not dialect.blanks,
        dialect.escape == '"',
        not mark,
    )
    return score, replace(dialect, columns=columns, padded=padded)


_DECODER = json.JSONDecoder()
_KEY = re.compile(r'\s*[{,]\s*"([^"]{0,200})"\s*:\s*')
# So many objects with so many keys in common are rows.
_ALIKE = 3
# pandas' orientations "columns", which is its default, and "split".
_BY_COLUMNS = r'\{\s*("[^"]*"\s*:\s*\{\s*"0"|"(columns|index|data)"\s*:\s*\[[^{])'


def _is_json(text: str) -> bool:
    """Whether a text is JSON, by its first line."""
    start = text.lstrip()
    return start.startswith(("{", "[")) and (
        _is_whole(start.partition("\n")[0].rstrip()) or start[:2] in ("{\n", "[\n")
    )


def is_many_lines(text: str, label: str) -> bool:
    """Whether a JSON text is an array, or an object over several lines, and not an object in each line.

    Raises `InputError` if its objects are no rows, or Spark would read the first one alone.
    """
    text = text.strip("\ufeff \t\n")
    first, _, others = text.partition("\n")
    many = first.startswith("[") or (first.startswith("{") and not _is_whole(first.rstrip()))
    if text.startswith("[") and isinstance(_decoded(text, 1)[0], list | str):
        raise InputError(
            f"{label}: has rows without the names of columns: write each as an object, such as by pandas with"
            " orient='records', lines=True"
        )
    if re.match(_BY_COLUMNS, text):
        raise InputError(
            f"{label}: has a list for each column, as to_json of pandas writes it: write it with"
            " orient='records', lines=True"
        )
    is_one = first.startswith("{") and (many or not others)
    values = _top_values(text) if is_one else {}
    keys = [{*one} if isinstance(one, dict) else set() for one in values.values()]
    if len(keys) == _ALIKE and len(set.intersection(*keys)) >= _ALIKE:
        raise InputError(
            f"{label}: has an object for each of many keys, such as {next(iter(values))!r}, and no list: make it"
            f" one: jq -c 'to_entries[] | {{id: .key}} + .value' {shlex.quote(label)} > tracks.jsonl"
        )
    if is_one and (rest := text[_decoded(text)[1] or len(text) :].strip()):
        file = shlex.quote(label)
        command = f"sed 's/,[[:space:]]*$//' {file}" if rest[0] == "," else f"jq -c . {file}"
        raise InputError(
            f"{label}: has several objects, one after the other, not one in each line: write it anew:"
            f" {command} > tracks.jsonl"
        )
    return many


def fault_of_json(files: SourceFiles) -> str:
    """What breaks the first of a table's files, of which nothing is JSON, and where."""
    # Of a remote or large file the end of what is read would seem to be the place.
    for uri in [one for one in files.uris[:1] if not is_remote(one)]:
        parts = list(islice(files.unpacked(uri), _MOST_JSON + 1))
        if len(parts) > _MOST_JSON:
            break
        try:
            json.loads(b"".join(parts))
        except (ValueError, RecursionError) as err:
            return f": {err}"
    return ""


def _top_values(text: str) -> dict[str, Any]:
    """The first keys of an object with their values, so far as the text has them whole."""
    found: dict[str, Any] = {}
    place = 0
    while len(found) < _ALIKE and (key := _KEY.match(text, place)):
        value, place = _decoded(text, key.end())
        if not place:
            break
        found[key[1]] = value
    return found


def _is_whole(line: str) -> bool:
    return _decoded(line)[1] == len(line)


def _decoded(text: str, start: int = 0) -> tuple[Any, int]:
    """The value that begins at a place, and its end; 0 where there is none whole."""
    try:
        return _DECODER.raw_decode(text, start)
    except ValueError:
        return None, 0
    except RecursionError:  # so deep that Python gives up: Spark tells of the row
        return None, len(text)
