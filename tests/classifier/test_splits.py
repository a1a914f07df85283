import numpy as np
import pytest

from genre_spark.classifier import splits


def with_large_artists(n_large=20, size=60, n_small=400):
    """Labels and artists: some with many tracks of one genre, many with two or three."""
    large = np.repeat(np.arange(n_large), size)
    small = np.repeat(np.arange(n_small) + n_large, 2 + np.arange(n_small) % 2)
    artists = np.concatenate([large, small])
    return artists % 6, artists


def test_large_artists_are_held_out_at_their_share_over_seeds():
    labels, artists = with_large_artists()
    times = np.zeros(20)
    for seed in range(100):
        fold = splits.grouped(labels, artists, 5, seed)
        times += np.bincount(artists[fold == 0], minlength=20)[:20] > 0
    # A fifth of 100, within four standard deviations.
    assert (abs(times - 20) < 16).all()


def test_which_groups_meet_in_a_fold_depends_on_the_seed():
    groups = np.repeat(np.arange(20), 3)
    dealt = [splits.grouped(np.zeros(60, np.int64), groups, 5, seed)[::3] for seed in range(40)]
    for other in (1, 5, 15):
        assert {bool(fold[0] == fold[other]) for fold in dealt} == {True, False}


def test_two_test_folds_of_different_seeds_share_tracks_by_chance_only():
    labels, artists = with_large_artists()
    tests = [splits.grouped(labels, artists, 5, seed) == 0 for seed in range(30)]
    shared = [(one & other).sum() / one.sum() for i, one in enumerate(tests) for other in tests[:i]]
    assert np.mean(shared) == pytest.approx(0.2, abs=0.03)


def test_folds_hold_about_the_same_share_of_each_genre():
    labels, artists = with_large_artists()
    fold = splits.grouped(labels, artists, 5, 1)
    counts = np.array([np.bincount(labels[fold == i], minlength=6) for i in range(5)])
    assert (counts / counts.sum(axis=0) < 0.35).all()
    assert abs(counts.sum(axis=1) / len(labels) - 0.2).max() < 0.05


@pytest.mark.parametrize("n_groups", [1, 2, 3, 5, 40])
def test_folds_keep_groups_together_and_are_filled_as_far_as_there_are_groups(n_groups):
    labels, groups = np.arange(80) % 7, np.arange(80) % n_groups
    found = splits.grouped(labels, groups, 5, seed=1)
    assert len(np.unique(found)) == min(5, n_groups)
    for group in range(n_groups):
        assert len(np.unique(found[groups == group])) == 1


def test_a_third_of_the_tracks_loses_its_features_half_of_these_with_their_whole_album():
    albums = np.repeat(np.arange(1, 3001), 4)
    every = np.ones(len(albums), bool)
    rows = splits.without_features(every, albums, seed=1)
    assert rows.mean() == pytest.approx(1 / 3, abs=0.02)
    assert rows.reshape(-1, 4).all(axis=1).mean() == pytest.approx(1 / 6, abs=0.02)
    lacking = ~(albums % 3 > 0)
    assert not splits.without_features(~lacking, albums, seed=1).any()
    assert not (splits.without_features(albums % 9 > 0, albums, seed=1) & (albums % 9 == 0)).any()
