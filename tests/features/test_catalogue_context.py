"""Catalogue context: what pandas computes, and the same to the last bit in whatever order."""

import numpy as np
import pandas as pd
import pytest
from support.generated import make_space, make_tracks

from genre_spark.features import catalogue_context, tensor
from genre_spark.schema import ALBUM, ARTIST, FEATURE_NAMES, GROUPS, TRACK_ID, context_column


@pytest.fixture(scope="module")
def tracks():
    """Tracks of which some have no artist or album, some artists one track, some features holes."""
    tracks = make_tracks(240, seed=7, artists=40, albums=70)
    rng = np.random.default_rng(0)
    tracks.loc[rng.random(len(tracks)) < 0.1, "artist"] = None
    tracks.loc[rng.random(len(tracks)) < 0.1, "album"] = None
    tracks.loc[:2, "artist"] = ["alone", "'; DROP", "ünï 🔥"]
    for name in ("tempo", "energy"):
        tracks.loc[rng.random(len(tracks)) < 0.05, name] = np.nan
    return tracks


@pytest.fixture(scope="module")
def space(tracks):
    return make_space(tracks)


@pytest.fixture(scope="module")
def axes(tracks, space):
    return pd.DataFrame(space.to_numpy(tracks[list(FEATURE_NAMES)].to_numpy(float)))


@pytest.fixture(scope="module")
def found(spark, tracks, space):
    """The packed context of each track, by group and id."""
    return packed(catalogue_context.add_context(in_spark(spark, tracks), space, GROUPS))


def in_spark(spark, tracks):
    columns = [TRACK_ID, ARTIST, ALBUM, *FEATURE_NAMES]
    rows = tracks[columns].astype(object).where(tracks[columns].notna(), None)
    schema = ", ".join(
        f"{name} {'double' if name in FEATURE_NAMES else 'string'}" for name in columns
    )
    return spark.createDataFrame(rows.to_numpy().tolist(), schema)


def packed(table, groups=GROUPS):
    rows = table.select(TRACK_ID, *map(context_column, groups)).collect()
    return {group: {row[TRACK_ID]: row[context_column(group)] for row in rows} for group in groups}


def statistic(found, tracks, group, name, n_axes):
    """One statistic of each track's group [shape=(n_tracks, n_axes)], NaN where it has none."""
    start = len(tensor.COUNTS[group]) + tensor.STATISTICS[group].index(name) * n_axes
    nothing = [np.nan] * n_axes
    values = [found[group][key] for key in tracks[TRACK_ID]]
    return np.array([nothing if v is None else v[start : start + n_axes] for v in values])


def counts(found, tracks, group, name):
    at = tensor.COUNTS[group].index(name)
    values = [found[group][key] for key in tracks[TRACK_ID]]
    return np.array([np.nan if v is None else v[at] for v in values])


BY_PANDAS = {"mean": "mean", "spread": lambda x: x.std(ddof=0), "low": "min", "high": "max"}


@pytest.mark.parametrize(
    ("group", "name"),
    [(group, name) for group in GROUPS for name in tensor.STATISTICS[group] if name in BY_PANDAS],
)
def test_statistics_of_axes_are_those_of_pandas(found, tracks, axes, group, name):
    expected = axes.groupby(tracks[group]).transform(BY_PANDAS[name])
    got = statistic(found, tracks, group, name, axes.shape[1])
    np.testing.assert_allclose(got, expected, atol=1e-3)
    assert np.isnan(got).any()


@pytest.mark.parametrize("group", GROUPS)
def test_the_mean_and_the_spread_are_known_of_every_group(group):
    assert {"mean", "spread"} <= set(tensor.STATISTICS[group])
    assert tensor.COUNTS[group][0] == "tracks"


@pytest.mark.parametrize("group", GROUPS)
def test_tracks_are_counted_exactly(found, tracks, group):
    expected = tracks.groupby(group)[TRACK_ID].transform("count")
    np.testing.assert_array_equal(counts(found, tracks, group, "tracks"), expected)


@pytest.mark.parametrize("group", GROUPS)
def test_a_track_without_a_group_has_no_context(found, tracks, group):
    without = {key for key, values in found[group].items() if values is None}
    assert without == set(tracks.loc[tracks[group].isna(), TRACK_ID])
    assert 0 < len(without) < len(tracks)


@pytest.mark.parametrize("group", GROUPS)
def test_a_packed_context_has_the_length_that_reading_it_counts_on(found, space, group):
    lengths = {len(values) for values in found[group].values() if values is not None}
    assert lengths == {tensor.packed_length(group, space.n_axes)}
    assert not any(v is None for values in found[group].values() for v in values or ())


def test_an_artist_of_one_track_is_that_track_without_any_spread(found, tracks, axes):
    for name, expected in (("mean", axes.iloc[0]), ("spread", 0.0)):
        got = statistic(found, tracks.iloc[:1], ARTIST, name, axes.shape[1])[0]
        np.testing.assert_allclose(got, expected, atol=1e-3)


def test_every_track_stays_once_with_all_its_columns(spark, tracks, space):
    table = in_spark(spark, tracks)
    added = catalogue_context.add_context(table, space, GROUPS)
    assert set(added.columns) == {*table.columns, *map(context_column, GROUPS)}
    assert sorted(row[TRACK_ID] for row in added.collect()) == sorted(tracks[TRACK_ID])


@pytest.mark.parametrize("groups", [(), (ALBUM,)])
def test_only_the_groups_asked_for_are_added(spark, tracks, space, groups):
    added = catalogue_context.add_context(in_spark(spark, tracks), space, groups)
    assert [name for name in added.columns if name.startswith("_")] == [
        context_column(group) for group in groups
    ]


@pytest.mark.parametrize("partitions", [1, 5])
def test_the_context_is_the_same_to_the_last_bit_in_whatever_order_tracks_come(
    spark, tracks, space, found, partitions
):
    shuffled = tracks.sample(frac=1.0, random_state=partitions)
    table = in_spark(spark, shuffled).repartition(partitions)
    assert packed(catalogue_context.add_context(table, space, GROUPS)) == found


def test_labels_take_no_part_in_the_context(spark, tracks, space, found):
    from pyspark.sql import functions as F

    table = in_spark(spark, tracks).withColumn("genre", F.rand(1).cast("string"))
    assert packed(catalogue_context.add_context(table, space, GROUPS)) == found
