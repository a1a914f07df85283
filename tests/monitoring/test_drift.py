"""Drift: how far a catalogue lies from its model's, and when that warns or stops."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import dataset
from support.generated import make_profile, make_tracks

from genre_spark.bundle.manifest import Binned, LabelProfile
from genre_spark.config import load_settings
from genre_spark.errors import GateError
from genre_spark.monitoring import distributions, drift
from genre_spark.monitoring.drift import OK, STOP, WARN, Coverage, FeatureShift, LabelShift
from genre_spark.schema import FEATURE_NAMES

LIMITS = load_settings().drift
MANY = 10 * LIMITS.min_tracks
counts = st.lists(st.integers(0, 10_000), min_size=2, max_size=20)


@given(counts)
def test_psi_is_zero_for_equal_counts_positive_for_others_and_symmetric(one):
    other = one[::-1]
    assert drift.psi(one, one) == 0.0
    assert drift.psi(one, other) >= 0.0
    assert drift.psi(one, other) == pytest.approx(drift.psi(other, one))
    assert np.isfinite(drift.psi(one, [0] * len(one)))


def test_psi_and_ks_of_few_tracks_are_what_one_counts_by_hand():
    expected, found = [1, 3, 0], [2, 0, 1]
    # Half a track is added to each bin for the PSI, and none for the distance.
    p, q = np.array([1.5, 3.5, 0.5]) / 5.5, np.array([2.5, 0.5, 1.5]) / 4.5
    by_hand = sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True))
    assert drift.psi(expected, found) == pytest.approx(by_hand)
    # Shares up to the bins: 1/4, 1, 1 and 2/3, 2/3, 1.
    assert drift.ks(expected, found) == pytest.approx(2 / 3 - 1 / 4)
    assert drift.ks(found, expected) == pytest.approx(2 / 3 - 1 / 4)


def test_ks_is_that_of_scipy_where_every_value_has_a_bin_and_1_where_there_is_none():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 12, 500), rng.integers(3, 12, 300)
    binned = [np.bincount(values, minlength=12) for values in (one, other)]
    assert drift.ks(*binned) == pytest.approx(ks_2samp(one, other).statistic)
    assert drift.ks([1, 3, 2], [10, 30, 20]) == 0.0
    assert drift.ks([1, 3], [0, 0]) == 1.0


def shift(psi, ks, missing=0.0, before=0.0):
    """How far a feature is from the model's catalogue, not assessed yet."""
    return FeatureShift(
        psi=psi, ks=ks, missing=missing, missing_before=before, direction=None, level=OK
    )


def level_of(psi, ks=None, name="tempo", tracks=MANY):
    if name in (drift.CONFIDENCE, *drift.MIXES):
        alike = drift.assess(Coverage(tracks), {}, LIMITS)
        assessed = drift.with_labels(alike, {name: LabelShift(psi=psi, ks=ks, level=OK)})
        assert assessed.level == assessed.labels[name].level
    else:
        assessed = drift.assess(Coverage(tracks), {name: shift(psi, ks)}, LIMITS)
        assert assessed.level == assessed.features[name].level
    return assessed.level


def test_a_distance_beyond_a_limit_warns_or_stops_but_not_of_labels_nor_of_few_tracks():
    assert level_of(LIMITS.warn_psi, LIMITS.warn_ks) == OK
    assert level_of(LIMITS.warn_psi + 0.01, 0.0) == WARN
    assert level_of(0.0, LIMITS.warn_ks + 0.01) == WARN
    assert level_of(LIMITS.stop_psi + 0.01, 0.0) == STOP
    assert level_of(0.0, LIMITS.stop_ks + 0.01) == STOP
    assert level_of(99.0, 1.0, tracks=LIMITS.min_tracks - 1) == OK
    assert level_of(99.0, 1.0, tracks=LIMITS.min_tracks) == STOP
    for name in (drift.CONFIDENCE, *drift.MIXES):
        assert level_of(99.0, 1.0, name=name) == WARN


