from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_scaler, make_tracks

from genre_spark.clustering import rules
from genre_spark.clustering.metric import ClusterMetric, Dimension
from genre_spark.clustering.rules import Leaf, Subject
from genre_spark.schema import feature

FEATURES = ("tempo", "acousticness", "mode", "duration_ms", "loudness")
SUBJECTS = [
    *map(Subject, FEATURES),
    *[Subject(name, "artist") for name in FEATURES],
    *map(Subject, ("time_signature", "year")),
]
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
    assert 0.1 < found.agreement < 0.4


def test_shares_are_published_with_four_digits():
    raw = tracks(1535)
    genres = np.random.default_rng(1).integers(3, size=1535)
    found = rules.learn(raw, genres, range(3), SUBJECTS, seed=1)
    hits = round(found.agreement * 307)
    assert found.agreement == round(hits / 307, 4) != round(hits / 307, 5)
    own = [np.count_nonzero(genres[:307] == row) for row in range(3)]
    recalls = [one.recall for one in found.genres]
    exact = [round(share * n) / n for share, n in zip(recalls, own, strict=True)]
    assert recalls == [round(share, 4) for share in exact] != [round(share, 5) for share in exact]


def test_a_leaf_holds_what_is_above_its_lower_bound_and_at_most_its_upper_one():
    values = np.array([[1.0], [1.5], [2.0], [2.5]])
    leaf = Leaf(3, {0: (1.0, 2.0)})
    assert leaf.holds(values).tolist() == [False, True, True, False]
    assert rules.apply([leaf], values).tolist() == [-1, 3, 3, -1]


def test_the_sentence_of_the_leaf_with_most_tracks_comes_first():
    raw = tracks(2000)
    fast, slow = raw[:, 0] > 180, raw[:, 0] <= 110
    found = rules.learn(raw, (fast | slow).astype(int), [0, 1], SUBJECTS, seed=1)
    first, second = found.genres[1].sentences
    assert "at most 110 BPM" in first  # five tracks in fourteen; two in fourteen are fast
    assert "above 180 BPM" in second
    few = rules.learn(raw, (fast | (raw[:, 0] <= 65)).astype(int), [0, 1], SUBJECTS, seed=1)
    assert "above 180 BPM" in few.genres[1].sentences[0]


def test_a_side_that_a_rounded_threshold_leaves_empty_is_no_leaf():
    tempo = np.repeat([100.0, 118.3, 140.0], 50)
    raw = np.stack([tempo, *np.zeros((4, 150))], axis=1)
    leaves = rules.grow(raw, np.repeat([0, 1, 2], 50), 3, SUBJECTS, seed=0)
    assert [leaf.genre for leaf in leaves] == [0, 1, 2]
    # Cuts at 117.9 and 118.1 are both at 118: nothing is left between them.
    raw[:, 0] = np.repeat([117.8, 118.0, 118.2], 50)
    leaves = rules.grow(raw, np.repeat([0, 1, 2], 50), 3, SUBJECTS, seed=0)
    assert [(leaf.genre, leaf.bounds[0]) for leaf in leaves] == [(0, (-INF, 118)), (2, (118, INF))]


def test_a_threshold_of_an_artists_usual_mode_is_a_share():
    raw = np.zeros((100, len(SUBJECTS)))
    raw[50:, 7] = 0.8
    leaves = rules.grow(raw, np.repeat([0, 1], 50), 2, SUBJECTS, seed=0)
    assert [leaf.bounds for leaf in leaves] == [{7: (-INF, 0.4)}, {7: (0.4, INF)}]


