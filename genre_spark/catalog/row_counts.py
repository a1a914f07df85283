"""Counts the rows of a catalogue, or of a sample, and their values that were not taken; the gates.

Tracks are sampled by the hash of their ids: the same however a catalogue is partitioned or ordered.
"""

import functools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from genre_spark.catalog.columns import sql_name
from genre_spark.catalog.reader import named
from genre_spark.catalog.rows import UNCLOSED, GatedRows, RowCounts, ValueCounts
from genre_spark.catalog.validation import (
    AMBIGUOUS,
    DAMAGED,
    DUPLICATE,
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
from genre_spark.schema import (
    ARTIST,
    ARTISTS,
    FEATURE_SOURCE,
    GENRE,
    TEXT_COLUMNS,
    TRACK_ID,
    feature,
)

logger = logging.getLogger(__name__)

# Share of the rows that may repeat an id without a word.
_MOST_REPEATED = 0.2
_COUNTED = (NOT_UNDERSTOOD, PLACEHOLDER, DAMAGED)
_SHOWN = (NOT_UNDERSTOOD, DAMAGED)
# A share that is 5 % of so many is off by less than 0.1 %, whatever the catalogue's size.
ENOUGH = 100_000
# Rows of a sample: with up to twice as many as are enough, all are taken.
MOST = 2 * ENOUGH
# Columns of a sample before its features.
_FIRST = (USABLE, REASONS, ARTIST, FEATURE_SOURCE)


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
    features = [one.name for one in validated.schema if isinstance(one.dataType, DoubleType)]
    columns = read_columns(features)
    lacking = (f"count_if({USABLE} AND {sql_name(name)} IS NULL)" for name in features)
    given = (f"count({sql_name(name)})" for name in columns)
    sizes = (f"size({name})" for name in (REASONS, NOT_TAKEN, *listed))
    totals = {
        "read": "count(1)",
        "accepted": f"count_if({USABLE})",
        "duplicates": f"count_if({REPEATED})",
        "ambiguous": f"count_if({USABLE} AND {AMBIGUOUS})",
        "with_genre": f"count_if({USABLE} AND {GENRE} IS NOT NULL)",
        "imputed": f"count_if({USABLE} AND {N_IMPUTED} > 0)",
        "without_features": f"count_if({USABLE} AND {WITHOUT_FEATURES})",
        "missing": f"array({', '.join(lacking)})",
        "understood": f"array({', '.join(given)})",
        "odd": f"count_if({' + '.join(sizes)} > 0)",
    }
    fingerprint = F.lower(F.hex(F.bit_xor(F.when(F.col(USABLE), content_hash(features)))))
    aggregates = map(F.expr, named(totals))
    (row,) = validated.agg(*aggregates, fingerprint.alias("fingerprint")).collect()
    plain = row.asDict()
    found = _not_taken(validated, (REASONS, *listed)) if plain.pop("odd") else []
    missing = zip(features, plain.pop("missing"), strict=True)
    understood = dict(zip(columns, plain.pop("understood"), strict=True))
    counts = RowCounts(
        fingerprint=plain.pop("fingerprint") or "",
        missing={name: n for name, n in missing if n},
        values=summed(understood, found),
        reasons=of_list(found, REASONS),
        **plain,
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
    """Values that were not taken, and as kinds the words of array columns such as `REASONS`."""
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


def summed(understood: Mapping[str, int], found: Iterable[NotTaken]) -> dict[str, ValueCounts]:
    """Columns with values that were not taken, and how many of which kind.

    `understood` has the rows of each column whose value was taken.
    """
    counts: dict[str, dict[str, int]] = {}
    examples: dict[str, str] = {}
    # An example of what was not understood, if there is any, before one of what is damaged.
    for one in sorted(found, key=lambda one: (one.kind != NOT_UNDERSTOOD, one.text)):
        if one.kind in _COUNTED:
            of_column = counts.setdefault(one.column, dict.fromkeys(_COUNTED, 0))
            of_column[one.kind] += one.rows
        if one.kind in _SHOWN:
            examples.setdefault(one.column, one.text)
    return {
        name: ValueCounts(understood=n, example=examples.get(name), **counts[name])
        for name, n in understood.items()
        if name in counts
    }


def content_hash(features: Sequence[str]) -> Column:
    """Hash of what a model can read of a row; `fingerprint` is the exclusive or over all tracks.

    xxhash64 skips nulls: without a value for none, (artist X, no album) would equal (no artist, album X).
    """
    none = {name: "''" for name in TEXT_COLUMNS if name != GENRE}
    none |= dict.fromkeys(features, "double('-Infinity')")
    none[ARTISTS] = "cast(array() AS array<string>)"
    values = (f"coalesce({sql_name(name)}, {value})" for name, value in none.items())
    return F.expr(f"xxhash64({', '.join(values)})")


def one_in(share: int) -> Column:
    """Whether a track is among one in so many, by the hash of its id."""
    return F.expr(f"pmod(xxhash64({TRACK_ID}), {share}) = 0")


def bounded(tracks: DataFrame, n_tracks: int) -> DataFrame:
    """As many of so many tracks as represent all of them: 100,000 to twice as many, or all of fewer."""
    return tracks.filter(one_in(max(1, n_tracks // ENOUGH)))


@dataclass(frozen=True)
class Sample:
    """Rows of a catalogue on the driver: what gates and drift can be assessed by before any label."""

    share: int  # One row in so many is in it; 1 where it is the whole catalogue.
    # `USABLE`, `REASONS`, the key of the artist, the source of the features (null where no
    # column tells), the features as double.
    rows: pa.Table
    values: dict[str, ValueCounts]  # Values of these rows that were not taken.

    @property
    def tracks(self) -> pa.Table:
        """The rows that are tracks."""
        return self.rows.filter(self.rows[USABLE])

    @property
    def with_features(self) -> pa.Table:
        """The tracks that have any feature."""
        tracks = self.tracks
        columns = [tracks[name].is_valid() for name in tracks.column_names[len(_FIRST) :]]
        return tracks.filter(functools.reduce(pc.or_, columns))

    @property
    def without_features(self) -> float:
        """Share of the tracks that have no feature, in [0, 1]."""
        return 1.0 - self.with_features.num_rows / max(1, self.tracks.num_rows)

    def oversized_artists(self, max_group: int) -> dict[int, int]:
        """As `artist_pass.oversized_artists`."""
        keys = self.tracks[ARTIST].drop_null().to_numpy()
        artists, counts = np.unique(keys, return_counts=True)
        sizes = zip(artists.tolist(), (counts * self.share).tolist(), strict=True)
        return {artist: -(-n // max_group) for artist, n in sizes if n > max_group}

    @property
    def counts(self) -> GatedRows:
        """What became of the rows of the sample."""
        counted = pc.value_counts(self.rows[REASONS].combine_chunks().flatten())
        reasons = {row["values"]: row["counts"] for row in counted.to_pylist()}
        return GatedRows(
            read=self.rows.num_rows,
            accepted=self.tracks.num_rows,
            duplicates=reasons.get(DUPLICATE, 0),
            reasons=reasons,
            values=self.values,
        )


def collect(
    validated: DataFrame, n_rows: int | None, features: tuple[str, ...], owner: str = ARTIST
) -> Sample:
    """A sample of at most about 200,000 of so many rows; of rows that nobody has counted the first `MOST`.

    `owner` is the column whose tracks are related.
    """
    share = max(1, (n_rows or 0) // ENOUGH)
    drawn = validated.limit(MOST) if n_rows is None else validated.filter(one_in(share))
    used = read_columns(features)
    # Asked of all rows: a server of Spark Connect keeps what it has analysed for this, and begins the
    # sample and the labels with it instead of anew.
    told = FEATURE_SOURCE in validated.columns
    columns = {
        USABLE: USABLE,
        REASONS: REASONS,
        ARTIST: f"IF({owner} IS NOT NULL, xxhash64({owner}), NULL)",
        FEATURE_SOURCE: FEATURE_SOURCE if told else "string(NULL)",
        **{name: sql_name(name) for name in features},
        NOT_TAKEN: NOT_TAKEN,
        **{f"_taken_{name}": f"{sql_name(name)} IS NOT NULL" for name in used},
    }
    rows = drawn.selectExpr(*named(columns)).toArrow()
    understood = {name: pc.sum(rows[f"_taken_{name}"]).as_py() or 0 for name in used}
    each = pa.Table.from_struct_array(rows[NOT_TAKEN].combine_chunks().flatten())
    kinds = each.group_by(["column", "kind", "text"]).aggregate([([], "count_all")]).to_pylist()
    found = [
        NotTaken(one["column"], one["kind"], one["text"], one["count_all"], one["text"])
        for one in kinds
    ]
    return Sample(share, rows.select((*_FIRST, *features)), summed(understood, found))


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


def messages(name: str, one: ValueCounts) -> Iterator[str]:
    """A summary of a column's values, for people."""
    if one.not_understood:
        kind = "is no name" if name in TEXT_COLUMNS else f"is not {_possible(name)}"
        yield (
            f"{name}: {one.not_understood:,} values cannot be read, for example"
            f" {one.example!r} {kind}: treated as missing"
        )
    if one.damaged:
        example = "" if one.not_understood else f", for example {one.example!r}"
        yield f"{name}: {one.damaged:,} values have damaged characters{example}: treated as missing"
    if one.placeholder and name in TEXT_COLUMNS:
        yield (
            f'{name}: {one.placeholder:,} rows contain a placeholder (for example "unknown") and are'
            " read as missing"
        )


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
            " part of a text. If the file does not quote at all, give a dataset file with options: {quote: ''}"
        )


def check_gate(counts: GatedRows, max_quarantined: float, path: str) -> None:
    """Stops where too little of a catalogue can be used.

    Raises `InputError` if there is no row, or none that can be used, and `GateError` if more than
    `max_quarantined` of the rows are quarantined for violations of their own.
    """
    if counts.read == 0:
        raise InputError(f"{path}: has no rows")
    if counts.accepted == 0:
        raise InputError(f"{path}: none of its {counts.read} rows can be used; {counts.worst}")
    if counts.refused_share > max_quarantined:
        raise GateError(
            f"{path}: {over_limit(counts, max_quarantined)}. Mend them, or allow more with"
            " --set max_quarantined=SHARE"
        )


def over_limit(counts: GatedRows, max_quarantined: float) -> str:
    """How many rows would be quarantined, and why."""
    return (
        f"{counts.refused_share:.1%} of {counts.read} rows would be quarantined, the limit is"
        f" {max_quarantined:.1%}; most are {counts.worst}"
    )


def repetitions(counts: GatedRows) -> Iterator[str]:
    """That so many rows repeat an id that it may be none of tracks."""
    if counts.duplicates > _MOST_REPEATED * counts.read:
        share = counts.duplicates / counts.read
        yield f"{share:.0%} of its rows repeat a track_id and are left out: is it an id of tracks?"
