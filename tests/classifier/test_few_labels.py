"""Few and uneven labels: each sample trains to something sensible, or is refused with the reason."""

import dataclasses

import numpy as np
import pytest
from support.generated import GENRES, as_accepted, make_manifest, make_tracks
from support.samples import make_sample

from genre_spark.classifier import estimator, head, training_set
from genre_spark.classifier.term_weights import HeldOutTerms
from genre_spark.config import load_settings
from genre_spark.errors import InputError
from genre_spark.evaluation import cross_validation, training
from genre_spark.evaluation import metrics as evaluation
from genre_spark.evaluation.held_out import hold_out
from genre_spark.schema import FEATURE_NAMES

SCORING = make_manifest().scoring
SETTINGS = load_settings(
    overrides=(
        "epochs=8", "min_steps=40", "batch_size=512", "learning_rate=0.01",
    )
)  # fmt: skip
# Where what is learned is not the question.
SHORT = load_settings(overrides=("epochs=1", "min_steps=0"))


def keep(given, genre, n):
    own = np.flatnonzero(given.labels == genre)
    return given.take(np.setdiff1d(np.arange(len(given)), own[n:]))


def by_artists(given, n):
    """As if a few artists had made everything, whatever it sounds like."""
    return with_artists(given, 1 + given.artists % n)


def every_track_by_another(given):
    return with_artists(given, 1 + np.arange(len(given)))


def with_artists(given, artists):
    inputs = dataclasses.replace(given.inputs, artist=artists)
    changed = dataclasses.replace(given, inputs=inputs, artists=artists)
    return changed.take(np.argsort(artists, kind="stable"))


def genre_of_one_artist(given):
    return with_artists(given, np.where(given.labels == 0, given.artists.max() + 1, given.artists))


def without_artists(n):
    return make_sample(n, groups=())


MANY = tuple(f"genre {i}" for i in range(114))
SAMPLES = {
    "500 labels": lambda: make_sample(500),
    "a genre with 5 tracks": lambda: keep(make_sample(500), genre=1, n=5),
    "2 genres": lambda: make_sample(300, genres=GENRES[:2]),
    "114 genres": lambda: make_sample(5 * 114, genres=MANY, artists=114),
    "3 artists": lambda: by_artists(make_sample(200), 3),
    "one artist": lambda: by_artists(make_sample(300), 1),
    "every artist one track": lambda: every_track_by_another(make_sample(300, groups=("artist",))),
    "no artists": lambda: without_artists(300),
    "a genre of one artist": lambda: genre_of_one_artist(make_sample(400)),
    "50 labels": lambda: make_sample(50, genres=GENRES[:3]),
}


# A training each: these differ most from each other, `make test-long` has all.
USUAL = {"one artist", "no artists"}


@pytest.mark.parametrize(
    "name", [one if one in USUAL else pytest.param(one, marks=pytest.mark.long) for one in SAMPLES]
)
def test_what_little_there_is_to_learn_is_learned(name):
    given = SAMPLES[name]()
    test = np.flatnonzero(evaluation.folds(given, "known", 0.2, 1) == 0)
    found, *_ = hold_out(given, test, SETTINGS, 1, lambda *_: None, everything=False)
    metrics = found.measure(given, 0.93)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0, rtol=1e-5)
    side = np.setdiff1d(np.arange(len(given)), test)
    majority = (given.labels[test] == np.bincount(given.labels[side]).argmax()).mean()
    assert metrics.accuracy > majority + (1 - majority) * 0.15
    # Of what is accepted, if anything is of so little, hardly any is wrong.
    wrong = found.probabilities.argmax(axis=1) != given.labels[found.rows]
    assert wrong[found.accepted].sum() <= 0.2 * found.accepted.sum()


def test_labels_of_tracks_without_features_are_learned_and_such_tracks_have_their_own_weights(
    eagerly,
):
    given = make_sample(400)
    bare = given.artists % 3 == 0
    lacking = dataclasses.replace(given, inputs=given.inputs.without(bare, given.artists))
    fitted = estimator.fit(lacking, SHORT.network, 0.93, 1, lambda *_: None)
    assert set(given.artists[bare]) <= set(fitted.part.artist_keys)
    for kind, terms in fitted.held_out.items():
        has_features = terms.tracks.inputs.has_features[terms.rows]
        assert set(has_features) == {"without" not in kind}
    found = fitted.predict(lacking).probabilities.argmax(axis=1) == given.labels
    assert found[bare].mean() > 0.9


def test_where_genres_are_many_weights_are_fitted_on_some_of_the_tracks(monkeypatch, eagerly):
    monkeypatch.setattr(estimator, "_MOST_OF_TERM", 100 * len(GENRES))
    monkeypatch.setattr(estimator, "_FEWEST_OF_MANY", 60)
    given = make_sample(200)
    fitted = estimator.fit(given, SHORT.network, 0.93, 1, lambda *_: None)
    found = fitted.held_out["new"]
    assert (len(found.rows), found.terms.shape[1]) == (100, 100)
    assert len(np.unique(found.rows)) == 100
    # The terms are of these tracks, and of no others.
    labels = given.labels[found.rows]
    assert (fitted.part.heads["new"].logits(found.terms).argmax(axis=1) == labels).mean() > 0.4


def test_training_leaves_out_new_artists_and_says_why(eagerly):
    trained = training.train(SAMPLES["one artist"](), SHORT, lambda *_: None)
    assert set(trained.metrics.protocols) == {"known"}
    assert trained.metrics.skipped == {"new": "the labelled tracks are of 1 artists, 20 are needed"}


