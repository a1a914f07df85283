"""Counts of a catalogue's rows by what became of them, and the gates that limit them."""

import math
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from genre_spark.catalog import value_counts
from genre_spark.catalog.column_values import ValueCounts
from genre_spark.catalog.columns import by_name
from genre_spark.catalog.reader import SOURCE, odd_name
from genre_spark.catalog.validation import (
    AMBIGUOUS,
    MALFORMED,
    N_IMPUTED,
    REASONS,
    REPEATED,
    UNCLOSED,
    USABLE,
    VIOLATIONS,
)
from genre_spark.catalog.value_counts import NotTaken
from genre_spark.errors import GateError, InputError
from genre_spark.schema import (
    ARTISTS,
    GENRE,
    GENRES,
    TRACK_ID,
)


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """What became of a catalogue's rows, as far as gates go.

    Attributes
    ----------
    read : int
        Rows of the source.
    accepted : int
        Rows that are tracks, one per `track_id`.
    duplicates : int
        Rows quarantined only because another row has their `track_id`.
    reasons : dict of str to int
        Quarantined rows per reason; a row can have several.
    values : dict of str to ValueCounts
        Of each used column that has values which were not taken.
    """

    read: int
    accepted: int
    duplicates: int
    reasons: dict[str, int]
    values: dict[str, ValueCounts] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Rows quarantined for any reason."""
        return self.read - self.accepted

    @property
    def malformed(self) -> int:
        """Rows of a text table that are malformed, or hold other rows."""
        return self.reasons.get(MALFORMED, 0) + self.reasons.get(UNCLOSED, 0)

    @property
    def refused(self) -> int:
        """Rows quarantined for other reasons than being a repetition."""
        return self.quarantined - self.duplicates

    @property
    def refused_share(self) -> float:
        """Share of `refused` rows, in [0, 1]."""
        return self.refused / self.read if self.read else 0.0


@dataclass(frozen=True, kw_only=True)
class Counts(RowCounts):
    """What became of a catalogue's rows.

    Attributes
    ----------
    ambiguous : int
        Tracks under more than one genre.
    with_genre : int
        Tracks with exactly one genre.
    imputed : int
        Tracks with at least one imputed feature.
    fingerprint : str
        Hash of the accepted tracks, in whatever order they come.
    """

    ambiguous: int
    with_genre: int
    imputed: int
    fingerprint: str


def count(validated: DataFrame) -> Counts:
    """Counts rows by their fate; one pass for the totals, one for what was not taken if there is."""
    good = F.col(USABLE)
    content = content_hash(validated)
    columns = value_counts.columns_of(validated)
    (totals,) = validated.agg(
        F.count(F.lit(1)).alias("read"),
        F.count_if(good).alias("accepted"),
        F.count_if(REPEATED).alias("duplicates"),
        F.count_if(good & F.col(AMBIGUOUS)).alias("ambiguous"),
        F.count_if(good & F.col(GENRE).isNotNull()).alias("with_genre"),
        F.count_if(good & (F.col(N_IMPUTED) > 0)).alias("imputed"),
        F.lower(F.hex(F.bit_xor(F.when(good, content)))).alias("fingerprint"),
        F.array(*[F.count(by_name(name)) for name in columns]).alias("understood"),
        F.array(*[F.count(by_name(odd_name(name))) for name in columns]).alias("odd"),
    ).collect()
    plain = totals.asDict()
    understood = dict(zip(columns, plain.pop("understood"), strict=True))
    odd = dict(zip(columns, plain.pop("odd"), strict=True))
    all_good = totals["read"] == totals["accepted"]
    found = _not_taken(validated, [name for name, n in odd.items() if n], not all_good)
    return Counts(
        **{**plain, "fingerprint": totals["fingerprint"] or ""},
        values=value_counts.summed(understood, [one for one in found if one.column]),
        reasons={one.kind: one.rows for one in found if not one.column},
    )


def _not_taken(validated: DataFrame, columns: list[str], reasons: bool) -> list[NotTaken]:
    """Values that were not taken, and reasons for quarantine as kinds without a column."""
    if not columns and not reasons:
        return []
    of_reasons = f"transform({REASONS}, r -> named_struct('column', '', 'kind', r, 'text', ''))"
    each = F.concat(F.expr(of_reasons), value_counts.values_not_taken(columns))
    exploded = validated.select(F.explode(each).alias("one"))
    counted = exploded.groupBy("one.column", "one.kind").agg(
        F.count(F.lit(1)).alias("rows"), F.min("one.text").alias("text")
    )
    return [NotTaken(*row) for row in counted.orderBy("column", "kind").collect()]


def content_hash(validated: DataFrame) -> Column:
    """Hash of what a model can read of a row; `fingerprint` is the exclusive or over all tracks.

    xxhash64 skips nulls: without a value for none, (artist X, no album) would equal (no artist,
    album X).
    """
    internal = (
        VIOLATIONS,
        N_IMPUTED,
        REASONS,
        USABLE,
        REPEATED,
        AMBIGUOUS,
        SOURCE,
        GENRE,
        ARTISTS,
        GENRES,
    )
    kinds = {
        one.name: one.dataType
        for one in validated.schema
        if one.name not in internal and not one.name.startswith(odd_name(""))
    }
    columns = [
        F.coalesce(F.col(name), F.lit("" if isinstance(kind, StringType) else -math.inf))
        for name, kind in kinds.items()
    ]
    if ARTISTS in validated.columns:
        columns.append(F.coalesce(F.col(ARTISTS), F.array().cast("array<string>")))
    return F.xxhash64(*columns)


def check_quotes(validated: DataFrame, counts: RowCounts, path: str) -> None:
    """Stops where quotes that nobody closed hide rows: they could not be accounted for.

    Raises
    ------
    InputError
        Naming one of the rows.
    """
    if UNCLOSED in counts.reasons:
        unclosed = validated.filter(F.array_contains(REASONS, UNCLOSED)).select(TRACK_ID)
        ((example,),) = unclosed.limit(1).collect()
        raise InputError(
            f"{path}: a quote is never closed: {counts.reasons[UNCLOSED]} rows hold others within"
            f" a value, one has the track_id {example!r:.100}. Close it, or double it where it is"
            " part of a text. If the file does not quote at all, give a dataset file with"
            " options: {quote: ''}"
        )


def check_gate(counts: RowCounts, max_quarantined: float, path: str) -> None:
    """Stops where too little of a catalogue can be used.

    Raises
    ------
    InputError
        Where there is no row, or none that can be used.
    GateError
        Where more than `max_quarantined` of the rows are quarantined for violations of their own.
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
