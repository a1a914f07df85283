"""Weights by held-out likelihood: what is worth nothing gets none."""

import numpy as np
import pytest

from genre_spark.classifier import head
from genre_spark.classifier.head import TERMS, Head, LogProbabilities
from genre_spark.classifier.softmax import log_softmax, softmax
from genre_spark.features.group_statistics import Groups

PRIOR = np.full(3, 1 / 3, np.float32)


def told(labels, strength, rng):
    """Log-probabilities that lean to the label, and are calibrated at a weight of 1."""
    logits = rng.normal(size=(len(labels), 3))
    logits[np.arange(len(labels)), labels] += strength
    return log_softmax(logits).astype(np.float32)


def stacked(labels, rng, network=1.0, words=None, counts=None):
    n = len(labels)
    counts = np.zeros((n, 4, 3), np.float32) if counts is None else counts
    given = None if words is None else told(labels, words, rng)
    groups = Groups.of(np.arange(n) // 4)
    logs = LogProbabilities.of(told(labels, network, rng), groups, given)
    found = head.terms(logs, None, counts, PRIOR)
    return head.stack(found, (n, 3))


def fitted(stack, labels):
    return head.fit(stack, np.eye(3)[labels]).mean_weights


def test_words_without_information_get_next_to_no_weight_and_others_get_some():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 4000)
    weights = [fitted(stacked(labels, rng, words=strength), labels) for strength in (0.0, 2.0)]
    assert weights[0].get("words", 0.0) < 0.1 < 0.5 < weights[1]["words"]


def test_evidence_without_information_gets_no_weight():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 4000)
    counts = rng.poisson(2.0, (4000, 4, 3)).astype(np.float32)
    weights = fitted(stacked(labels, rng, counts=counts), labels)
    assert sum(weights.get(name, 0.0) for name in head.EVIDENCE_TERMS) < 0.1


def test_labels_of_the_artist_decide_where_they_are_right():
    rng = np.random.default_rng(2)
    labels = np.repeat(rng.integers(0, 3, 500), 4)
    counts = np.zeros((2000, 4, 3), np.float32)
    counts[np.arange(2000), 0, labels] = 3
    stack = stacked(labels, rng, network=0.5, counts=counts)
    found = head.fit(stack, np.eye(3)[labels]).logits(stack)
    assert (found.argmax(axis=1) == labels).mean() > 0.99


def test_a_term_that_there_is_not_has_no_weight():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 300)
    assert not {"words", "artist", "album"} & set(fitted(stacked(labels, rng), labels))


def terms_of_three_tracks():
    """By name, the terms of two tracks of an artist and one of another, without words."""
    artists = np.log(np.array([[0.2, 0.4, 0.4], [0.1, 0.8, 0.1]], np.float32))
    network = np.log(np.array([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], np.float32))
    counts = np.zeros((3, 4, 3), np.float32)
    counts[0, 0] = [2, 0, 0]
    counts[1, 3] = [0, 1, 3]
    prior = np.array([0.5, 0.25, 0.25], np.float32)
    logs = LogProbabilities.of(network, Groups.of(np.array([1, 1, 2])))
    found = list(head.terms(logs, np.stack([artists, artists[::-1]]), counts, prior))
    return dict(zip(TERMS, found, strict=True))


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_terms_are_what_one_computes_by_hand():
    found = terms_of_three_tracks()
    # A hundredth is added to each probability: a genre that one track rules out may be the artist's.
    own = np.log([[0.91, 0.11, 0.01], [0.51, 0.31, 0.21], [0.21, 0.21, 0.61]])
    mean = (own[0] + own[1]) / 2
    np.testing.assert_allclose(found["network"], own, rtol=1e-6)
    np.testing.assert_allclose(found["network, artist mean"], [mean, mean, own[2]], atol=2e-5)
    by_log_n = found["network, artist mean by log n"]
    np.testing.assert_allclose(by_log_n, [mean * np.log(2)] * 2 + [own[2] * 0], atol=2e-5)
    artists = np.log([[0.21, 0.41, 0.41], [0.21, 0.41, 0.41], [0.11, 0.81, 0.11]])
    np.testing.assert_allclose(found["artist network"], artists, rtol=1e-6)
    np.testing.assert_allclose(found["artist forest"], artists[[2, 2, 0]], rtol=1e-6)
    assert {found[name] is None for name in (*head.WORD_TERMS, "artist document")} == {True}
    # Two labels of the first genre: (2 / 0.5 + s) / (2 + s), and s / (2 + s) of the others.
    for name, s in (("artist", 0.5), ("artist, slowly", 5.0)):
        expected = np.log([(4 + s) / (2 + s), s / (2 + s), s / (2 + s)])
        np.testing.assert_allclose(found[name], [expected, [0] * 3, [0] * 3], atol=1e-6)
    expected = np.log([20 / 24, (1 / 0.25 + 20) / 24, (3 / 0.25 + 20) / 24])
    np.testing.assert_allclose(found["synthetic genre"][1], expected, rtol=1e-5)
    np.testing.assert_allclose(
        found["synthetic genre, artist mean"], [expected / 2, expected / 2, [0] * 3], atol=2e-5
    )


