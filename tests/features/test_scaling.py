"""One feature transform: the same in Spark and in numpy, within its limits, fitted soundly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from pyspark.sql import functions as F
from support.generated import make_scaled_feature, make_scaler, make_tracks

from genre_spark.errors import InputError
from genre_spark.features import scaling
from genre_spark.features.scaling import LIMIT, FeatureScaler
from genre_spark.schema import FEATURE_NAMES, feature

ROWS = 60
EXTRAS = ("year", "time_signature", "popularity")
NAMES = (*FEATURE_NAMES, *EXTRAS)
MISSING, LOWEST, HIGHEST = -1.0, 0.0, 1.0


@pytest.fixture(scope="module")
def scaler():
    return make_scaler(_with_extras(make_tracks(400, seed=5)), NAMES)


@pytest.fixture(scope="module")
def tracks(spark):
    return spark.createDataFrame(make_tracks(400, seed=5)).persist()


def _with_extras(tracks):
    rng = np.random.default_rng(0)
    return tracks.assign(
        year=rng.integers(1960, 2020, len(tracks)).astype(float),
        time_signature=rng.integers(3, 6, len(tracks)).astype(float),
        popularity=rng.uniform(0, 100, len(tracks)),
    )


def raw_values(positions):
    """Raw features from positions in each one's range: 0 its low end, 1 its high end; or missing."""
    low = np.array([feature(name).low for name in NAMES])
    high = np.array([feature(name).high for name in NAMES])
    # Not low + p * (high - low): that overflows, and misses the ends.
    raw = low * (1 - positions) + high * positions
    return np.where(positions == MISSING, np.nan, raw)


positions = arrays(
    np.float64,
    (ROWS, len(NAMES)),
    elements=st.one_of(
        st.sampled_from([MISSING, LOWEST, HIGHEST]), st.floats(0, 1, allow_subnormal=False)
    ),
    fill=st.sampled_from([MISSING, LOWEST, 0.5, HIGHEST]),
)


def test_spark_and_numpy_encode_alike_from_end_to_end_of_each_range(spark):
    raw = raw_values(np.linspace(LOWEST, HIGHEST, ROWS)[:, None] * np.ones(len(NAMES)))
    table = spark.createDataFrame(raw.tolist(), ", ".join(f"{name} double" for name in NAMES))
    codes = [
        (i, code) for i, name in enumerate(NAMES) for code in scaling._encodings(name).values()
    ]
    found = table.select([code(F, F.col(NAMES[i])) for i, code in codes])
    expected = np.stack([code(np, raw[:, i]) for i, code in codes], axis=1)
    order = np.lexsort(expected.T)
    in_spark = np.array(found.collect(), float)
    np.testing.assert_allclose(in_spark[np.lexsort(in_spark.T)], expected[order], atol=1e-9)


@settings(max_examples=30)
@given(positions=positions)
def test_scaled_values_lie_within_the_limit_whatever_the_track_and_raw_ones_stay(scaler, positions):
    raw = raw_values(positions)
    scaled = scaler.to_numpy(raw)
    np.testing.assert_array_equal(raw, raw_values(positions))
    assert scaled.shape == (ROWS, scaler.n_scaled)
    missing = [np.isnan(raw)[:, NAMES.index(one.feature)] for one in scaler.scaled_features]
    np.testing.assert_array_equal(np.isnan(scaled), np.stack(missing, axis=1))
    assert (np.abs(scaled[~np.isnan(scaled)]) <= LIMIT).all()


@pytest.mark.parametrize("step", [1, 2, 5, 6])
def test_keys_lie_on_a_circle_where_b_is_as_near_to_c_as_c_sharp(step):
    key = FeatureScaler(
        features=("key",),
        scaled_features=(
            make_scaled_feature("key", "_cos", center=0.0, scale=0.7),
            make_scaled_feature("key", "_sin", center=0.0, scale=0.7),
        ),
    )
    keys = np.arange(12.0)[:, None]
    points, moved = key.to_numpy(keys), key.to_numpy((keys + step) % 12)
    distances = np.linalg.norm(points - moved, axis=1)
    np.testing.assert_allclose(distances, distances[0])
    assert distances[0] > np.linalg.norm(points[0] - points[step - 1])


