"""What decides: losses fall on what the network reads, and on nothing else."""

import numpy as np
import pytest
from genre_spark.classifier.decision import Decision
from support.samples import make_sample

from genre_spark.evaluation import permutation_importance
from genre_spark.features import tensor

ALONE = Decision(weights=(0.5, 0.5, 0.0), consensus=0.0, temperature=1.0, threshold=0.5)
TOGETHER = ALONE.model_copy(update={"consensus": 1.0})
CHANNELS = tensor.channel_names(("artist", "album"))


def reader(sample, feature, channel):
    """A network that tells two genres apart by the sign of one number."""
    at = sample.features.index(feature), CHANNELS.index(channel)

    def opine(tensors):
        high = np.clip(5.0 * tensors[:, at[0], at[1]], -5, 5)
        logits = np.stack([-high, high], axis=1)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.stack([logs, logs, logs], axis=1)

    return opine


def told_apart_by(feature, channel, n=400):
    """A sample whose labels are what its reader says, and the reader."""
    sample = make_sample(n, genres=("low", "high"))
    opine = reader(sample, feature, channel)
    labels = opine(sample.tensor())[:, 0].argmax(axis=1)
    object.__setattr__(sample, "labels", labels)
    return sample, opine


def lost(sample, opine, decision=ALONE, rows=None, seed=1):
    rows = np.arange(0, len(sample), 2) if rows is None else rows
    known = np.zeros(len(sample), dtype=bool)
    return permutation_importance.importance(
        opine, sample, known, {False: decision, True: decision}, rows, seed
    )


def losses(found, key):
    return {name: one[key]["accuracy"]["mean"] for name, one in found["features"].items()}


def test_a_feature_of_the_track_itself_is_found_and_no_other():
    found = lost(*told_apart_by("energy", "track"))
    for key in ("own", "all"):
        by_feature = losses(found, key)
        assert by_feature.pop("energy") == pytest.approx(0.5, abs=0.1)
        assert set(by_feature.values()) == {0.0}
    scopes = {name: one["accuracy"]["mean"] for name, one in found["scopes"].items()}
    assert scopes.pop("track") == pytest.approx(0.5, abs=0.1)
    assert scopes == {"synthetic genres": 0.0, "artist": 0.0, "album": 0.0}
    energy = found["features"]["energy"]["all"]
    assert energy["log_likelihood"]["mean"] > 1
    assert set(energy["accuracy"]["per_genre"]) == {"low", "high"}
    assert 0 < energy["accuracy"]["spread"] < 0.1


@pytest.mark.parametrize(
    ("channel", "scope"),
    [("artist_mean", "artist"), ("album_mean", "album"), ("synthetic_genre", "synthetic genres")],
)
def test_a_feature_of_another_scope_counts_in_all_scopes_and_not_as_the_tracks_own(channel, scope):
    found = lost(*told_apart_by("valence", channel))
    assert losses(found, "own")["valence"] == 0
    assert losses(found, "all")["valence"] > 0.05
    assert {name for name, one in found["scopes"].items() if one["accuracy"]["mean"]} == {scope}


def test_how_many_tracks_an_artist_has_belongs_to_the_scope_and_to_no_feature():
    found = lost(*told_apart_by("tempo", "artist_tracks"))
    assert set(losses(found, "all").values()) == {0.0}


def test_both_axes_of_a_circle_are_one_feature():
    sample, opine = told_apart_by("key", "track")
    found = lost(sample, opine)
    assert sample.features.count("key") == 2
    assert list(found["features"]) == list(dict.fromkeys(sample.features))


def test_labels_are_judged_after_the_consensus_of_the_artists_tracks():
    # The consensus of tracks that are all broken is no better than they are.
    sample, opine = told_apart_by("energy", "artist_mean")
    together = lost(sample, opine, TOGETHER)["features"]["energy"]["all"]["accuracy"]["mean"]
    alone = lost(sample, opine, ALONE)["features"]["energy"]["all"]["accuracy"]["mean"]
    assert together > 0.1
    assert together != alone


def test_only_held_out_tracks_are_counted_and_no_more_than_there_is_time_for(monkeypatch):
    sample, opine = told_apart_by("energy", "track", n=800)
    rows = np.arange(100, 300)
    assert lost(sample, opine, rows=rows)["tracks"] == 200
    monkeypatch.setattr(permutation_importance, "_MOST_TRACKS", 80)
    few = lost(sample, opine, rows=rows)
    assert 0 < few["tracks"] < 80
    object.__setattr__(sample, "artists", np.zeros_like(sample.artists))
    assert 0 < lost(sample, opine, rows=rows)["tracks"] < 160


def test_without_context_there_are_the_track_and_its_synthetic_genre():
    sample = make_sample(100, genres=("low", "high"), groups=())
    found = lost(sample, reader(sample, "energy", "track"))
    assert set(found["scopes"]) == {"track", "synthetic genres"}


def test_the_same_seed_gives_the_same_losses_and_another_seed_others():
    sample, opine = told_apart_by("energy", "track")
    one, same, other = (lost(sample, opine, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
