"""The CNN: what it learns, and that what is shipped is what was trained."""

import functools

import numpy as np
import pytest
from support.samples import make_sample

from genre_spark.bundle import security
from genre_spark.classifier import network, onnx_session
from genre_spark.classifier.decision import OPINIONS, log_probabilities_of
from genre_spark.classifier.export import PARITY, check_parity, export
from genre_spark.config import load_settings
from genre_spark.errors import GenreSparkError
from genre_spark.features.tensor import channel_names

GROUPS = {"both": ("artist", "album"), "artists": ("artist",), "none": ()}
SETTINGS = load_settings(overrides=("epochs=3", "general_epochs=2", "min_steps=0")).network


def labelled(sample, labels, n_classes=6):
    return network.Labelled(sample.tensor(), labels, sample.artists, n_classes)


@functools.cache
def fitted(groups, seed=1, n=400):
    sample = make_sample(n, groups=groups)
    model, _, _ = network.fit(labelled(sample, sample.labels), groups, SETTINGS, seed)
    return model, sample


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_the_exported_network_agrees_with_keras(tmp_path, groups):
    model, sample = fitted(groups)
    export(model, groups, tmp_path / "cnn.onnx", sample.tensor())
    shipped = onnx_session.Network((tmp_path / "cnn.onnx").read_bytes())
    found = shipped.opinions(sample.tensor(), np.ones((len(sample), 3), dtype=bool))
    expected = network.log_probabilities(model, sample.tensor())
    assert found.shape == (len(sample), 3, len(sample.classes))
    np.testing.assert_allclose(np.exp(found), np.exp(expected), atol=PARITY)
    np.testing.assert_allclose(np.exp(found).sum(axis=2), 1.0, rtol=1e-5)


def test_an_opinion_on_some_tracks_is_what_it_is_on_all(tmp_path):
    model, sample = fitted(GROUPS["both"])
    export(model, GROUPS["both"], tmp_path / "cnn.onnx", sample.tensor())
    shipped = onnx_session.Network((tmp_path / "cnn.onnx").read_bytes())
    everything = shipped.opinions(sample.tensor(), np.ones((len(sample), 3), dtype=bool))
    wanted = np.random.default_rng(0).random((len(sample), 3)) < 0.5
    wanted[:, 1], wanted[:, 2] = False, np.arange(len(sample)) == 7
    found = shipped.opinions(sample.tensor(), wanted)
    np.testing.assert_array_equal(found, np.where(wanted[:, :, None], everything, 0.0))


def test_the_saved_network_is_free_of_what_training_needed(tmp_path):
    model, sample = fitted(GROUPS["both"])
    export(model, GROUPS["both"], tmp_path / "cnn.onnx", sample.tensor())
    weights = 4 * model.count_params()
    assert (tmp_path / "cnn.onnx").stat().st_size < 1.5 * weights + 200_000
    assert {path.name for path in tmp_path.iterdir()} == {"cnn.onnx"}


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_what_is_exported_is_what_a_bundle_may_hold(tmp_path, groups):
    model, sample = fitted(groups)
    export(model, groups, tmp_path / "cnn.onnx", sample.tensor())
    inputs = dict.fromkeys(OPINIONS, sample.tensor().shape[1:])
    outputs = {log_probabilities_of(name): (len(sample.classes),) for name in OPINIONS}
    security.check_onnx((tmp_path / "cnn.onnx").read_bytes(), inputs, outputs)


def test_a_network_that_was_changed_on_its_way_is_refused(tmp_path):
    model, sample = fitted(GROUPS["none"])
    export(model, GROUPS["none"], tmp_path / "cnn.onnx", sample.tensor())
    other = network.log_probabilities(model, sample.tensor() + 0.01)
    with pytest.raises(GenreSparkError, match="differs from Keras by"):
        check_parity(other, tmp_path / "cnn.onnx", sample.tensor())


def test_without_context_all_opinions_are_one():
    model, sample = fitted(GROUPS["none"])
    found = network.log_probabilities(model, sample.tensor())
    np.testing.assert_allclose(found[:, 1:], found[:, :1].repeat(2, axis=1), atol=1e-5)


def test_the_opinion_on_sound_does_not_hang_on_how_the_artist_sounds():
    model, sample = fitted(GROUPS["both"])
    tensors = sample.tensor()
    names = channel_names(GROUPS["both"])
    of_artist = [i for i, name in enumerate(names) if name in ("artist_mean", "artist_bin1")]
    changed = tensors.copy()
    changed[:, :, of_artist] += 1.0
    before, after = (network.log_probabilities(model, one) for one in (tensors, changed))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert np.abs(before[:, 1:] - after[:, 1:]).max(axis=(0, 2)).min() > 0.01


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    fit = fitted.__wrapped__
    one, same, other = (
        network.log_probabilities(model, sample.tensor())
        for model, sample in (fit(GROUPS["none"], seed, n=200) for seed in (1, 1, 2))
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_branches_fitted_in_processes_of_their_own_are_what_they_would_be_here(monkeypatch):
    here, sample = fitted(GROUPS["both"])
    monkeypatch.setattr(network, "_FEW", 0)
    data, heard = labelled(sample, sample.labels), set()
    there, epochs, _ = network.fit(
        data, GROUPS["both"], SETTINGS, 1, on_epoch=lambda *one: heard.add(one)
    )
    assert epochs == [2, 3]
    assert {("sound", 2, 2), ("general", 2, 2), ("context and artist", 3, 3)} <= heard
    one, other = (np.exp(network.log_probabilities(m, sample.tensor())) for m in (here, there))
    # Sums of several threads differ in their last digits.
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_specialists_stop_where_held_out_tracks_gain_nothing():
    sample = make_sample(300)
    noise = np.random.default_rng(0).integers(0, 6, 300)
    settings = load_settings(
        overrides=("epochs=60", "general_epochs=1", "min_steps=0", "patience=2")
    ).network
    data, groups = labelled(sample, noise), ("artist", "album")
    other = labelled(make_sample(300, seed=9), noise)
    _, epochs, _ = network.fit(data, groups, settings, 1, held_out=other)
    assert epochs[1] < 60
    _, as_told, _ = network.fit(data, groups, settings, 1, epochs=[1, 4])
    assert as_told == [1, 4]


def test_each_track_is_judged_by_a_member_that_did_not_see_its_artist():
    # Labels hang on the artist alone, and on nothing that can be heard: who was not shown the
    # artist's labels cannot know them.
    sample = make_sample(600)
    secret = np.random.default_rng(1).integers(0, 2, sample.artists.max() + 1)[sample.artists]
    settings = load_settings(overrides=("general_epochs=40", "min_steps=0")).network
    data = labelled(sample, secret, n_classes=2)
    model, _, unseen = network.fit(data, ("artist", "album"), settings, 1, specialists=False)
    seen = network.log_probabilities(model, sample.tensor())[:, 1].argmax(axis=1) == secret
    assert ((unseen.argmax(axis=2) == secret[:, None]).mean(axis=0) < 0.65).all()
    assert seen.mean() > 0.8
