"""Rules in words, and how far they agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_spark.clustering import rules
from genre_spark.clustering.rules import Leaf, Subject
from genre_spark.schema import feature

FEATURES = ("tempo", "acousticness", "mode", "duration_ms", "loudness")
SUBJECTS = [*map(Subject, FEATURES), *[Subject(name, "artist") for name in FEATURES]]
INF = np.inf


def tracks(n, seed=0):
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(60, 200, n),
        rng.uniform(0, 1, n),
        rng.integers(0, 2, n),
        rng.uniform(1e5, 4e5, n),
        rng.uniform(-30, 0, n),
    ]
    return np.stack(columns, axis=1).astype(float)


def test_groups_that_rules_can_distinguish_are_reported_on_tracks_not_learned_from():
    raw = tracks(2000)
    genres = (raw[:, 0] > 118.3).astype(int) * 2 + (raw[:, 2] > 0.5)
    found = rules.learn(raw, genres, [7, 3, 9, 4], SUBJECTS, seed=1)
    assert found.agreement > 0.97
    assert found.unseen == 400
    assert found.n_leaves == 4
    sentences = {one.id: one.sentences for one in found.genres}
    assert sentences[7] == ("the track has tempo at most 118 BPM and is minor",)
    assert sentences[4] == ("the track is fast (tempo above 118 BPM) and is major",)
    assert all(one.recall > 0.9 and one.precision > 0.9 for one in found.genres)


def test_rules_for_groups_drawn_by_lot_agree_by_chance_only():
    genres = np.random.default_rng(1).integers(4, size=2000)
    found = rules.learn(tracks(2000), genres, range(4), SUBJECTS, seed=1)
    assert found.agreement < 0.4


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_every_track_lies_in_one_leaf_and_there_are_at_most_four_per_genre(seed, k):
    raw = tracks(300, seed)
    genres = (raw @ np.random.default_rng(seed).normal(size=len(FEATURES)) * 1e3).astype(int) % k
    leaves = rules.grow(raw, genres, rules.LEAVES_PER_GENRE * k, SUBJECTS, seed=0)
    assert len(leaves) <= 4 * k
    held = np.array([leaf.holds(raw) for leaf in leaves])
    assert (held.sum(axis=0) == 1).all()
    given_ = rules.apply(leaves, raw)
    assert all(
        given_[held[i]].tolist() == [leaf.genre] * held[i].sum() for i, leaf in enumerate(leaves)
    )


def test_a_group_without_a_leaf_has_no_sentence_and_nothing_to_find():
    raw = tracks(200)
    genres = np.zeros(200, dtype=int)
    genres[150] = 1
    found = rules.learn(raw, genres, [0, 1], SUBJECTS, seed=1)
    none = found.genres[1]
    assert (none.sentences, none.leaves, none.precision) == ((), 0, None)
    assert found.genres[0].sentences == ("every track",)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (
            {0: (118, INF), 1: (-INF, 0.1)},
            "the track is electric (acousticness at most 0.1) and is fast (tempo above 118 BPM)",
        ),
        ({2: (0.5, INF)}, "the track is major"),
        (
            {2: (-INF, 0.5), 4: (-8.5, -3)},
            "the track has loudness above −8.5 and at most −3 dB and is minor",
        ),
        (
            {6: (0.6, INF), 9: (-12, INF), 3: (-INF, 210_000)},
            "the artist usually has loudness above −12 dB and is acoustic (acousticness above 0.6);"
            " the track is short (duration at most 3.5 min)",
        ),
        ({7: (0.7, INF)}, "the artist usually is major in over 70% of tracks"),
        ({1: (0.2, INF)}, "the track has acousticness above 0.2"),
        ({}, "every track"),
    ],
)
def test_a_leaf_is_a_sentence_in_real_units(bounds, expected):
    assert rules.sentence(Leaf(0, bounds), SUBJECTS) == expected


@pytest.mark.parametrize(
    ("name", "threshold", "expected"),
    [
        ("tempo", 118.347, 118),
        ("acousticness", 0.6171, 0.62),
        ("acousticness", 0.0004567, 0.00046),
        ("loudness", -7.482, -7.5),
        ("duration_ms", 212_345, 210_000),
        ("mode", 0.5, 0.5),
        ("year", 1999.5, 1999),
    ],
)
def test_thresholds_can_be_read_and_remembered(name, threshold, expected):
    assert rules.readable(feature(name), threshold) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "threshold", "expected"),
    [("year", 1997.326, 1997), ("mode", 0.6171, 0.62), ("followers", 123456.7, 123500)],
)
def test_thresholds_of_usual_values_stay_near_the_learned_ones(name, threshold, expected):
    assert rules.readable(feature(name), threshold, usual=True) == pytest.approx(expected)


def test_rules_are_learned_from_the_last_four_fifths_and_evaluated_on_the_first_fifth():
    raw = tracks(1000)
    genres = (raw[:, 0] > 118).astype(int)
    # The first tracks are just the other way round: rules of the others are wrong on all of them.
    genres[:200] = 1 - genres[:200]
    found = rules.learn(raw, genres, [0, 1], SUBJECTS, seed=1)
    assert found.unseen == 200
    assert found.agreement < 0.05
    assert all(one.recall < 0.05 for one in found.genres)
