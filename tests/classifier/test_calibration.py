import numpy as np
import pytest

from genre_spark.classifier import calibration
from genre_spark.evaluation import metrics


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


def test_the_one_sequence_has_the_whole_risk_of_being_wrong():
    # Of n tracks that are all right, the Clopper-Pearson bound is risk ** (1 / n).
    assert 0.943 > 0.05 ** (1 / 50) > 0.94
    assert threshold_of(np.ones(50), np.ones(50, bool), 0.943) == calibration.NEVER
    assert threshold_of(np.ones(50), np.ones(50, bool), 0.94) == 1.0


def test_a_label_at_exactly_a_threshold_meets_its_precision():
    thresholds = dict.fromkeys(calibration.KINDS, (0.8, 0.6))
    accepted = calibration.Acceptance(target=0.9, levels=(0.95, 0.9), thresholds=thresholds)
    confidence = np.array([0.8, np.nextafter(0.8, 0), 0.6, np.nextafter(0.6, 0)])
    found = accepted.precision(np.column_stack([0 * confidence, confidence]), np.zeros(4, np.int64))
    np.testing.assert_array_equal(found, [0.95, 0.9, 0.9, np.nan])


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


def test_the_attainable_coverage_is_the_largest_that_is_right_often_enough():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, False, True, True, False])
    assert metrics.attainable_coverage(confidence, correct, 0.9) == pytest.approx(1 / 5)
    assert metrics.attainable_coverage(confidence, correct, 0.75) == pytest.approx(4 / 5)
    assert metrics.attainable_coverage(confidence, correct, 0.6) == 1.0
    assert metrics.attainable_coverage(confidence, ~correct, 0.9) == 0.0


SURE = np.linspace(0.5, 1, 50)


@pytest.mark.parametrize(
    ("wrong", "artists", "right", "n"),
    [
        ([], np.arange(50), 50, 50),
        # All right tell as much as there are artists.
        ([], np.arange(50) // 2, 25, 25),
        # 5 of 50 wrong count as 49 tracks: 0.9 * 0.1 over 4.5 / 50² * 50 / 49.
        ([0, 10, 20, 30, 40], np.arange(50), 44.1, 49),
        # All of one artist of ten, as 9: 0.9 * 0.1 over 22.5 / 50² * 10 / 9.
        ([0, 1, 2, 3, 4], np.arange(50) // 5, 8.1, 9),
    ],
)
def test_labels_are_accepted_up_to_the_precision_that_is_certain(wrong, artists, right, n):
    """The bound of Clopper and Pearson at a risk of 5 %."""
    from scipy.stats import beta

    bound = beta.ppf(0.05, right, n - right + 1)
    correct = ~np.isin(np.arange(50), wrong)
    assert threshold_of(SURE, correct, bound - 1e-4, artists) == 0.5
    assert threshold_of(SURE, correct, bound + 1e-4, artists) == calibration.NEVER


def test_fifty_labels_are_the_fewest_that_are_accepted():
    assert threshold_of(SURE, np.ones(50, bool), 0.5) == 0.5
    assert threshold_of(SURE[1:], np.ones(49, bool), 0.5) == calibration.NEVER


def test_no_more_labels_are_accepted_than_the_target_allows():
    confidence = np.linspace(1, 0.001, 1000)
    correct = np.arange(1000) < 600
    threshold = threshold_of(confidence, correct, 0.9)
    accepted = confidence >= threshold
    # Of so many tracks half a percent is what certainty costs, not more.
    assert 0.90 < correct[accepted].mean() < 0.935


def test_a_lenient_start_helps_where_the_surest_labels_are_too_few_to_be_certain_of():
    """Two of the first sixty are wrong, and none of the next: only all together are certain."""
    confidence = np.linspace(1, 0.5, 600)
    correct = ~np.isin(np.arange(600), [3, 30])
    assert threshold_of(confidence, correct, 0.975) == 0.5


def test_the_calibration_error_of_five_tracks_is_what_one_counts_by_hand():
    confidence = np.array([1.0, 0.95, 0.94, 0.5, 0.2])
    correct = np.array([True, False, True, True, False])
    # Bins of a fifteenth: 1, 0.95 and 0.94 share the last one.
    gaps = abs((1 + 0 + 1) - (1 + 0.95 + 0.94)) + (1 - 0.5) + 0.2
    error = metrics.expected_calibration_error(confidence, correct)
    assert error == pytest.approx(gaps / 5)
    # In bins of a half the two others are on either edge of the middle.
    gaps = abs((1 + 0 + 1 + 1) - (1 + 0.95 + 0.94 + 0.5)) + 0.2
    error = metrics.expected_calibration_error(confidence, correct, bins=2)
    assert error == pytest.approx(gaps / 5)


def test_reliability_is_confidence_then_accuracy_then_share_of_each_filled_bin():
    confidence = np.array([1.0, 0.95, 0.55, 0.5, 0.58])
    correct = np.array([True, False, True, False, False])
    low, high = metrics.reliability(confidence, correct)
    assert low == pytest.approx(((0.55 + 0.5 + 0.58) / 3, 1 / 3, 3 / 5))
    assert high == pytest.approx(((1 + 0.95) / 2, 1 / 2, 2 / 5))


def test_risk_and_coverage_have_a_point_per_track_up_to_the_number_that_is_asked_for():
    confidence, correct = np.linspace(1, 0, 200), np.arange(200) % 2 == 0
    points = metrics.risk_coverage(confidence, correct)
    assert len(points) == 50
    assert points[0] == (1 / 200, 1.0)
    assert points[-1] == (1.0, 0.5)
    assert metrics.risk_coverage(confidence[:3], correct[:3], points=50) == (
        (pytest.approx(1 / 3), 1.0), (pytest.approx(2 / 3), 0.5), (1.0, pytest.approx(2 / 3)),
    )  # fmt: skip


def test_equal_confidence_keeps_the_order_of_the_tracks():
    """Sums over equals would else depend on how a library sorts."""
    confidence = np.full(40, 0.5)
    correct = np.arange(40) < 20
    assert metrics.attainable_coverage(confidence, correct, 1.0) == 0.5
    assert metrics.risk_coverage(confidence, correct)[19] == (0.5, 1.0)
