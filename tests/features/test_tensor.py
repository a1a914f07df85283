"""From a track and its context to the network's tensor."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genre_spark.features import tensor

N_AXES = 3
EDGES = np.linspace(-3, 3, tensor.N_BINS + 1)[:, None].repeat(N_AXES, axis=1)

axes_strategy = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 6), st.just(N_AXES)), elements=st.floats(-6, 6)
)


@given(axes_strategy)
def test_the_nearest_centroid_is_no_farther_than_any_other(axes):
    centroids = np.array([[0.0, 0, 0], [1, 1, 1], [-2, 0, 5]])
    nearest, distances = tensor.assign(axes, centroids)
    every = np.linalg.norm(axes[:, None] - centroids[None], axis=2)
    np.testing.assert_allclose(distances, every.min(axis=1), atol=1e-6)
    np.testing.assert_allclose(every[np.arange(len(axes)), nearest], distances, atol=1e-6)


@given(axes_strategy)
def test_bins_fill_one_after_the_other(axes):
    steps = tensor.bins(axes, EDGES)
    assert steps.shape == (len(axes), tensor.N_BINS, N_AXES)
    assert ((steps >= 0) & (steps <= 1)).all()
    later_started = steps[:, 1:] > 0
    assert (steps[:, :-1][later_started] == 1).all()


def test_a_step_of_no_width_is_a_jump():
    edges = np.zeros((tensor.N_BINS + 1, 1))
    assert tensor.bins(np.array([[-0.5]]), edges).max() == 0
    assert tensor.bins(np.array([[0.5]]), edges).min() == 1


def packed(group, counts, statistics):
    return [*counts, *np.concatenate(statistics)]


def test_unpacking_gives_back_what_was_packed_in_order():
    names = tensor.STATISTICS["artist"]
    statistics = [np.arange(N_AXES) + 10.0 * i for i in range(len(names))]
    column = pa.array([packed("artist", [7, 2], statistics), None], pa.list_(pa.float64()))
    context = tensor.unpack("artist", column, np.zeros((2, N_AXES)), EDGES)
    np.testing.assert_array_equal(context.counts[0], [7, 2])
    np.testing.assert_array_equal(context.statistics[0], statistics)


@given(axes_strategy)
def test_a_track_without_an_artist_is_an_artist_of_one_track(axes):
    nothing = pa.nulls(len(axes), pa.list_(pa.float64()))
    context = tensor.unpack("artist", nothing, axes, EDGES)
    at = dict(zip(tensor.STATISTICS["artist"], context.statistics.swapaxes(0, 1), strict=True))
    for name in ("mean", "low", "high"):
        np.testing.assert_array_equal(at[name], axes)
    assert (at["spread"] == 0).all()
    np.testing.assert_array_equal(context.statistics[:, -tensor.N_BINS :], tensor.bins(axes, EDGES))
    assert (context.counts == 1).all()


def test_each_channel_stands_where_its_name_says():
    axes = np.array([[0.5, -1.0, 2.0]])
    centroids = np.full((1, N_AXES), 9.0)
    names = tensor.STATISTICS["album"]
    statistics = [np.full(N_AXES, 3.0), np.full(N_AXES, 4.0)]
    column = pa.array([packed("album", [np.e, 1], statistics)], pa.list_(pa.float64()))
    contexts = {"album": tensor.unpack("album", column, axes, EDGES)}
    built = tensor.build(axes, centroids, EDGES, contexts)
    channel = {name: built[0, :, i] for i, name in enumerate(tensor.channel_names(["album"]))}
    assert built.dtype == np.float32
    assert names == ("mean", "spread")
    np.testing.assert_allclose(channel["track"], axes[0])
    np.testing.assert_allclose(channel["synthetic_genre"], 9)
    np.testing.assert_allclose(channel["album_mean"], 3)
    np.testing.assert_allclose(channel["album_spread"], 4)
    np.testing.assert_allclose(channel["album_tracks"], 0.5, atol=1e-6)


def test_without_groups_there_is_only_the_track_and_its_synthetic_genre():
    built = tensor.build(np.zeros((4, N_AXES)), np.zeros((4, N_AXES)), EDGES, {})
    assert built.shape == (4, N_AXES, len(tensor.layout([])["track"]))
