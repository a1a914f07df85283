import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genre_spark.features.group_statistics import Groups

SCALED = np.random.default_rng(5).normal(size=(60, 4)).astype(np.float32)


def keys_of(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.floats(0, 1), st.integers(0, 99))
def test_statistics_are_those_of_each_groups_known_values_alone(sizes, share, seed):
    keys = keys_of(sizes)
    groups, values = Groups.of(keys), SCALED[: len(keys)].copy()
    values[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    means, deviations = groups.means_and_deviations(values)
    for i, column in itertools.product(range(len(sizes)), range(values.shape[1])):
        own = values[keys == i, column]
        own = own[~np.isnan(own)]
        assert groups.counts(values)[i, column] == len(own)
        found = means[i, column], deviations[i, column]
        if len(own):
            np.testing.assert_allclose(found, (own.mean(), own.std()), atol=5e-3)
        else:
            assert np.isnan(found).all()
    assert groups.sizes.tolist() == sizes
    np.testing.assert_array_equal(groups.means(values), means)


def test_statistics_do_not_depend_on_the_order_of_a_groups_tracks():
    groups = Groups.of(np.zeros(60))
    shuffled = np.random.default_rng(1).permutation(60)
    for one, other in zip(
        groups.means_and_deviations(SCALED),
        groups.means_and_deviations(SCALED[shuffled]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_group_ends_where_any_key_changes():
    groups = Groups.of(np.array([1, 1, 1, 2, 2]), np.array([7, 7, 8, 8, 8]))
    assert groups.code.tolist() == [0, 0, 1, 2, 2]
    assert groups.starts.tolist() == [0, 2, 3]


def test_sums_of_hashes_wrap_around():
    groups = Groups.of(np.array([1, 1, 2]))
    large = np.iinfo(np.int64).max
    assert groups.sums(np.array([large, 1, 5])).tolist() == [np.iinfo(np.int64).min, 5]


def test_statistics_are_32_bit_floats_exact_to_a_65536th():
    values = np.array([[0.5, 1.0], [1.0, 3.0], [2.0, 1 + 2**-16]], np.float32)
    groups = Groups.of(np.array([1, 1, 2]))
    means, deviations = groups.means_and_deviations(values)
    assert means.tolist() == [[0.75, 2.0], [2.0, 1 + 2**-16]]
    assert deviations.tolist() == [[0.25, 1.0], [0.0, 0.0]]
    assert {found.dtype for found in (means, deviations, groups.means(values))} == {
        np.dtype(np.float32)
    }
    none = Groups.of(np.zeros(0))
    assert none.means(np.zeros((0, 4), np.float32)).shape == (0, 4)
    assert none.sums(np.zeros((0, 3), np.int64)).shape == (0, 3)
    assert none.sizes.tolist() == []
