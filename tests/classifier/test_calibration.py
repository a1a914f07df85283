"""Thresholds of accepted labels, and measures of confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_spark.classifier import calibration


def threshold_of(confidence, correct, target, artists=None):
    artists = np.arange(len(confidence)) if artists is None else artists
    return calibration.fit_threshold(confidence, correct, artists, target)


def test_accepted_labels_meet_the_target_on_tracks_that_the_threshold_has_not_seen():
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(100):
        confidence = rng.random((2, 3000))
        correct = rng.random((2, 3000)) < confidence
        threshold = threshold_of(confidence[0], correct[0], 0.9)
        # The truth: labels above t are right with probability (1 + t) / 2.
        failed += (1 + threshold) / 2 < 0.9
    assert failed <= 10


def test_no_threshold_is_given_where_none_meets_the_target():
    confidence = np.linspace(0, 1, 500)
    assert threshold_of(confidence, confidence > 2, 0.5) == calibration.NEVER


def test_few_tracks_are_never_enough_for_certainty():
    assert threshold_of(np.ones(30), np.ones(30, bool), 0.9) == calibration.NEVER


def test_tracks_of_one_artist_prove_less_than_tracks_of_many():
    rng = np.random.default_rng(2)
    artists = np.arange(3000) // 30
    confidence = rng.random(100)[artists]
    correct = (rng.random(100) < 0.5 + confidence[::30] / 2)[artists]
    together = threshold_of(confidence, correct, 0.8, artists)
    assert together > threshold_of(confidence, correct, 0.8)


def test_a_target_is_met_for_artists_that_the_threshold_has_not_seen():
    rng = np.random.default_rng(3)
    artists = np.arange(3000) // 10
    failed = 0
    for _ in range(60):
        confidence = rng.random(300)[artists]
        correct = (rng.random(300) < confidence[::10])[artists]
        threshold = threshold_of(confidence, correct, 0.85, artists)
        failed += threshold < calibration.NEVER and (1 + threshold) / 2 < 0.85
    assert failed <= 6


def test_all_is_accepted_where_all_is_right():
    confidence = np.linspace(0.2, 1, 1000)
    assert threshold_of(confidence, confidence > 0, 0.9) == pytest.approx(0.2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_the_calibration_error_is_a_share(pairs):
    confidence, correct = (np.array(values) for values in zip(*pairs, strict=True))
    error = calibration.expected_calibration_error(confidence, correct)
    assert 0 <= error <= 1


def test_the_last_point_of_risk_and_coverage_is_the_accuracy():
    confidence, correct = np.array([0.9, 0.5, 0.7]), np.array([True, False, True])
    points = calibration.risk_coverage(confidence, correct)
    assert points[0] == [pytest.approx(1 / 3), 1.0]
    assert points[-1] == [1.0, pytest.approx(2 / 3)]


def test_the_attainable_coverage_is_the_largest_that_is_right_often_enough():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, False, True, True, False])
    assert calibration.attainable_coverage(confidence, correct, 0.9) == pytest.approx(1 / 5)
    assert calibration.attainable_coverage(confidence, correct, 0.75) == pytest.approx(4 / 5)
    assert calibration.attainable_coverage(confidence, correct, 0.6) == 1.0
    assert calibration.attainable_coverage(confidence, ~correct, 0.9) == 0.0
