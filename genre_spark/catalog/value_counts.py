"""Counts, per used column, the values of the source that were not taken."""

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog.columns import sql_name
from genre_spark.catalog.placeholders import means_nothing, placeholder_sql, quoted
from genre_spark.catalog.reader import odd_name
from genre_spark.catalog.rows import ValueCounts
from genre_spark.errors import InputError
from genre_spark.schema import TEXT_COLUMNS, feature

logger = logging.getLogger(__name__)

PLACEHOLDER = "placeholder"
BLANK = "blank"
DAMAGED = "damaged"
NOT_UNDERSTOOD = "not_understood"
_STRUCT = "struct<column: string, kind: string, text: string>"
_COUNTED = (NOT_UNDERSTOOD, PLACEHOLDER, DAMAGED)
_SHOWN = (NOT_UNDERSTOOD, DAMAGED)
_DAMAGED = "\ufffd"


class NotTaken(NamedTuple):
    """Values of one kind that were not taken.

    Attributes
    ----------
    kind : str
        `PLACEHOLDER`, `BLANK`, `DAMAGED` or `NOT_UNDERSTOOD`.
    text : str
        The first of them in the order of their characters.
    """

    column: str
    kind: str
    rows: int
    text: str


def columns_of(validated: DataFrame) -> tuple[str, ...]:
    """Columns of which a table from `validation.validate` has what was not taken."""
    prefix = odd_name("")
    return tuple(n.removeprefix(prefix) for n in validated.columns if n.startswith(prefix))


def values_not_taken(columns: Iterable[str]) -> Column:
    """Per row: column, kind and text of each of these columns in which something was not taken.

    SQL, since a text is one call to Java; see `validation`.
    """
    each = [f"IF({sql_name(odd_name(name))} IS NULL, NULL, {_of_row(name)})" for name in columns]
    return F.expr(f"cast(array_compact(array({', '.join(each)})) AS array<{_STRUCT}>)")


def _of_row(name: str) -> str:
    odd = sql_name(odd_name(name))
    text = f"make_valid_utf8({odd})"
    kind = (
        # Blanks are among the words that mean nothing.
        f"CASE WHEN {placeholder_sql(odd, name)}"
        f" THEN IF(trim({odd}) != '', {quoted(PLACEHOLDER)}, {quoted(BLANK)})"
        f" WHEN contains({text}, {quoted(_DAMAGED)}) THEN {quoted(DAMAGED)}"
        f" ELSE {quoted(NOT_UNDERSTOOD)} END"
    )
    return f"named_struct('column', {quoted(name)}, 'kind', {kind}, 'text', {text})"


def kind_of(name: str, text: str) -> str:
    """What a text is that was not taken, as `values_not_taken` has it.

    >>> kind_of("tempo", "fast"), kind_of("tempo", "n/a"), kind_of("tempo", " ")
    ('not_understood', 'placeholder', 'blank')
    """
    if means_nothing(text, name):
        return PLACEHOLDER if text.strip(" ") else BLANK
    return DAMAGED if _DAMAGED in text else NOT_UNDERSTOOD


def summed(understood: Mapping[str, int], found: Iterable[NotTaken]) -> dict[str, ValueCounts]:
    """Columns with values that were not taken, and how many of which kind.

    Parameters
    ----------
    understood : mapping of str to int
        Rows of each column whose value was taken.
    """
    counts: dict[str, dict[str, int]] = {}
    examples: dict[str, str] = {}
    for one in found:
        of_column = counts.setdefault(one.column, dict.fromkeys(_COUNTED, 0))
        if one.kind in _COUNTED:
            of_column[one.kind] += one.rows
        if one.kind in _SHOWN:
            examples[one.column] = min(one.text, examples.get(one.column, one.text))
    return {
        name: ValueCounts(understood=n, example=examples.get(name), **counts[name])
        for name, n in understood.items()
        if any(counts.get(name, {}).values())
    }


def check(values: Mapping[str, ValueCounts], path: str) -> None:
    """Refuses a table with a column of which no value is understood; reports all others.

    Raises
    ------
    InputError
        Naming the column, the number of its values, one of them, and the remedy.
    """
    for name, one in values.items():
        if one.not_understood and not one.understood:
            needed = "a name" if name in TEXT_COLUMNS else _possible(name)
            raise InputError(
                f"{path}: column {name} has {one.not_understood:,} values and none is"
                f" {needed}, for example {one.example!r}; map it in a dataset file"
                f" (columns: {name}: <SQL expression>; genre-spark inspect --output FILE.yaml"
                f" suggests one), or leave it out (columns: {name}: 'null')"
            )
    for name, one in values.items():
        for message in messages(name, one):
            logger.warning("%s: %s", path, message)


def messages(name: str, one: ValueCounts) -> list[str]:
    """A summary of a column's values, for people."""
    lines = []
    if one.not_understood:
        kind = "is no name" if name in TEXT_COLUMNS else f"is not {_possible(name)}"
        lines.append(
            f"{name}: {one.not_understood:,} values cannot be read, for example"
            f" {one.example!r} {kind}: treated as missing"
        )
    if one.damaged:
        lines.append(
            f"{name}: {one.damaged:,} values have damaged characters, for example {one.example!r}:"
            " treated as missing"
        )
    if one.placeholder and name in TEXT_COLUMNS:
        lines.append(
            f'{name}: {one.placeholder:,} rows contain a placeholder (for example "unknown") and are'
            " read as missing"
        )
    return lines


def _possible(name: str) -> str:
    limits = feature(name)
    if abs(limits.high) >= 1e300:
        return "a number"
    whole = "a whole number" if limits.integer else "a number"
    low = 0 if 0 < limits.low < 1e-6 else limits.low
    return f"{whole} from {low:g} to {limits.high:g}" + (f" {limits.unit}" if limits.unit else "")
