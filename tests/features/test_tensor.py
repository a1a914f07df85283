import numpy as np
from hypothesis import given, settings
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
    np.testing.assert_allclose(
        channel(found, "album_tracks")[:, 0], np.log([2, 2, 1]) - 0.5, rtol=1e-6
    )


def test_a_missing_feature_is_marked_and_no_value_stands_for_it():
    missing = np.nan
    scaled = np.array([[0, 2, missing], [4, missing, missing], [missing] * 3], np.float32)
    found = built(scaled, artist=[1, 1, 2], album=[7, 7, 8])
    assert channel(found, "known").tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
    own = found[:, :, : tensor.N_BINS + 1]
    assert not own[np.isnan(scaled)].any()
    np.testing.assert_allclose(channel(found, "album_mean"), [[2, 2, 0], [2, 2, 0], [0, 0, 0]])
    counts = np.array([[2, 1, 0.5], [2, 1, 0.5], [0.5, 0.5, 0.5]])
    np.testing.assert_allclose(channel(found, "album_tracks"), np.log(counts) - 0.5, rtol=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 0.6))
def test_tracks_that_lose_their_features_leave_the_statistics_of_the_others(seed, share, gaps):
    rng = np.random.default_rng(seed)
    scaled = rng.normal(size=(40, N_SCALED)).astype(np.float32)
    scaled[rng.random(scaled.shape) < gaps] = np.nan
    artist, album = np.sort(rng.integers(0, 9, 40)), rng.integers(0, 3, 40)
    order = np.lexsort((np.where(album, album, 99 + np.arange(40)), artist))
    artist, album, rows = artist[order], album[order], rng.random(40) < share
    artists = np.where(artist, artist, 99 + np.arange(40))
    found = make_inputs(scaled, artist, album).without(rows, artists)
    expected = make_inputs(np.where(rows[:, None], np.float32(np.nan), scaled), artist, album)
    for name in (
        "scaled", "artist_counts", "album_counts", "artist_mean", "album_mean", "artist_deviation",
        "album_deviation",
    ):  # fmt: skip
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), atol=3e-3, err_msg=name
        )


def test_the_other_tracks_of_an_artist_change_nothing_but_their_number():
    scaled = np.array([[0, 0, 0], [2, 4, 6]], np.float32)
    one = built(scaled, artist=[1, 1], album=[7, 8])[0]
    other = built(scaled * [[1], [3]], artist=[1, 1], album=[7, 8])[0]
    np.testing.assert_array_equal(one, other)
