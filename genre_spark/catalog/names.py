"""Names of artists and genres: lists of them in one cell, and genres that differ only in case."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog.columns import literal, means_nothing, once, placeholder_sql, sql_name
from genre_spark.catalog.inspection_results import Column, Reading
from genre_spark.schema import ARTIST, GENRE, GENRES

_NONE = "array<string>"
NO_NAMES = f"cast(NULL AS {_NONE})"
_NAME = "name"
# Beginnings and ends of lists as Python, JSON, numpy, Postgres and Spark print them. No pattern
# repeats without bound, so that no text makes them slow.
_BLANKS = " \t\r\n"
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
# How Scala, numpy, Python and R print the type of a list before it.
_WRAPPED = r"^(?:WrappedArray|ArraySeq|List|Vector|Buffer|Set|[Aa]rray|frozenset|set|c)(?:\((\[.*\])(?:, ?dtype=\w+)?\)|(\(.*\)))$"
# A list of quoted items without its brackets, as Python's after strip("[]"). Java recurses for each item.
_UNBRACKETED = r"""^((?:'[^']*'|"[^"]*")(?:,\s?(?:'[^']*'|"[^"]*")){0,99})$"""
_PRINTED = r"^[\[{(]"
_ENDS = r"[\]})]$"
_BROKEN = r"""^[\[{]\s{0,3}['"{]"""
_QUOTED = r"""[\[{(]\s*['"{]"""
# numpy prints no commas, Postgres no quotes around plain words.
_GAP = r"""(["'])\s{1,3}(["'])"""
_BARE = r"""(^|,)\s{0,3}([^"',\s][^"',]{0,300})(?=,|$)"""
LENIENT = "map('allowSingleQuotes', 'true', 'allowBackslashEscapingAnyCharacter', 'true')"

# Separators, the surest first, by how a question calls them: patterns, in Python and in Java.
_SEPARATORS = {
    ";": ";",
    "|": r"\|",
    # What is in brackets behind a name is left out.
    "feat.": r"\s(?:(?i:feat\.?|ft\.?|featuring)\s|[(\[](?i:feat|ft)\b.*$)",
    " / ": r"\s/\s",
    " - ": r"\s[-–—]\s|---",
    "/": "/",
    ">": r"\s?>\s?",
    "\\": r"\\",
    ",": ",",
    " #": r"\s(?=#)",
    "a control character": r"[\x00-\x1f]",
    "a separator of another script": r"\s?[·•、，；؛،]\s?",
    "&": r"\s&\s",
    "and": r"\s(?i:and|und|et|y|x|vs\.?|with|\+)\s",
}
# What is in names too: it separates where parts also stand alone, and is always asked.
_IN_NAMES = ("/", " - ", ",", ">", "&", "and")
# What hardly any name has, and with what is behind a name.
_LISTING = (";", "|")
_SURE = (*_LISTING, "feat.")
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


def all_of(column: str, kind: T.DataType) -> str:
    """SQL: names of all artists, in order, as array<string>; null where there is none.

    `column` is a SQL expression of texts (one name, several separated by semicolons, or a list as JSON,
    Python, numpy, Postgres or Spark print it), arrays of texts, or arrays of structs that have a ``name``,
    or another field that ends so.
    """
    names = f"transform({_as_list(column, kind)}, one -> trim(one))"
    nothing = placeholder_sql("one", ARTIST)
    named = f"filter({names}, one -> one IS NOT NULL AND NOT {nothing})"
    return once(named, "named", "IF(size(named) > 0, named, NULL)")


def understand(name: str, column: Column) -> tuple[Reading, str] | None:
    """How the first name is read where a value has several, and SQL for all; None where each is one name."""
    sql = column.sql
    values = {text: n for text, n in column.values.items() if not means_nothing(text, name)}
    if column.kind == "array<string>":
        return Reading(name, f"{sql}[0]", column.name, "the first of a list"), sql
    if column.kind != "string":
        return None
    rows = max(1, sum(values.values()))
    quoted = column.share(lambda text: is_printed(text) and re.search(_QUOTED, text))
    if column.share(is_printed) >= _SEPARATES or quoted >= _RARE:
        first = sql if name == ARTIST else f"get({_as_list(sql, T.StringType())}, 0)"
        return Reading(name, first, column.name, "the first of a printed list"), sql
    each = {mark: _separated(values, mark) for mark in _SEPARATORS}
    found = max(each.values(), key=lambda one: one.alone)
    # Those of lists, if in more rows, although their guests may stand alone nowhere.
    found = max(found, *map(each.__getitem__, _LISTING), key=lambda one: one.rows)
    plural = column.name.lower().endswith(_PLURALS if name == ARTIST else "genres")
    if found.alone < _SEPARATES and plural:
        marks = _LISTING if name == ARTIST else (*_LISTING, ",")
        likely = next((each[mark] for mark in marks if each[mark].rows), None)
        if likely and not any("&" in text and ";" in text for text in likely.examples):
            return _at(likely, name, column)
    many = found.values >= _FEW or found.rows >= _RARE * rows
    if found.alone >= _SEPARATES and many:
        return _at(found, name, column, _doubt(name, found, rows))
    unusual = _IN_NAMES if name == ARTIST else ("&", "and")
    often = max((one for one in each.values() if one.mark not in unusual), key=lambda one: one.rows)
    if often.rows >= (_RARE if often.mark in _SURE else _OFTEN) * rows:
        split, _ = _at(often, name, column)
        question = (
            f"{name}: {100 * often.rows / rows:.3g}% of the rows contain {often.mark!r}, such as"
            f" {often.examples[0]!r}; each is read as one name: are they several?"
        )
        return Reading(name, sql, column.name, "", question, split.expression), sql
    return None


class _Separated(NamedTuple):
    mark: str
    values: int
    rows: int
    alone: float
    examples: tuple[str, ...]


def parts(values: Mapping[str, int]) -> set[str]:
    """What separators would part values into, of a bounded number of them."""
    found = (
        {one.strip() for one in re.split(pattern, text)}
        for pattern in _SEPARATORS.values()
        for text in values
        if re.search(pattern, text)
    )
    return set(islice((part for some in found for part in sorted(some) if part), _MOST_PARTS))


def is_printed(text: str) -> bool:
    """Whether a text is a list as a program prints it."""
    text = text.strip()
    if text.startswith('"[') and text.endswith(']"'):
        text = text[1:-1]
    text = re.sub(_WRAPPED, lambda found: found[1] or found[2], text)
    text = re.sub(_UNBRACKETED, r"[\1]", text)
    return len(text) > 1 and _BRACKETS.get(text[0]) == text[-1]


def _unwrapped(text: str) -> str:
    """SQL: a list in brackets, without the name of its type, which Scala and numpy print, or quotes around it."""
    trimmed = f"btrim(string({text}), {literal(_BLANKS)})"
    quoted = "get_json_object(concat('[', trimmed, ']'), '$[0]')"
    unquoted = once(trimmed, "trimmed", f"IF(trimmed LIKE '\"[%]\"', {quoted}, trimmed)")
    unwrapped = f"regexp_replace({unquoted}, {literal(_WRAPPED)}, '$1$2')"
    return f"regexp_replace({unwrapped}, {literal(_UNBRACKETED)}, '[$1]')"


def _parsed(text: str) -> str:
    """SQL: the items of an unwrapped list as texts, null for what is no such list."""
    inside = f"substring({text}, 2, length({text}) - 2)"
    # Python writes a list of one in parentheses with a comma behind it.
    listed = f"replace(concat('[', {inside}, ']'), ',]', ']')"
    objects = f"from_json(listed, 'array<struct<{_NAME}:string>>', {LENIENT}).{_NAME}"
    spaced = f"regexp_replace(listed, {literal(_GAP)}, '$1, $2')"
    worded = f"concat('[', regexp_replace({inside}, {literal(_BARE)}, '$1\"$2\"'), ']')"
    plain = [f"from_json({one}, '{_NONE}', {LENIENT})" for one in ("listed", spaced, worded)]
    single = once(
        f"get_json_object({text}, '$.{_NAME}')", "one", "IF(one IS NULL, NULL, array(one))"
    )
    found = f"coalesce(IF(listed LIKE '[{{%', {objects}, NULL), {', '.join([*plain, single])})"
    return once(listed, "listed", found)


def _separated(values: Mapping[str, int], mark: str) -> _Separated:
    """How often a mark is in values, and in how many of them it separates parts.

    It does where a part also stands alone, or where each part is in another such value too.
    """
    pattern = re.compile(_SEPARATORS[mark])
    parts = {
        text: [one.strip().lower() for one in pattern.split(text)]
        for text in filter(pattern.search, values)
    }
    whole = {text.strip().lower() for text in values if text not in parts} if parts else set()
    having = {text: one for text, one in parts.items() if any(one)}
    texts_of = Counter(part for one in having.values() for part in {*one})
    apart = (
        text
        for text, one in having.items()
        if any(part in whole for part in one) or all(texts_of[part] > 1 for part in one)
    )
    rows = sum(values[text] for text in having)
    alone = sum(values[text] for text in apart) / max(1, rows)
    return _Separated(mark, len(having), rows, alone, tuple(having)[:3])


def _at(found: _Separated, name: str, column: Column, question: str = "") -> tuple[Reading, str]:
    sql = column.sql
    split = f"split({sql}, {literal(_SEPARATORS[found.mark])})"
    why, rival = f"the first of those before {found.mark.strip()!r}", sql if question else ""
    first = Reading(name, f"{split}[0]", column.name, why, question, rival)
    return first, sql if found.mark == ";" else split


def _doubt(name: str, found: _Separated, rows: int) -> str:
    """A question where few values show that a separator separates, or some do not."""
    sure = found.alone >= 1 - _OFTEN and found.values >= _FEW and found.mark not in ("&", "and")
    if sure and name == ARTIST:
        return ""
    return (
        f"{name}: {100 * found.rows / rows:.3g}% of the rows contain {found.mark.strip()!r}, such as"
        f" {found.examples[0]!r}: the first name is read. Or is each one name?"
    )


def _as_list(column: str, kind: T.DataType) -> str:
    if isinstance(kind, T.ArrayType):
        item = kind.elementType
        if isinstance(item, T.ArrayType):
            return _as_list(f"flatten({column})", item)
        if isinstance(item, T.StructType):
            return f"cast(({column}).{_name_of(item)} AS {_NONE})"
        return f"cast({column} AS {_NONE})"
    printed = f"rlike(text, {literal(_PRINTED)}) AND rlike(text, {literal(_ENDS)})"
    # Of a list that breaks off nothing is a name.
    broken = f"rlike(text, {literal(_BROKEN)})"
    found = f"IF({printed}, {_parsed('text')}, IF({broken}, NULL, split(text, ';')))"
    return once(_unwrapped(column), "text", found)


def _name_of(item: T.StructType) -> str:
    """The field of a struct that has a name, perhaps in an inner struct; else the first."""
    named = [one for one in item.names if one.lower().endswith(_NAME)]
    for one in item.fields:
        if isinstance(one.dataType, T.StructType) and not named:
            return f"{sql_name(one.name)}.{_name_of(one.dataType)}"
    return sql_name(_NAME if _NAME in named else (named or item.names)[0])


def spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """By the tracks of each genre, the spelling that stands for each other one; only those that change.

    >>> spellings({"rock": 5, "ROCK": 2, "pop": 1})
    {'ROCK': 'rock'}
    """
    best: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        best.setdefault(name.lower(), name)
    return {name: best[name.lower()] for name in counts if best[name.lower()] != name}


def merged(counts: Mapping[str, int]) -> dict[str, int]:
    """Tracks of each genre, whatever the case in which it is spelled."""
    changed, total = spellings(counts), Counter[str]()
    for name, n in counts.items():
        total[changed.get(name, name)] += n
    return dict(total)


def respelled(tracks: DataFrame, changed: Mapping[str, str]) -> DataFrame:
    """Tracks with the spellings that `spellings` gave, in both columns of genres."""
    pairs = [F.lit(one) for pair in changed.items() for one in pair]
    if not pairs:
        return tracks
    kept = F.create_map(*pairs)
    columns = {GENRE: F.coalesce(kept[F.col(GENRE)], GENRE)}
    if GENRES in tracks.columns:
        columns[GENRES] = F.transform(GENRES, lambda name: F.coalesce(kept[name], name))
    return tracks.withColumns(columns)
