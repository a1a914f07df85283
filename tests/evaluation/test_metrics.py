"""Splits that leak nothing, and metrics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import make_sample

from genre_spark.evaluation import metrics


@pytest.mark.parametrize("seed", range(5))
def test_no_artist_is_on_both_sides_of_a_split_by_artist(seed):
    sample = make_sample(600)
    fold = metrics.folds(sample, "new", 0.2, seed)
    assert set(fold) == set(range(5))
    for one in range(5):
        assert not set(sample.artists[fold == one]) & set(sample.artists[fold != one])


@pytest.mark.parametrize("protocol", ["known", "new"])
def test_no_recording_is_on_both_sides(protocol):
    sample = make_sample(600, copies=3)
    fold = metrics.folds(sample, protocol, 0.2, seed=1)
    assert not set(sample.recordings[fold == 0]) & set(sample.recordings[fold != 0])


@settings(max_examples=20)
@given(st.sampled_from([0.1, 0.2, 0.25, 0.5]), st.integers(0, 1000))
def test_about_the_asked_share_is_held_out_of_each_genre(share, seed):
    sample = make_sample(600)
    test = metrics.folds(sample, "known", share, seed) == 0
    held_out = np.bincount(sample.labels[test]) / np.bincount(sample.labels)
    assert (abs(held_out - share) < 0.05).all()


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    sample = make_sample(300)
    one, same, other = (metrics.folds(sample, "known", 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def measured(probabilities, labels, threshold=0.0):
    probabilities = np.array(probabilities, dtype=float)
    accepted, n = probabilities.max(axis=1) >= threshold, len(labels)
    found = metrics.Predicted(
        probabilities, np.array(labels), np.arange(n), accepted, {0.9: accepted}, np.zeros(n)
    )
    return metrics.measure(found, ("a", "b", "c", "d"), 0.9)


def test_metrics_of_four_tracks_are_what_one_counts_by_hand():
    found = measured(
        [[0.7, 0.1, 0.1, 0.1], [0.6, 0.2, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0.0, 0.9, 0.06, 0.04]],
        [0, 1, 3, 1],
        threshold=0.65,
    )
    assert found.accuracy == 0.75
    assert found.top3 == 1.0
    assert found.coverage == 0.5
    assert found.precision == 1.0
    assert found.confusion[1] == (1, 1, 0, 0)
    assert found.per_genre["b"].recall == 0.5
    expected = -np.log([0.7, 0.2, 0.4, 0.9]).mean()
    assert found.log_loss == pytest.approx(expected)


def test_where_nothing_is_accepted_there_is_no_precision():
    found = measured([[1, 0, 0, 0], [0, 1, 0, 0]], [0, 1], threshold=2.0)
    assert found.coverage == 0.0
    assert found.precision is None


def test_genres_that_the_held_out_side_lacks_do_not_break_metrics():
    found = measured([[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0]], [0, 0])
    assert found.accuracy == 1.0
    assert found.per_genre["d"].support == 0
