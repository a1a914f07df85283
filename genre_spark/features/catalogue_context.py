"""Catalogue context: what the catalogue says of a track's artist and album, without any label."""

import itertools
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.features.scaling import FeatureSpace
from genre_spark.features.tensor import FIXED_UNIT, MIN_WIDTH, STATISTICS
from genre_spark.schema import ALBUM, ARTIST, GROUPS, context_column, key_column


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
    added = tracks.withColumns({key_column(group): key(group) for group in GROUPS})
    for group in groups:
        added = added.join(statistics(added, space, group), on=key_column(group), how="left")
    return added.drop(*map(key_column, GROUPS))


def key(group: str) -> Column:
    """A number that stands for a track's artist (album); null for a track without one."""
    return F.when(F.col(group).isNotNull(), F.xxhash64(group))


def statistics(tracks: DataFrame, space: FeatureSpace, group: str, *others: Column) -> DataFrame:
    """One row per artist (album): its key, its packed context, and other aggregates.

    Parameters
    ----------
    tracks : DataFrame
        With the keys of artists and albums and the features of `space`.
    space : FeatureSpace
    group : str
    *others : Column
    """
    own, other = key_column(group), key_column(ALBUM if group == ARTIST else ARTIST)
    named = tracks.filter(F.col(own).isNotNull())
    axes = [F.col(f"_axis{i}") for i in range(space.n_axes)]
    scaled = {f"_axis{i}": column for i, column in enumerate(space.to_spark())}
    aggregates = {"_n": F.count(F.lit(1)).cast("double")}
    for i, axis in enumerate(axes):
        aggregates[f"_sum{i}"] = F.sum(_fixed(axis))
        aggregates[f"_square{i}"] = F.sum(_fixed(axis) * _fixed(axis))
        if "low" in STATISTICS[group]:
            aggregates[f"_low{i}"], aggregates[f"_high{i}"] = F.min(axis), F.max(axis)
        if "bin1" in STATISTICS[group]:
            for b, step in enumerate(_steps(axis, space.axes[i].edges), start=1):
                aggregates[f"_bin{b}_{i}"] = F.sum(_fixed(step))
    named_aggregates = [column.alias(name) for name, column in aggregates.items()]
    totals = named.withColumns(scaled).groupBy(own).agg(*named_aggregates, *others)
    # Counted apart: for each pair beside the sums, Spark would add up all of them twice.
    pairs = named.select(own, other).distinct().groupBy(own).agg(F.count(other).alias("_others"))
    values = [_statistic(name, i) for name in STATISTICS[group] for i in range(len(axes))]
    # An artist whose tracks name no album has one all the same.
    counts = [F.col("_n"), F.greatest(F.col("_others").cast("double"), F.lit(1.0))]
    kept = [name for name in totals.columns if name not in aggregates]
    packed = F.array(*counts, *values).alias(context_column(group))
    return totals.join(pairs, on=own).select(*kept, packed)


def _statistic(name: str, axis: int) -> Column:
    """A statistic of one axis, from the sums of a group."""
    mean = F.col(f"_sum{axis}") / F.col("_n") / FIXED_UNIT
    if name == "mean":
        return mean
    if name == "spread":
        mean_square = F.col(f"_square{axis}") / F.col("_n") / FIXED_UNIT**2
        return F.sqrt(F.greatest(mean_square - mean * mean, F.lit(0.0)))
    if name in ("low", "high"):
        return F.col(f"_{name}{axis}")
    return F.col(f"_{name}_{axis}") / F.col("_n") / FIXED_UNIT


def _steps(axis: Column, edges: Sequence[float]) -> list[Column]:
    """The same steps as `tensor.bins`."""
    pairs = itertools.pairwise(edges)
    through = [(axis - low) / max(high - low, MIN_WIDTH) for low, high in pairs]
    return [F.least(F.greatest(share, F.lit(0.0)), F.lit(1.0)) for share in through]


def _fixed(value: Column) -> Column:
    return F.rint(value * FIXED_UNIT).cast("bigint")