def of_one_term(n_right, n, strength=1.0, name="network"):
    """A term that speaks for either of two genres, and is right on some tracks of both."""
    stacked = np.zeros((len(TERMS), 2 * n, 2), np.float32)
    spoken = np.arange(2 * n) // n
    stacked[TERMS.index(name), np.arange(2 * n), spoken] = strength
    return stacked, np.eye(2)[np.where(np.arange(2 * n) % n < n_right, spoken, 1 - spoken)]


@pytest.mark.parametrize(("n_right", "n"), [(3, 4), (600, 800), (6000, 8000)])
def test_a_weight_is_where_the_likelihood_with_its_ridge_is_largest(n_right, n):
    weight, _ = head.fit(*of_one_term(n_right, n)).weights["network"]
    # The derivative of the loss by the weight: σ(w) − p + 2 · ridge · w.
    ridge = max(0.001, 6 / (2 * n))
    assert 1 / (1 + np.exp(-weight)) + 2 * ridge * weight == pytest.approx(n_right / n, abs=1e-3)
    assert weight == round(weight, 6)


def test_weights_are_neither_negative_nor_above_five():
    assert head.fit(*of_one_term(2000, 8000)).weights == {}
    assert head.fit(*of_one_term(40_000, 40_000, strength=0.05)).weights == {"network": (5.0, 5.0)}
    weights = head.fit(*of_one_term(6000, 8000, strength=3.0)).weights["network"]
    assert 0.3 < min(weights) <= max(weights) < 0.4


def of_two_terms(n, rng):
    """Two terms over three genres: the first one knows the first genre alone, the second the others."""
    labels = rng.integers(0, 3, n)
    stacked = np.zeros((len(TERMS), n, 3), np.float32)
    for name, known in (("network", [0]), ("words", [1, 2])):
        blind = rng.integers(0, 3, n)
        spoken = np.where(np.isin(labels, known), labels, blind)
        told = np.eye(3)[spoken] * np.isin(np.arange(3), known)
        stacked[TERMS.index(name)] = told + 0.5 * np.eye(3)[blind]
    return stacked, np.eye(3)[labels], labels


def test_a_term_may_count_more_for_the_genres_that_it_knows():
    stacked, targets, _ = of_two_terms(6000, np.random.default_rng(0))
    shared, own = (head.fit(stacked, targets, by_genre=by_genre) for by_genre in (False, True))
    assert {len(set(weights)) for weights in shared.weights.values()} == {1}
    network, words = (np.array(own.weights[name]) for name in ("network", "words"))
    assert network[0] > 1.1 * network[1:].max()
    assert words[1:].min() > 1.1 * words[0]
    likelihoods = [(targets * log_softmax(one.logits(stacked))).sum() for one in (shared, own)]
    assert likelihoods[1] > likelihoods[0]


def test_with_few_labels_the_weights_of_the_genres_stay_together():
    rng = np.random.default_rng(1)
    given = [of_two_terms(n, rng)[:2] for n in (30, 6000)]
    spread = [np.ptp(head.fit(*one, by_genre=True).weights["network"]) for one in given]
    assert spread[0] < 0.5 * spread[1]


def test_what_all_terms_say_too_often_of_a_frequent_genre_is_taken_back():
    stacked = np.zeros((len(TERMS), 100, 2), np.float32)
    stacked[TERMS.index("network"), :, 0] = 2.0
    found = head.fit(stacked, np.eye(2)[(np.arange(100) >= 60).astype(int)])
    shown = softmax(np.array([2.0 * found.weights.get("network", (0.0, 0.0))[0], 0.0]) + found.bias)
    assert shown[0] == pytest.approx(0.6, abs=0.01)


def test_only_terms_that_may_count_are_fitted():
    stacked, targets = of_one_term(3, 4)
    stacked[TERMS.index("album")] = stacked[TERMS.index("network")]
    assert set(head.fit(stacked, targets).weights) == {"network", "album"}
    assert set(head.fit(stacked, targets, ("album", "words")).weights) == {"album"}


def test_a_head_uses_the_terms_that_have_a_weight():
    one = Head(weights={"network": (0.5, 0.0), "words": (0.0, 0.0)}, bias=(0.0, 0.0))
    assert one.uses(("words", "network"))
    assert not one.uses(("words", "artist"))
    assert one.matrix.tolist() == [[0.5, 0.0], *[[0.0, 0.0]] * (len(TERMS) - 1)]


def test_weights_of_another_number_of_genres_are_refused():
    with pytest.raises(ValueError, match="not of 2 genres each"):
        Head(weights={"network": (0.5,)}, bias=(0.0, 0.0))


def test_terms_that_there_are_not_are_zeros_of_32_bits():
    found = head.stack(iter([None, np.ones((2, 3), np.float32)]), (2, 3))
    assert found.dtype == np.float32
    assert found.tolist() == [[[0] * 3] * 2, [[1] * 3] * 2]
