"""The fit on a whole catalogue, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F
from support.generated import make_manifest, make_tracks

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.catalog import sampling
from genre_spark.clustering import discover, kmeans, metric, model_selection, profiles
from genre_spark.clustering.kmeans import CLUSTER, POINT
from genre_spark.config import load_settings
from genre_spark.features import scaling, tensor
from genre_spark.schema import FEATURE_NAMES, TRACK_ID

N_TRACKS = 500
SETTINGS = load_settings(
    overrides=("k_min=11", "k_max=12", "sample_size=300", "restarts=2", "max_iterations=15")
)
K = 12


@pytest.fixture(scope="module")
def tracks(spark):
    return spark.createDataFrame(make_tracks(N_TRACKS, seed=9)).repartition(3).persist()


@pytest.fixture(scope="module")
def space(tracks):
    return scaling.fit(tracks, FEATURE_NAMES)


@pytest.fixture(scope="module")
def raw(tracks, space):
    return kmeans.sample_raw(tracks, space, N_TRACKS, seed=1)


@pytest.fixture(scope="module")
def compared(raw, space):
    return metric.fit(space.to_numpy(raw), space, SETTINGS.clustering)


@pytest.fixture(scope="module")
def points(tracks, space, compared):
    return kmeans.add_points(tracks, space, compared).persist()


@pytest.fixture(scope="module")
def start(raw, space, compared):
    sample = compared.to_numpy(space.to_numpy(raw))
    return model_selection.settle(sample, K, SETTINGS.clustering, seed=1)[0]


@pytest.fixture(scope="module")
def model(points, start):
    return kmeans.fit(points, start, max_iterations=15)


@pytest.fixture(scope="module")
def found(tracks):
    return discover.survey(tracks, tracks, FEATURE_NAMES, SETTINGS)


# The fit


def test_the_sample_is_bounded_and_the_same_however_tracks_are_partitioned(tracks, space):
    sample = kmeans.sample_raw(tracks, space, 100, seed=1)
    assert sample.shape == (100, len(FEATURE_NAMES))
    again = kmeans.sample_raw(tracks.repartition(5), space, 100, seed=1)
    np.testing.assert_array_equal(again, sample)
    assert not np.array_equal(kmeans.sample_raw(tracks, space, 100, seed=2), sample)
    assert len(kmeans.sample_raw(tracks, space, 10_000, seed=1)) == N_TRACKS


def test_the_fit_on_all_tracks_ends_where_no_center_moves(points, model):
    rows = model.transform(points).select(POINT, CLUSTER).collect()
    places, clusters = (np.array([np.asarray(row[i]) for row in rows]) for i in range(2))
    centers = np.array(model.clusterCenters())
    means = np.array([places[clusters == i].mean(axis=0) for i in range(K)])
    np.testing.assert_allclose(centers, means, atol=0.02)


def test_the_nearest_center_is_mllibs_for_every_track(points, model):
    rows = model.transform(points).select(POINT, CLUSTER).collect()
    places, clusters = (np.array([np.asarray(row[i]) for row in rows]) for i in range(2))
    nearest, distances = tensor.assign(places, np.array(model.clusterCenters()))
    np.testing.assert_array_equal(nearest, clusters)
    every = np.linalg.norm(places[:, None] - model.clusterCenters(), axis=2)
    np.testing.assert_allclose(distances, every.min(axis=1), atol=1e-9)
    assert len(set(clusters)) == K


def test_of_equally_near_centers_the_first_is_taken():
    centers = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    nearest, distances = tensor.assign(np.array([[0.0, 0.0], [2.0, 0.0]]), centers)
    assert nearest.tolist() == [0, 0]
    assert distances.tolist() == [1.0, 1.0]


def test_the_same_start_and_input_give_the_same_centers(points, model, start):
    again = kmeans.fit(points, start, max_iterations=15)
    once, twice = (np.array(one.clusterCenters()).round(9) for one in (model, again))
    np.testing.assert_array_equal(once, twice)


# What is said of it


def test_synthetic_genres_are_numbered_from_the_largest_and_account_for_every_track(found):
    genres = found.discovery.synthetic_genres
    sizes = [genre.size for genre in genres]
    assert [genre.id for genre in genres] == list(range(found.discovery.k))
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == N_TRACKS
    assert sum(genre.share for genre in genres) == pytest.approx(1, abs=1e-4)
    assert sum(n for genre in genres for n in genre.genres.values()) == N_TRACKS


def test_what_scoring_gets_is_what_was_described(found, tracks):
    rows = tracks.select(TRACK_ID, *FEATURE_NAMES).toPandas()
    axes = found.space.to_numpy(rows[list(FEATURE_NAMES)].to_numpy(float))
    nearest, distances = found.synthetic.nearest(axes)
    for row, genre in enumerate(found.discovery.synthetic_genres):
        own = nearest == row
        assert own.sum() == genre.size
        np.testing.assert_allclose(genre.centroid, axes[own].mean(axis=0), atol=1e-6)
        order = np.lexsort((rows[TRACK_ID][own], distances[own]))[: profiles.TYPICAL]
        assert [one.track_id for one in genre.typical] == rows[TRACK_ID][own].iloc[order].tolist()
        assert genre.name == found.synthetic.names[row]


def test_medians_are_in_raw_units(found):
    for genre in found.discovery.synthetic_genres:
        assert set(genre.medians) == set(FEATURE_NAMES)
        assert 40 <= genre.medians["tempo"] <= 240
        assert genre.medians["duration_ms"] >= 30_000


def test_of_a_group_without_a_drawn_track_means_are_told(model, points, space):
    centers = np.array(model.clusterCenters())
    grouped = model.transform(points)
    told = profiles.describe(grouped, grouped.filter(F.col(CLUSTER) != 3), space, centers)
    mean = grouped.filter(F.col(CLUSTER) == 3).agg(F.avg("tempo")).first()[0]
    assert told[3]["medians"]["tempo"] == pytest.approx(mean)
    assert told[3]["typical"] == ()
    assert all(len(told[row]["typical"]) == profiles.TYPICAL for row in told if row != 3)
    assert sum(one["size"] for one in told.values()) == N_TRACKS


@pytest.mark.parametrize("size", [100, 60])
def test_enough_is_drawn_the_same_however_it_is_partitioned(tracks, size):
    drawn = tracks.filter(sampling.enough(N_TRACKS, size))
    ids = {row[TRACK_ID] for row in drawn.select(TRACK_ID).collect()}
    assert size * 0.7 < len(ids) < 2 * size * 1.3
    again = tracks.repartition(7).filter(sampling.enough(N_TRACKS, size)).select(TRACK_ID)
    assert ids == {row[TRACK_ID] for row in again.collect()}


def test_what_is_found_on_a_part_is_counted_over_all_tracks(tracks):
    drawn = tracks.filter(sampling.enough(N_TRACKS, 200))
    found = discover.survey(tracks, drawn, FEATURE_NAMES, SETTINGS).discovery.synthetic_genres
    assert sum(genre.size for genre in found) == N_TRACKS
    ids = {row[TRACK_ID] for row in drawn.select(TRACK_ID).collect()}
    assert {one.track_id for genre in found for one in genre.typical} <= ids


def test_of_few_tracks_all_are_drawn(tracks):
    assert sampling.bounded(tracks, N_TRACKS).count() == N_TRACKS


def test_typical_artists_are_those_with_the_most_tracks(found, tracks):
    pairs = tracks.select(TRACK_ID, "artist", *FEATURE_NAMES).toPandas()
    axes = found.space.to_numpy(pairs[list(FEATURE_NAMES)].to_numpy(float))
    pairs["row"] = found.synthetic.nearest(axes)[0]
    totals = pairs["artist"].value_counts()
    for row, genre in enumerate(found.discovery.synthetic_genres):
        counts = pairs[pairs["row"] == row]["artist"].value_counts()
        assert genre.artists[0].tracks == counts.max()
        for one in genre.artists:
            assert one.tracks == counts[one.name]
            assert one.share == pytest.approx(counts[one.name] / totals[one.name], abs=1e-4)


def test_rules_are_judged_on_tracks_of_the_sample_that_they_did_not_see(found):
    assert found.discovery.rules.unseen == 60
    assert {one.id for one in found.discovery.rules.genres} == set(found.synthetic.ids)
    assert found.discovery.rules.n_leaves <= 3 * found.discovery.k


def test_the_map_shows_tracks_of_every_synthetic_genre(found):
    assert {point[2] for point in found.discovery.map.points} == set(found.synthetic.ids)
    assert found.discovery.map.right
    assert found.discovery.map.up


def test_most_tracks_of_a_resample_keep_their_id_and_all_matched_genres_their_name(tracks, found):
    manifest = make_manifest().model_copy(
        update={
            "scoring": ScoringPart(space=found.space, synthetic=found.synthetic, genres=None),
            "clusters": found.discovery,
        }
    )
    fewer = tracks.filter("xxhash64(track_id) % 10 <> 0")
    old = Bundle(Path("old"), manifest, None, {}).as_previous()
    again = discover.survey(fewer, fewer, FEATURE_NAMES, SETTINGS, old)
    change = again.discovery.change
    assert change.tracks == 300
    assert change.moved < 0.3
    assert len(change.matched) >= found.discovery.k - 4
    before = dict(zip(found.synthetic.ids, found.synthetic.names, strict=True))
    after = dict(zip(again.synthetic.ids, again.synthetic.names, strict=True))
    assert all(after[match.id] == before[match.id] for match in change.matched)
    assert set(change.new) == set(after) - set(before)
    assert set(change.retired) == set(before) - set(after) == set(again.discovery.retired)


def test_neighbours_are_the_nearest_others():
    centers = np.array([[0.0], [1.0], [5.0]])
    found = profiles.nearest(centers, [10, 11, 12])
    assert [[one.id for one in near] for near in found] == [[11, 12], [10, 12], [11, 10]]
    assert found[2][0].distance == 4


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ([{"rock": 10}, {"pop": 20}, {"jazz": 5}], 1.0),
        ([{"rock": 10, "pop": 20}, {"rock": 5, "pop": 10}], 0.0),
        ([{"rock": 10}], 0.0),
        ([{}, {}], 0.0),
        ([], 0.0),
    ],
    ids=["identical", "independent", "one of each", "no labels", "nothing"],
)
def test_nmi_is_1_for_the_same_groups_and_0_for_groups_that_say_nothing(tables, expected):
    assert profiles.nmi(tables) == pytest.approx(expected, abs=1e-12)


tables = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50)), max_size=6)


@given(tables=tables)
def test_nmi_is_that_of_scikit_learn(tables):
    from sklearn.metrics import normalized_mutual_info_score

    pairs = [(i, g) for i, table in enumerate(tables) for g, n in table.items() for _ in range(n)]
    if len({i for i, _ in pairs}) < 2 and len({g for _, g in pairs}) < 2:
        return  # scikit-learn calls two sets of one group the same
    expected = normalized_mutual_info_score(*zip(*pairs, strict=True))
    assert profiles.nmi(tables) == pytest.approx(expected, abs=1e-9)


def test_purity_and_lift_compare_with_the_whole_and_nothing_is_said_without_labels():
    tables = [{"rock": 8, "pop": 2}, {"pop": 10}]
    relation = profiles.relate(tables)
    assert (relation.labelled, relation.purity, relation.chance) == (20, 0.9, 0.6)
    assert profiles.lift(tables[0], {"rock": 8, "pop": 12}) == {"rock": 2.0, "pop": 0.3333}
    assert profiles.relate([{}, {}]) is None
