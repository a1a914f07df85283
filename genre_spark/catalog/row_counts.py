"""Counts the rows of a catalogue, and holds them to the gates."""

import math

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StringType

from genre_spark.catalog import value_counts
from genre_spark.catalog.columns import by_name
from genre_spark.catalog.reader import SOURCE, odd_name
from genre_spark.catalog.rows import UNCLOSED, GatedRows, RowCounts
from genre_spark.catalog.validation import (
    AMBIGUOUS,
    N_IMPUTED,
    REASONS,
    REPEATED,
    USABLE,
    VIOLATIONS,
    WITHOUT_FEATURES,
)
from genre_spark.catalog.value_counts import NotTaken
from genre_spark.errors import GateError, InputError
from genre_spark.schema import (
    ARTISTS,
    GENRE,
    GENRES,
    TRACK_ID,
)


def count(validated: DataFrame) -> RowCounts:
    """Row counts; one pass for the totals, one for what was not taken if there is."""
    good = F.col(USABLE)
    features = [one.name for one in validated.schema if isinstance(one.dataType, DoubleType)]
    content = content_hash(validated)
    columns = value_counts.columns_of(validated)
    (totals,) = validated.agg(
        F.count(F.lit(1)).alias("read"),
        F.count_if(good).alias("accepted"),
        F.count_if(REPEATED).alias("duplicates"),
        F.count_if(good & F.col(AMBIGUOUS)).alias("ambiguous"),
        F.count_if(good & F.col(GENRE).isNotNull()).alias("with_genre"),
        F.count_if(good & (F.col(N_IMPUTED) > 0)).alias("imputed"),
        F.count_if(good & F.col(WITHOUT_FEATURES)).alias("without_features"),
        F.array(*[F.count_if(good & by_name(name).isNull()) for name in features]).alias("missing"),
        F.lower(F.hex(F.bit_xor(F.when(good, content)))).alias("fingerprint"),
        F.array(*[F.count(by_name(name)) for name in columns]).alias("understood"),
        F.array(*[F.count(by_name(odd_name(name))) for name in columns]).alias("odd"),
    ).collect()
    plain = totals.asDict()
    missing = dict(zip(features, plain.pop("missing"), strict=True))
    understood = dict(zip(columns, plain.pop("understood"), strict=True))
    odd = dict(zip(columns, plain.pop("odd"), strict=True))
    all_good = totals["read"] == totals["accepted"]
    found = _not_taken(validated, [name for name, n in odd.items() if n], not all_good)
    return RowCounts(
        **{**plain, "fingerprint": totals["fingerprint"] or ""},
        missing={name: n for name, n in missing.items() if n},
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
        WITHOUT_FEATURES,
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


def check_quotes(validated: DataFrame, counts: GatedRows, path: str) -> None:
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
            f"{path}: a quote is never closed: {counts.reasons[UNCLOSED]} rows contain others within"
            f" a value, one has the track_id {example!r:.100}. Close it, or double it where it is"
            " part of a text. If the file does not quote at all, give a dataset file with"
            " options: {quote: ''}"
        )


def check_gate(counts: GatedRows, max_quarantined: float, path: str) -> None:
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
