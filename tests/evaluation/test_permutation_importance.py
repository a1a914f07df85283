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
    tracks = make_sample(480)
    fold = metrics.folds(tracks, "known", 0.2, 3)
    train, test = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    fitted = estimator.fit(tracks.take(train), SETTINGS, 0.93, 3, lambda _: None)
    return permutation_importance.importance(fitted, tracks, test, seed=1), tracks, test


def test_labels_of_artist_and_album_decide_on_known_artists(found):
    scopes = {name: one["accuracy"]["mean"] for name, one in found[0]["scopes"].items()}
    # Each album is of one artist, so that its labels stand in for the artist's.
    labels = scopes["artist's labels"] + scopes["album's labels"]
    assert labels > 0.05
    assert labels > scopes["words"]


def test_what_the_classifier_does_not_read_loses_nothing(found):
    assert found[0]["scopes"]["other artists' labels"]["accuracy"]["mean"] == 0.0


def test_losses_are_of_all_held_out_tracks_and_of_each_genre(found):
    measured, tracks, test = found
    assert measured["tracks"] == len(test)
    assert set(measured["features"]) == set(tracks.features)
    loss = measured["scopes"]["artist's labels"]["accuracy"]
    share = np.bincount(tracks.labels[test]) / len(test)
    parts = [loss["per_genre"][name] for name in tracks.classes]
    assert loss["mean"] == pytest.approx(float(share @ parts), abs=1e-4)