def test_a_feature_that_lost_its_values_stops_but_one_that_the_catalogue_never_had_only_warns():
    same = {"tempo": shift(0.0, 0.0, missing=0.9, before=0.85)}
    assert drift.assess(Coverage(MANY), same, LIMITS).level == OK
    lost = {"tempo": shift(None, None, missing=1.0)}
    assert drift.assess(Coverage(MANY), lost, LIMITS).level == STOP
    assert drift.assess(Coverage(MANY), lost, LIMITS, absent=("tempo",)).level == WARN
    assert drift.beyond(drift.assess(Coverage(MANY), lost, LIMITS), STOP) == [
        "tempo (missing 1.00)"
    ]


def test_more_tracks_without_features_warn_and_never_stop():
    few = drift.assess(Coverage(MANY, 0.8, 0.1), {"tempo": shift(0.0, 0.0)}, LIMITS)
    assert (few.level, few.without_features, few.without_features_before) == (WARN, 0.8, 0.1)
    assert drift.beyond(few, WARN) == [
        "80% of the tracks have no features, 10% in the model's catalogue"
    ]
    assert drift.assess(Coverage(MANY, 0.8, 0.75), {}, LIMITS).level == OK


def test_a_part_of_a_catalogue_is_described_by_the_labels_whose_shares_differ_most():
    whole = LabelProfile(synthetic_genres={"a": 9}, genres={"rock": 50, "metal": 50})
    part = LabelProfile(synthetic_genres={"a": 9}, genres={"rock": 9})
    alike = drift.assess(Coverage(MANY), {}, LIMITS)
    assessed = drift.with_labels(alike, drift.of_labels(whole, part))
    (said,) = drift.beyond(assessed, WARN)
    assert said.startswith(
        "other shares of genres: metal 0% instead of 50%, rock 100% instead of 50%"
    )
    drift.check(assessed, "a.csv")


def test_what_stops_is_named_with_its_distance_its_limit_and_the_remedy_the_farthest_first():
    many = {f"f{i}": shift(10.0 + i, None) for i in range(8)}
    said = drift.beyond(drift.assess(Coverage(MANY), many, LIMITS), STOP)
    assert (said[0], said[-1]) == ("f7 (PSI 17.00)", "3 more")
    far, near = shift(9.0, 0.9), shift(0.0, 0.0)
    assessed = drift.assess(Coverage(MANY), {"tempo": near, "duration_ms": far}, LIMITS)
    # Labels are compared later, and never make up for features.
    alike = {"genres": LabelShift(psi=0.0, ks=None, level=OK)}
    assert drift.with_labels(assessed, alike).level == STOP
    with pytest.raises(GateError) as stopped:
        drift.check(assessed, "a.csv")
    assert stopped.value.exit_code == 5
    assert str(stopped.value) == (
        "a.csv: too unlike the catalogue that the model was made from: duration_ms (PSI 9.00, KS"
        f" 0.90); the limits are PSI {LIMITS.stop_psi:g}, KS {LIMITS.stop_ks:g}, missing"
        f" {LIMITS.stop_missing:g} more. Nothing was published. Check units and mapping, train again,"
        " or allow more with --set stop_psi=X, stop_ks=X or stop_missing=X"
    )


def test_label_mixes_and_confidence_are_compared_where_there_are_any():
    before = LabelProfile(synthetic_genres={"a": 50, "b": 50})
    found = LabelProfile(synthetic_genres={"a": 50, "c": 50})
    assert list(drift.of_labels(before, found)) == ["synthetic_genres"]
    assert drift.of_labels(before, found)["synthetic_genres"].psi > LIMITS.stop_psi
    assert drift.of_labels(before, before)["synthetic_genres"].psi == 0.0
    sure = LabelProfile(synthetic_genres={"a": 9}, confidence={"19": 9}, mean_confidence=0.99)
    unsure = LabelProfile(synthetic_genres={"a": 9}, confidence={"9": 9}, mean_confidence=0.46)
    confidence = drift.of_labels(sure, unsure)["confidence"]
    assert (confidence.ks, confidence.mean, confidence.mean_before) == (1.0, 0.46, 0.99)


