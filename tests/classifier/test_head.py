"""Weights by held-out likelihood: what is worth nothing gets none."""

import numpy as np
import pytest

from genre_spark.classifier import head
from genre_spark.classifier.head import TERMS, Head
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
    found = head.terms(told(labels, network, rng), given, counts, PRIOR, groups)
    return head.stack(found, (n, 3))


def fitted(stack, labels):
    return head.fit(stack, np.eye(3)[labels])


def test_words_that_say_nothing_get_next_to_no_weight_and_words_that_tell_get_some():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 4000)
    weights = [fitted(stacked(labels, rng, words=strength), labels) for strength in (0.0, 2.0)]
    assert weights[0].get("words", 0.0) < 0.1 < 0.5 < weights[1]["words"]


def test_evidence_that_says_nothing_gets_no_weight():
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
    weights = Head(weights=fitted(stack, labels), threshold=0)
    found = softmax(np.tensordot(weights.vector, stack, 1))
    assert (found.argmax(axis=1) == labels).mean() > 0.99


def test_a_term_that_there_is_not_has_no_weight():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 300)
    assert not {"words", "artist", "album"} & set(fitted(stacked(labels, rng), labels))


def test_evidence_of_nothing_says_nothing():
    rng = np.random.default_rng(4)
    stack = stacked(np.zeros(8, int), rng)
    for name in head.EVIDENCE_TERMS:
        np.testing.assert_allclose(stack[TERMS.index(name)], 0.0, atol=1e-6)


def test_pooling_gives_all_tracks_of_an_artist_the_same_mean():
    stack = stacked(np.zeros(8, int), np.random.default_rng(5))
    mean = stack[TERMS.index("network, artist mean")]
    np.testing.assert_array_equal(mean[0], mean[3])
    assert mean[4] == pytest.approx(stack[TERMS.index("network")][4:].mean(axis=0), abs=1e-4)
