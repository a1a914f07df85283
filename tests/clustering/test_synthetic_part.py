from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_manifest, make_tracks

from genre_spark.clustering.metric import nearest
from genre_spark.schema import FEATURE_NAMES


@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_the_nearest_center_and_its_distance_do_not_depend_on_the_batch(seed, n):
    rng = np.random.default_rng(seed)
    points, centers = rng.normal(size=(n, 9)).astype(np.float32), rng.normal(size=(13, 9))
    rows, distances = nearest(points, centers)
    every = np.linalg.norm(points[:, None] - centers.astype(np.float32), axis=2)
    np.testing.assert_allclose(distances, every.min(axis=1), rtol=1e-5)
    np.testing.assert_allclose(every[np.arange(n), rows], distances, rtol=1e-5)
    one = int(rng.integers(n))
    row, distance = nearest(points[one : one + 1], centers)
    assert (row[0], distance[0]) == (rows[one], distances[one])


def test_of_equally_near_centers_the_first_is_taken():
    centers = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    rows, distances = nearest(np.array([[0.0, 0.0], [2.0, 0.0]], np.float32), centers)
    assert rows.tolist() == [0, 0]
    assert distances.tolist() == [1.0, 1.0]


def test_an_unknown_dimension_takes_no_part_and_a_point_of_nothing_has_no_group():
    centers = np.array([[0.0, 0.0], [3.0, 4.0]])
    points = np.array([[2.0, np.nan], [np.nan, np.nan], [2.0, 0.0]], np.float32)
    rows, distances = nearest(points, centers)
    assert rows.tolist() == [1, -1, 0]
    np.testing.assert_allclose(distances, [2**0.5, np.nan, 2.0], rtol=1e-6)


def test_a_copy_with_other_centers_assigns_by_these():
    part = make_manifest(k=12).scoring.synthetic
    raw = make_tracks(50, seed=2)[list(FEATURE_NAMES)].to_numpy(float)
    scaled = make_manifest(k=12).scoring.scaler.to_numpy(raw).astype(np.float32)
    inputs = SimpleNamespace(scaled=scaled, artist_mean=scaled, artist_counts=np.ones_like(scaled))
    rows, distances = part.assign(inputs)
    turned = part.model_copy(update={"centers": part.centers[::-1]})
    again, as_far = turned.assign(inputs)
    np.testing.assert_array_equal(again, 11 - rows)
    np.testing.assert_array_equal(as_far, distances)