def test_twenty_labels_of_three_genres_give_genres_and_promise_nothing(caplog):
    given = make_sample(200, genres=GENRES[:3])
    rows = np.random.default_rng(1).choice(len(given), 20, replace=False)
    few = given.take(np.sort(rows))
    trained = training.train(few, SETTINGS, lambda *_: None)
    rest = given.take(np.setdiff1d(np.arange(len(given)), rows))
    found = trained.classifier.predict(rest)
    assert (found.probabilities.argmax(axis=1) == rest.labels).mean() > 0.5
    assert not found.accepted.any()
    assert trained.metrics.protocols == {}
    few_held_out = "of 20 labelled tracks none are held out, 50 are needed"
    assert trained.metrics.skipped == {"known": few_held_out, "new": few_held_out}
    assert "new artists: genres are given, but none is accepted; 20 labelled tracks" in caplog.text
    with pytest.raises(InputError, match="cannot evaluate: of 20 labelled tracks"):
        cross_validation.run(few, SETTINGS, 1)


def collected(spark, tracks, settings=SETTINGS):
    """What is learned from tracks of pandas; their lists of genres, if any, are arrays."""
    kinds = {"genres": "array<string>", **dict.fromkeys(FEATURE_NAMES, "double")}
    schema = ", ".join(f"{name} {kinds.get(name, 'string')}" for name in tracks)
    table = as_accepted(spark.createDataFrame(tracks, schema))
    return training_set.collect(table, len(tracks), SCORING.scaler, SCORING.synthetic, settings)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"rock": 900, "jazz": 4}, "1 genres have at least 5 labelled tracks, 2 are needed"),
        ({"rock": 10, "jazz": 9}, "19 labelled tracks in 2 genres, 20 are needed"),
        (
            {"rock": 9} | {f"style {i}": 6 for i in range(199)} | {"jazz": 5, "folk": 5},
            r"202 genres .*, 200 can be learned; map .* \(--set min_per_genre=6\)",
        ),
        ({f"style {i}": 6 for i in range(201)}, "200 can be learned; map .* to broader genres$"),
    ],
)
def test_too_few_labels_and_too_many_genres_are_refused_before_anything_is_fitted(
    spark, counts, told
):
    names = [name for name, n in counts.items() for _ in range(n)]
    with pytest.raises(InputError, match=told):
        collected(spark, make_tracks(len(names), seed=1).assign(genre=names))


def test_of_too_many_labels_small_genres_are_kept_whole(spark):
    names = ["rock"] * 1500 + ["jazz"] * 7 + ["folk"] * 60
    tracks = make_tracks(len(names), seed=1).assign(genre=names)
    found = collected(spark, tracks, load_settings(overrides=("max_labels=300",)))
    kept = dict(zip(found.classes, np.bincount(found.labels), strict=True))
    assert (kept["jazz"], kept["folk"]) == (7, 60)
    assert 200 < kept["rock"] < 400


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0.0, 0.0), (0.5, 0.9, 1.0)])
def test_similar_artists_count_as_far_as_they_gain_more_than_a_standard_error(share, least, most):
    given, rng = make_sample(300), np.random.default_rng(2)
    terms = np.zeros((len(head.TERMS), *given.targets.shape), np.float32)
    for name in ("network", *head.SIMILAR_TERMS):
        told = share if name in head.SIMILAR_TERMS else 0.5
        terms[head.TERMS.index(name)] = told * given.targets + rng.normal(
            0, 0.5, given.targets.shape
        )
    held_out = HeldOutTerms(terms, np.arange(len(given)), given)
    assert least <= held_out.trust[0] <= most
    assert held_out.fit().uses(head.SIMILAR_TERMS) is (share > 0)
    assert held_out.fit().uses(["network"])


@pytest.mark.parametrize(
    ("n", "least", "most"), [(60, 0.0, 0.0), (250, 0.0, 0.0), (2000, 0.9, 1.0)]
)
def test_genres_have_weights_of_their_own_as_far_as_they_gain_more_than_a_standard_error(
    n, least, most
):
    given, rng = make_sample(n), np.random.default_rng(3)
    terms = np.zeros((len(head.TERMS), *given.targets.shape), np.float32)
    # Of the first genre the network knows more than the words do, of the others less.
    for name, told in (("network", (2.0, 0.3)), ("words", (0.3, 2.0))):
        strength = np.where(np.arange(given.targets.shape[1]) == 0, *told)
        noise = rng.normal(0, 1.0, given.targets.shape)
        terms[head.TERMS.index(name)] = strength * given.targets + noise
    held_out = HeldOutTerms(terms, np.arange(len(given)), given)
    assert least <= held_out.trust[1] <= most
    network = held_out.fit().weights["network"]
    assert (max(network) > 1.2 * min(network)) is (n == 2000)


@pytest.mark.parametrize("seed", range(3))
def test_all_tracks_of_a_genres_only_artist_are_in_one_fold(seed):
    given = SAMPLES["a genre of one artist"]()
    fold = evaluation.folds(given, "new", 0.2, seed)
    assert len(np.unique(fold[given.labels == 0])) == 1


def test_a_track_under_several_genres_is_learned_from_in_parts(spark):
    tracks = make_tracks(120, seed=1)
    several = tracks.assign(genres=[["metal", "rock", "rock"], *[None] * 119])
    several["genre"] = [None, *tracks["genre"][1:]]
    found = collected(spark, several)
    assert len(found) == 120
    assert (~found.certain).sum() == 1
    (shares,) = found.targets[~found.certain]
    names = dict(zip(found.classes, shares, strict=True))
    assert names["rock"] == pytest.approx(2 / 3)
    assert names["metal"] == pytest.approx(1 / 3)
