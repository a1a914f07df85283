"""Counts the rows of a catalogue and their values that were not taken, and holds them to the gates."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from genre_spark.catalog.columns import by_name
from genre_spark.catalog.rows import UNCLOSED, GatedRows, RowCounts, ValueCounts
from genre_spark.catalog.validation import (
    AMBIGUOUS,
    DAMAGED,
    N_IMPUTED,
    NOT_TAKEN,
    NOT_UNDERSTOOD,
    PLACEHOLDER,
    REASONS,
    REPEATED,
    USABLE,
    WITHOUT_FEATURES,
)
from genre_spark.errors import GateError, InputError
from genre_spark.schema import ARTISTS, GENRE, TEXT_COLUMNS, TRACK_ID, feature

logger = logging.getLogger(__name__)

_COUNTED = (NOT_UNDERSTOOD, PLACEHOLDER, DAMAGED)
_SHOWN = (NOT_UNDERSTOOD, DAMAGED)
# Share of a feature's values that may be impossible while the others are believed.
_MOST_LOST = 0.2


class NotTaken(NamedTuple):
    """Rows with one kind of value that was not taken, and the first of these values.

    `word` is the placeholder; a reason for quarantine, or another word for a row, has no column.
    """

    column: str
    kind: str
    word: str
    rows: int
    text: str


def count(validated: DataFrame) -> RowCounts:
    """Row counts; one pass for the totals, one for what was not taken if there is."""
    return counted(validated)[0]


def counted(validated: DataFrame, *listed: str) -> tuple[RowCounts, list[NotTaken]]:
    """Row counts and what was not taken, with the words of further array columns."""
    good = F.col(USABLE)
    features = [one.name for one in validated.schema if isinstance(one.dataType, DoubleType)]
    columns = read_columns(features)
    (totals,) = validated.agg(
        F.count(F.lit(1)).alias("read"),
        F.count_if(good).alias("accepted"),
        F.count_if(REPEATED).alias("duplicates"),
        F.count_if(good & F.col(AMBIGUOUS)).alias("ambiguous"),
        F.count_if(good & F.col(GENRE).isNotNull()).alias("with_genre"),
        F.count_if(good & (F.col(N_IMPUTED) > 0)).alias("imputed"),
        F.count_if(good & F.col(WITHOUT_FEATURES)).alias("without_features"),
        F.lower(F.hex(F.bit_xor(F.when(good, content_hash(features))))).alias("fingerprint"),
        F.array(*[F.count_if(good & by_name(name).isNull()) for name in features]).alias("missing"),
        F.array(*[F.count(by_name(name)) for name in columns]).alias("understood"),
        F.count_if(sum(map(F.size, (NOT_TAKEN, *listed)), F.size(REASONS)) > 0).alias("odd"),
    ).collect()
    plain = totals.asDict()
    found = _not_taken(validated, (REASONS, *listed)) if plain.pop("odd") else []
    missing = dict(zip(features, plain.pop("missing"), strict=True))
    understood = dict(zip(columns, plain.pop("understood"), strict=True))
    counts = RowCounts(
        **{**plain, "fingerprint": plain["fingerprint"] or ""},
        missing={name: n for name, n in missing.items() if n},
        values=summed(understood, found),
        reasons=of_list(found, REASONS),
    )
    return counts, found


def read_columns(features: Iterable[str]) -> tuple[str, ...]:
    """Columns of which values are counted: all but the id."""
    return (*(name for name in TEXT_COLUMNS if name != TRACK_ID), *features)


def _listed(name: str) -> str:
    """What stands for the column in counts of the words of an array column."""
    return f"<{name}>"


def of_list(found: Iterable[NotTaken], name: str) -> dict[str, int]:
    """Rows of each word of an array column."""
    return {one.kind: one.rows for one in found if one.column == _listed(name)}


def _not_taken(validated: DataFrame, listed: Sequence[str]) -> list[NotTaken]:
    """Values that were not taken, and the words of array columns such as `REASONS`."""
    of_rows = [
        f"transform({name}, one -> named_struct('column', '{_listed(name)}', 'kind', one, 'text', ''))"
        for name in listed
    ]
    each = validated.selectExpr(f"explode(concat({', '.join(of_rows)}, {NOT_TAKEN})) AS one")
    word = F.expr(f"IF(one.kind = '{PLACEHOLDER}', trim(one.text), '')").alias("word")
    rows = each.groupBy("one.column", "one.kind", word).agg(
        F.count(F.lit(1)).alias("rows"), F.min("one.text").alias("text")
    )
    return sorted(NotTaken(*row) for row in rows.collect())


def not_taken_of(values: pa.ChunkedArray) -> list[NotTaken]:
    """The same of rows on the driver: their column `NOT_TAKEN`."""
    each = pa.Table.from_struct_array(values.combine_chunks().flatten())
    counted = each.group_by(["column", "kind", "text"]).aggregate([([], "count_all")]).to_pylist()
    return [
        NotTaken(one["column"], one["kind"], one["text"], one["count_all"], one["text"])
        for one in counted
    ]


def summed(understood: Mapping[str, int], found: Iterable[NotTaken]) -> dict[str, ValueCounts]:
    """Columns with values that were not taken, and how many of which kind.

    `understood` has the rows of each column whose value was taken.
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


