import numpy as np
import pytest
from support.samples import make_sample

from genre_spark.classifier import estimator
from genre_spark.config import load_settings
from genre_spark.evaluation import baselines, metrics

SETTINGS = load_settings(overrides=("epochs=1", "min_steps=0")).network


@pytest.fixture(scope="module")
def found(eagerly):
    tracks = make_sample(600)
    fold = metrics.folds(tracks, "known", 0.2, 3)
    train, test = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    fitted = estimator.fit(tracks.take(train), SETTINGS, 0.93, 3, lambda *_: None)
    terms = fitted.terms(tracks)[:, test]
    found = baselines.predict(tracks, test, fitted, terms, seed=3)
    return tracks.take(test).labels, dict(found)


def test_each_learns_what_there_is_to_learn_and_the_majority_does_not(found):
    labels, predicted = found
    right = {name: (p.argmax(axis=1) == labels).mean() for name, p in predicted.items()}
    assert right.pop(baselines.MAJORITY) == pytest.approx(1 / 6, abs=0.05)
    # Titles are numbers, and album names are of one artist each.
    right.pop(baselines.WORDS)
    assert min(right.values()) > 0.45
    for probabilities in predicted.values():
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_the_artists_other_labels_are_all_that_known_artists_need(found):
    labels, predicted = found
    right = {name: (p.argmax(axis=1) == labels).mean() for name, p in predicted.items()}
    assert right[baselines.ARTIST_LOOKUP] > 0.9
    assert right[baselines.LOOKUP_OR_FOREST] >= right[baselines.ARTIST_LOOKUP]
    assert right[baselines.POOLED_FOREST] >= right[baselines.FOREST]
