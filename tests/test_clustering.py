"""Synthetic genres: how many, where they lie, what they are called."""

import numpy as np
import pytest
from generated import make_space, make_tracks
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genre_spark import clustering, features, profiles, tensor
from genre_spark.clustering import AXES, CLUSTER
from genre_spark.config import load_settings
from genre_spark.errors import InputError
from genre_spark.schema import FEATURE_NAMES, TRACK_ID

N_TRACKS = 500
SPACE = make_space(make_tracks(N_TRACKS, seed=9))
SETTINGS = load_settings(
    overrides=("k_min=11", "k_max=14", "sample_size=300", "restarts=2", "max_iterations=15")
).clustering
K = 12


@pytest.fixture(scope="module")
def space(tracks):
    return features.fit(tracks, FEATURE_NAMES)


@pytest.fixture(scope="module")
def tracks(spark):
    return spark.createDataFrame(make_tracks(N_TRACKS, seed=9)).repartition(3).persist()


@pytest.fixture(scope="module")
def points(tracks, space):
    from pyspark.sql import functions as F

    return tracks.withColumn(AXES, F.array(*space.to_spark())).persist()


@pytest.fixture(scope="module")
def model(points):
    return clustering.fit(points, K, SETTINGS, seed=1)


@pytest.fixture(scope="module")
def described(points, model, space):
    return profiles.describe(model.transform(points), model, space)


# How many


def test_every_number_of_the_range_is_tried_and_all_are_more_than_ten_by_default(points):
    settings = load_settings().clustering
    sample = clustering.sample_axes(points, 200, seed=1)
    tried = clustering.try_each_k(sample, settings, seed=1)
    assert [candidate.k for candidate in tried] == [*range(settings.k_min, settings.k_max + 1)]
    assert all(candidate.k > 10 for candidate in tried)
    assert all(-1 <= candidate.silhouette <= 1 for candidate in tried)


def test_well_separated_groups_are_counted_right():
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(13)
    sample = np.repeat(centres, 20, axis=0) + 0.05 * rng.standard_normal((260, 13))
    tried = clustering.try_each_k(rng.permutation(sample), SETTINGS, seed=1)
    assert max(tried, key=lambda candidate: candidate.silhouette).k == 13


def test_the_same_sample_and_seed_give_the_same_candidates(points):
    sample = clustering.sample_axes(points, 150, seed=1)
    once, again = (clustering.try_each_k(sample, SETTINGS, seed=2) for _ in range(2))
    assert once == again


@pytest.mark.parametrize("distinct", [1, 11])
def test_too_few_distinct_tracks_are_refused(distinct):
    sample = np.repeat(np.arange(float(distinct))[:, None], 30, axis=0)
    with pytest.raises(InputError) as refused:
        clustering.try_each_k(sample, SETTINGS, seed=1)
    assert refused.value.exit_code == 3
    assert str(refused.value) == (
        f"the catalogue has {distinct} distinct tracks, k_min=11 synthetic genres need more;"
        " give more tracks or --set k_min=K"
    )


def test_no_more_groups_are_tried_than_there_are_distinct_tracks():
    sample = np.repeat(np.random.default_rng(0).standard_normal((13, 4)), 5, axis=0)
    assert [c.k for c in clustering.try_each_k(sample, SETTINGS, seed=1)] == [11, 12]


def test_the_sample_is_bounded_and_the_same_however_tracks_are_partitioned(points):
    sample = clustering.sample_axes(points, 100, seed=1)
    assert sample.shape == (100, SPACE.n_axes)
    np.testing.assert_array_equal(
        clustering.sample_axes(points.repartition(5), 100, seed=1), sample
    )
    assert not np.array_equal(clustering.sample_axes(points, 100, seed=2), sample)
    assert len(clustering.sample_axes(points, 10_000, seed=1)) == N_TRACKS


# Where


