"""Judges rows: which are tracks, which go to quarantine, and why."""

import functools
import logging
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F

from genre_spark.catalog.placeholders import is_placeholder
from genre_spark.catalog.reader import CORRUPT, SOURCE, SWALLOWED, Mapped, odd_name
from genre_spark.catalog.reader import REASONS as QUARANTINE_REASONS
from genre_spark.schema import (
    ARTISTS,
    GENRE,
    GENRES,
    MAX_ID_LENGTH,
    TEXT_COLUMNS,
    TRACK_ID,
    feature,
)

logger = logging.getLogger(__name__)

FAULTS = "faults"
N_IMPUTED = "n_imputed"
USABLE = "usable"
REPEATED = "repeated"
REASONS = "reasons"
AMBIGUOUS = "ambiguous"
_ID_KEY = "_id"
DUPLICATE = "duplicate_track_id"
MALFORMED = "malformed_row"
UNCLOSED = "unclosed_quote"
TOO_MANY = "too_many_imputed"


@dataclass(frozen=True)
class RepeatedIds:
    """Ids that several rows have: few, as a rule.

    Attributes
    ----------
    n_rows : int
        Rows of the source.
    n_keys : int
        Such ids.
    keys : DataFrame
        `_ID_KEY` of each, persisted.
    """

    n_rows: int
    n_keys: int
    keys: DataFrame


def repeated_ids(mapped: Mapped) -> RepeatedIds:
    """Counts the rows of each id, in one aggregation over hashes of the ids."""
    counted = mapped.rows.groupBy(_id_key().alias(_ID_KEY)).agg(F.count(F.lit(1)).alias("n"))
    rows = Observation()
    observed = counted.observe(rows, F.sum("n").alias("n_rows"))
    several = observed.filter((F.col("n") > 1) & F.col(_ID_KEY).isNotNull())
    keys = several.select(_ID_KEY).persist()
    n_keys = keys.count()
    return RepeatedIds(rows.get["n_rows"] or 0, n_keys, keys)


