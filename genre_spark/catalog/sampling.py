"""Tracks sampled by the hash of their ids: the same however a catalogue is partitioned or ordered."""

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog import row_counts
from genre_spark.catalog.columns import by_name
from genre_spark.catalog.rows import GatedRows, ValueCounts
from genre_spark.catalog.validation import DUPLICATE, NOT_TAKEN, REASONS, USABLE
from genre_spark.schema import ARTIST, FEATURE_SOURCE, TRACK_ID

# A share that is 5 % of so many is off by less than 0.1 %, whatever the catalogue's size.
ENOUGH = 100_000
# Rows of a sample: with up to twice as many as are enough, all are taken.
MOST = 2 * ENOUGH
# Columns of a sample before its features.
_FIRST = (USABLE, REASONS, ARTIST, FEATURE_SOURCE)


def one_in(share: int) -> Column:
    """Whether a track is among one in so many, by the hash of its id."""
    return F.pmod(F.xxhash64(TRACK_ID), F.lit(share)) == 0


def enough(n_tracks: int, size: int = ENOUGH) -> Column:
    """Whether a track is among about `size` to twice as many of so many; always, of fewer."""
    return one_in(max(1, n_tracks // size))


def bounded(tracks: DataFrame, n_tracks: int) -> DataFrame:
    """As many of so many tracks as represent all of them."""
    return tracks.filter(enough(n_tracks))


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
        large = counts * self.share > max_group
        pairs = zip(artists[large], counts[large] * self.share, strict=True)
        return {int(artist): int(-(-count // max_group)) for artist, count in pairs}

    @property
    def counts(self) -> GatedRows:
        """What became of the rows of the sample."""
        reasons = self.rows.filter(pc.invert(self.rows[USABLE]))[REASONS]
        counted = pc.value_counts(reasons.combine_chunks().flatten())
        by_reason = {row["values"]: row["counts"] for row in counted.to_pylist()}
        return GatedRows(
            read=self.rows.num_rows,
            accepted=self.rows.num_rows - len(reasons),
            duplicates=by_reason.get(DUPLICATE, 0),
            reasons=by_reason,
            values=self.values,
        )


def collect(
    validated: DataFrame, n_rows: int, features: tuple[str, ...], owner: str = ARTIST
) -> Sample:
    """A sample of at most about 200,000 of so many rows.

    `owner` is the column whose tracks are related.
    """
    share = max(1, n_rows // ENOUGH)
    key = F.when(F.col(owner).isNotNull(), F.xxhash64(owner)).alias(ARTIST)
    told = FEATURE_SOURCE in validated.columns
    source = F.col(FEATURE_SOURCE) if told else F.lit(None).cast("string").alias(FEATURE_SOURCE)
    used = row_counts.read_columns(features)
    taken = [by_name(name).isNotNull().alias(f"_taken_{name}") for name in used]
    sampled = validated.filter(one_in(share))
    rows = sampled.select(
        USABLE, REASONS, key, source, *map(by_name, features), NOT_TAKEN, *taken
    ).toArrow()
    understood = {name: cast(int, pc.sum(rows[f"_taken_{name}"]).as_py() or 0) for name in used}
    values = row_counts.summed(understood, row_counts.not_taken_of(rows[NOT_TAKEN]))
    return Sample(share, rows.select((*_FIRST, *features)), values)