def test_a_share_or_length_counts_in_ratios(scaler):
    one = next(one for one in scaler.scaled_features if one.name == "tempo")
    low, middle, high = one.encode(np, np.array([80.0, 120.0, 180.0]))
    assert high - middle == pytest.approx(middle - low)


def test_fit_agrees_with_pandas_and_scales_to_mean_0_and_spread_1(tracks):
    fitted = scaling.fit(tracks, FEATURE_NAMES)
    expected = make_scaler(make_tracks(400, seed=5))
    assert fitted.features == expected.features
    for one, other in zip(fitted.scaled_features, expected.scaled_features, strict=True):
        assert one.name == other.name
        assert one.center == pytest.approx(other.center)
        assert one.scale == pytest.approx(other.scale)
    rows = make_tracks(400, seed=5)[list(FEATURE_NAMES)]
    scaled = fitted.to_numpy(rows.to_numpy(float))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=0.05)


def test_missing_values_take_no_part_in_the_fit(spark, tracks):
    holes = spark.createDataFrame(
        [("hole", *[None] * len(FEATURE_NAMES))],
        "track_id string, " + ", ".join(f"{name} double" for name in FEATURE_NAMES),
    )
    with_holes = tracks.select(*holes.columns).unionByName(holes)
    for one, other in zip(
        scaling.fit(with_holes, FEATURE_NAMES).scaled_features,
        scaling.fit(tracks, FEATURE_NAMES).scaled_features,
        strict=True,
    ):
        assert one.center == pytest.approx(other.center, rel=1e-12)
        assert one.scale == pytest.approx(other.scale, rel=1e-12)


def test_fit_leaves_out_what_does_not_vary_or_is_empty(tracks):
    # C and F sharp lie opposite each other on the circle of keys: their sines are both 0.
    table = tracks.withColumns(
        {
            "tempo": F.lit(120.0),
            "mode": F.lit(None).cast("double"),
            "key": F.when(F.col("key") > 5, 6.0).otherwise(0.0),
        }
    )
    fitted = scaling.fit(table, FEATURE_NAMES)
    assert fitted.features == tuple(n for n in FEATURE_NAMES if n not in ("tempo", "mode"))
    assert {one.feature for one in fitted.scaled_features} == set(fitted.features)
    assert [one.name for one in fitted.scaled_features if one.feature == "key"] == ["key_cos"]


@pytest.mark.parametrize(
    ("varying", "said"),
    [((), "only 0 audio features vary over the catalogue (none)"),
     (("energy", "valence"), "only 2 audio features vary over the catalogue (energy, valence)")],
)  # fmt: skip
def test_too_few_features_are_refused(tracks, varying, said):
    constant = {name: F.lit(1.0) for name in FEATURE_NAMES if name not in varying}
    with pytest.raises(InputError) as refused:
        scaling.fit(tracks.withColumns(constant), FEATURE_NAMES)
    assert str(refused.value) == f"{said}, at least 3 are needed"
    assert scaling.fit(tracks, ("energy", "valence", "tempo")).n_scaled == 3


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("scaler", {"features": ("energy", "tempo")}),
        ("scaler", {"scaled_features": ()}),
        ("scaler", {"unknown": 1}),
        ("feature", {"scale": 0.0}),
        ("feature", {"scale": float("inf")}),
        ("feature", {"center": float("nan")}),
        ("feature", {"name": "key"}),
        ("feature", {"bin_edges": ()}),
    ],
)
def test_a_scaler_and_a_scaled_feature_that_cannot_be_are_refused(whole, broken):
    good = {
        "scaler": make_scaler(make_tracks(50, seed=1), ("energy", "valence")),
        "feature": make_scaled_feature("key", "_cos", center=0.0, scale=1.0),
    }[whole]
    assert type(good).model_validate(good.model_dump()) == good
    with pytest.raises(ValidationError):
        type(good).model_validate({**good.model_dump(), **broken})


def test_a_scaler_survives_json_to_the_last_bit(scaler):
    raw = raw_values(np.random.default_rng(0).uniform(size=(50, len(NAMES))))
    again = FeatureScaler.model_validate_json(scaler.model_dump_json())
    assert again == scaler
    np.testing.assert_array_equal(again.to_numpy(raw), scaler.to_numpy(raw))
