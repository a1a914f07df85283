from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_metric, make_scaler, make_tracks

from genre_spark.clustering import metric
from genre_spark.clustering.metric import ClusterMetric, Dimension, Moments
from genre_spark.config import load_settings
from genre_spark.errors import InputError
from genre_spark.features.artist_batches import ArtistBatch
from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import Keys, TrackInputs

SETTINGS = load_settings().clustering
SCALER = make_scaler(make_tracks(200, seed=1), ("energy", "tempo", "valence"))
ENERGY, TEMPO, VALENCE = range(3)


def batch(scaled, artists):
    """Tracks of artists, those of one beside each other; 0 is no artist."""
    scaled, artists = np.asarray(scaled, np.float32), np.asarray(artists, np.int64)
    code = np.where(artists == 0, -1 - np.arange(len(artists)), artists)
    groups = Groups.of(code)
    means = groups.means(scaled)[groups.code]
    none = np.zeros(len(artists), np.int64)
    inputs = TrackInputs(
        scaled=scaled, artist=artists, album=none, other_artists=Keys.none(len(artists)),
        artist_tracks=groups.sizes[groups.code], artist_mean=means, artist_deviation=0 * scaled,
        artist_counts=groups.counts(scaled)[groups.code].astype(np.float32), album_counts=means,
        album_mean=scaled, album_deviation=0 * scaled,
    )  # fmt: skip
    return ArtistBatch(None, inputs, groups)


def given_inputs(scaled, mean, counts):
    """As much of tracks as the comparison reads."""
    return SimpleNamespace(scaled=scaled, artist_mean=mean, artist_counts=counts)


