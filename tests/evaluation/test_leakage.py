"""Nothing that is fitted, and nothing that the network reads, comes from a held-out label."""

import dataclasses

import numpy as np
import pytest
from support.generated import make_manifest, make_tracks
from support.samples import make_sample

from genre_spark.classifier import network, training_set
from genre_spark.config import load_settings
from genre_spark.evaluation import metrics, training

SETTINGS = load_settings(
    overrides=("epochs=1", "general_epochs=1", "min_steps=0", "batch_size=512")
)


def quiet(message):
    pass


def test_no_channel_holds_a_label(spark):
    tracks = make_tracks(300, seed=8)
    scoring = make_manifest().scoring
    others = tracks.assign(genre=np.roll(tracks["genre"], 7))
    assert (others["genre"] != tracks["genre"]).any()
    found = [
        training_set.collect(
            spark.createDataFrame(table),
            scoring.space,
            scoring.synthetic,
            ("artist", "album"),
            SETTINGS.training,
            1,
        )
        for table in (tracks, others)
    ]
    assert (found[0].labels != found[1].labels).any()
    np.testing.assert_array_equal(found[0].tensor(), found[1].tensor())


def corrupted(given, rows):
    """The sample with the labels of some rows shifted to other genres."""
    labels = given.labels.copy()
    labels[rows] = (labels[rows] + 1) % len(given.classes)
    return dataclasses.replace(given, labels=labels)


@pytest.mark.parametrize("protocol", ["known", "new"])
def test_labels_of_the_held_out_side_change_nothing_that_is_fitted(eagerly, protocol):
    given = make_sample(500)
    side, test = metrics.split(given, protocol, 0.2, 1)
    fitted = training.judge(given, protocol, side, SETTINGS, 1, quiet)
    again = training.judge(corrupted(given, test), protocol, side, SETTINGS, 1, quiet)
    np.testing.assert_array_equal(again.probabilities, fitted.probabilities)
    np.testing.assert_array_equal(again.thresholds, fitted.thresholds)
    assert again.decisions == fitted.decisions
    # Labels of the training side do.
    other = training.judge(corrupted(given, side[::3]), protocol, side, SETTINGS, 1, quiet)
    assert np.abs(other.probabilities - fitted.probabilities).max() > 0.01


@pytest.mark.parametrize("protocol", ["known", "new"])
def test_a_recording_is_on_one_side_of_every_split_the_inner_ones_too(monkeypatch, protocol):
    class SeenError(Exception):
        """What the network would have been fitted to is all that is asked."""

    def fit(train, groups, settings, seed, held_out=None, *others):
        raise SeenError(train, held_out)

    monkeypatch.setattr(network, "fit", fit)
    given = make_sample(900, copies=3)
    side, test = metrics.split(given, protocol, 0.2, 1)
    with pytest.raises(SeenError) as caught:
        training.judge(given, protocol, side, SETTINGS, 1, quiet)
    train, held_out = caught.value.args
    sides = [recordings(train.tensors), recordings(given.tensor()[test])]
    if held_out:
        sides.append(recordings(held_out.tensors))
    assert all(sides)
    assert len(set.union(*sides)) == sum(map(len, sides)) == 300


def recordings(tensors):
    """Copies of a recording sound the same, and other recordings do not."""
    return {own.tobytes() for own in tensors[:, :, 0]}
