import numpy as np
import pytest

from genre_spark.clustering.model_selection import coherence


def test_artists_that_lie_in_one_group_each_are_coherent_and_scattered_ones_are_not():
    artists = np.repeat(np.arange(40), 10)
    assert coherence(artists % 4, artists, 4) == pytest.approx(4)
    scattered = np.random.default_rng(0).integers(4, size=400)
    assert coherence(scattered, artists, 4) == pytest.approx(1, abs=0.1)
    assert coherence(artists[::10] % 4, artists[::10], 4) is None


def test_held_out_coherence_compares_the_halves_of_an_artist_only():
    artists, half = np.repeat(np.arange(40), 10), np.tile([0, 1], 200)
    assert coherence(artists % 4, artists, 4, half) == pytest.approx(4)
    # Each half agrees in itself, and not with the other.
    apart = (artists + half) % 4
    assert coherence(apart, artists, 4) > 1.5
    assert coherence(apart, artists, 4, half) == 0


# Tracks of artist 0: two of group 0 and one of group 1; of artist 1: two of group 1.
ROWS, ARTISTS = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1])


def test_coherence_of_five_tracks_is_what_one_counts_by_hand():
    # Of 6 + 2 ordered pairs 2 + 2 share a group; by chance (2/5)² + (3/5)² would.
    assert coherence(ROWS, ARTISTS, 2) == pytest.approx((4 / 8) / (0.16 + 0.36))
    # Between halves: of artist 0 (0, 0) and (0, 1), of artist 1 (1, 1).
    half = np.array([0, 1, 1, 0, 1])
    assert coherence(ROWS, ARTISTS, 2, half) == pytest.approx((2 / 3) / (0.16 + 0.36))
    assert coherence(ROWS, ARTISTS, 2, np.zeros(5, int)) is None
