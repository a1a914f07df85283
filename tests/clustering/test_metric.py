"""Where tracks are compared: leading features in two parts, the others faintly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.generated import make_space, make_tracks

from genre_spark.clustering import metric
from genre_spark.clustering.metric import ClusterSpace, Dimension
from genre_spark.config import load_settings
from genre_spark.errors import ConfigError
from genre_spark.schema import FEATURE_NAMES

TRACKS = make_tracks(600, seed=9)
SPACE = make_space(TRACKS)
AXES = SPACE.to_numpy(TRACKS[list(FEATURE_NAMES)].to_numpy(float))
NAMES = [axis.name for axis in SPACE.axes]
DEFAULTS = load_settings().clustering


def leading(axes=AXES, space=SPACE, settings=DEFAULTS):
    fitted = metric.fit(axes, space, settings)
    return {space.axes[one.axis].name for one in fitted.dimensions if one.weight == 1}


def test_a_leading_feature_is_low_or_high_for_nearly_all_tracks():
    fitted = metric.fit(AXES, SPACE, DEFAULTS)
    points = fitted.to_numpy(AXES)
    for i, dimension in enumerate(fitted.dimensions):
        if dimension.weight == 1:
            whole = np.abs(points[:, i] - 0.5) > 0.5 - 1e-6
            assert whole.mean() >= 0.85
            assert (points[:, i] < 0.5).mean() == pytest.approx(0.5, abs=0.2)


def test_the_first_features_in_order_lead_and_a_key_is_not_compared():
    assert leading() == set(DEFAULTS.leading[:4])
    fitted = metric.fit(AXES, SPACE, DEFAULTS)
    compared = {NAMES[dimension.axis] for dimension in fitted.dimensions}
    assert compared == set(NAMES) - {"key_cos", "key_sin"}


def test_a_feature_that_is_nearly_the_same_everywhere_does_not_lead():
    axes = AXES.copy()
    axes[:, NAMES.index("energy")] = np.arange(len(axes)) % 10 == 0
    assert leading(axes) == set(DEFAULTS.leading[1:5])


def test_a_feature_that_the_catalogue_lacks_is_passed_over():
    features = tuple(name for name in FEATURE_NAMES if name != "tempo")
    space = make_space(TRACKS, features)
    axes = space.to_numpy(TRACKS[list(features)].to_numpy(float))
    assert leading(axes, space) == {"energy", "danceability", "mode", "valence"}


def test_what_is_no_feature_cannot_lead():
    settings = DEFAULTS.model_copy(update={"leading": ("enrgy", "tempo")})
    with pytest.raises(ConfigError, match=r"^clustering\.leading: enrgy: no such feature; the cat"):
        leading(settings=settings)


def test_more_than_the_last_spread_of_an_outlier_does_not_count():
    fitted = metric.fit(AXES, SPACE, DEFAULTS)
    far = fitted.to_numpy(np.full((1, SPACE.n_axes), 6.0))[0]
    assert (fitted.to_numpy(np.full((1, SPACE.n_axes), 4.0))[0] == far).all()
    assert (far == [one.weight for one in fitted.dimensions]).all()


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.50001, 3.0]), min_size=2, max_size=40))
def test_a_split_lies_between_values_and_parts_them(values):
    values = np.array(values)
    found = metric.split(values)
    if len(set(values)) == 1:
        assert found is None
        return
    low, high, share = found
    assert low < high
    middle = (low + high) / 2
    assert 0 < share <= 0.5
    assert share == pytest.approx(min((values > middle).mean(), (values < middle).mean()))


def test_many_equal_values_stay_together():
    assert metric.split(np.repeat([0.0, 1.0], [30, 70])) == pytest.approx((0.0, 1.0, 0.3))
    assert metric.split(np.repeat([0.0, 1.0, 2.0], [10, 60, 30]))[2] == pytest.approx(0.3)


@pytest.mark.parametrize("wrong", [{"high": 0.0}, {"weight": 0.0}, {"axis": -1}])
def test_a_dimension_without_meaning_is_refused(wrong):
    with pytest.raises(ValidationError):
        Dimension(**{"axis": 0, "low": 0.0, "high": 1.0, "weight": 1.0, **wrong})


def test_spark_and_numpy_compare_alike(spark):
    from pyspark.sql import functions as F

    space = ClusterSpace(
        dimensions=(
            Dimension(axis=1, low=-0.3, high=0.2, weight=1.0),
            Dimension(axis=0, low=-2.0, high=2.0, weight=0.4),
        )
    )
    axes = np.array([[-3.0, -0.3], [0.7, 0.1], [2.5, 0.9]])
    rows = spark.createDataFrame(axes.tolist(), ["a", "b"])
    columns = space.to_spark([F.col("a"), F.col("b")])
    found = np.array(rows.select(*columns).collect())
    np.testing.assert_allclose(found, space.to_numpy(axes))
