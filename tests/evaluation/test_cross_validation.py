"""The study: what is compared, on which rows, and how sure the differences are."""

import json

import numpy as np
import pytest
from PIL import Image
from support.generated import make_tracks
from support.samples import make_sample

from genre_spark.catalog.catalogue import Source
from genre_spark.classifier.training_set import SYNTHETIC_GENRES
from genre_spark.config import load_dataset, load_settings
from genre_spark.errors import OutputError
from genre_spark.evaluation import baselines, cross_validation, training
from genre_spark.features.tensor import channel_names
from genre_spark.pipelines import cluster as cluster_pipeline
from genre_spark.pipelines import evaluate as evaluate_pipeline
from genre_spark.reporting import study_report

SETTINGS = load_settings(overrides=("k_max=12", "restarts=1"))


def test_what_is_taken_away_is_in_no_channel_and_the_rest_stays():
    sample = make_sample(60)
    names = channel_names(tuple(sample.contexts))
    whole = sample.tensor()
    alone = sample.without("artist", "album").tensor()
    own = [i for i, name in enumerate(names) if name.startswith(("track", "synthetic"))]
    np.testing.assert_array_equal(alone, whole[:, :, own])
    hidden = sample.without(SYNTHETIC_GENRES).tensor()
    at = names.index("synthetic_genre")
    assert (whole[:, :, at] != 0).any()
    assert (hidden[:, :, at] == 0).all()
    np.testing.assert_array_equal(np.delete(hidden, at, axis=2), np.delete(whole, at, axis=2))
    left = sample.without("artist")
    assert tuple(left.contexts) == ("album",)
    np.testing.assert_array_equal(left.artists, sample.artists)


def guesses(sample, share, seed):
    """Probabilities of a classifier that knows the label of so many of the tracks."""
    rng = np.random.default_rng(seed)
    n_classes = len(sample.classes)
    winner = np.where(
        rng.random(len(sample)) < share, sample.labels, rng.integers(0, n_classes, len(sample))
    )
    sure = rng.uniform(0.4, 0.9, len(sample))[:, None]
    return np.eye(n_classes)[winner] * sure + (1 - sure) / n_classes


@pytest.fixture
def no_fits(monkeypatch):
    """In place of a network, one that knows less the less it is shown; of baselines, one."""
    asked = []

    def judge(sample, protocol, side, settings, seed, say):
        asked.append((protocol, seed, tuple(sample.contexts), bool(sample.centroids.any()), side))
        found = guesses(sample, 0.5 + 0.15 * len(sample.contexts), seed)
        return training.Judged(found, found, np.full(len(sample), 0.6), {}, None)

    def simple(train, test, seed):
        yield baselines.MAJORITY, np.tile(np.bincount(train.labels) / len(train), (len(test), 1))
        yield "random forest, context", guesses(test, 0.6, seed)

    monkeypatch.setattr(training, "judge", judge)
    monkeypatch.setattr(baselines, "judge", simple)
    return asked


def test_all_are_fitted_on_the_same_sides_with_as_many_seeds_as_asked(no_fits):
    found = cross_validation.run(make_sample(600), SETTINGS, 3, lambda message: None)
    assert found["seeds"] == [20, 21, 22]
    assert set(found["protocols"]) == {"known", "new"}
    shown = {
        (("artist", "album"), True),
        ((), True),
        (("album",), True),
        (("artist",), True),
        (("artist", "album"), False),
    }
    for protocol in ("known", "new"):
        for seed in found["seeds"]:
            own = [one for one in no_fits if one[:2] == (protocol, seed)]
            assert {one[2:4] for one in own} == shown
            for *_, side in own:
                np.testing.assert_array_equal(side, own[0][-1])


def test_without_ablations_the_network_is_fitted_once_per_split(no_fits):
    found = cross_validation.run(
        make_sample(600), SETTINGS, 2, lambda message: None, with_ablations=False
    )
    assert [one[:2] for one in no_fits] == [(p, s) for p in ("known", "new") for s in (20, 21)]
    assert all(one["ablations"] == {} for one in found["protocols"].values())
    assert "random forest, context" in found["protocols"]["new"]["baselines"]