def test_spark_counts_what_numpy_counts(spark):
    tracks = make_tracks(600, seed=1)
    tracks.loc[:29, "tempo"] = None
    expected = make_profile()
    table = spark.createDataFrame(tracks)
    found = distributions.feature_profiles(table, FEATURE_NAMES)
    complete = [name for name in FEATURE_NAMES if name != "tempo"]
    assert {name: found[name] for name in complete} == {
        name: expected.features[name] for name in complete
    }
    assert found["tempo"].missing == 0.05
    assert sum(found["tempo"].counts) == 570
    itself = distributions.binned_as(expected, table.toArrow())
    measured = drift.of_features(expected.features, itself)
    assert {measured[name].psi for name in complete} == {0.0}
    assert measured["tempo"].missing == 0.05


def test_a_column_in_another_unit_is_far_away():
    tracks = make_tracks(600, seed=3)
    profile = make_profile()
    tracks["loudness"] /= 10
    table = pa.Table.from_pandas(tracks)
    measured = drift.of_features(profile.features, distributions.binned_as(profile, table))
    assessed = drift.assess(Coverage(MANY), measured, LIMITS)
    assert [said.split(":")[0] for said in drift.beyond(assessed, STOP)] == ["loudness"]


def test_a_catalogue_of_nothing_is_measured_without_a_failure():
    profile = make_profile()
    empty = {name: Binned((0,) * len(f.counts), 1.0) for name, f in profile.features.items()}
    measured = drift.of_features(profile.features, empty)
    assert {one.psi for one in measured.values()} == {None}


def test_the_label_profile_counts_labels_confidence_and_acceptance(spark, tmp_path):
    rows = [
        ("a", "rock", 0.97, True, 0.93), ("a", "rock", 1.0, True, 0.95), ("b", "pop", 0.5, False, None),
    ]  # fmt: skip
    names = (
        "synthetic_genre string, genre string, genre_confidence float, genre_accepted boolean,"
        " genre_precision double"
    )
    labelled = spark.createDataFrame(rows, names)
    found = distributions.label_profile(distributions.label_groups(labelled))
    run = labelled.selectExpr("*", "1 AS n_imputed", "timestamp'2026-01-01 00:00:00Z' AS scored_at")
    run.write.parquet(str(tmp_path / "labels"))
    groups = distributions.grouped_labels(dataset.dataset(tmp_path / "labels"))
    assert distributions.label_profile(groups) == found
    assert {(one["at"], one["imputed"] // one["tracks"]) for one in groups} == {(1767225600, 1)}
    assert found.synthetic_genres == {"a": 2, "b": 1}
    assert found.genres == {"rock": 2, "pop": 1}
    assert found.confidence == {"19": 2, "10": 1}
    assert found.precision == {"0.93": 1, "0.95": 1}
    assert found.accepted == pytest.approx(2 / 3)
    assert found.mean_confidence == pytest.approx(2.47 / 3, abs=1e-6)
    only_clusters = spark.createDataFrame([("a", None, None, None, None)], names)
    assert distributions.label_profile(distributions.label_groups(only_clusters)) == LabelProfile(
        synthetic_genres={"a": 1}
    )


def test_a_shift_to_higher_bins_is_reported_as_higher():
    profile = make_profile(features=("tempo",)).features
    low = (100, *[0] * (len(profile["tempo"].counts) - 1))
    found = drift.of_features(profile, {"tempo": Binned(low, 0.25)})["tempo"]
    assert (found.direction, found.missing, found.missing_before) == ("lower", 0.25, 0.0)
    high = drift.of_features(profile, {"tempo": Binned(low[::-1], 0.0)})["tempo"]
    assert high.direction == "higher"