def drawn(between, n_artists=400, n_tracks=5, seed=0):
    """Tracks with variance 1 within artists, and so much between them, per scaled feature."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(size=(n_artists, 3)) * np.sqrt(between)
    artists = np.repeat(np.arange(1, n_artists + 1), n_tracks)
    return batch(levels[artists - 1] + rng.normal(size=(len(artists), 3)), artists)


def test_variances_between_and_within_artists_are_estimated_without_bias():
    ratios = Moments.of(drawn((2.0, 0.5, 0.0), n_artists=4000)).ratios()
    np.testing.assert_allclose(ratios, (2.0, 0.5, 0.0), atol=0.15)


def test_moments_of_parts_add_up_to_those_of_the_whole():
    whole = drawn((1, 1, 1), n_artists=20)
    scaled, artists = whole.inputs.scaled, whole.inputs.artist
    parts = [batch(scaled[rows], artists[rows]) for rows in (slice(0, 50), slice(50, None))]
    total = sum(np.array(Moments.of(part)) for part in parts)
    np.testing.assert_allclose(total, np.array(Moments.of(whole)), rtol=1e-6)


def test_tracks_without_an_artist_and_artists_with_one_track_do_not_change_variances():
    both = batch([[0, 0, 0], [2, 0, 0], [9, 9, 9], [5, 5, 5], [6, 6, 6]], [1, 1, 2, 0, 0])
    found = Moments.of(both)
    assert (found.artists.tolist(), found.tracks.tolist()) == ([1] * 3, [2] * 3)
    np.testing.assert_allclose(found.within, [2, 0, 0])


def test_variances_are_over_the_tracks_that_have_the_feature():
    tracks = drawn((1, 1, 1), n_artists=60)
    scaled, artists = tracks.inputs.scaled, tracks.inputs.artist
    known = np.random.default_rng(3).random(len(scaled)) < 0.6
    with_gaps = np.where((np.arange(3) == TEMPO) & ~known[:, None], np.nan, scaled)
    found = np.array(Moments.of(batch(with_gaps, artists)))
    alone = np.array(Moments.of(batch(scaled[known], artists[known])))
    np.testing.assert_allclose(found[:, TEMPO], alone[:, TEMPO], rtol=1e-12)
    whole = np.array(Moments.of(tracks))
    np.testing.assert_array_equal(found[:, ENERGY], whole[:, ENERGY])


def test_a_track_that_lacks_a_feature_takes_its_artists_level_and_one_of_nobody_has_no_place():
    one = ClusterMetric(dimensions=(Dimension(column=1, ratio=1, track_weight=0.2, deviation=2),))
    nan = np.nan
    scaled = np.array([[0, nan, 0], [nan, nan, nan], [0, 5.0, 0]], np.float32)
    mean = np.array([[0, 3.0, 0], [nan, nan, nan], [0, 5.0, 0]], np.float32)
    counts = np.array([[1, 1, 1], [0, 0, 0], [1, 1, 1]], np.float32)
    points = one.points(given_inputs(scaled, mean, counts))
    np.testing.assert_allclose(points[[0, 2], 0], [(1.5 + 0.2 * 1.5) / 2, (2.5 + 1) / 2], rtol=1e-6)
    assert np.isnan(points[1, 0])
    assert one.can_fit(given_inputs(scaled, mean, counts)).tolist() == [False, False, True]


def test_a_feature_in_which_artists_do_not_differ_or_that_few_tracks_have_is_not_compared():
    fitted = metric.fit(Moments.of(drawn((1, 0, 0.4))), SCALER, SETTINGS, "artist")
    assert fitted.columns == [ENERGY, VALENCE]
    tracks = drawn((1, 1, 1))
    scaled = tracks.inputs.scaled.copy()
    scaled[len(scaled) // 3 :, TEMPO] = np.nan
    moments = Moments.of(batch(scaled, tracks.inputs.artist))
    assert metric.fit(moments, SCALER, SETTINGS, "artist").columns == [ENERGY, VALENCE]
    first = fitted.dimensions[0]
    assert first.track_weight == pytest.approx(
        SETTINGS.track_weight * first.ratio / (1 + first.ratio), rel=1e-4
    )


def test_where_artists_do_not_differ_there_are_no_synthetic_genres():
    with pytest.raises(
        InputError, match=r"^no synthetic genres found: tracks of one artist are"
    ) as e:
        metric.fit(Moments.of(drawn((0, 0, 0))), SCALER, SETTINGS, "artist")
    assert e.value.exit_code == 3
    assert "\n" not in str(e.value)


def test_an_artists_level_is_its_mean_shrunk_the_more_the_fewer_tracks_it_has():
    one = ClusterMetric(dimensions=(Dimension(column=1, ratio=1, track_weight=0.2, deviation=2),))
    mean = np.array([[0, 3.0, 0], [0, 3.0, 0]], np.float32)
    counts = np.array([[1, 1, 1], [1, 9, 1]], np.float32)
    np.testing.assert_allclose(
        one.levels(given_inputs(mean, mean, counts)), [[1.5], [2.7]], rtol=1e-6
    )
    scaled = np.array([[0, 5.0, 0], [0, -5.0, 0]], np.float32)
    points = one.points(given_inputs(scaled, mean, counts))
    np.testing.assert_allclose(points, [[(1.5 + 1) / 2], [(2.7 - 1) / 2]], rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_a_track_has_the_same_place_to_the_last_bit_in_every_batch(seed, n):
    rng = np.random.default_rng(seed)
    scaled, mean = rng.normal(size=(2, n, SCALER.n_scaled)).astype(np.float32)
    tracks = rng.integers(1, 99, (n, SCALER.n_scaled)).astype(np.float32)
    compared = make_metric(SCALER, ratio=0.7)
    whole = compared.points(given_inputs(scaled, mean, tracks))
    row = int(rng.integers(n))
    alone = compared.points(given_inputs(*(one[row : row + 1] for one in (scaled, mean, tracks))))
    np.testing.assert_array_equal(alone[0], whole[row])


def test_without_artists_scaled_features_are_compared_but_no_key():
    scaler = make_scaler(make_tracks(100, seed=1))
    compared = metric.plain(scaler)
    assert {scaler.scaled_features[column].name for column in compared.columns} == {
        one.name for one in scaler.scaled_features if not one.name.startswith("key")
    }
    assert not compared.relates_artists
    scaled = np.random.default_rng(0).normal(size=(5, scaler.n_scaled)).astype(np.float32)
    points = compared.points(given_inputs(scaled, scaled + 9, np.full_like(scaled, 3)))
    np.testing.assert_array_equal(points, scaled[:, compared.columns])
