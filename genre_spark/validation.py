"""Judges rows: which are tracks, which go to quarantine, and why."""

import functools
import logging
import operator
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from genre_spark.catalog import CORRUPT, SOURCE, SWALLOWED, Mapped, raw_name
from genre_spark.catalog import REASONS as QUARANTINE_REASONS
from genre_spark.errors import GateError, InputError
from genre_spark.schema import GENRE, MAX_ID_LENGTH, TEXT_COLUMNS, TRACK_ID, feature

logger = logging.getLogger(__name__)

FAULTS = "faults"
REASONS = "reasons"
AMBIGUOUS = "ambiguous"
_ID_KEY = "_id"
DUPLICATE = "duplicate_track_id"
MALFORMED = "malformed_row"
UNCLOSED = "unclosed_quote"
TOO_MANY = "too_many_imputed"


@dataclass(frozen=True)
class Counts:
    """What became of a catalogue's rows.

    Attributes
    ----------
    read : int
        Rows of the source.
    accepted : int
        Rows that are tracks, one per `track_id`.
    duplicates : int
        Rows set aside only because another row has their `track_id`.
    ambiguous : int
        Tracks under more than one genre: scored, never learned from.
    labelled : int
        Tracks with exactly one genre.
    imputed : int
        Tracks with at least one imputed feature.
    reasons : dict of str to int
        Quarantined rows per reason; a row can have several.
    fingerprint : str
        Hash of the accepted tracks, in whatever order they come.
    """

    read: int
    accepted: int
    duplicates: int
    ambiguous: int
    labelled: int
    imputed: int
    fingerprint: str
    reasons: dict[str, int]

    @property
    def quarantined(self) -> int:
        """Rows set aside for any reason."""
        return self.read - self.accepted

    @property
    def refused_share(self) -> float:
        """Share of rows set aside for other reasons than being a repetition, in [0, 1]."""
        return (self.quarantined - self.duplicates) / self.read if self.read else 0.0


def repeated_ids(mapped: Mapped) -> DataFrame:
    """`_ID_KEY` of each id that has several rows: few, as a rule."""
    ids = mapped.rows.filter(F.col(TRACK_ID).isNotNull()).groupBy(_id_key().alias(_ID_KEY))
    return ids.count().filter(F.col("count") > 1).select(_ID_KEY)


def judge(
    mapped: Mapped,
    features: tuple[str, ...],
    max_imputed: int,
    repeated: DataFrame | None = None,
) -> DataFrame:
    """Each row with its faults, and the reasons for which it is set aside.

    Parameters
    ----------
    mapped : Mapped
        The catalogue in canonical columns.
    features : tuple of str
        Features of the model. One that the catalogue lacks counts as missing in each row.
    max_imputed : int
        Most features a track may lack.
    repeated : DataFrame, optional
        From `repeated_ids`, if it has been found already.

    Returns
    -------
    DataFrame
        The text columns; the features as double, null where missing or impossible; `FAULTS`
        and `REASONS` as array<string>; `AMBIGUOUS`; `SOURCE`, null for accepted rows.
    """
    rows = _with_reasons(_with_faults(mapped, features), max_imputed)
    repeated = repeated_ids(mapped) if repeated is None else repeated
    # Only rows that have to be compared are brought together.
    keyed = rows.withColumn(_ID_KEY, _id_key())
    once = keyed.join(repeated, on=_ID_KEY, how="left_anti").withColumn(AMBIGUOUS, F.lit(False))
    several = keyed.join(repeated, on=_ID_KEY, how="left_semi")
    judged = once.unionByName(_settle_repetitions(several, features))
    return judged.drop(_ID_KEY, CORRUPT, SWALLOWED).withColumn(
        SOURCE, F.when(F.size(REASONS) > 0, F.col(SOURCE))
    )


def accepted(judged: DataFrame) -> DataFrame:
    """The rows that are tracks."""
    return judged.filter(F.size(REASONS) == 0).drop(REASONS, SOURCE)


def quarantined(judged: DataFrame) -> DataFrame:
    """The rows set aside: their original columns and `REASONS`."""
    return judged.filter(F.size(REASONS) > 0).select(
        f"{SOURCE}.*", F.col(REASONS).alias(QUARANTINE_REASONS)
    )


def count(judged: DataFrame) -> Counts:
    """Counts rows by their fate; one pass for the totals, one for the reasons if there are any."""
    good = F.size(REASONS) == 0
    repeated = (F.size(REASONS) == 1) & (F.col(REASONS)[0] == DUPLICATE)
    internal = (FAULTS, REASONS, AMBIGUOUS, SOURCE)
    content = F.xxhash64(*[name for name in judged.columns if name not in internal])
    totals = judged.agg(
        F.count(F.lit(1)).alias("read"),
        F.count_if(good).alias("accepted"),
        F.count_if(repeated).alias("duplicates"),
        F.count_if(good & F.col(AMBIGUOUS)).alias("ambiguous"),
        F.count_if(good & F.col(GENRE).isNotNull()).alias("labelled"),
        F.count_if(good & (F.size(FAULTS) > 0)).alias("imputed"),
        F.lower(F.hex(F.bit_xor(F.when(good, content)))).alias("fingerprint"),
    ).first()
    counted = {**totals.asDict(), "fingerprint": totals["fingerprint"] or ""}
    if totals["read"] == totals["accepted"]:
        return Counts(**counted, reasons={})
    by_reason = judged.select(F.explode(REASONS).alias("reason")).groupBy("reason").count()
    reasons = {row["reason"]: row["count"] for row in by_reason.orderBy("reason").collect()}
    return Counts(**counted, reasons=reasons)