def test_results_have_means_spreads_and_gains_over_all_others(no_fits):
    found = cross_validation.run(make_sample(900), SETTINGS, 3, lambda message: None)["protocols"][
        "known"
    ]
    accuracy = found["cnn"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["values"]))
    assert accuracy["spread"] == pytest.approx(np.std(accuracy["values"], ddof=1))
    assert accuracy["mean"] == pytest.approx(0.8 + 0.2 / 6, abs=0.05)
    assert found["ablations"]["no context"]["cnn_gain"]["low"] > 0.1
    gained = found["ablations"]["no synthetic genres"]["cnn_gain"]
    assert gained["low"] <= 0 <= gained["high"]
    name, best = cross_validation.strongest(found)
    assert name == "random forest, context"
    difference = accuracy["mean"] - best["accuracy"]["mean"]
    assert best["cnn_gain"]["mean"] == pytest.approx(difference, abs=0.01)
    assert np.sum(found["confusion"]) == sum(found["tracks"])


def test_of_one_seed_there_is_no_spread_and_a_sample_without_artists_has_no_new_ones(no_fits):
    sample = make_sample(300, groups=())
    found = cross_validation.run(sample, SETTINGS, 1, lambda message: None)
    assert found["skipped"] == {"new": "the catalogue names no artists"}
    known = found["protocols"]["known"]
    assert known["cnn"]["accuracy"]["spread"] is None
    assert set(known["ablations"]) == {"no synthetic genres"}


def test_an_interval_is_as_wide_as_there_are_artists_not_tracks():
    rng = np.random.default_rng(0)
    n_artists, n_tracks = 40, 50
    artists = np.repeat(np.arange(n_artists), n_tracks)
    theirs = np.zeros(len(artists), dtype=bool)
    # The first classifier is right on all tracks of half of the artists.
    together = np.repeat(rng.permutation(n_artists) % 2 == 0, n_tracks)
    apart = rng.permutation(together)
    wide, narrow = (
        cross_validation.gain([ours], [theirs], [artists], seed=1) for ours in (together, apart)
    )
    assert wide["mean"] == narrow["mean"] == 0.5
    assert wide["high"] - wide["low"] == pytest.approx(4 * 0.5 / np.sqrt(n_artists), rel=0.2)
    assert narrow["high"] - narrow["low"] < (wide["high"] - wide["low"]) / 3


def test_an_interval_holds_what_splits_differ_by():
    artists = np.arange(1000)
    right, wrong = np.ones(1000, dtype=bool), np.zeros(1000, dtype=bool)
    found = cross_validation.gain([right, wrong], [wrong, wrong], [artists, artists], seed=1)
    assert found == {"mean": 0.5, "low": 0.0, "high": 1.0}


def test_nothing_is_gained_over_oneself():
    right = np.arange(100) % 3 == 0
    found = cross_validation.gain([right], [right], [np.arange(100) // 5], seed=1)
    assert found == {"mean": 0.0, "low": 0.0, "high": 0.0}


@pytest.fixture
def catalogue(spark, tmp_path):
    """Source, clusters bundle and output of a study."""
    path = tmp_path / "tracks.parquet"
    make_tracks(600, seed=5).to_parquet(path)
    source = Source(str(path), load_dataset(None))
    cluster_pipeline.run(spark, source, str(tmp_path / "clusters"), SETTINGS)
    return source, str(tmp_path / "clusters"), tmp_path / "study"


def test_a_study_is_published_whole_and_replaced_by_the_next(spark, catalogue, no_fits):
    source, clusters, output = catalogue
    for n_seeds in (2, 1):
        evaluate_pipeline.run(spark, source, clusters, str(output), SETTINGS, n_seeds)
        found = json.loads((output / "evaluation.json").read_text())
        assert len(found["protocols"]["new"]["cnn"]["aurc"]["values"]) == n_seeds
    assert {path.name for path in output.parent.iterdir()} == {
        "tracks.parquet", "clusters", "study",
    }  # fmt: skip
    page = (output / "evaluation.md").read_text(encoding="utf-8")
    pictures = {path.name for path in output.glob("*.png")}
    assert len(pictures) == 6
    for name in pictures:
        assert f"({name})" in page
        Image.open(output / name).verify()
    # A stranger's file is reason enough to leave all as it is.
    (output / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds what genre-spark did not publish"):
        evaluate_pipeline.run(spark, source, clusters, str(output), SETTINGS, 1)
    assert (output / "notes.txt").read_text() == "mine"


def test_hostile_names_do_not_spoil_the_page(no_fits, tmp_path):
    genres = ("a|b", "<b>x</b>", "$x_1$", "演歌")
    found = cross_validation.run(make_sample(400, genres=genres), SETTINGS, 2, lambda message: None)
    found["data"] = {"source": "t.parquet", "rows": {"fingerprint": "f"}}
    study_report.write(found, tmp_path / "page")
    page = (tmp_path / "page" / "evaluation.md").read_text(encoding="utf-8")
    assert r"| a\|b |" in page
    assert "<b>x</b>" not in page.replace(r"\<b\>x\</b\>", "")
