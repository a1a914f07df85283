"""Counts, per used column, the values of the source that were not taken."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog.column_values import ValueCounts
from genre_spark.catalog.columns import sql_name
from genre_spark.catalog.placeholders import placeholder_sql, quoted
from genre_spark.catalog.reader import odd_name
from genre_spark.errors import InputError
from genre_spark.schema import ARTIST, GENRE, TEXT_COLUMNS, feature

logger = logging.getLogger(__name__)

_DAMAGED = "\ufffd"
_MEANS = {ARTIST: "no artist", GENRE: "no genre"}


def of_column(name: str) -> Column:
    """Aggregate: `ValueCounts` as JSON, over the columns ``name`` and ``_odd_<name>``.

    SQL, since a text is one call to Java; see `validation`.
    """
    value, odd = map(sql_name, (name, odd_name(name)))
    text = f"make_valid_utf8({odd})"
    damaged = f"contains({text}, {quoted(_DAMAGED)})"
    # Blanks are among the words that mean nothing.
    nothing = placeholder_sql(odd, name)
    return F.expr(
        f"to_json(struct(count({value}) AS understood,"
        f" count_if(NOT {nothing} AND NOT {damaged}) AS not_understood,"
        f" count_if({nothing} AND trim({odd}) != '') AS placeholder,"
        f" count_if(NOT {nothing} AND {damaged}) AS damaged,"
        f" min(IF(NOT {nothing}, {text}, NULL)) AS example))"
    )


def aggregates(validated: DataFrame) -> list[Column]:
    """`of_column` of each used column as JSON, named ``_odd_<name>``; see `found`.

    Observations hold no structs.

    Parameters
    ----------
    validated : DataFrame
        From `validation.validate`.
    """
    odd = [name for name in validated.columns if name.startswith(odd_name(""))]
    return [of_column(name.removeprefix(odd_name(""))).alias(name) for name in odd]


def found(counted: Mapping[str, Any]) -> dict[str, ValueCounts]:
    """Columns with values that were not taken, from a row with `aggregates`, maybe among others."""
    every = {
        name.removeprefix(odd_name("")): ValueCounts(**{"example": None, **json.loads(text)})
        for name, text in counted.items()
        if name.startswith(odd_name(""))
    }
    return {
        name: one
        for name, one in every.items()
        if one.not_understood or one.placeholder or one.damaged
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
            f"{name}: {one.not_understood:,} values are not understood, for example"
            f" {one.example!r} {kind}: treated as missing"
        )
    if one.damaged:
        lines.append(
            f"{name}: {one.damaged:,} values have damaged characters, for example {one.example!r}:"
            " treated as missing"
        )
    if one.placeholder and name in TEXT_COLUMNS:
        meant = _MEANS.get(name, f"no {name}")
        lines.append(f"{name}: {one.placeholder:,} rows hold a word that means {meant}")
    return lines


def _possible(name: str) -> str:
    limits = feature(name)
    if abs(limits.high) >= 1e300:
        return "a number"
    whole = "a whole number" if limits.integer else "a number"
    low = 0 if 0 < limits.low < 1e-6 else limits.low
    return f"{whole} from {low:g} to {limits.high:g}" + (f" {limits.unit}" if limits.unit else "")