def has_values(name: str) -> Column:
    """Aggregate: whether any row has a number in a feature."""
    return F.coalesce(F.bool_or(F.col(name).isNotNull()), F.lit(False)).alias(name)


def check_quotes(judged: DataFrame, counts: Counts, path: str) -> None:
    """Stops where quotes that nobody closed hide rows: they could not be accounted for.

    Raises
    ------
    InputError
        Naming one of the rows.
    """
    if UNCLOSED in counts.reasons:
        row = judged.filter(F.array_contains(REASONS, UNCLOSED)).select(TRACK_ID).first()
        raise InputError(
            f"{path}: a quote is never closed: {counts.reasons[UNCLOSED]} rows hold others within"
            f" a value, one has the track_id {row[0]!r:.100}. Close it, or double it where it is"
            " part of a text. If the file does not quote at all, give a dataset file with"
            " options: {quote: ''}"
        )


def check_gate(counts: Counts, max_quarantined: float, path: str) -> None:
    """Stops where too little of a catalogue can be used.

    Raises
    ------
    InputError
        Where there is no row, or none that can be used.
    GateError
        Where more than `max_quarantined` of the rows are set aside for their own faults.
    """
    if counts.read == 0:
        raise InputError(f"{path}: has no rows")
    worst = sorted(counts.reasons.items(), key=lambda item: -item[1])[:3]
    said = ", ".join(f"{reason} ({n})" for reason, n in worst)
    if counts.accepted == 0:
        raise InputError(f"{path}: none of its {counts.read} rows can be used; {said}")
    if counts.refused_share > max_quarantined:
        raise GateError(
            f"{path}: {counts.refused_share:.1%} of {counts.read} rows would be quarantined, the"
            f" limit is {max_quarantined:.1%}; most are {said}. Mend them, or allow more with"
            " --set max_quarantined=SHARE"
        )


def _with_faults(mapped: Mapped, features: tuple[str, ...]) -> DataFrame:
    """Impossible values become null, and each null a fault with its kind."""
    kinds = {name: _fault(name, name in mapped.features) for name in features}
    found = F.concat(_none(), *[_when(kind.isNotNull(), kind) for kind in kinds.values()])
    # Few rows have any, and for the others nothing need be put together.
    has_any = functools.reduce(operator.or_, [kind.isNotNull() for kind in kinds.values()])
    faults = F.when(has_any, found).otherwise(_none())
    values = [
        (F.when(kinds[name].isNull(), F.col(name)) if name in mapped.features else F.lit(None))
        .cast("double")
        .alias(name)
        for name in features
    ]
    return mapped.rows.select(
        *TEXT_COLUMNS, CORRUPT, SWALLOWED, SOURCE, faults.alias(FAULTS), *values
    )


def _with_reasons(rows: DataFrame, max_imputed: int) -> DataFrame:
    """Why each row is set aside for its own sake."""
    found = {
        MALFORMED: F.col(CORRUPT).isNotNull(),
        UNCLOSED: F.col(SWALLOWED),
        f"missing:{TRACK_ID}": F.col(TRACK_ID).isNull(),
        f"unusable:{TRACK_ID}": F.coalesce(_is_no_id(F.col(TRACK_ID)), F.lit(False)),
    }
    too_many = F.size(FAULTS) > max_imputed
    reasons = F.concat(
        *[_when(is_so, reason) for reason, is_so in found.items()],
        F.when(too_many, F.array_append(FAULTS, TOO_MANY)).otherwise(_none()),
    )
    has_any = functools.reduce(operator.or_, [*found.values(), too_many])
    return rows.withColumn(REASONS, F.when(has_any, reasons).otherwise(_none()))


def _fault(name: str, in_source: bool) -> Column:
    """``missing:x``, ``not_a_number:x`` or ``out_of_range:x``; null for a good value."""
    if not in_source:
        return F.lit(f"missing:{name}")
    limits, value = feature(name), F.col(name)
    # Spark orders NaN above all numbers, so NaN and infinity fall out of the range too.
    possible = value.between(limits.low, limits.high)
    if limits.integer:
        possible &= value == F.round(value)
    return (
        F.when(~F.col(raw_name(name)), f"missing:{name}")
        .when(value.isNull(), f"not_a_number:{name}")
        .when(~possible, f"out_of_range:{name}")
    )


def _settle_repetitions(rows: DataFrame, features: tuple[str, ...]) -> DataFrame:
    """Keeps one row of each id: a usable one, with the fewest faults, then by content."""
    unusable = F.size(REASONS) > 0
    per_id = Window.partitionBy(TRACK_ID)
    content = F.xxhash64(*TEXT_COLUMNS, *features)
    order = per_id.orderBy(unusable, F.size(FAULTS), content, F.xxhash64(SOURCE))
    first, last = F.min(GENRE).over(per_id), F.max(GENRE).over(per_id)
    repeated = ~unusable & (F.row_number().over(order) > 1)
    return rows.withColumns(
        {
            REASONS: F.when(repeated, F.array(F.lit(DUPLICATE))).otherwise(F.col(REASONS)),
            AMBIGUOUS: F.coalesce(first != last, F.lit(False)),
            GENRE: F.when(first == last, first),
        }
    )


def _id_key() -> Column:
    return F.xxhash64(TRACK_ID)


def _is_no_id(track_id: Column) -> Column:
    """Too long to be one, or with characters that nobody could see or type."""
    return (F.length(track_id) > MAX_ID_LENGTH) | track_id.rlike("[\\p{Cntrl}\ufffd]")


def _none() -> Column:
    return F.array().cast("array<string>")


def _when(condition: Column, reason: str | Column) -> Column:
    """An array of one reason, or of none."""
    return F.when(
        condition, F.array(F.lit(reason) if isinstance(reason, str) else reason)
    ).otherwise(_none())