def test_rules_read_the_tracks_own_values_and_the_artists_usual_ones():
    table = make_tracks(40, seed=3, artists=8)
    scaler = make_scaler(table, ("energy", "key", "tempo"))
    names = [one.name for one in scaler.scaled_features]
    compared = ClusterMetric(
        dimensions=tuple(
            Dimension(column=names.index(name), ratio=1.0, track_weight=1.0, deviation=1.0)
            for name in ("tempo", "key_cos", "energy")
        )
    )
    raw = table[["energy", "key", "tempo"]].to_numpy(float)
    mean = np.random.default_rng(0).normal(size=(40, len(names))).astype(np.float32)
    inputs = SimpleNamespace(artist_mean=mean, artist_counts=np.full_like(mean, 3))
    sample = SimpleNamespace(scaler=scaler, raw=raw, inputs=inputs)
    values, subjects = rules.table(sample, compared, "artist")
    assert subjects == [
        Subject("tempo"), Subject("energy"), Subject("tempo", "artist"), Subject("energy", "artist"),
    ]  # fmt: skip
    assert values[:, :2].tolist() == raw[:, [2, 0]].tolist()
    # With three tracks and a ratio of 1 the mean counts three quarters.
    for column, name in ((2, "tempo"), (3, "energy")):
        of = scaler.scaled_features[names.index(name)]
        assert values[:, column] == pytest.approx(of.decode(0.75 * mean[:, names.index(name)]))
    alone = compared.model_copy(
        update={
            "dimensions": tuple(
                one.model_copy(update={"ratio": 0.0}) for one in compared.dimensions
            )
        }
    )
    assert rules.table(sample, alone, "artist")[1] == [Subject("tempo"), Subject("energy")]


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
    assert (none.sentences, none.precision) == ((), None)
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
        ({7: (-INF, 0.3)}, "the artist usually is major in at most 30% of tracks"),
        (
            {7: (0.2, 0.7)},
            "the artist usually is major in over 20% and at most 70% of tracks",
        ),
        (
            {3: (-INF, 210_000), 6: (0.6, INF)},
            "the artist usually is acoustic (acousticness above 0.6); the track is short (duration"
            " at most 3.5 min)",
        ),
        (
            {0: (118, INF), 2: (0.5, INF), 1: (0.5, INF)},
            "the track is acoustic (acousticness above 0.5), is fast (tempo above 118 BPM) and is"
            " major",
        ),
        ({10: (3, INF)}, "the track has time signature above 3"),
        ({11: (-INF, 1999)}, "the track has year at most 1999"),
        ({1: (0.2, INF)}, "the track has acousticness above 0.2"),
        ({}, "every track"),
    ],
)
def test_a_leaf_is_a_sentence_in_real_units(bounds, expected):
    assert rules.sentence(Leaf(0, bounds), SUBJECTS) == expected


@pytest.mark.parametrize(
    ("name", "threshold", "usual", "expected"),
    [
        ("tempo", 118.347, False, 118),
        ("acousticness", 0.6171, False, 0.62),
        ("acousticness", 0.0004567, False, 0.00046),
        ("loudness", -7.482, False, -7.5),
        ("duration_ms", 212_345, False, 210_000),
        ("mode", 0.5, False, 0.5),
        ("year", 1999.5, False, 1999),
        # Of usual values they stay near the learned ones.
        ("year", 1997.326, True, 1997),
        ("mode", 0.6171, True, 0.62),
        ("followers", 123456.7, True, 123500),
        ("followers", 1.2346, True, 1.235),
    ],
)
def test_thresholds_can_be_read_and_remembered(name, threshold, usual, expected):
    assert rules.readable(feature(name), threshold, usual=usual) == pytest.approx(expected)


def test_rules_are_learned_from_the_last_four_fifths_and_evaluated_on_the_first_fifth():
    raw = tracks(1000)
    genres = (raw[:, 0] > 118).astype(int)
    # The first tracks are just the other way round: rules of the others are wrong on all of them.
    genres[:200] = 1 - genres[:200]
    found = rules.learn(raw, genres, [0, 1], SUBJECTS, seed=1)
    assert found.unseen == 200
    assert found.agreement < 0.05
    assert all(one.recall < 0.05 for one in found.genres)
