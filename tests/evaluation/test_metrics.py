import dataclasses
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from support.samples import make_sample

from genre_spark.bundle.genre_metrics import Estimate
from genre_spark.errors import InputError
from genre_spark.evaluation import metrics
from genre_spark.evaluation.held_out import HeldOut


@pytest.mark.parametrize("seed", range(5))
def test_no_artist_is_on_both_sides_of_a_split_by_artist(seed):
    sample = make_sample(600)
    fold = metrics.folds(sample, "new", 0.2, seed)
    assert set(fold) == set(range(5))
    for one in range(5):
        assert not set(sample.artists[fold == one]) & set(sample.artists[fold != one])
    np.testing.assert_array_equal(fold, metrics.folds(sample, "new", 0.2, seed))
    assert (fold != metrics.folds(sample, "new", 0.2, seed + 1)).any()


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


def measured(probabilities, labels, threshold=0.0):
    probabilities = np.array(probabilities, dtype=float)
    accepted, n = probabilities.max(axis=1) >= threshold, len(labels)
    tracks = SimpleNamespace(
        labels=np.array(labels), artists=np.arange(n), classes=("a", "b", "c", "d")
    )
    found = HeldOut(np.arange(n), probabilities, accepted, {0.9: accepted}, np.zeros(n), {}, {}, ())
    return found.measure(tracks, 0.9)


def test_nothing_accepted_and_genres_without_tracks_or_labels_do_not_break_metrics():
    # Of that kind alone: what else was left open in this process may warn at any time.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UndefinedMetricWarning)
        found = measured([[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0]], [0, 1], threshold=2.0)
    assert (found.accuracy, found.coverage, found.precision) == (0.5, 0.0, None)
    # `b` is never given, `d` neither given nor held out.
    assert (found.per_genre["b"].precision, found.per_genre["b"].support) == (0, 1)
    assert (found.per_genre["d"].precision, found.per_genre["d"].support) == (0, 0)


def test_a_wrong_and_a_right_label_by_turns_have_the_area_that_one_counts_by_hand():
    confidence, correct = np.array([0.6, 0.9, 0.7, 0.8]), np.array([False, True, True, False])
    # Wrong among the surest 1, 2, 3, 4: 0, 1/2, 1/3, 2/4.
    area = metrics.area_under_risk_coverage(confidence, correct)
    assert area == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert metrics.area_under_risk_coverage(confidence, correct | True) == 0


def test_scores_of_five_tracks_are_what_one_counts_by_hand():
    probabilities = np.array(
        [[0.7, 0.1, 0.1, 0.1], [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.0, 0.9, 0.06, 0.04],
         [0.55, 0.25, 0.2, 0.0]]
    )  # fmt: skip
    found = metrics.scores(probabilities, np.array([0, 1, 0, 1, 3]))
    assert found.accuracy == 2 / 5
    # F1 of the genres that are held out or given: 2/5, 2/3, and 0 for the fourth.
    assert found.macro_f1 == pytest.approx((2 / 5 + 2 / 3 + 0) / 3)
    assert found.top3 == 3 / 5
    # No probability at all counts as 1e-12.
    assert found.log_loss == pytest.approx(-np.log([0.7, 0.3, 0.1, 0.9, 1e-12]).mean())
    # 0.4 and 0.4 share a bin of a fifteenth, the others have one each.
    assert found.ece == pytest.approx((0.3 + 0.8 + 0.1 + 0.55) / 5)
    # By confidence: right, right, wrong, wrong, wrong.
    assert found.aurc == pytest.approx((0 + 0 + 1 / 3 + 2 / 4 + 3 / 5) / 5)


