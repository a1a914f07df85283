"""Nothing that is fitted, and nothing that the network reads, comes from a held-out label."""

import dataclasses

import numpy as np
import pytest
from support.generated import as_accepted, make_manifest, make_tracks
from support.samples import make_sample

from genre_spark.classifier import training_set
from genre_spark.config import load_settings
from genre_spark.evaluation import metrics
from genre_spark.evaluation.held_out import hold_out
from genre_spark.features.tensor import build

SETTINGS = load_settings(overrides=("epochs=1", "min_steps=0", "batch_size=512"))


def test_no_channel_holds_a_label(spark):
    tracks = make_tracks(300, seed=8)
    scoring = make_manifest().scoring
    others = tracks.assign(genre=np.roll(tracks["genre"], 7))
    assert (others["genre"] != tracks["genre"]).any()
    found = [
        training_set.collect(
            as_accepted(spark.createDataFrame(table)),
            300,
            scoring.scaler,
            scoring.synthetic,
            SETTINGS,
        )
        for table in (tracks, others)
    ]
    assert (found[0].labels != found[1].labels).any()
    np.testing.assert_array_equal(*[build(one.inputs, one.bin_edges) for one in found])


def corrupted(given, rows):
    targets = given.targets.copy()
    targets[rows] = np.roll(targets[rows], 1, axis=1)
    return dataclasses.replace(given, targets=targets)


@pytest.mark.parametrize("protocol", ["known", "new"])
def test_labels_of_the_held_out_fold_change_nothing_that_is_fitted(eagerly, protocol):
    given = make_sample(300)
    fold = metrics.folds(given, protocol, 0.2, 1)
    test, side = np.flatnonzero(fold == 0), np.flatnonzero(fold != 0)

    def fit(tracks):
        return hold_out(tracks, test, SETTINGS, 1, lambda *_: None, everything=False)

    *found, fitted = fit(given)
    *again, refitted = fit(corrupted(given, test))

    assert refitted.part == fitted.part
    for one, same in zip(found, again, strict=True):
        np.testing.assert_array_equal(same.probabilities, one.probabilities)
        for name, values in one.baselines.items():
            np.testing.assert_array_equal(same.baselines[name], values)
    # Labels of the training side do.
    other, *_ = fit(corrupted(given, side[::3]))
    assert np.abs(other.probabilities - found[0].probabilities).max() > 0.01
