"""Catalogue context: what the catalogue says of a track's artist and album, without any label."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.features import FeatureSpace
from genre_spark.schema import context_column

# Statistics are sums of whole numbers: the same in whatever order Spark adds them, so that the
# same catalogue gives the same context to the last bit, and labels do not flicker from night to
# night. At 2^-16 of a spread per unit, sums of squares hold 2^63 / (LIMIT * 2^16)^2, that is
# about 60 million tracks of one artist.
_UNIT = 2.0**16


def add_context(tracks: DataFrame, space: FeatureSpace, groups: Sequence[str]) -> DataFrame:
    """Adds the statistics of each track's artist and album.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with the features of `space`, and a column per group.
    space : FeatureSpace
        The fitted transform; statistics are of its axes.
    groups : sequence of str
        Of `schema.GROUPS`, those to add.

    Returns
    -------
    DataFrame
        With a column `context_column(group)` per group: array<double> of 1 + 2 n_axes numbers
        (number of tracks; mean of each axis; spread of each axis), null where the track has no
        such group.
    """
    for group in groups:
        statistics = _statistics(tracks, space, group)
        tracks = tracks.join(statistics, on=group, how="left")
    return tracks


def _statistics(tracks: DataFrame, space: FeatureSpace, group: str) -> DataFrame:
    fixed = [F.round(axis * _UNIT).cast("bigint") for axis in space.to_spark()]
    sums = [F.sum(value) for value in fixed]
    squares = [F.sum(value * value) for value in fixed]
    totals = tracks.filter(F.col(group).isNotNull()).groupBy(group).agg(
        F.count(F.lit(1)).cast("double").alias("_n"),
        F.array(*sums).alias("_sums"),
        F.array(*squares).alias("_squares"),
    )  # fmt: skip
    means = [F.col("_sums")[i] / F.col("_n") / _UNIT for i in range(space.n_axes)]
    spreads = [_spread(i) for i in range(space.n_axes)]
    packed = F.array(F.col("_n"), *means, *spreads)
    return totals.select(group, packed.alias(context_column(group)))


def _spread(i: int) -> Column:
    mean_square = F.col("_squares")[i] / F.col("_n") / _UNIT**2
    mean = F.col("_sums")[i] / F.col("_n") / _UNIT
    return F.sqrt(F.greatest(mean_square - mean * mean, F.lit(0.0)))
