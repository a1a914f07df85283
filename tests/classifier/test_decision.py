"""How opinions become labels."""

import numpy as np
import pytest
from genre_spark.classifier.decision import Decision, HeldOut, Opinions

from genre_spark.classifier import decision
from genre_spark.classifier.calibration import NEVER

EVEN = Decision(weights=(0.25, 0.25, 0.5), consensus=0.5, temperature=1.0, threshold=0.5)


def opinions(n=600, classes=3, seed=0, sound=2.0, special=2.0, artists=None):
    """Opinions that favour the label by so much, with noise; the second is noise alone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    right = np.eye(classes)[labels]
    found = [right * weight + rng.normal(size=(n, classes)) for weight in (sound, 0.0, special)]
    logits = np.stack(found, axis=1)
    logs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return Opinions(logs, np.arange(n) if artists is None else artists), labels


def held_out(found, labels, rows=None, **how):
    return HeldOut(found, labels, np.arange(len(labels)) if rows is None else rows, **how)


def test_the_means_are_of_each_artists_own_tracks():
    values = np.array([[1.0], [3.0], [10.0]])
    means = decision.artist_means(values, np.array([-5, -5, 7]))
    np.testing.assert_array_equal(means, [[2.0], [2.0], [10.0]])


def test_an_artist_of_one_track_decides_alone():
    found, _ = opinions(n=5)
    alone = EVEN.model_copy(update={"consensus": 0.0})
    known = np.zeros(5, bool)
    np.testing.assert_allclose(
        decision.apply(found, known, {False: EVEN, True: EVEN}),
        decision.apply(found, known, {False: alone, True: alone}),
    )


def test_known_and_new_artists_have_decisions_of_their_own():
    found, _ = opinions(n=4)
    sound = EVEN.model_copy(update={"weights": (1.0, 0.0, 0.0), "consensus": 0.0})
    special = EVEN.model_copy(update={"weights": (0.0, 0.0, 1.0), "consensus": 0.0})
    decisions = {False: sound, True: special}
    known = np.array([True, False, True, False])
    mixed = decision.apply(found, known, decisions)
    for kind in (False, True):
        alike = decision.apply(found, np.full(4, kind), decisions)
        np.testing.assert_allclose(mixed[known == kind], alike[known == kind])


def test_the_better_opinion_gets_the_weight():
    fitted = decision.fit_one(held_out(*opinions(sound=0.0, special=3.0)), target=0.5)
    assert fitted.weights[2] >= 0.6
    assert sum(fitted.weights) == pytest.approx(1.0)


def test_an_opinion_that_may_not_count_gets_no_weight():
    found, labels = opinions(sound=1.0, special=5.0)
    fitted = decision.fit_one(held_out(found, labels, n_opinions=2), target=0.5)
    assert fitted.weights[2] == 0.0


def test_where_the_network_is_less_sure_its_temperature_is_lower_and_the_threshold_stays():
    found, labels = opinions()
    plain = decision.fit_one(held_out(found, labels), target=0.5)
    sharper = decision.fit_one(held_out(found, labels, sharpening=0.5), target=0.5)
    assert sharper.temperature == plain.temperature * 0.5
    assert sharper.threshold == plain.threshold


def test_consensus_is_used_where_artists_have_one_genre():
    artists = np.arange(900) // 30
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 30)[artists]
    logits = np.eye(3)[labels][:, None] * 0.7 + rng.normal(size=(900, 3, 3))
    found = Opinions(logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)), artists)
    fitted = decision.fit_one(held_out(found, labels), target=0.5)
    assert fitted.consensus > 0
    decisions = {False: fitted, True: fitted}
    right = decision.apply(found, np.zeros(900, bool), decisions).argmax(axis=1) == labels
    assert right.mean() > 0.95


def test_a_kind_with_too_few_tracks_takes_the_decision_of_the_other():
    found, labels = opinions()
    everything, few = held_out(found, labels), held_out(found, labels, np.arange(10))
    fitted = decision.fit({False: everything, True: few}, 0.9)
    assert fitted[True] == fitted[False]
    assert fitted[True] == decision.fit_one(everything, 0.9)
    assert decision.fit({False: everything}, 0.9) == fitted


def test_either_kind_is_decided_by_its_own_tracks():
    tracks = {
        True: held_out(*opinions(sound=0.0, special=3.0)),
        False: held_out(*opinions(sound=3.0, special=0.0, seed=1)),
    }
    fitted = decision.fit(tracks, 0.9)
    assert fitted[True].weights[2] > 0.5 > fitted[False].weights[2]


def test_nothing_is_accepted_where_opinions_are_noise():
    fitted = decision.fit_one(held_out(*opinions(sound=0.0, special=0.0)), target=0.93)
    assert fitted.threshold == NEVER


def test_probabilities_sum_to_one():
    found, _ = opinions()
    known = np.arange(len(found.artists)) % 2 == 0
    probabilities = decision.apply(found, known, {False: EVEN, True: EVEN})
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)


def test_a_decision_outside_its_bounds_is_refused():
    with pytest.raises(ValueError, match="temperature"):
        Decision(weights=EVEN.weights, consensus=0.5, temperature=0.0, threshold=0.5)


def test_weights_that_share_out_more_or_less_than_one_vote_are_refused():
    with pytest.raises(ValueError, match=r"sum to 1\.2 instead of 1"):
        Decision(weights=(0.5, 0.5, 0.2), consensus=0.5, temperature=1.0, threshold=0.5)
