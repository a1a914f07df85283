"""Catalogue context: what the catalogue says of a track's artist and album, without any label."""

import itertools
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.features import FeatureSpace
from genre_spark.schema import ALBUM, ARTIST, context_column
from genre_spark.tensor import MIN_WIDTH, STATISTICS

# Means are sums of whole numbers: the same in whatever order Spark adds them, so that the same
# catalogue gives the same context to the last bit, and labels do not flicker from night to night.
# At 2^-16 of a unit, sums of squares hold 2^63 / (LIMIT * 2^16)^2, that is some 60 million tracks
# of one artist.
_UNIT = 2.0**16

# HyperLogLog keeps no list of names, and small counts are exact; relative error.
_COUNT_ERROR = 0.05


def add_context(tracks: DataFrame, space: FeatureSpace, groups: Sequence[str]) -> DataFrame:
    """Adds the context of each track's artist and album.

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
        With a column `context_column(group)` per group: array<double> of the group's `COUNTS`,
        then each of its `STATISTICS` for all axes; null where the track has no such group.
    """
    for group in groups:
        tracks = tracks.join(_context(tracks, space, group), on=group, how="left")
    return tracks


def artist_key() -> Column:
    """A number that stands for a track's artist; null for a track without one."""
    return F.when(F.col(ARTIST).isNotNull(), F.xxhash64(ARTIST))


def _context(tracks: DataFrame, space: FeatureSpace, group: str) -> DataFrame:
    """One row per artist (album): its name and its packed context."""
    axes = [F.col(f"_axis{i}") for i in range(space.n_axes)]
    points = tracks.filter(F.col(group).isNotNull()).select(
        group,
        F.col(ALBUM if group == ARTIST else ARTIST).alias("_other"),
        *[column.alias(f"_axis{i}") for i, column in enumerate(space.to_spark())],
    )
    aggregates = {
        "_n": F.count(F.lit(1)).cast("double"),
        "_others": F.approx_count_distinct("_other", _COUNT_ERROR).cast("double"),
    }
    for i, axis in enumerate(axes):
        aggregates[f"_sum{i}"] = F.sum(_fixed(axis))
        aggregates[f"_square{i}"] = F.sum(_fixed(axis) * _fixed(axis))
        if "low" in STATISTICS[group]:
            aggregates[f"_low{i}"], aggregates[f"_high{i}"] = F.min(axis), F.max(axis)
        if "bin1" in STATISTICS[group]:
            for b, step in enumerate(_steps(axis, space.axes[i].edges), start=1):
                aggregates[f"_bin{b}_{i}"] = F.sum(_fixed(step))
    totals = points.groupBy(group).agg(*[c.alias(name) for name, c in aggregates.items()])
    statistics = [_statistic(name, i) for name in STATISTICS[group] for i in range(len(axes))]
    # An artist whose tracks name no album has one all the same.
    counts = [F.col("_n"), F.greatest(F.col("_others"), F.lit(1.0))]
    return totals.select(group, F.array(*counts, *statistics).alias(context_column(group)))


def _statistic(name: str, axis: int) -> Column:
    """A statistic of one axis, from the sums of a group."""
    mean = F.col(f"_sum{axis}") / F.col("_n") / _UNIT
    if name == "mean":
        return mean
    if name == "spread":
        mean_square = F.col(f"_square{axis}") / F.col("_n") / _UNIT**2
        return F.sqrt(F.greatest(mean_square - mean * mean, F.lit(0.0)))
    if name in ("low", "high"):
        return F.col(f"_{name}{axis}")
    return F.col(f"_{name}_{axis}") / F.col("_n") / _UNIT


def _steps(axis: Column, edges: Sequence[float]) -> list[Column]:
    """The same steps as `tensor.bins`."""
    pairs = itertools.pairwise(edges)
    through = [(axis - low) / max(high - low, MIN_WIDTH) for low, high in pairs]
    return [F.least(F.greatest(share, F.lit(0.0)), F.lit(1.0)) for share in through]


def _fixed(value: Column) -> Column:
    return F.round(value * _UNIT).cast("bigint")
