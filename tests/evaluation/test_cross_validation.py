"""The study: honest repetitions, gains with intervals, a learning curve."""

import dataclasses

import numpy as np
import pytest
from support.generated import make_manifest
from support.samples import make_sample

from genre_spark.bundle.genre_metrics import Estimate
from genre_spark.config import load_settings
from genre_spark.evaluation import cross_validation, metrics
from genre_spark.evaluation.held_out import hold_out
from genre_spark.evaluation.study_results import PublishedStudy
from genre_spark.reporting import study_report

SETTINGS = load_settings(overrides=("epochs=1", "min_steps=0", "test_share=0.5"))


@pytest.fixture(scope="module")
def study(eagerly):
    return cross_validation.run(make_sample(320), SETTINGS, 1, lambda *_: None, n_repetitions=1)


def test_every_artist_is_held_out_once_per_repetition(study):
    assert study.protocols["new"].tracks == (320,)
    assert study.protocols["known"].tracks[0] == pytest.approx(160, abs=16)


def test_each_protocol_has_its_ladder_baselines_interval_and_coverages(study):
    for found in study.protocols.values():
        own = found.cnn.accuracy.mean
        assert found.interval.low <= own <= found.interval.high
        assert list(found.coverage_at) == ["0.80", "0.85", "0.90", "0.93", "0.95"]
        *_, last = found.ladder.values()
        assert last.accuracy.mean == pytest.approx(own)
        assert last.cnn_gain == Estimate(mean=0.0, low=0.0, high=0.0)
        for one in found.baselines.values():
            difference = own - one.accuracy.mean
            assert one.cnn_gain.mean == pytest.approx(difference, abs=1e-9)


def test_evidence_lifts_known_artists(study):
    steps = [one.accuracy.mean for one in study.protocols["known"].ladder.values()]
    assert steps[-1] > steps[0] + 0.1


def test_the_learning_curve_ends_at_all_labels(study):
    curve = study.learning_curve
    assert curve[0].labels == 100
    assert curve[-1].labels == pytest.approx(160, abs=16)
    gain = curve[0].gain_by_synthetic_genres
    assert gain.low <= gain.mean <= gain.high


def test_the_page_of_a_study_names_all_its_tables(study, tmp_path):
    published = PublishedStudy(
        **dict(study),
        genre_spark_version="0.0.0",
        created_at="2024-01-01T00:00:00+00:00",
        clusters="0123456789abcdef",
        data=make_manifest().data,
        settings=SETTINGS,
    )
    study_report.write(published, tmp_path / "study")
    page = (tmp_path / "study" / study_report.PAGE).read_text()
    for words in ("artist lookup, else random forest", "with words", "target precision", "labels"):
        assert words in page


def test_new_artists_without_a_link_are_those_without_shared_artists_and_albums(eagerly):
    given = make_sample(160)
    fold = metrics.folds(given, "new", 0.5, 1)
    test = np.flatnonzero(fold == 0)
    inputs = dataclasses.replace(given.inputs, album=1 + np.arange(160) % 2)
    linked, apart = (
        hold_out(one, test, SETTINGS, 1, lambda *_: None, everything=False)[0]
        for one in (dataclasses.replace(given, inputs=inputs), given)
    )
    assert linked.linked.all()
    shared = np.isin(given.inputs.album[test], given.inputs.album[fold != 0])
    artists = given.artists[test]
    np.testing.assert_array_equal(apart.linked, np.isin(artists, artists[shared]))
