"""From tracks to the network's tensor."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.samples import make_inputs

from genre_spark.features import tensor

N_SCALED = 3
EDGES = np.linspace(-3, 3, tensor.N_BINS + 1)[:, None].repeat(N_SCALED, axis=1)

axes_strategy = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.just(N_SCALED)),
    elements=st.floats(-6, 6, width=32),
)


def built(scaled, edges=EDGES, artist=None, album=None):
    n = len(scaled)
    names = [np.arange(1, n + 1) if one is None else np.array(one) for one in (artist, album)]
    return tensor.build(make_inputs(scaled, *names), edges)


def channel(found, name):
    return found[:, :, tensor.CHANNELS.index(name)]


@given(axes_strategy)
def test_the_nearest_centroid_is_no_farther_than_any_other(points):
    centroids = np.array([[0.0, 0, 0], [1, 1, 1], [-2, 0, 5]])
    nearest, distances = tensor.assign(points.astype(float), centroids)
    every = np.linalg.norm(points[:, None] - centroids[None], axis=2)
    np.testing.assert_allclose(distances, every.min(axis=1), atol=1e-6)
    np.testing.assert_allclose(every[np.arange(len(points)), nearest], distances, atol=1e-6)


@given(axes_strategy)
def test_bins_fill_one_after_the_other(points):
    found = built(points)
    steps = found[:, :, 1 : tensor.N_BINS + 1]
    assert found.dtype == np.float32
    assert ((steps >= -1) & (steps <= 1)).all()
    later_started = steps[:, :, 1:] > -1
    assert (steps[:, :, :-1][later_started] == 1).all()


def test_a_step_of_no_width_is_a_jump():
    edges = np.zeros((tensor.N_BINS + 1, 1))
    low, high = (built(np.array([[value]], np.float32), edges) for value in (-0.5, 0.5))
    assert low[:, :, 1 : tensor.N_BINS + 1].max() == -1
    assert high[:, :, 1 : tensor.N_BINS + 1].min() == 1


def test_a_track_has_the_statistics_of_its_artists_album():
    scaled = np.array([[0, 0, 0], [2, 4, 6], [5, 5, 5]], np.float32)
    found = built(scaled, artist=[1, 1, 1], album=[7, 7, 8])
    np.testing.assert_allclose(channel(found, "album_mean"), [[1, 2, 3], [1, 2, 3], [5, 5, 5]])
    np.testing.assert_allclose(channel(found, "album_deviation"), [[1, 2, 3]] * 2 + [[0, 0, 0]])
    np.testing.assert_allclose(channel(found, "artist_tracks"), np.log(3) - 0.5, rtol=1e-6)
    np.testing.assert_allclose(channel(found, "album_tracks")[:, 0], np.log([2, 2, 1]) - 0.5)


def test_the_other_tracks_of_an_artist_change_nothing_but_their_number():
    scaled = np.array([[0, 0, 0], [2, 4, 6]], np.float32)
    one = built(scaled, artist=[1, 1], album=[7, 8])[0]
    other = built(scaled * [[1], [3]], artist=[1, 1], album=[7, 8])[0]
    np.testing.assert_array_equal(one, other)
