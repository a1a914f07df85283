from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_manifest, make_scaler, make_tracks

from genre_spark.bundle.files import Bundle
from genre_spark.clustering import matching
from genre_spark.clustering.metric import nearest
from genre_spark.clustering.results import Discovery
from genre_spark.errors import BundleError
from genre_spark.schema import FEATURE_NAMES

K = 12
TRACKS = make_tracks(600, seed=8)
RAW = TRACKS[list(FEATURE_NAMES)].to_numpy(float)


def bundle(retired=()):
    manifest = make_manifest(k=K)
    clusters = Discovery(k=K, retired=retired)
    return Bundle(
        Path("old"), manifest.model_copy(update={"clusters": clusters}), None, {}
    ).as_previous()


def rows(previous):
    scaled = previous.scaler.to_numpy(RAW)
    return nearest(scaled, np.array(previous.synthetic.centers))[0]


def follow(now, k, previous=None):
    return matching.follow(previous or bundle(), BEFORE, now, k)


BEFORE = rows(bundle())
LARGEST, SECOND = (int(i) for i in np.argsort(-np.bincount(BEFORE))[:2])


@given(st.permutations(range(K)))
def test_the_same_groups_keep_ids_and_names_in_whatever_order_they_come(order):
    found = follow(np.array(order)[BEFORE], K)
    expected = {row: earlier for earlier, row in enumerate(order)}
    assert dict(enumerate(found.ids)) == expected
    assert found.names == {row: f"name {earlier}" for row, earlier in expected.items()}
    assert (found.change.moved, found.change.new, found.change.retired) == (0, (), ())
    assert {match.kept for match in found.change.matched} == {1}


def test_a_group_cut_in_halves_is_a_split_and_the_new_half_gets_an_id_never_used():
    now = BEFORE.copy()
    own = np.flatnonzero(BEFORE == LARGEST)
    now[own[: int(len(own) * 0.4)]] = K
    found = follow(now, K + 1, bundle(retired=(40,)))
    assert found.ids == (*range(K), 41)
    assert found.change.new == (41,)
    assert [(one.id, one.into) for one in found.change.split] == [(LARGEST, (LARGEST, 41))]
    assert found.change.moved == pytest.approx(int(len(own) * 0.4) / len(BEFORE), abs=1e-4)
    assert found.retired == (40,)


def test_two_groups_become_one_and_the_lost_id_is_retired():
    now = np.where(BEFORE == SECOND, LARGEST, BEFORE)
    found = follow(now, K)  # nothing is left in row SECOND
    assert SECOND in found.retired
    assert found.change.retired == (SECOND,)
    merged = {one.id: set(one.of) for one in found.change.merged}
    assert merged == {found.ids[LARGEST]: {LARGEST, SECOND}}


@given(st.integers(0, 2**32 - 1), st.integers(1, 24))
def test_ids_are_distinct_and_never_those_of_the_retired(seed, k):
    now = np.random.default_rng(seed).integers(k, size=len(RAW))
    previous = bundle(retired=(12, 13, 99))
    found = follow(now, k, previous)
    assert len(set(found.ids)) == k
    assert not set(found.ids) & {12, 13, 99}
    assert set(found.retired) | set(found.ids) >= {*range(K), 12, 13, 99}
    moved = np.arange(K)[BEFORE] != np.array(found.ids)[now]
    assert found.change.moved == pytest.approx(moved.mean(), abs=1e-4)


def test_a_bundle_of_other_features_is_refused():
    features = tuple(name for name in FEATURE_NAMES if name != "tempo")
    with pytest.raises(
        BundleError,
        match=r"^old: its synthetic genres rest on danceability, .*run without --previous",
    ):
        matching.check(bundle(), make_scaler(TRACKS, features))
    matching.check(bundle(), make_scaler(TRACKS))


def test_a_bundle_that_compares_tracks_by_other_groups_is_refused():
    with pytest.raises(
        BundleError, match=r"^old: its synthetic genres compare tracks one by one, "
    ):
        matching.check_owner(bundle(), "artist")
    matching.check_owner(bundle(), None)