def test_what_is_measured_has_curves_and_the_coverage_that_hindsight_gives():
    three = [[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.6, 0.4, 0, 0]]
    found = measured(three, [0, 1, 1], threshold=0.65)
    assert found.tracks == 3
    assert found.accuracy == found.coverage == pytest.approx(2 / 3)
    assert found.precision == 1
    assert found.attainable == pytest.approx(2 / 3)
    assert [point[0] for point in found.reliability] == pytest.approx([0.6, 0.8, 0.9])
    assert [point[1] for point in found.reliability] == [0, 1, 1]
    assert found.risk_coverage[-1] == (1.0, pytest.approx(2 / 3))
    assert found.confusion == ((1, 0, 0, 0), (1, 1, 0, 0), (0,) * 4, (0,) * 4)
    one = found.per_genre["a"]
    assert (one.precision, one.recall, one.support) == (0.5, 1.0, 1.0)
    assert one.f1_score == pytest.approx(2 / 3)
    assert found.per_genre["c"].f1_score == 0


def test_an_interval_over_many_artists_is_that_of_a_share():
    """Of 400 artists with a track each: 0.8 ± 1.96 √(0.8 · 0.2 / 400)."""
    correct = np.arange(400) % 5 > 0
    found = metrics.interval([correct], [np.arange(400)])
    assert found.mean == 0.8
    assert found.low == pytest.approx(0.8 - 1.96 * 0.02, abs=0.006)
    assert found.high == pytest.approx(0.8 + 1.96 * 0.02, abs=0.006)
    assert found == metrics.interval([correct], [np.arange(400)])


def test_an_interval_is_wider_where_artists_are_right_or_wrong_as_a_whole():
    correct, artists = np.arange(400) % 5 > 0, np.arange(400)
    together = metrics.interval([np.sort(correct)], [artists // 20])
    alone = metrics.interval([correct], [artists])
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_gain_pairs_the_same_tracks_of_each_split():
    ours = [np.array([True, True, False]), np.array([True, False])]
    theirs = [np.array([True, False, False]), np.array([False, False])]
    artists = [np.array([7, 7, 9]), np.array([9, 11])]
    found = metrics.gain(ours, theirs, artists, seed=1)
    assert found.mean == 2 / 5
    assert found.low <= 2 / 5 <= found.high
    assert metrics.gain(theirs, ours, artists, seed=1).mean == -2 / 5
    # The same tracks right on both hands: no difference, in whatever draw.
    assert metrics.gain(ours, ours, artists, seed=1) == Estimate(mean=0, low=0, high=0)


def test_new_artists_are_measured_from_twenty_artists_on():
    assert metrics.protocols(make_sample(400, artists=20)) == {"known": None, "new": None}
    assert metrics.protocols(make_sample(400, artists=19)) == {
        "known": None, "new": "the labelled tracks are of 19 artists, 20 are needed"
    }  # fmt: skip
    nameless = metrics.protocols(make_sample(60, groups=()))
    assert nameless == {"known": None, "new": "the catalogue names no artists"}


@pytest.mark.parametrize(("protocol", "what"), [("new", "artist"), ("known", "recording")])
def test_tracks_that_cannot_be_parted_are_refused(protocol, what):
    sample = make_sample(60)
    alone = dataclasses.replace(
        sample, artists=np.ones(60, np.int64), recordings=np.ones(60, np.int64)
    )
    with pytest.raises(InputError) as refused:
        metrics.folds(alone, protocol, 0.2, seed=1)
    assert str(refused.value) == (
        f"60 labelled tracks are of one {what}: none can be held out to measure how good the model"
        " is; label tracks of others"
    )


@pytest.mark.parametrize(("share", "folds"), [(0.5, 2), (0.25, 4), (0.2, 5), (0.9, 2)])
def test_there_are_as_many_folds_as_shares_of_the_tracks(share, folds):
    assert set(metrics.folds(make_sample(300), "known", share, seed=1)) == set(range(folds))


def test_genres_that_are_held_out_whole_are_named():
    sample = make_sample(300)
    rare = np.flatnonzero(sample.labels == 2)
    train = np.setdiff1d(np.arange(300), rare)
    assert metrics.never_learned(sample, train, rare) == [sample.classes[2]]
    assert metrics.never_learned(sample, train, train) == []
    assert metrics.never_learned(sample, rare, rare) == []
