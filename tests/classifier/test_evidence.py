import dataclasses

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from support.samples import make_inputs

from genre_spark.classifier import evidence
from genre_spark.classifier.evidence import CountTable, Evidence
from genre_spark.classifier.genre_part import PackedCounts
from genre_spark.features.track_inputs import Keys

ROCK, JAZZ = np.eye(2, dtype=np.float32)


def tracks(artist, album=None, others=None):
    n = len(artist)
    inputs = make_inputs(np.zeros((n, 3), np.float32), np.array(artist), np.array(album or [0] * n))
    if others:
        lengths = np.cumsum([0, *map(len, others)])
        values = np.array([key for keys in others for key in keys], np.int64)
        inputs = dataclasses.replace(inputs, other_artists=Keys(lengths, values))
    return inputs


def test_labels_of_artist_other_artists_album_and_synthetic_genre_are_counted():
    learned = tracks([1, 1, 2, 3], album=[7, 8, 7, 9], others=[[], [2], [], [5]])
    found = Evidence.of(learned, np.array([0, 0, 1, 1]), np.stack([ROCK, ROCK, JAZZ, JAZZ]))
    asked = tracks([1, 2, 4], album=[9, 7, 0], others=[[3], [], [5, 2]])
    counts = found.look_up(asked, np.array([0, 1, 1]))
    assert counts[0].tolist() == [[2, 0], [0, 1], [0, 1], [2, 0]]
    # The second one's artist is named behind another artist; so is one of the third's others.
    assert counts[1].tolist() == [[0, 1], [1, 0], [1, 1], [0, 2]]
    assert counts[2].tolist() == [[0, 0], [1, 2], [0, 0], [0, 2]]


def test_a_track_without_artist_or_album_has_no_evidence_of_them():
    learned = tracks([0, 0], album=[0, 0])
    found = Evidence.of(learned, np.array([0, 0]), np.stack([ROCK, ROCK]))
    assert found.look_up(learned, np.array([1, 1])).sum() == 0


def test_a_tracks_own_recording_is_left_out_of_its_evidence():
    learned = tracks([1, 1, 1], album=[7, 7, 7])
    targets = np.stack([ROCK, ROCK, JAZZ])
    counts = evidence.left_out(learned, np.zeros(3, int), targets, np.array([5, 5, 6]))
    assert counts[:, 0].tolist() == [[0, 1], [0, 1], [2, 0]]
    np.testing.assert_array_equal(counts[:, 2], counts[:, 0])


def test_evidence_without_an_artist_is_what_the_others_alone_give():
    rng = np.random.default_rng(1)
    artist = np.sort(rng.integers(1, 9, 60))
    learned = tracks(artist.tolist(), rng.integers(1, 6, 60).tolist(), [[k] for k in artist % 3])
    synthetic, targets = rng.integers(0, 4, 60), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 60)]
    counts = evidence.left_out(learned, synthetic, targets, artist)
    for one in np.unique(artist):
        own, rest = np.flatnonzero(artist == one), np.flatnonzero(artist != one)
        alone = Evidence.of(learned.take(rest), synthetic[rest], targets[rest])
        np.testing.assert_array_equal(alone.look_up(learned.take(own), synthetic[own]), counts[own])


def test_a_track_under_two_genres_counts_for_each_in_part():
    table = CountTable.of(np.array([4, 4]), np.array([[0.5, 0.5], [1, 0]], np.float32))
    assert table.look_up(Keys(np.array([0, 1]), np.array([4]))).tolist() == [[1.5, 0.5]]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), max_size=30), st.integers(-4, 4))
def test_a_table_counts_as_one_would_by_hand(pairs, asked):
    keys = np.array([key for key, _ in pairs], np.int64)
    targets = np.eye(3, dtype=np.float32)[[genre for _, genre in pairs]].reshape(-1, 3)
    found = CountTable.of(keys, targets).look_up(Keys(np.array([0, 0, 1]), np.array([asked])))
    assert found[0].sum() == 0
    assert found[1].tolist() == targets[keys == asked].sum(axis=0).tolist()


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=5))
@example({-(2**63), 2**63 - 1})
def test_a_bundle_takes_counts_of_any_keys(keys):
    table = CountTable.of(np.array(sorted(keys), np.int64), np.ones((len(keys), 1), np.float32))
    packed = PackedCounts.of(table)
    packed.check(1)
    np.testing.assert_array_equal(packed.unpack(1).keys, table.keys)


def test_counts_are_32_bit_floats_whatever_is_asked():
    table = CountTable.of(np.array([4]), np.array([[0.5, 0.5]], np.float32))
    asked = (
        Keys(np.array([0, 1]), np.array([4])),
        Keys(np.array([0, 1]), np.array([5])),
        Keys(np.array([0, 0]), np.zeros(0, np.int64)),
    )
    assert [table.look_up(one).tolist() for one in asked] == [[[0.5, 0.5]], [[0, 0]], [[0, 0]]]
    assert {table.look_up(one).dtype for one in asked} == {np.dtype(np.float32)}
    assert table.counts.dtype == np.float32
    assert evidence.mix(np.array([1]), np.array([2])).dtype == np.int64
