"""Lists of names in one cell: one parser for all notations, and whether a separator separates."""

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from genre_spark.catalog.placeholders import placeholder_sql, quoted
from genre_spark.schema import ARTIST, ARTISTS

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

_NONE = "array<string>"
_NAME = "name"
# Beginnings and ends of lists as Python, JSON, numpy, Postgres and Spark print them. No pattern
# repeats without bound, so that no text makes them slow.
_BLANKS = " \t\r\n"
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_PRINTED = r"^[\[{(]"
_ENDS = r"[\]})]$"
# numpy prints no commas, Postgres no quotes around plain words.
_GAP = r"""(["'])\s{1,3}(["'])"""
_BARE = r"""(^|,)\s{0,3}([^"',\s][^"',]{0,300})(?=,|$)"""
_LENIENT = "map('allowSingleQuotes', 'true', 'allowBackslashEscapingAnyCharacter', 'true')"

# Separators, the surest first, as they are and as a pattern.
_SEPARATORS = {";": ";", "|": r"\|", " / ": r"\s/\s", "/": "/", ",": ","}
_PLURALS = ("s", "(s)")
# Share of the values with a separator of which a part also stands alone, if it separates; few
# such values, or a share between, are a question.
_SEPARATES, _FEW = 0.5, 3
# Fewer values, in a smaller share of the rows, are left as they are.
_RARE = 0.01
# Share of the rows from which on a separator that separates nothing is worth a question.
_OFTEN = 0.1
# Parts that are looked for in a whole table.
_MOST_PARTS = 2000


class Names(NamedTuple):
    """How a column of names is read.

    Attributes
    ----------
    first, all : str
        SQL for the first name, and for all of them.
    why, question, rival : str
        As of `column_readings.Reading`.
    """

    first: str
    all: str
    why: str
    question: str = ""
    rival: str = ""


def all_of(column: str | None, kind: "DataType | None") -> str:
    """SQL: names of all artists, in order, as array<string>; null where there is none.

    Parameters
    ----------
    column : str, optional
        SQL expression of texts (one name, several separated by semicolons, or a list as JSON,
        Python, numpy, Postgres or Spark print it), arrays of texts, or arrays of structs that have
        a ``name``.
    kind : DataType, optional
        Its type.
    """
    if column is None or kind is None:
        return f"cast(NULL AS {_NONE})"
    names = f"transform({_as_list(column, kind)}, one -> trim(one))"
    nothing = placeholder_sql("one", ARTIST)
    named = f"filter({names}, one -> one IS NOT NULL AND NOT {nothing})"
    return f"IF(size({named}) > 0, {named}, NULL)"


def understand(
    name: str, kind: str, sql: str, values: Mapping[str, int], column: str
) -> Names | None:
    """How a column with several names in a value is read; None where each value is one name.

    Parameters
    ----------
    name : str
        Of genre-spark's column.
    kind : str
        Spark's name of the column's type.
    sql : str
        The column.
    values : mapping of str to int
        Values with their rows.
    column : str
        Its name.
    """
    if kind == "array<string>":
        return Names(f"{sql}[0]", sql, "the first of a list")
    if kind != "string":
        return None
    rows = max(1, sum(values.values()))
    printed = sum(n for text, n in values.items() if is_printed(text))
    if printed >= _SEPARATES * rows:
        first = sql if name == ARTIST else f"get({parsed(sql)}, 0)"
        return Names(first, sql, "the first of a printed list")
    found = max((_separated(values, mark) for mark in _SEPARATORS), key=lambda one: one.alone)
    plural = (
        column.lower().endswith(_PLURALS) and name in (ARTIST, ARTISTS)
    ) or column.lower().endswith("genres")
    if found.alone < _SEPARATES and plural:
        marks = [mark for mark in (";", "|", ",") if mark != "," or name != ARTIST]
        with_marks = [one for mark in marks if (one := _separated(values, mark)).rows]
        found = with_marks[0] if with_marks else found
        if with_marks and not any("&" in text and ";" in text for text in found.examples):
            return _at(found, sql, "")
    many = sum(found.mark in text for text in values) >= _FEW or found.rows >= _RARE * rows
    if found.alone >= _SEPARATES and many:
        return _at(found, sql, _doubt(name, found, rows, values))
    marks = [mark for mark in _SEPARATORS if name != ARTIST or mark not in ("/", ",")]
    often = max((_separated(values, mark) for mark in marks), key=lambda one: one.rows)
    if often.rows >= _OFTEN * rows:
        split = _at(often, sql, "")
        question = f"{name}: {often.rows / rows:.0%} of the rows contain {often.mark!r}, such as {often.examples[0]!r}; each is read as one name: are they several?"
        return Names(sql, sql, "", question, split.first)
    return None


