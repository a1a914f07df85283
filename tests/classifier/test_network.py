"""The CNN: what it learns from, and that ONNX Runtime agrees with Keras."""

import dataclasses

import numpy as np
import pytest
from support.samples import make_sample

from genre_spark.bundle import security
from genre_spark.classifier import architecture, network, splits
from genre_spark.classifier.architecture import MEMBERS
from genre_spark.classifier.export import PARITY, check_parity, export
from genre_spark.classifier.onnx_graph import INPUT, OUTPUT
from genre_spark.classifier.onnx_session import Network
from genre_spark.config import load_settings
from genre_spark.errors import GenreSparkError
from genre_spark.features.tensor import CHANNELS, build

SETTINGS = load_settings(overrides=("epochs=1", "min_steps=0", "batch_size=64")).network


def fitted(given, seed=1):
    fold = splits.grouped(given.labels, given.artists, MEMBERS, seed)
    return fitted_without(given, fold, seed)


def fitted_without(given, fold, seed=1):
    tensor = build(given.inputs, given.bin_edges)
    examples = network.Examples(tensor, given.targets, given.artists)
    return network.fit(examples, fold, SETTINGS, seed), fold, tensor


def test_the_network_stays_small_with_many_features_and_genres():
    assert architecture.flops(n_scaled=16, n_channels=len(CHANNELS), n_classes=20) <= 150_000


def test_a_member_learns_nothing_from_the_artists_that_it_holds_out(eagerly):
    given = make_sample(300)
    model, fold, tensor = fitted(given)
    before = network.member_log_probabilities(model, tensor)
    targets = given.targets.copy()
    targets[fold == 2] = np.roll(targets[fold == 2], 1, axis=1)
    changed, _, _ = fitted_without(dataclasses.replace(given, targets=targets), fold)
    after = network.member_log_probabilities(changed, tensor)
    np.testing.assert_array_equal(after[:, 2], before[:, 2])
    assert np.abs(after[:, 0] - before[:, 0]).max() > 0.01


def test_the_export_agrees_with_keras_and_a_different_network_is_refused(eagerly, tmp_path):
    given = make_sample(200)
    model, _, tensor = fitted(given)
    export(model, tmp_path / "cnn.onnx", tensor)
    expected = network.mean_log_probabilities(network.member_log_probabilities(model, tensor))
    found = Network((tmp_path / "cnn.onnx").read_bytes()).log_probabilities(tensor)
    np.testing.assert_allclose(np.exp(found), np.exp(expected), atol=PARITY)
    inputs, outputs = {INPUT: tensor.shape[1:]}, {OUTPUT: expected.shape[1:]}
    security.check_onnx((tmp_path / "cnn.onnx").read_bytes(), inputs, outputs)
    assert {path.name for path in tmp_path.iterdir()} == {"cnn.onnx"}
    with pytest.raises(GenreSparkError, match="nothing was written"):
        check_parity(np.roll(expected, 1, axis=1), tmp_path / "cnn.onnx", tensor)


def test_a_track_alone_gets_the_same_digits_as_among_others(eagerly, tmp_path):
    model, _, tensor = fitted(make_sample(200))
    export(model, tmp_path / "cnn.onnx", tensor)
    opened = Network((tmp_path / "cnn.onnx").read_bytes())
    together = opened.log_probabilities(tensor)
    np.testing.assert_array_equal(opened.log_probabilities(tensor[3:4]), together[3:4])


def test_members_of_the_network_have_weights_of_their_own(eagerly):
    model, _, tensor = fitted(make_sample(200))
    members = network.member_log_probabilities(model, tensor)
    assert members.shape == (200, MEMBERS, 6)
    assert all(np.abs(members[:, 0] - members[:, i]).max() > 1e-3 for i in range(1, MEMBERS))