def test_the_nearest_centroid_is_mllibs_for_every_track(points, model):
    rows = model.transform(points).select(AXES, CLUSTER).collect()
    axes, clusters = (np.array([row[i] for row in rows]) for i in range(2))
    centroids = np.array(model.clusterCenters())
    nearest, distances = tensor.assign(axes, centroids)
    assert len(rows) == N_TRACKS
    np.testing.assert_array_equal(nearest, clusters)
    every = np.linalg.norm(axes[:, None] - centroids, axis=2)
    np.testing.assert_allclose(distances, every.min(axis=1))
    assert len(set(clusters)) == K


def test_of_equally_near_centroids_the_first_is_taken():
    centroids = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    nearest, distances = tensor.assign(np.array([[0.0, 0.0], [2.0, 0.0]]), centroids)
    assert nearest.tolist() == [0, 0]
    assert distances.tolist() == [1.0, 1.0]


def test_the_same_seed_and_input_give_the_same_centroids(points, model):
    again = clustering.fit(points, K, SETTINGS, seed=1)
    np.testing.assert_array_equal(again.clusterCenters(), model.clusterCenters())


# What


def test_synthetic_genres_are_numbered_from_the_largest_and_account_for_every_track(described):
    sizes = [genre.size for genre in described]
    assert [genre.id for genre in described] == list(range(K))
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == N_TRACKS
    assert sum(n for genre in described for n in genre.genres.values()) == N_TRACKS


def test_names_are_distinct_and_short(described):
    names = [genre.name for genre in described]
    assert len(set(names)) == K
    assert all(1 <= len(name.split()) <= len(FEATURE_NAMES) for name in names)


def test_typical_tracks_are_the_nearest_of_their_own(described, points, model):
    rows = model.transform(points).select(TRACK_ID, AXES, CLUSTER).collect()
    axes = {row[TRACK_ID]: np.array(row[AXES]) for row in rows}
    cluster = {row[TRACK_ID]: row[CLUSTER] for row in rows}
    for genre in described:
        (own,) = {cluster[track.track_id] for track in genre.typical}
        distance = {
            key: np.linalg.norm(axes[key] - genre.centroid) for key in axes if cluster[key] == own
        }
        nearest = sorted(distance, key=distance.get)[: profiles.TYPICAL_TRACKS]
        assert [track.track_id for track in genre.typical] == nearest
        assert all(track.artist and track.title for track in genre.typical)


def test_medians_are_in_raw_units(described):
    for genre in described:
        assert set(genre.medians) == set(FEATURE_NAMES)
        assert 40 <= genre.medians["tempo"] <= 240
        assert genre.medians["duration_ms"] >= 30_000
        assert genre.medians["key"] == round(genre.medians["key"])


centroid_sets = st.integers(1, 20).flatmap(
    lambda k: arrays(np.float64, (k, SPACE.n_axes), elements=st.sampled_from([-2.0, 0.0, 0.5, 2.0]))
)


@given(centroids=centroid_sets)
def test_names_are_distinct_for_any_centroids_even_for_equal_ones(centroids):
    names = profiles.name_all(centroids, SPACE)
    assert len(names) == len(centroids)
    assert len(set(names)) == len(names)
    assert all(name == name.strip() and name for name in names)


def test_a_name_says_what_sets_a_genre_apart_the_most_notable_first():
    axes = [axis.name for axis in SPACE.axes]
    centroid = np.zeros(SPACE.n_axes)
    centroid[axes.index("tempo")] = 1.5
    centroid[axes.index("loudness")] = 2.0
    centroid[axes.index("instrumentalness")] = 1.0
    centroid[axes.index("valence")] = -0.1
    centroid[axes.index("key_cos")] = 5.0
    assert profiles.name_all(centroid[None], SPACE) == ["loud fast instrumental"]
    assert profiles.name_all(-centroid[None], SPACE) == ["quiet slow vocal"]
    assert profiles.name_all(np.array([centroid, centroid]), SPACE) == [
        "loud fast instrumental",
        "loud fast instrumental 2",
    ]


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