class _Separated(NamedTuple):
    mark: str
    rows: int
    alone: float
    examples: tuple[str, ...]


def parts(values: Mapping[str, int]) -> set[str]:
    """What separators would part values into, of a bounded number of them."""
    found = (
        {one.strip() for one in text.split(mark)}
        for mark in _SEPARATORS
        for text in values
        if mark in text
    )
    return set(islice((part for some in found for part in sorted(some) if part), _MOST_PARTS))


def is_printed(text: str) -> bool:
    """Whether a text is a list as a program prints it."""
    text = text.strip()
    return len(text) > 1 and _BRACKETS.get(text[0]) == text[-1]


def printed_sql(text: str) -> str:
    """SQL: whether a text is a list of quoted names or objects."""
    begin, end = quoted("^[\\[{(]\\s{0,3}['\"{]"), quoted("['\"}]\\s{0,3}[\\]})]$")
    return f"(rlike({text}, {begin}) AND rlike({text}, {end}))"


def parsed(text: str) -> str:
    """SQL: the items of lists as texts, null for what is no such list."""
    text = f"btrim(string({text}), {quoted(_BLANKS)})"
    inside = f"substring({text}, 2, length({text}) - 2)"
    listed = f"concat('[', {inside}, ']')"
    objects = f"from_json({listed}, 'array<struct<{_NAME}:string>>', {_LENIENT}).{_NAME}"
    spaced = f"regexp_replace({listed}, {quoted(_GAP)}, '$1, $2')"
    worded = f"concat('[', regexp_replace({inside}, {quoted(_BARE)}, '$1\"$2\"'), ']')"
    plain = [f"from_json({one}, '{_NONE}', {_LENIENT})" for one in (listed, spaced, worded)]
    one = f"get_json_object({text}, '$.{_NAME}')"
    has_names = f"{listed} LIKE '[{{%'"
    single = f"IF({one} IS NULL, NULL, array({one}))"
    return f"coalesce(IF({has_names}, {objects}, NULL), {', '.join([*plain, single])})"


def _separated(values: Mapping[str, int], mark: str) -> _Separated:
    """How often a mark is in values, and in how many of them it separates parts.

    It does where a part also stands alone, or where each part is in another such value too.
    """
    parts = {text: [one.strip().lower() for one in text.split(mark)] for text in values}
    whole = {one[0] for one in parts.values() if len(one) == 1}
    having = {text: one for text, one in parts.items() if sum(map(bool, one)) > 1}
    texts_of = Counter(part for one in having.values() for part in {*one})
    apart = (
        text
        for text, one in having.items()
        if any(part in whole for part in one) or all(texts_of[part] > 1 for part in one)
    )
    rows = sum(values[text] for text in having)
    return _Separated(
        mark, rows, sum(values[text] for text in apart) / max(1, rows), tuple(having)[:3]
    )


def _at(found: _Separated, sql: str, question: str) -> Names:
    pattern = _SEPARATORS[found.mark]
    split = f"split({sql}, '{pattern}')" if "\\" not in pattern else f"split({sql}, r'{pattern}')"
    every = sql if found.mark == ";" else split
    why = f"the first of those before {found.mark.strip()!r}"
    return Names(f"{split}[0]", every, why, question, sql if question else "")


def _doubt(name: str, found: _Separated, rows: int, values: Mapping[str, int]) -> str:
    """A question where few values show that a separator separates, or some do not."""
    sure = found.alone >= 1 - _OFTEN and sum(found.mark in text for text in values) >= _FEW
    if sure and name == ARTIST:
        return ""
    return (
        f"{name}: {found.rows / rows:.0%} of the rows contain {found.mark.strip()!r}, such as"
        f" {found.examples[0]!r}: the first name is read. Or is each one name?"
    )


def _as_list(column: str, kind: "DataType") -> str:
    from pyspark.sql import types as T  # the command line starts without

    if isinstance(kind, T.ArrayType):
        item = kind.elementType
        if isinstance(item, T.StructType) and _NAME in item.names:
            return f"cast(({column}).{_NAME} AS {_NONE})"
        return f"cast({column} AS {_NONE})"
    text = f"btrim(string({column}), {quoted(_BLANKS)})"
    printed = f"rlike({text}, {quoted(_PRINTED)}) AND rlike({text}, {quoted(_ENDS)})"
    return f"IF({printed}, {parsed(column)}, split({text}, ';'))"