def content_hash(features: Sequence[str]) -> Column:
    """Hash of what a model can read of a row; `fingerprint` is the exclusive or over all tracks.

    xxhash64 skips nulls: without a value for none, (artist X, no album) would equal (no artist,
    album X).
    """
    none = {name: F.lit("") for name in TEXT_COLUMNS if name != GENRE}
    none |= {name: F.lit(-math.inf) for name in features}
    none[ARTISTS] = F.array().cast("array<string>")
    return F.xxhash64(*[F.coalesce(by_name(name), value) for name, value in none.items()])


def check_values(values: Mapping[str, ValueCounts], path: str) -> None:
    """Refuses a table with a column of which no value is understood; reports all others.

    Raises `InputError`, naming the column, the number of its values, one of them, and the remedy.
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


def mostly_lost(one: ValueCounts | None) -> str | None:
    """That so many values cannot be read that the others may mean something else; None if few."""
    given = one.understood + one.not_understood if one else 0
    if one is None or one.not_understood <= _MOST_LOST * given:
        return None
    return f"{one.not_understood / given:.0%} of its values cannot be read, for example {one.example!r}"


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


def check_quotes(validated: DataFrame, counts: GatedRows, path: str) -> None:
    """Stops where quotes that nobody closed hide rows: they could not be accounted for.

    Raises `InputError`, naming one of the rows.
    """
    if UNCLOSED in counts.reasons:
        unclosed = validated.filter(F.array_contains(REASONS, UNCLOSED)).select(TRACK_ID)
        ((example,),) = unclosed.limit(1).collect()
        raise InputError(
            f"{path}: a quote is never closed: {counts.reasons[UNCLOSED]} rows contain others within"
            f" a value, one has the track_id {example!r:.100}. Close it, or double it where it is"
            " part of a text. If the file does not quote at all, give a dataset file with"
            " options: {quote: ''}"
        )


def check_gate(counts: GatedRows, max_quarantined: float, path: str) -> None:
    """Stops where too little of a catalogue can be used.

    Raises `InputError` if there is no row, or none that can be used, and `GateError` if more than
    `max_quarantined` of the rows are quarantined for violations of their own.
    """
    if counts.read == 0:
        raise InputError(f"{path}: has no rows")
    worst = sorted(counts.reasons.items(), key=lambda item: -item[1])[:3]
    reasons = ", ".join(f"{reason} ({n})" for reason, n in worst)
    if counts.accepted == 0:
        raise InputError(f"{path}: none of its {counts.read} rows can be used; {reasons}")
    if counts.refused_share > max_quarantined:
        raise GateError(
            f"{path}: {counts.refused_share:.1%} of {counts.read} rows would be quarantined, the"
            f" limit is {max_quarantined:.1%}; most are {reasons}. Mend them, or allow more with"
            " --set max_quarantined=SHARE"
        )
