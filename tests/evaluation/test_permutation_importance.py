"""What decides: measured by exchanging parts of the input between held-out tracks."""

import numpy as np
import pytest
from support.samples import make_sample

from genre_spark.classifier import estimator
from genre_spark.config import load_settings
from genre_spark.evaluation import metrics, permutation_importance

SETTINGS = load_settings(overrides=("epochs=10", "min_steps=0")).network


@pytest.fixture(scope="module")
def found():
    # Features of a track meet statistics of one without: no number may come of what is missing.
    tracks = make_sample(480).without_features(1)
    fold = metrics.folds(tracks, "known", 0.2, 3)
    train, test = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    fitted = estimator.fit(tracks.take(train), SETTINGS, 0.93, 3, lambda *_: None)
    return permutation_importance.importance(fitted, tracks, test, seed=1), tracks, test


def test_sound_or_labels_decide_on_known_artists(found):
    # Parts that say the same stand in for each other: accuracy may lose nothing by one of them.
    lost = {name: one.log_likelihood.mean for name, one in found[0].inputs.items()}
    assert max(lost["track"], lost["artist's labels"], lost["album's labels"]) > 0.01


def test_what_the_classifier_does_not_read_loses_nothing(found):
    assert found[0].inputs["other artists' labels"].accuracy.mean == 0.0


def test_losses_are_of_all_held_out_tracks_and_of_each_genre(found):
    measured, tracks, test = found
    assert measured.tracks == len(test)
    assert set(measured.features) == set(tracks.features)
    loss = measured.inputs["artist's labels"].accuracy
    share = np.bincount(tracks.labels[test]) / len(test)
    parts = [loss.per_genre[name] for name in tracks.classes]
    assert loss.mean == pytest.approx(float(share @ parts), abs=1e-4)
