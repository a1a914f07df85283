"""One look at the beginning of each file: what it is, and how its text is written."""

import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from genre_spark.catalog.encodings import UTF8, Encoding, detect, of_iconv, python_codec
from genre_spark.catalog.rows import ValueCounts
from genre_spark.catalog.source_files import CSV, HEAD, SourceFiles, separator, shown
from genre_spark.errors import InputError

SEPARATORS = (",", ";", "\t", "|", "^", "~", "\x01")
_NAMES = {"\t": "tabs", "\x01": "characters \\x01"}
_ROWS = 200
# Files of a folder that are looked at, and those that are searched whole for their encoding.
_FILES, _SEARCHED = 200, 20
# Lines above a header, and below it, that may be something else.
_ABOVE, _BELOW = 30, 3
csv.field_size_limit(2**30)
_NUMBER = re.compile(r"(?i)[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?%*|[-+]?(nan|inf|infinity)")

# What texts are that are no tables, and the remedy.
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

    def rows(self, most: int = _ROWS) -> list[tuple[int, list[str]]]:
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
        if _is_json(one.text):
            raise InputError(f"{label}: is JSON: rename it to .json, or give --format json")
        same = first is not None and first.first_line == one.first_line
        dialect = first.dialect if first and same else dialect_of(one.text, given)
        one = replace(one, dialect=dialect)
        first = first or one
        _refuse_other(files.path, first, one)
        if given.get("header", "true") == "true":
            rows = one.rows()
            _check_header(one.file, rows, label)
            headers[uri] = tuple(rows[0][1]) if rows else ()
    if first is None:
        return Look(dialect=Dialect(sep or ",")), {}
    if len(files.uris) == 1 and headers and first.whole and len(first.rows(2)) < 2:
        raise InputError(f"{files.path}: has no rows, only a header")
    return first, headers


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
    return {
        **({"escape": dialect.escape} if dialect.escape != '"' else {}),
        **({"ignoreLeadingWhiteSpace": "true"} if dialect.blanks else {}),
        **({"comment": dialect.comment} if dialect.comment else {}),
    }


def dialect_of(text: str, given: Mapping[str, str]) -> Dialect:
    """How a CSV text is written, by the user's options and by its beginning."""
    comment = given.get("comment", "#" if text.startswith("#") else "")
    lines = text.split("\n", 2 * _ROWS)[: 2 * _ROWS]
    text = "\n".join(line for line in lines if not comment or not line.startswith(comment))
    sep = given.get("sep") or given.get("delimiter")
    found = [
        _fits(text, one, escape, blanks)
        for one in ((sep,) if sep else SEPARATORS)
        for escape in '"\\'
        for blanks in (False, True)
    ]
    best = max(found, key=lambda fit: fit[0])[1]
    return replace(
        best,
        comment=comment,
        escape=given.get("escape", best.escape),
        quote=given.get("quote", best.quote),
        blanks=best.blanks or given.get("ignoreLeadingWhiteSpace") == "true",
    )


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


def _check_header(name: str, rows: list[tuple[int, list[str]]], label: str) -> None:
    """Refuses a table whose header is not its first line, or is none."""
    header = rows[0][1] if rows else []
    widths = Counter(len(row) for _, row in rows[1:])
    usual, n = max(widths.items(), key=lambda one: one[1], default=(0, 0))
    if usual < 3:
        return
    if usual == len(header) + 1 and n >= 0.95 * widths.total():
        raise InputError(
            f"{label}: its rows have {usual} values and its header {len(header)}: the first column has no"
            f" name, as R writes row names; put one in front: sed '1s/^/row,/' {shlex.quote(name)}"
        )
    later = [row for _, row in rows[len(rows) // 2 :] if len(row) == usual]
    numeric = [
        i for i in range(usual) if later and _numbers(row[i] for row in later) >= 0.8 * len(later)
    ]
    if len(header) != usual:
        for line, row in rows[1:_ABOVE] if numeric else ():
            named = len(row) == usual == len({*map(str.strip, row)} - {""})
            if named and not _numbers(row[i] for i in numeric):
                raise InputError(
                    f"{label}: line {line} looks like the header: delete the lines above it: tail -n +{line}"
                    f" {shlex.quote(name)} > table-{shlex.quote(name)}"
                )
        return
    if _numbers(header[i] for i in numeric) * 2 > len(numeric):
        raise InputError(
            f"{label}: its first line has values and not the names of columns, such as"
            f" {header[0][:30]!r}, {header[numeric[0]][:30]!r}: put a line with their names above it"
        )
    # A further line of the header has words where the others have numbers.
    more = []
    for line, row in rows[1 : 1 + _BELOW] if len(numeric) > 2 and len(rows) > 2 * _BELOW else ():
        words = [row[i] for i in numeric if row[i].strip()] if len(row) == usual else []
        if (len(words) - _numbers(words)) * 2 > len(numeric):
            more.append(line)
    if more and more[0] == rows[1][0]:
        raise InputError(
            f"{label}: line {more[-1]} looks like a further line of the header: keep one such line"
        )


def _numbers(texts: Iterable[str]) -> int:
    """How many of the texts are numbers."""
    return sum(_NUMBER.fullmatch(text.strip()) is not None for text in texts)


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


def _rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(
        io.StringIO(text),
        delimiter=dialect.sep,
        quotechar=dialect.quote or '"',
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=dialect.escape == '"',
        escapechar=None if dialect.escape in ('"', "") else dialect.escape,
        skipinitialspace=dialect.blanks,
    )
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
