"""Reads a column of a stranger's table as one of genre-spark's: a Spark SQL expression for it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from genre_spark.catalog import musical_keys, written_numbers
from genre_spark.schema import ARTIST, FEATURE_NAMES, GENRE, TEXT_COLUMNS, TRACK_ID, feature

YEAR = "year"
SHARES = tuple(n for n in FEATURE_NAMES if feature(n).high == 1 and not feature(n).integer)
# In whichever quotes and brackets Python printed it.
_PRINTED = re.compile(r"""(?s)^[\[{](["']).*[\]}]$""")
_FIRST_PRINTED = r"""regexp_extract({0}, '(?s)^[\\[{{](["\'])(.*?)\\1(, |[\\]}}]$)', 2)"""
_DATE = re.compile(r"(1[89]|2[01])\d\d($|\D)")
_DATE_LAST = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](1[89]|2[01])\d\d\s*$")
_SECOND, _MINUTE, _DAY = 1000, 60_000, 86_400_000
# Beyond a day durations are in micro- or nanoseconds, as pandas stores time spans.
_NANOSECONDS = 10**10
# Where fewer values are numbers as they stand, they may be written in another way.
_PLAIN_NUMBERS = 0.95
_WHOLE = re.compile(r"-?\d+\.0$")


@dataclass(frozen=True)
class Column:
    """What is in a column of the source table.

    Attributes
    ----------
    name : str
    kind : str
        Spark's name of its type.
    filled, numeric : float
        Share of the rows that have a value, and of those with one that is a number, in [0, 1].
    low, median, high : float or None
        Of the numbers.
    samples : tuple of str
        Some values.
    distinct : float or None
        Distinct values as a share of those that are filled, in [0, 1]; None where not counted.
    nested : str
        Its expression where it is a field of a struct.
    n_rows : int
        Of the table.
    """

    name: str
    kind: str
    filled: float
    numeric: float = 0.0
    low: float | None = None
    median: float | None = None
    high: float | None = None
    samples: tuple[str, ...] = ()
    distinct: float | None = None
    nested: str = ""
    n_rows: int = 0

    @property
    def sql(self) -> str:
        """The column in a SQL expression."""
        return self.nested or quoted(self.name)

    @property
    def is_row_number(self) -> bool:
        """Whether its values count rows: whole numbers from 0 or 1 to at most their number."""
        if self.numeric < 1 or self.low not in (0, 1) or self.high is None:
            return False
        return self.high <= self.n_rows and all(one.isdigit() for one in self.samples)

    def mostly(self, test: Callable[[str], object]) -> bool:
        """Whether nearly all values pass a test."""
        return bool(self.samples) and sum(map(bool, map(test, self.samples))) >= 0.9 * len(
            self.samples
        )


@dataclass(frozen=True)
class Reading:
    """How one of genre-spark's columns is read.

    Attributes
    ----------
    name : str
        Of genre-spark's column.
    expression : str
        Spark SQL over the source's columns.
    source : str
        The column that it was taken for; empty where it is made of others.
    why : str
        What was done to its values; empty where they are taken as they are.
    """

    name: str
    expression: str
    source: str
    why: str = ""


def quoted(name: str) -> str:
    """A column's name as SQL has it."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) else f"`{name.replace('`', '``')}`"


Read = Callable[[Column, str], tuple[str, str] | None]


def reader(name: str, percent: bool) -> Read:
    """How a column of that name is read: to an expression and what it does, or to None."""
    if name in TEXT_COLUMNS:
        return {ARTIST: _list, GENRE: _genre, TRACK_ID: _id}.get(name, _text)
    if name in SHARES:
        return lambda column, sql: _share(column, sql, percent)
    return {"key": _key, "mode": _mode, "duration_ms": _duration, YEAR: _year}.get(name, _number)


def typical(column: Column) -> float | None:
    """The median of its numbers, however they are written."""
    if column.numeric >= _PLAIN_NUMBERS:
        return column.median
    written = written_numbers.understand(column.samples, column.sql)
    return written.median if written.understood > column.numeric else column.median


def is_list(column: Column) -> bool:
    """Whether a column holds several names."""
    found = _list(column, column.sql)
    return found is not None and found[0] != column.sql


def _text(column: Column, sql: str) -> tuple[str, str] | None:
    return None if column.kind.startswith(("array", "map", "struct", "binary")) else (sql, "")


def _id(column: Column, sql: str) -> tuple[str, str] | None:
    """Whole numbers that a program wrote with a decimal are ids without it."""
    if column.kind == "string" and column.mostly(_WHOLE.match):
        return f"regexp_replace({sql}, r'\\.0$', '')", "whole numbers"
    return _text(column, sql)


def _list(column: Column, sql: str) -> tuple[str, str] | None:
    """The first of several."""
    if column.kind == "array<string>":
        return f"{sql}[0]", "the first of a list"
    if column.kind != "string":
        return _text(column, sql)
    if column.mostly(_PRINTED.match):
        return _FIRST_PRINTED.format(sql), "the first of a printed list"
    if any(";" in value for value in column.samples):
        return f"split({sql}, ';')[0]", "the first of those before a semicolon"
    return _text(column, sql)


def _genre(column: Column, sql: str) -> tuple[str, str] | None:
    """The first of several; genres, unlike artists, have no commas in their names."""
    found = _list(column, sql)
    several = column.kind == "string" and column.name.lower().endswith("genres")
    if found == (sql, "") and several and any("," in value for value in column.samples):
        return f"split({sql}, ',')[0]", "the first of those before a comma"
    return found


def _number(column: Column, sql: str) -> tuple[str, str] | None:
    written = _written(column, sql)
    return (written.sql, ", ".join(written.why)) if written else None


def _written(column: Column, sql: str, grouped: bool = False) -> written_numbers.Written | None:
    """How a column's numbers are read; None where most of its values are none."""
    plain = written_numbers.Written(sql, (), column.numeric)
    if column.kind == "string" and (column.numeric < _PLAIN_NUMBERS or grouped):
        found = written_numbers.understand(column.samples, sql, grouped)
        if found.understood > column.numeric or (found.why and found.understood >= column.numeric):
            plain = found
    return plain if plain.understood >= 0.5 else None


def _share(column: Column, sql: str, percent: bool) -> tuple[str, str] | None:
    written = _written(column, sql)
    if written is None:
        return None
    if percent or written.unit == "%":
        return f"{written.sql} / 100", ", ".join((*written.why, "percent"))
    return written.sql, ", ".join(written.why)


def _key(column: Column, sql: str) -> tuple[str, str] | None:
    found = musical_keys.pitch_class(column.samples, sql) if column.numeric < 0.5 else None
    return found or _number(column, sql)


def _mode(column: Column, sql: str) -> tuple[str, str] | None:
    found = musical_keys.mode(column.samples, sql) if column.numeric < 0.5 else None
    return found or _number(column, sql)


def _duration(column: Column, sql: str) -> tuple[str, str] | None:
    """Units are recognised by what is written behind numbers, else by how long most tracks last."""
    odd = column.kind == "string" and column.numeric < _PLAIN_NUMBERS
    if odd and (found := written_numbers.duration(column.samples, sql)):
        return found
    written = _written(column, sql, grouped=column.kind == "string")
    if written is None:
        return None
    typical = written.median if written.why else column.median
    known = written_numbers.milliseconds(written.unit)
    factor, unit = (known, written.unit) if known else _unit_of(typical)
    why = ", ".join((*written.why, *([unit] if unit and not known else [])))
    if factor == 1:
        return written.sql, why
    return (f"{written.sql} * {factor}" if factor > 1 else f"{written.sql} / {1 / factor:.0f}"), why


def _unit_of(typical: float | None) -> tuple[float, str]:
    """Milliseconds of a unit in which most tracks would last so long, and its name."""
    if typical is None:
        return 1, ""
    if typical < 20:
        return _MINUTE, "minutes"
    if typical < 10_000:
        return _SECOND, "seconds"
    if typical > _NANOSECONDS:
        return 1e-6, "nanoseconds"
    return (1e-3, "microseconds") if typical > _DAY else (1, "")


def _year(column: Column, sql: str) -> tuple[str, str] | None:
    if column.kind in ("date", "timestamp", "timestamp_ntz"):
        return f"year({sql})", "of a date"
    limits = feature(YEAR)
    if column.numeric == 1 and limits.low <= (column.median or 0) <= limits.high:
        return sql, ""
    if column.mostly(_DATE.match):
        return f"cast(substring({sql}, 1, 4) as int)", "of a date"
    if column.mostly(_DATE_LAST.match):
        return f"cast(right(trim({sql}), 4) as int)", "of a date"
    return None