def judge(
    mapped: Mapped,
    features: tuple[str, ...],
    max_imputed: int,
    repeated: RepeatedIds | None = None,
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
    repeated : RepeatedIds, optional
        From `repeated_ids`, if it has been found already.

    Returns
    -------
    DataFrame
        The text columns; the features as double, null where missing or impossible; `FAULTS`
        and `REASONS` as array<string>; `GENRES`; `N_IMPUTED`, how many faults there are; `USABLE`, whether
        there is no reason; `REPEATED`, whether another row is kept instead; `AMBIGUOUS`; `SOURCE`,
        null for accepted rows.
    """
    rows = _each(mapped, features, max_imputed)
    repeated = repeated_ids(mapped) if repeated is None else repeated
    # Only rows that have to be compared are brought together; where there are none, nothing is.
    no_genres = F.lit(None).cast("array<string>")
    alone = {AMBIGUOUS: F.lit(False), REPEATED: F.lit(False), GENRES: no_genres}
    if not repeated.n_keys:
        judged = rows.withColumns(alone)
    else:
        keyed = rows.withColumn(_ID_KEY, _id_key())
        once = keyed.join(repeated.keys, on=_ID_KEY, how="left_anti").withColumns(alone)
        several = keyed.join(repeated.keys, on=_ID_KEY, how="left_semi")
        judged = once.unionByName(_settle_repetitions(several, features)).drop(_ID_KEY)
    return judged.withColumn(SOURCE, F.when(~F.col(USABLE), F.col(SOURCE)))


def accepted(judged: DataFrame) -> DataFrame:
    """The rows that are tracks."""
    odd = [name for name in judged.columns if name.startswith(odd_name(""))]
    return judged.filter(USABLE).drop(USABLE, REPEATED, REASONS, SOURCE, *odd)


def quarantined(judged: DataFrame) -> DataFrame:
    """The rows set aside: their original columns and `REASONS`."""
    return judged.filter(~F.col(USABLE)).select(
        f"{SOURCE}.*", F.col(REASONS).alias(QUARANTINE_REASONS)
    )


def has_values(name: str) -> Column:
    """Aggregate: whether any row has a value in a feature that is possible, or not understood."""
    odd = F.col(odd_name(name))
    understood = _is_possible(name, True) | ~_is_unknown(name)
    not_understood = odd.isNotNull() & ~is_placeholder(odd, name)
    found = F.when(F.col(name).isNotNull(), understood).otherwise(not_understood)
    return F.coalesce(F.bool_or(found), F.lit(False)).alias(name)


def _each(mapped: Mapped, features: tuple[str, ...], max_imputed: int) -> DataFrame:
    """Each row judged for its own sake: impossible values become null, and each null a fault.

    What most rows need (values, how many are imputed, whether the row is usable) is told without
    the words, which Spark then puts together for few rows only, and not at all where nobody asks.
    """
    possible = {name: _is_possible(name, name in mapped.features) for name in features}
    n_imputed = functools.reduce(operator.add, [(~one).cast("int") for one in possible.values()])
    faults = _listed(
        [(_fault(name, name in mapped.features), ~possible[name]) for name in features]
    )
    for_itself = [
        (F.lit(MALFORMED), F.col(CORRUPT).isNotNull()),
        (F.lit(UNCLOSED), F.col(SWALLOWED)),
        (F.lit(f"missing:{TRACK_ID}"), F.col(TRACK_ID).isNull()),
        (F.lit(f"unusable:{TRACK_ID}"), F.coalesce(_is_no_id(F.col(TRACK_ID)), F.lit(False))),
    ]
    too_many = n_imputed > max_imputed
    unusable = functools.reduce(operator.or_, [so for _, so in for_itself], too_many)
    of_features = F.when(too_many, F.array_append(faults, TOO_MANY)).otherwise(_none())
    reasons = F.concat(_listed(for_itself), of_features)
    values = [
        (F.when(possible[name], F.col(name)) if name in mapped.features else F.lit(None))
        .cast("double")
        .alias(name)
        for name in features
    ]
    of_texts = [odd_name(n) for n in TEXT_COLUMNS if n in mapped.columns and n != TRACK_ID]
    return mapped.rows.select(
        *TEXT_COLUMNS,
        ARTISTS,
        *of_texts,
        *[_odd(name, possible[name]) for name in features if name in mapped.features],
        SOURCE,
        n_imputed.alias(N_IMPUTED),
        F.when(n_imputed > 0, faults).otherwise(_none()).alias(FAULTS),
        (~unusable).alias(USABLE),
        F.when(unusable, reasons).otherwise(_none()).alias(REASONS),
        *values,
    )


def _is_possible(name: str, in_source: bool) -> Column:
    """Whether there is a value, and one that can be."""
    if not in_source:
        return F.lit(False)
    limits, value = feature(name), F.col(name)
    # Spark orders NaN above all numbers, so NaN and infinity fall out of the range too.
    possible = value.between(limits.low, limits.high)
    if limits.integer:
        possible &= value == F.rint(value)
    return F.coalesce(possible, F.lit(False))


def _is_unknown(name: str) -> Column:
    """Whether a number says that the analysis found nothing: 0 or -1 where these are impossible."""
    return F.col(name).isin(0.0, -1.0)


def _odd(name: str, possible: Column) -> Column:
    """A feature's value as the source has it, where it is not taken."""
    impossible = F.col(name).isNotNull() & ~possible & ~_is_unknown(name)
    odd = F.when(impossible, F.col(name).cast("string")).otherwise(F.col(odd_name(name)))
    return odd.alias(odd_name(name))


def _fault(name: str, in_source: bool) -> Column:
    """What is wrong with a value that is not possible."""
    if not in_source:
        return F.lit(f"missing:{name}")
    return (
        F.when(F.col(name).isNotNull(), f"out_of_range:{name}")
        .when(F.col(odd_name(name)).isNull(), f"missing:{name}")
        .when(is_placeholder(F.col(odd_name(name)), name), f"missing:{name}")
        .otherwise(f"not_a_number:{name}")
    )


def _listed(words: Sequence[tuple[Column, Column]]) -> Column:
    """An array of the words whose conditions hold."""
    return F.concat(_none(), *[F.when(so, F.array(word)).otherwise(_none()) for word, so in words])


def _settle_repetitions(rows: DataFrame, features: tuple[str, ...]) -> DataFrame:
    """Keeps one row of each id: a usable one, with the fewest faults, then by content."""
    unusable = ~F.col(USABLE)
    per_id = Window.partitionBy(TRACK_ID)
    content = _content_hash([F.col(name) for name in (*TEXT_COLUMNS, *features)])
    fields = [F.col(SOURCE).getField(name) for name in rows.select(f"{SOURCE}.*").columns]
    order = per_id.orderBy(unusable, N_IMPUTED, content, _content_hash(fields))
    plain = F.lower(GENRE)
    first, last = F.min(plain).over(per_id), F.max(plain).over(per_id)
    repeated = ~unusable & (F.row_number().over(order) > 1)
    return rows.withColumns(
        {
            USABLE: F.col(USABLE) & ~repeated,
            REPEATED: repeated,
            REASONS: F.when(repeated, F.array(F.lit(DUPLICATE))).otherwise(F.col(REASONS)),
            AMBIGUOUS: F.coalesce(first != last, F.lit(False)),
            GENRES: F.when(first != last, F.sort_array(F.collect_list(GENRE).over(per_id))),
            GENRE: F.when(first == last, F.min(GENRE).over(per_id)),
        }
    )


def _content_hash(columns: Sequence[Column]) -> Column:
    """A 64-bit hash of values and of where there is none, which `xxhash64` leaves out."""
    return F.xxhash64(*[part for column in columns for part in (column.isNull(), column)])


def _id_key() -> Column:
    return F.when(F.col(TRACK_ID).isNotNull(), F.xxhash64(TRACK_ID))


def _is_no_id(track_id: Column) -> Column:
    """Too long to be one, with characters that nobody could see or type, or rounded by a program."""
    odd = track_id.rlike("[\\p{Cntrl}\ufffd]|^-?\\d(\\.\\d+)?[eE]\\+?\\d+$")
    return (F.length(track_id) > MAX_ID_LENGTH) | odd | ~F.is_valid_utf8(track_id)


def _none() -> Column:
    return F.array().cast("array<string>")
