"""The CNN: what it learns from, and that ONNX Runtime agrees with Keras."""

import dataclasses

import numpy as np
import pytest
from support.samples import make_sample

from genre_spark.bundle import security
from genre_spark.classifier import network, splits
from genre_spark.classifier.head import n_encoded
from genre_spark.classifier.network import MEMBERS
from genre_spark.classifier.onnx_network import (
    ARTISTS,
    ARTISTS_OUTPUT,
    INPUT,
    OUTPUT,
    Network,
    check_parity,
    to_onnx,
)
from genre_spark.config import load_settings
from genre_spark.errors import GenreSparkError
from genre_spark.features.tensor import CHANNELS, artist_statistics, build

SETTINGS = load_settings(overrides=("epochs=1", "min_steps=0", "batch_size=64")).network


def fitted(given, fold):
    tensor = build(given.inputs, given.bin_edges)
    examples = network.Examples(tensor, given.targets, np.ones(len(given)))
    return network.fit(examples, fold, SETTINGS, 1), tensor


@pytest.fixture(scope="module")
def made(eagerly):
    """Tracks in folds, and a network that was fitted to them, with its input."""
    given = make_sample(200)
    fold = splits.grouped(given.labels, given.artists, MEMBERS, 1)
    return given, fold, *fitted(given, fold)


@pytest.fixture(scope="module")
def exported(made):
    """Both networks in Keras, their inputs, and the ONNX file of the two."""
    given, fold, model, tensor = made
    statistics = artist_statistics(given.inputs, given.groups)
    shares = given.groups.means(given.targets)
    examples = network.Examples(statistics, shares, np.ones(len(shares)))
    first = given.groups.starts
    artists = network.fit(examples, fold[first], SETTINGS, 1, build=network.build_artist)
    return (model, artists), (tensor, statistics), to_onnx(model, artists)


# The smallest of three real tables has 2.6 tracks an artist; the artist network costs most with many genres.
@pytest.mark.parametrize(("n_scaled", "n_classes", "tracks_of_artist"), [(13, 6, 2), (16, 20, 6)])
def test_the_networks_stay_small(n_scaled, n_classes, tracks_of_artist):
    n_inputs = n_encoded(n_scaled, n_classes)
    track, artist = (
        [weights.size for weights in model.get_weights()[::2]]  # without biases
        for model in (
            network.build_track(n_scaled, len(CHANNELS), n_classes),
            network.build_artist(n_inputs, n_classes),
        )
    )
    # The convolution runs over all features.
    products = n_scaled * track[0] + sum(track[1:])
    assert 2 * (products + sum(artist) / tracks_of_artist) <= 150_000
    # While labels are few: points of artists and tracks, their regression and neighbours.
    n_points = n_scaled + 32
    products += n_scaled * (n_scaled + n_classes)
    similar = n_scaled**2 + 100 * 33 + n_points * (n_classes + 256 + 8)
    assert 2 * (products + (sum(artist) + similar) / tracks_of_artist) <= 180_000


def test_members_learn_nothing_from_the_artists_that_they_hold_out_and_have_their_own_weights(made):
    given, fold, model, tensor = made
    before = network.member_log_probabilities(model, tensor)
    assert before.shape == (200, MEMBERS, 6)
    assert all(np.abs(before[:, 0] - before[:, i]).max() > 1e-3 for i in range(1, MEMBERS))
    targets = given.targets.copy()
    targets[fold == 2] = np.roll(targets[fold == 2], 1, axis=1)
    changed, _ = fitted(dataclasses.replace(given, targets=targets), fold)
    after = network.member_log_probabilities(changed, tensor)
    np.testing.assert_array_equal(after[:, 2], before[:, 2])
    assert np.abs(after[:, 0] - before[:, 0]).max() > 0.01


def test_the_export_agrees_with_keras_and_a_different_network_is_refused(exported):
    models, probes, onnx = exported
    check_parity(onnx, models, probes)
    inputs = {INPUT: probes[0].shape[1:], ARTISTS: probes[1].shape[1:]}
    security.check_onnx(onnx, inputs, {OUTPUT: (6,), ARTISTS_OUTPUT: (6,)})
    for one in models:
        kept = one.get_weights()
        one.set_weights([0.5 * kept[0], *kept[1:]])
        with pytest.raises(GenreSparkError, match="nothing was written"):
            check_parity(onnx, models, probes)
        one.set_weights(kept)


def test_a_track_or_artist_alone_gets_the_same_digits_as_among_others(exported):
    _, (tensor, statistics), onnx = exported
    opened = Network(onnx)
    for run, rows in (
        (opened.log_probabilities, tensor),
        (opened.artist_log_probabilities, statistics),
    ):
        np.testing.assert_array_equal(run(rows[3:4]), run(rows)[3:4])


def test_the_fewest_artists_take_no_more_steps_than_many(eagerly):
    totals = set()
    few = network.Examples(np.zeros((3, 4), np.float32), np.eye(3, dtype=np.float32), np.ones(3))
    settings = SETTINGS.model_copy(update={"min_steps": 6})
    network.fit(
        few, np.arange(3), settings, 1, lambda _, n: totals.add(n), build=network.build_artist
    )
    assert totals == {6}
