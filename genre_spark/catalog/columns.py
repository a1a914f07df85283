"""Columns of any table: their names in SQL, and which of their values are texts, ids and numbers.

A rule for texts is rendered to SQL, and to Python for a model that is served without Spark.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from genre_spark.schema import ALBUM, ARTIST, GENRE, MAX_ID_LENGTH, TITLE, TRACK_ID, feature

if TYPE_CHECKING:  # the command line starts without Spark
    import numpy as np
    from pyspark.sql import Column
    from pyspark.sql.types import DataType

# Beyond it a double cannot hold every whole number, so that two ids may have become one.
_EXACT = 2**53
# What programs write for a missing value (pandas, R, SQL, Excel, Hive, Python), and what people
# write. Brackets and quotes around them do not count.
_MISSING = {"", "nan", "nat", "null", "<na>", "<null>", "na", "n/a", "#n/a", "\\n", "empty_field"}
# Errors of spreadsheets.
_MISSING |= {"#ref!", "#value!", "#name?", "#div/0!"}
# A title may be "Unknown" or "None", a name rarely.
_UNNAMED = _MISSING | {"none", "unknown", "<unknown>", "undefined", "-", "--", "?", "n.a.", "n/d"}
_UNNAMED |= {"unbekannt", "inconnu", "desconocido", "desconhecido", "sconosciuto", "неизвестно"}
_WORDS = {
    ARTIST: _UNNAMED
    | {"unknown artist", "<unknown artist>", "no artist", "various artists"}
    | {"various", "v.a.", "v/a", "0", "-1"},
    ALBUM: _UNNAMED | {"unknown album"},
    TITLE: _MISSING,
    GENRE: _UNNAMED | {"unknown genre", "no genre"},
}
# An id may be a short word by chance, so only the spellings that programs use count.
_IDS = {"", "nan", "NaN", "None", "NULL", "null", "<NA>", "N/A", "#N/A", "\\N"}
# Blanks that nobody sees around a text, and those that are none to Java.
INVISIBLE = "\u00a0\u3000\u200b\ufeff"
_BLANK = " \t\r\n" + INVISIBLE
_AROUND = "[]{}()'\"" + _BLANK
# Bytes that are not in the encoding become this.
REPLACED = "\ufffd"
# Where a list of quoted names or objects begins and ends.
_LISTED = ("^[\\[{(]\\s{0,3}['\"{]", "['\"}]\\s{0,3}[\\]})]$")
# What ids do not have: characters that nobody could see or type, and digits that a program rounded. An
# exponent without a point or a plus may be a hexadecimal id.
_NO_ID = (r"[\x00-\x1f\x7f\ufffd]", r"^-?\d(\.\d+[eE]\+?|[eE]\+)\d+$")


def are_possible(name: str, values: "np.ndarray") -> "np.ndarray":
    """Which values a feature can have, as `validation` has it; NaN is none."""
    limits = feature(name)
    possible: np.ndarray = (values >= limits.low) & (values <= limits.high)
    return possible & (values == values.round()) if limits.integer else possible


def sql_name(name: str) -> str:
    """A column's name in SQL, whatever characters it has."""
    return "`" + name.replace("`", "``") + "`"


def readable_name(name: str) -> str:
    """The same, without quotes where it needs none."""
    return name if name.isascii() and name.isidentifier() else sql_name(name)


def by_name(name: str) -> "Column":
    """A column by its name, whatever characters that has."""
    from pyspark.sql import functions as F

    return F.col(sql_name(name))


def literal(text: str) -> str:
    """A text as a SQL literal; a pattern stays readable where it can."""
    for quote in "'\"" if "\\" in text and "\n" not in text else "":
        if quote not in text:
            return f"r{quote}{text}{quote}"
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def once(value: str, name: str, body: str) -> str:
    """SQL: what `body` makes of a value that it calls `name`, computed once however often it is used."""
    return f"get(transform(array({value}), {name} -> {body}), 0)"


def as_text(column: str, kind: "DataType") -> str:
    """SQL: a column as string; whole numbers that are stored as fractions without ``.0`` or exponent.

    pandas stores whole numbers as doubles where one is missing.
    """
    if kind.typeName() in ("float", "double"):
        exact = f"{column} = rint({column}) AND abs({column}) <= {_EXACT}"
        text = f"IF({exact}, string(bigint({column})), string({column}))"
        return f"IF(isnan({column}), NULL, {text})"
    if getattr(kind, "scale", 0):  # of decimals
        return rf"regexp_replace(string({column}), '\\.0+$', '')"
    return f"string({column})"


def placeholders(column: str, extra: Iterable[str] = ()) -> set[str]:
    """Lower-case words that mean "no value" in a text column, or one of numbers, and `extra` ones."""
    if column == TRACK_ID:
        return _IDS
    return _WORDS.get(column, _UNNAMED) | {one.strip(_AROUND).lower() for one in extra}


def placeholder_sql(text: str, column: str, extra: Iterable[str] = ()) -> str:
    """SQL: whether the string that `text` gives means "no value"; null for null."""
    listed = placeholders(column, extra)
    # As ``IN``, with one literal for Spark to plan instead of one per word, here and in each use.
    among = f"array_contains(split({literal(chr(10).join(sorted(listed)))}, '\\n'),"
    if column == TRACK_ID:
        return f"{among} trim({text}))"
    # Many values are longer than any such word, and need no other comparison.
    longest = max(map(len, listed)) + len(_AROUND)
    return f"(length({text}) <= {longest} AND {among} lower(btrim({text}, {literal(_AROUND)}))))"


def means_nothing(text: str, column: str) -> bool:
    """The same of a Python text.

    >>> means_nothing(" NaN", "artist"), means_nothing("Nan Goldin", "artist")
    (True, False)
    """
    word = text.strip(" ") if column == TRACK_ID else text.strip(_AROUND).lower()
    return word in placeholders(column)


def value_sql(text: str, column: str, extra: Iterable[str] = (), lists: bool = False) -> str:
    """SQL: the value that a text is in a text column; null where it is none, such as a damaged name.

    `lists` is whether printed lists are values.
    """
    nothing = placeholder_sql(text, column, extra)
    # Ids stay as they are: somebody joins by them.
    if column == TRACK_ID:
        return f"IF(NOT {nothing}, {text}, NULL)"
    wrong = f"{nothing} OR contains(make_valid_utf8({text}), '{REPLACED}')"
    if not lists:
        begins, ends = (f"rlike({text}, {literal(one)})" for one in _LISTED)
        wrong += f" OR ({begins} AND {ends})"
    return f"IF({wrong}, NULL, btrim({text}, {literal(_BLANK)}))"


def value_of(text: str, column: str) -> str | None:
    """The same of a Python text."""
    # As in Java, classes such as digits are of ASCII.
    if means_nothing(text, column):
        return None
    if column == TRACK_ID:
        return text
    listed = column == ARTIST and all(re.search(one, text, re.ASCII) for one in _LISTED)
    return None if REPLACED in text or listed else text.strip(_BLANK)


def no_id_sql(text: str) -> str:
    """SQL: whether a text cannot be an id, or is too long for one; null for null."""
    # As one pattern Java takes twice as long.
    odd = " OR ".join(f"{text} RLIKE {literal(one)}" for one in _NO_ID)
    return f"(length({text}) > {MAX_ID_LENGTH} OR {odd} OR NOT is_valid_utf8({text}))"


def is_id(text: str | None) -> bool:
    """Whether a Python text can be an id."""
    if text is None or len(text) > MAX_ID_LENGTH:
        return False
    return not any(re.search(one, text, re.ASCII) for one in _NO_ID)
