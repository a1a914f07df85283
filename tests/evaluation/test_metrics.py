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
    train, test = metrics.split(sample, "new", 0.2, seed)
    assert not set(sample.artists[train]) & set(sample.artists[test])
    assert sorted([*train, *test]) == list(range(600))


@pytest.mark.parametrize("protocol", ["known", "new"])
def test_no_recording_is_on_both_sides(protocol):
    sample = make_sample(600, copies=3)
    train, test = metrics.split(sample, protocol, 0.2, seed=1)
    assert not set(sample.recordings[train]) & set(sample.recordings[test])


@settings(max_examples=20)
@given(st.sampled_from([0.1, 0.2, 0.25, 0.5]), st.integers(0, 1000))
def test_about_the_asked_share_is_held_out_of_each_genre(share, seed):
    sample = make_sample(600)
    _, test = metrics.split(sample, "known", share, seed)
    held_out = np.bincount(sample.labels[test]) / np.bincount(sample.labels)
    assert (abs(held_out - share) < 0.05).all()


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    sample = make_sample(300)
    one, same, other = (metrics.split(sample, "known", 0.2, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert set(one) != set(other)


def measured(probabilities, labels, threshold=0.0):
    probabilities = np.array(probabilities, dtype=float)
    thresholds = np.full(len(labels), threshold)
    return metrics.measure(
        probabilities, np.array(labels), ("a", "b", "c", "d"), probabilities, thresholds
    )


def test_metrics_of_four_tracks_are_what_one_counts_by_hand():
    found = measured(
        [[0.7, 0.1, 0.1, 0.1], [0.6, 0.2, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0.0, 0.9, 0.06, 0.04]],
        [0, 1, 3, 1],
        threshold=0.65,
    )
    assert found["accuracy"] == 0.75
    assert found["top3"] == 1.0
    assert found["coverage"] == 0.5
    assert found["precision"] == 1.0
    assert found["confusion"][1] == [1, 1, 0, 0]
    assert found["per_genre"]["b"]["recall"] == 0.5
    expected = -np.log([0.7, 0.2, 0.4, 0.9]).mean()
    assert found["log_loss"] == pytest.approx(expected)


def test_where_nothing_is_accepted_there_is_no_precision():
    found = measured([[1, 0, 0, 0], [0, 1, 0, 0]], [0, 1], threshold=2.0)
    assert found["coverage"] == 0.0
    assert found["precision"] is None


def test_genres_that_the_held_out_side_lacks_do_not_break_metrics():
    found = measured([[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0]], [0, 0])
    assert found["accuracy"] == 1.0
    assert found["per_genre"]["d"]["support"] == 0
